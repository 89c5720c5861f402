/** Replays of transfers larger than any window, recorded here and now: no fixture could be so big. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clientStreams, startCapture } from '../helpers/capture.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, replay } from '../helpers/replay.ts';
import { httpRequests } from '../helpers/requests.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'tshark'];
const RANGE = CLIENTS_ROUTED.ipv4;
/** Several windows of any size that TCP would offer here. */
const LARGE_BYTES = 3_000_000;

describe.runIf(canRun('replay of large transfers', TOOLS))('replay of large transfers', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;

  // Offloads on: as on a real machine, the target's segments arrive merged into large ones.
  onNginxGround({ offload: true, isRouted: true }, (ground) => {
    ({ lab, nginx, folder } = ground);
  });

  async function record(
    name: string,
    argv: readonly string[],
    input?: Uint8Array,
  ): Promise<string> {
    const path = join(folder.path, name);
    const recording = await startCapture(lab.target, path, { filter: 'tcp port 80' });
    const options = input === undefined ? {} : { input };
    await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', ...argv], options);
    await recording.stop();
    return path;
  }

  const play = (capture: string, users: number) => {
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', RANGE];
    return replay(lab.client, [capture, ...target, '--users', `${users}`]);
  };

  test('every user receives an answer of 3 MB to its end', async () => {
    const users = 10;
    const url = `http://${lab.target.ipv4}${nginx.addPage('large.html', LARGE_BYTES)}`;
    const capture = await record('download.pcap', [url]);
    const before = nginx.accessLog().length;

    const result = completed(await play(capture, users), users);

    await connectionsGone(lab.target, RANGE);
    const entries = nginx.accessLog().slice(before);
    expect(entries).toHaveLength(users);
    const sent = entries.map(({ sentBytes }) => sentBytes);
    // nginx counts what it handed to its kernel: all of it, or the client hung up too early.
    expect(Math.min(...sent)).toBeGreaterThan(LARGE_BYTES);
    expect(result.bytes.received).toBe(sent.reduce((sum, bytes) => sum + bytes, 0));
  });

  test('every octet of every upload of 3 MB arrives', async () => {
    const users = 10;
    const body = Buffer.alloc(LARGE_BYTES);
    // Every place differs from its neighbours at any distance that a segment could be off by.
    for (let at = 0; at < body.length; at += 4)
      body.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
    const url = `http://${lab.target.ipv4}/upload`;
    const capture = await record(
      'upload.pcap',
      ['-H', 'Expect:', '--data-binary', '@-', url],
      body,
    );
    const [stream] = await clientStreams(capture, 80);
    expect(
      httpRequests(stream ?? Buffer.alloc(0))
        .at(0)
        ?.body.equals(body),
    ).toBe(true);
    const before = nginx.accessLog().length;

    completed(await play(capture, users), users);

    await connectionsGone(lab.target, RANGE);
    const entries = nginx.accessLog().slice(before);
    expect(entries).toHaveLength(users);
    const isWhole = entries.map((entry) => readFileSync(entry.body).equals(body));
    expect(isWhole).toEqual(isWhole.map(() => true));
  });
});
