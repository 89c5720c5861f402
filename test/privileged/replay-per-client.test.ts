/** Virtual clients with several connections against nginx, whose access log is the oracle. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { captureWhile, packetFields, startCapture } from '../helpers/capture.ts';
import { makeToken, startIntercept } from '../helpers/intercept.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, type Nginx, startLengths } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'nginx', 'curl', 'tcpdump', 'tshark', '/usr/bin/python3'];
/** Of one recorded client: at once, as a browser's. */
const CONNECTIONS = 4;
const CLIENTS = 30;

describe.runIf(canRun('replay of clients with several connections', TOOLS))('--per client', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;
  let capture: string;

  /** As a browser does: a connection each, at once. */
  const fetchAtOnce = (urls: readonly string[]): Promise<string> => {
    const files = urls.flatMap((url) => ['-o', '/dev/null', url]);
    const curl = ['curl', '-sS', '--parallel', '--parallel-immediate'];
    return mustInside(lab.client, [...curl, ...files]);
  };

  onNginxGround({ isRouted: true }, async (ground) => {
    ({ lab, nginx, folder } = ground);
    capture = join(folder.path, 'browser.pcap');
    const urls = Array.from({ length: CONNECTIONS }, (_, i) => `http://${lab.target.ipv4}/?c=${i}`);
    await captureWhile(lab.target, capture, { filter: 'tcp port 80' }, () => fetchAtOnce(urls));
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

    eachHasItsOwn(before);
  });

  test('clients on a ramp', async () => {
    const before = nginx.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
    const asked = ['--per', 'client', '--ramp', `0:0,500ms:${CLIENTS}`];
    const replayed = await replay(lab.client, [capture, ...target, ...asked]);
    completed(replayed, CLIENTS * CONNECTIONS);
    eachHasItsOwn(before);
  });

  test('clients whose replies an intercept picks up', async () => {
    const token = makeToken();
    const intercept = await startIntercept(lab.target, ['--mode', 'sink'], { token });
    try {
      const before = nginx.accessLog().length;
      const target = ['--target', `${lab.target.ipv4}:80`, '--clients', '10.99.0.0/16'];
      const way = ['--token-file', token, '-s', lab.target.ipv4];
      const asked = ['--per', 'client', '--users', `${CLIENTS}`, '--rate', '200/s'];
      const replayed = await replay(lab.client, [capture, ...target, ...way, ...asked]);
      completed(replayed, CLIENTS * CONNECTIONS);
      eachHasItsOwn(before);
    } finally {
      await intercept.stop();
    }
  });

  test('clients of own addresses, which share the machine’s one', async () => {
    const before = nginx.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', 'own'];
    const asked = ['--per', 'client', '--users', `${CLIENTS}`, '--rate', '200/s'];
    const replayed = await replay(lab.client, [capture, ...target, ...asked]);
    completed(replayed, CLIENTS * CONNECTIONS);
    const entries = nginx.accessLog().slice(before);
    expect(new Set(entries.map(({ address }) => address))).toEqual(new Set([lab.client.ipv4]));
    expect(new Set(entries.map(({ port }) => port)).size).toBe(CLIENTS * CONNECTIONS);
    const requests = Array.from(
      { length: CLIENTS * CONNECTIONS },
      (_, i) => `/?c=${i % CONNECTIONS}`,
    );
    expect(tally(entries.map(({ uri }) => uri))).toEqual(tally(requests));
  });

  test('clients whose connections lead to two targets have one address at both', async () => {
    const other = await startLengths(lab.target, 81, ['length']);
    const recorded = join(folder.path, 'two.pcap');
    const wire = join(folder.path, 'wire.pcap');
    const ownWire = join(folder.path, 'own.pcap');
    try {
      const at = `http://${lab.target.ipv4}`;
      const urls = [`${at}/?c=0`, `${at}:81/a`, `${at}/?c=1`, `${at}:81/b`];
      const options = { filter: 'tcp port 80 or port 81' };
      await captureWhile(lab.target, recorded, options, () => fetchAtOnce(urls));
      // A request is one segment; the probe before the run brings none.
      const requests = 'tcp[tcpflags] & tcp-push != 0 and (dst port 80 or dst port 81)';
      const watch = await startCapture(lab.target, wire, { filter: requests });
      const map = `80-${lab.target.ipv4}:80,81-${lab.target.ipv4}:81`;
      const load = ['--per', 'client', '--users', `${CLIENTS}`, '--rate', '200/s'];
      const argv = [recorded, '--map', map, '--clients', CLIENTS_ROUTED.ipv4, ...load];
      completed(await replay(lab.client, argv), CLIENTS * CONNECTIONS);
      await watch.stop();
      // From one address, with a port for as many as a client has to one of the targets.
      const watchOwn = await startCapture(lab.target, ownWire, { filter: requests });
      const ports = ['--clients', 'own', '--ports', `40000-${40_000 + CLIENTS * 2 - 1}`];
      const own = [recorded, '--map', map, ...ports, ...load, '--threads', '2'];
      completed(await replay(lab.client, own), CLIENTS * CONNECTIONS);
      await watchOwn.stop();
    } finally {
      await other.stop();
    }
    const ports = new Map<string, string[]>();
    for (const [address = '', port = ''] of await packetFields(wire, ['ip.src', 'tcp.dstport'])) {
      ports.set(address, [...(ports.get(address) ?? []), port]);
    }
    expect(ports.size).toBe(CLIENTS);
    for (const own of ports.values()) expect(own.sort()).toEqual(['80', '80', '81', '81']);
    const pairs = await packetFields(ownWire, ['tcp.srcport', 'tcp.dstport']);
    expect(new Set(pairs.map(([port]) => port)).size).toBe(CLIENTS * 2);
    expect(new Set(pairs.map((pair) => pair.join(' '))).size).toBe(CLIENTS * CONNECTIONS);
  });

  /** What nginx has logged since, is of clients of which each has an address and all connections of its own. */
  function eachHasItsOwn(before: number): void {
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
  }
});
