/** What the options of a replay change, as nginx and tshark see it; what they must not change. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import {
  CLIENTS_ON_LINK,
  CLIENTS_ROUTED,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import {
  completed,
  connectionsGone,
  fixture,
  replay,
  type Seen,
  watched,
  withLedger,
} from '../helpers/replay.ts';
import { type Nginx, type Redis, startNginx, startRedis } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'redis-server', 'curl', 'tcpdump', 'tshark'];
const RANGE = CLIENTS_ROUTED.ipv4;
const KEEPALIVE = fixture('http-keepalive.pcap');
const USERS = 32;
const SESSIONS = 16;
const REQUESTS = 130;

describe.runIf(canRun('options of a replay', TOOLS))('options of a replay', () => {
  let lab: Lab;
  let nginx: Nginx;
  let redis: Redis;

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
    nginx = await startNginx(lab.target);
    redis = await startRedis(lab.target);
  });

  keepGround(() => [lab.client, lab.target]);

  afterAll(async () => {
    await redis?.stop();
    await nginx?.stop();
    await lab?.close();
  });

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
