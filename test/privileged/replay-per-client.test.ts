/** Virtual clients with several connections against nginx, whose access log is the oracle. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder, type Nginx, startNginx } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'nginx', 'curl', 'tcpdump'];
/** Of one recorded client: at once, as a browser's. */
const CONNECTIONS = 4;
const CLIENTS = 30;

describe.runIf(canRun('replay of clients with several connections', TOOLS))('--per client', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;
  let capture: string;

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
    nginx = await startNginx(lab.target);
    folder = makeFolder('per-client');
    capture = join(folder.path, 'browser.pcap');
    const recording = await startCapture(lab.target, capture, { filter: 'tcp port 80' });
    const urls = Array.from({ length: CONNECTIONS }, (_, i) => `http://${lab.target.ipv4}/?c=${i}`);
    const files = urls.flatMap((url) => ['-o', '/dev/null', url]);
    await mustInside(lab.client, ['curl', '-sS', '--parallel', '--parallel-immediate', ...files]);
    await recording.stop();
  });

  afterAll(async () => {
    await nginx?.stop();
    await lab?.close();
    folder?.remove();
  });

  test.each([
    { name: 'one thread', options: ['--threads', '1'] },
    {
      name: 'two threads',
      options: ['--threads', '2'],
    },
  ])('each client has an address of its own and all of its connections: $name', async (row) => {
    const before = nginx.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
    const asked = ['--per', 'client', '--users', `${CLIENTS}`, '--rate', '200/s'];
    const replayed = await replay(lab.client, [capture, ...target, ...asked, ...row.options]);
    completed(replayed, CLIENTS * CONNECTIONS);

    const entries = nginx.accessLog().slice(before);
    expect(entries).toHaveLength(CLIENTS * CONNECTIONS);
    const byClient = new Map<string, typeof entries>();
    for (const entry of entries) {
      byClient.set(entry.address, [...(byClient.get(entry.address) ?? []), entry]);
    }
    expect(byClient.size).toBe(CLIENTS);
    const requests = Array.from({ length: CONNECTIONS }, (_, i) => `/?c=${i}`);
    for (const own of byClient.values()) {
      expect(new Set(own.map(({ port }) => port)).size).toBe(CONNECTIONS);
      expect(tally(own.map(({ uri }) => uri))).toEqual(tally(requests));
    }
  });
});
