/** Requests that a module writes anew against nginx, whose access log is the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay, watched } from '../helpers/replay.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'nginx', 'curl', 'tcpdump', 'tshark'];
const USERS = 40;
const REQUESTS = 3;
/** Longer than a segment. */
const PADDING = 2_000;

/** Puts the client's number, the request's and the length of the last answer into the URL. */
const MODULE = `
const text = (octets) => Buffer.from(octets).toString('latin1');
export default ({ padding }) => ({
  name: 'number',
  plan: ({ messages }) => {
    const all = Array.from({ length: messages }, (_, i) => i);
    return { plan: null, rewrites: all, reads: all.slice(1) };
  },
  client: ({ client }) => client,
  connection: (client) => ({ client, last: 0 }),
  onAnswer: (connection, stage, octets, isWhole) => {
    connection.last = isWhole ? text(octets).split('\\r\\n\\r\\n')[1].length : -1;
  },
  rewrite: ({ client, last }, message, out) => {
    const end = text(out.recorded).indexOf(' HTTP/1.1');
    out.copy(0, 4);
    out.put(Buffer.from(\`/?c=\${client}&m=\${message}&l=\${last}&p=\${'p'.repeat(padding)}\`));
    out.copy(end, out.recorded.length);
    return 'ready';
  },
});
`;

describe.runIf(canRun('replay with modules', TOOLS))('--module', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;
  let capture: string;
  let module: string;
  let bodyBytes: number;

  onNginxGround({ isRouted: true }, async (ground) => {
    ({ lab, nginx, folder } = ground);
    capture = join(folder.path, 'asked.pcap');
    module = join(folder.path, 'number.mjs');
    writeFileSync(module, MODULE);
    const recording = await startCapture(lab.target, capture, { filter: 'tcp port 80' });
    const url = `http://${lab.target.ipv4}/`;
    const urls = Array.from({ length: REQUESTS }, () => [url, '-o', '/dev/null']).flat();
    const said = await mustInside(lab.client, ['curl', '-sS', '-w', '%{size_download} ', ...urls]);
    bodyBytes = Number(said.split(' ')[0]);
    await recording.stop();
  });

  test.each([
    ['packet', '2'],
    ['ip', '1'],
    ['raw-socket', '1'],
  ])('each client says something of its own, sent by %s', async (sender, threads) => {
    const before = nginx.accessLog().length;
    const { value, seen } = await watched(lab, 80, () =>
      replay(lab.client, [
        capture,
        ...['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4],
        ...['--users', `${USERS}`, '--rate', '400/s', '--pace', 'none', '--seed', '3'],
        ...['--sender', sender, '--threads', threads],
        ...['--module', module, '--module-options', JSON.stringify({ padding: PADDING })],
      ]),
    );
    completed(value, USERS);
    expect(seen.wrong).toBe(0);
    const uris = nginx
      .accessLog()
      .slice(before)
      .map(({ uri }) => uri);
    const expected = Array.from({ length: USERS }, (_, client) =>
      Array.from({ length: REQUESTS }, (__, message) => {
        const last = message === 0 ? 0 : bodyBytes;
        return `/?c=${client}&m=${message}&l=${last}&p=${'p'.repeat(PADDING)}`;
      }),
    ).flat();
    expect(uris.sort()).toEqual(expected.sort());
  });

  test('one that does not return, where nobody else would hear an interrupt, is called no more', async () => {
    const stuck = join(folder.path, 'stuck.mjs');
    const source = MODULE.replace('const end', 'if (client === 30) for (;;);\n    const end');
    writeFileSync(stuck, source);
    const { code, result, stderr } = await replay(lab.client, [
      capture,
      ...['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4],
      ...['--users', `${USERS}`, '--rate', '100/s', '--pace', 'none', '--sender', 'raw-socket'],
      ...['--module', stuck, '--module-options', JSON.stringify({ padding: 0 })],
    ]);
    expect(stderr).toContain('stuck.mjs has not returned for 10 s: it is called no more, its');
    expect(stderr).toContain('module number: has not returned for 10 s (');
    expect(code).toBe(0);
    const { completed: done = 0, aborted, reasons } = result?.users ?? {};
    expect(done).toBeGreaterThan(0);
    expect(aborted).toBeGreaterThanOrEqual(USERS - 30);
    expect(done + (aborted ?? 0)).toBe(USERS);
    expect(reasons?.aborted.module).toBe(aborted);
  });
});
