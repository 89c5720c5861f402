/** `gryphon record --interface any`: every interface, each packet with its own; read by others and by gryphon. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Host,
  makeSwitchedLab,
  mustInside,
  type SwitchedLab,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, run, until } from '../helpers/process.ts';
import { type Folder, makeFolder, type Nginx, startNginx } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const GRYPHON = [process.execPath, COMMAND];
const REQUESTS = 20;

describe.runIf(
  canRun('gryphon record', ['ip', 'nginx', 'curl', 'tshark', 'tcpdump', 'capinfos', 'ethtool']),
)('gryphon record --interface any', () => {
  let lab: SwitchedLab;
  let nginx: Nginx;
  let folder: Folder;

  beforeAll(async () => {
    lab = await makeSwitchedLab();
    nginx = await startNginx(lab.target);
    folder = makeFolder('record-any');
  }, 60_000);
  afterAll(async () => {
    await nginx?.stop();
    await lab?.close();
    folder?.remove();
  });

  /** Records on a host while the others ask. @returns the capture */
  async function recorded(host: Host, askers: readonly Host[]): Promise<string> {
    const out = join(folder.path, host.name);
    const argv = ['record', '--interface', 'any', '--server', '80', '--out', out];
    const recording = startInside(host, [...GRYPHON, ...argv]);
    await until('it records', () => recording.output().includes('recording all interfaces'));
    for (const asker of askers) {
      const address = asker === lab.target ? '127.0.0.1' : lab.target.ipv4;
      const urls = `http://${address}/page.html?[1-${REQUESTS}]`;
      const curl = ['curl', '-s', '-H', 'Connection: close', '-o', '/dev/null', urls];
      await mustInside(asker, curl);
    }
    await recording.stop('SIGINT');
    expect(recording.exitCode(), recording.output()).toBe(0);
    expect(recording.output()).toContain('; 0 packets lost\n');
    return join(out, readdirSync(out).at(0) ?? '');
  }

  const sessionsOf = async (capture: string): Promise<unknown> =>
    JSON.parse(await must([...GRYPHON, 'inspect', '--json', capture])).sessions;

  /** The interface of each SYN of a client, as tshark reads it. */
  async function synsOf(capture: string): Promise<number[]> {
    const filter = ['-Y', 'tcp.flags.syn == 1 && tcp.flags.ack == 0'];
    const fields = ['-T', 'fields', '-e', 'sll.ifindex'];
    const text = await must(['tshark', '-r', capture, ...filter, ...fields]);
    return text.trim().split('\n').map(Number);
  }

  const indexOf = async (host: Host, device: string): Promise<number> =>
    JSON.parse(await must(['ip', '-n', host.name, '-json', 'link', 'show', device]))[0].ifindex;

  test('the card and lo, each packet once and with its interface', async () => {
    const capture = await recorded(lab.target, [lab.client, lab.target]);
    expect(await sessionsOf(capture)).toEqual({
      total: 2 * REQUESTS,
      replayable: 2 * REQUESTS,
      skipped: {},
    });
    const card = await indexOf(lab.target, lab.target.device);
    const syns = await synsOf(capture);
    expect(syns).toHaveLength(2 * REQUESTS);
    expect(syns.filter((index) => index === card)).toHaveLength(REQUESTS);
    expect(syns.filter((index) => index === 1)).toHaveLength(REQUESTS);
    const { stdout, stderr } = await run(['tcpdump', '-nr', capture, '-c', '1']);
    expect(stderr).toContain('link-type LINUX_SLL2');
    expect(stdout).toMatch(/In {2}IP 10\.77\.0\.2\.\d+ > 10\.77\.0\.1\.80: Flags \[S\]/);
    const said = await must(['capinfos', '-I', capture]);
    expect(said).toContain(`1 lo, ${card} ${lab.target.device}`);
  }, 60_000);

  test('a bridge shows a packet at each of its ports: a session is read once', async () => {
    const bridge = { ...lab.client, name: lab.client.name.replace(/client$/, 'switch') };
    const capture = await recorded(bridge, [lab.client]);
    expect(await synsOf(capture)).toHaveLength(2 * REQUESTS);
    expect(await sessionsOf(capture)).toEqual({
      total: REQUESTS,
      replayable: REQUESTS,
      skipped: {},
    });
  }, 60_000);
});
