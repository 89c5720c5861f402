/** What the options of a replay change, as nginx and tshark see it; what they must not change. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, until } from '../helpers/process.ts';
import {
  completed,
  connectionsGone,
  fixture,
  replay,
  type Seen,
  watched,
  withLedger,
} from '../helpers/replay.ts';
import { httpRequests } from '../helpers/requests.ts';
import { type Nginx, type Redis, startRedis } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'iptables',
  'sysctl',
  'nginx',
  'redis-server',
  'curl',
  'tcpdump',
  'tshark',
];
const RANGE = CLIENTS_ROUTED.ipv4;
const KEEPALIVE = fixture('http-keepalive.pcap');
const USERS = 32;
const SESSIONS = 16;
const REQUESTS = 130;

describe.runIf(canRun('options of a replay', TOOLS))('options of a replay', () => {
  let lab: Lab;
  let nginx: Nginx;
  let redis: Redis;

  onNginxGround({ isRouted: true }, async (ground) => {
    ({ lab, nginx } = ground);
    redis = await startRedis(lab.target);
  });

  keepGround(() => [lab.client, lab.target]);

  afterAll(() => redis?.stop());

  let loggedBefore = 0;
  beforeEach(() => {
    loggedBefore = nginx.accessLog().length;
  });

  const against = (...more: string[]) => [
    '--target',
    `${lab.target.ipv4}:80`,
    '--clients',
    RANGE,
    ...more,
  ];

  test.each<{ options: string[]; expected: Partial<Seen> }>([
    { options: ['--pace', 'none'], expected: {} },
    { options: ['--pace', 'schedule', '--accel', '2'], expected: {} },
    { options: ['--mss', '536'], expected: { mssOffered: [536] } },
    { options: ['--no-timestamps'], expected: { timestamps: 0 } },
    { options: ['--close', 'reset'], expected: { resets: USERS } },
    {
      options: ['--ports', '5000-5003', '--order', 'port'],
      expected: { portMin: 5000, portMax: 5003 },
    },
    { options: ['--sender', 'ip'], expected: {} },
    { options: ['--sender', 'xdp'], expected: {} },
    { options: ['--threads', '2'], expected: {} },
    { options: ['--rate', '100/s'], expected: {} },
    { options: ['--window', '4KiB'], expected: {} },
  ])('every request arrives once with $options', async ({ options, expected }) => {
    const argv = [KEEPALIVE, ...against('--users', `${USERS}`, ...options)];
    const { value, seen } = await watched(lab, 80, () => replay(lab.client, argv));

    expect(completed(value, USERS).exchanges.answered).toBe(2 * REQUESTS);
    await connectionsGone(lab.target, RANGE);
    const entries = nginx.accessLog().slice(loggedBefore);
    expect(entries).toHaveLength(2 * REQUESTS);
    expect(entries.filter(({ status }) => status !== 200)).toEqual([]);
    expect(seen).toMatchObject({ wrong: 0, clients: USERS, ...expected });
  });

  test('segments are cut to the MSS that the target offers', async () => {
    // The route's MTU decides what the target's SYN-ACK offers; the capture's frames are larger.
    const mtu = ['ip', 'route', 'change', RANGE, 'via', lab.client.ipv4, 'advmss', '700'];
    await mustInside(lab.target, mtu);
    try {
      const argv = [fixture('http-post-gso.pcap'), ...against('--users', '10')];
      const { value, seen } = await watched(lab, 80, () => replay(lab.client, argv));
      completed(value, 10);
      // 12 of the 700 octets are for the timestamps.
      expect(seen).toMatchObject({ wrong: 0, payloadBytesMax: 688 });
    } finally {
      await mustInside(lab.target, ['ip', 'route', 'replace', RANGE, 'via', lab.client.ipv4]);
    }
  });

  describe('uploads arrive whole', () => {
    const SETTINGS = ['tcp_window_scaling', 'tcp_timestamps'].map((name) => `net.ipv4.${name}`);
    const without = (...settings: number[]) =>
      mustInside(lab.target, ['sysctl', '-qw', ...settings.map((i) => `${SETTINGS[i]}=0`)]);
    const setMtu = async (mtu: number): Promise<void> => {
      for (const { name, device } of [lab.client, lab.target]) {
        await must(['ip', '-n', name, 'link', 'set', device, 'mtu', `${mtu}`]);
      }
    };

    const toClients = () => [RANGE, 'via', lab.client.ipv4];
    /** The route decides what the target's SYN-ACK offers. */
    const offerMss = (mss: number) =>
      mustInside(lab.target, ['ip', 'route', 'change', ...toClients(), 'advmss', `${mss}`]);

    afterEach(async () => {
      await mustInside(lab.target, ['ip', 'route', 'replace', ...toClients()]);
      await setMtu(1_500);
      await mustInside(lab.target, ['sysctl', '-qw', ...SETTINGS.map((name) => `${name}=1`)]);
    });

    test.each([
      {
        name: 'at a target without window scaling',
        make: () => without(0),
        payloadBytesMax: 1_448,
      },
      { name: 'at a target without timestamps', make: () => without(1), payloadBytesMax: 1_460 },
      { name: 'at a target without either', make: () => without(0, 1), payloadBytesMax: 1_460 },
      {
        name: 'over a path of jumbo frames',
        make: () => setMtu(9_000),
        // An IP header, one of TCP with timestamps.
        payloadBytesMax: 9_000 - 20 - 32,
      },
      {
        name: 'over a path of 1,280 octets',
        make: () => setMtu(1_280),
        payloadBytesMax: 1_280 - 20 - 32,
      },
      {
        name: 'at a target that takes 500 octets a segment',
        make: () => offerMss(500),
        // 12 of them are for the timestamps.
        payloadBytesMax: 488,
      },
    ])('$name', async ({ make, payloadBytesMax }) => {
      await make();
      const streams = await clientStreams(fixture('http-post-gso.pcap'), 80);
      const requests = playedInTurn(streams.map(httpRequests), 10).flat();
      const argv = [fixture('http-post-gso.pcap'), ...against('--users', '10')];
      const { value, seen } = await watched(lab, 80, () => replay(lab.client, argv));
      completed(value, 10);
      expect(seen).toMatchObject({ wrong: 0, payloadBytesMax });
      const entries = nginx.accessLog().slice(loggedBefore);
      const bodies = entries.map(({ body }) => readFileSync(body, 'latin1'));
      expect(tally(bodies)).toEqual(tally(requests.map(({ body }) => body.toString('latin1'))));
    });
  });

  test('three seconds in which no SYN gets through cost nobody the connection', async () => {
    const rule = ['INPUT', '-p', 'tcp', '--dport', '80', '--syn', '-j', 'DROP'];
    const users = 30;
    let acting: Promise<void> = Promise.resolve();
    const fast = ['--rate', '25/s', '--accel', '10'];
    const argv = [KEEPALIVE, ...against('--users', `${users}`, ...fast)];
    const replayed = await replay(lab.client, argv, {
      onStart: () => {
        const isUnderWay = () => nginx.accessLog().length > loggedBefore;
        acting = until('somebody has asked', isUnderWay).then(async () => {
          await mustInside(lab.target, ['iptables', '-A', ...rule]);
          await new Promise((resolve) => setTimeout(resolve, 3_000));
          await mustInside(lab.target, ['iptables', '-D', ...rule]);
        });
        acting.catch(() => undefined);
      },
    });
    await acting;
    const { packets, latency } = completed(replayed, users);
    expect(packets.synRetransmitted).toBeGreaterThan(users / 2);
    expect(latency.connect?.max).toBeGreaterThan(1_000);
    await connectionsGone(lab.target, RANGE);
  });

  test('a user that plays three times does so from a port of its own each time', async () => {
    const argv = [KEEPALIVE, ...against('--iterations', '3', '--accel', '10')];
    const { value, seen } = await watched(lab, 80, () => replay(lab.client, argv));
    expect(value.code).toBe(0);
    expect(withLedger(value).exchanges.answered).toBe(3 * REQUESTS);
    expect(nginx.accessLog().slice(loggedBefore)).toHaveLength(3 * REQUESTS);
    expect(seen).toMatchObject({ wrong: 0, clients: 3 * SESSIONS });
  });

  test('with --map each recorded port is played to its own target', async () => {
    await redis.cli('config', 'resetstat');
    const { ipv4 } = lab.target;
    const map = ['--map', `80-${ipv4}:80,6379-${ipv4}:6379`, '--clients', RANGE];
    const captures = [fixture('http-short.pcap'), fixture('redis-pipelined.pcap')];
    completed(await replay(lab.client, [...captures, ...map, '--accel', '100']), 10 + 11);
    expect(nginx.accessLog().slice(loggedBefore)).toHaveLength(10);
    expect((await redis.calls()).get('set')).toBe(800);
  });

  test('--dry-run sends nothing', async () => {
    const argv = [KEEPALIVE, ...against('--dry-run')];
    const { value, seen } = await watched(lab, 80, () => replay(lab.client, argv));
    expect(value).toMatchObject({ code: 0, result: null });
    expect(value.stdout).not.toBe('');
    expect(seen.packets).toBe(0);
  });

  test('a threshold that does not hold ends the run with 99', async () => {
    const argv = [KEEPALIVE, ...against('--accel', '10', '--threshold', 'connect:max<1ns')];
    const replayed = await replay(lab.client, argv);
    expect(replayed.code).toBe(99);
    expect(withLedger(replayed).users.completed).toBe(SESSIONS);
  });

  test('without ARP nobody answers for clients on the link', async () => {
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ON_LINK.ipv4];
    const asked = ['--no-arp', '--accel', '10', '--timeout', '2s'];
    const replayed = await replay(lab.client, [KEEPALIVE, ...target, ...asked]);
    expect(replayed.code).toBe(5);
    expect(replayed.stderr).toContain('no answer to the probe from 10.77.64.1:');
    expect(replayed.stderr).toContain('(ARP): --arp;');
  });
});
