/**
 * Replies that come to the load machine itself: the probe before a run, the claim on its clients, and
 * targets that find the clients in other ways than by a route.
 */
import { describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import {
  CLIENTS_ROUTED,
  DEVICE,
  kernelCount,
  type Lab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, FIRST, fixture, replay, unreached, withLedger } from '../helpers/replay.ts';
import type { Nginx } from '../helpers/servers.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'chrt',
  'iptables',
  'nginx',
  'setpriv',
  'nstat',
  '/usr/bin/python3',
];
const RANGE = CLIENTS_ROUTED.ipv4;
const PYTHON = '/usr/bin/python3';
/** Listens with a backlog of 1, accepts nobody, and fills its queue itself. */
const FULL_SERVER = `
import socket, time
server = socket.socket(socket.AF_INET6)
server.bind(('::', 86))
server.listen(1)
waiting = []
for _ in range(8):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(('127.0.0.1', 86))
    waiting.append(one)
print('full', flush=True)
time.sleep(60)
`;
const SHORT = fixture('http-short.pcap');
/** Still root by name, so that it may read the checkout wherever that lies, with one capability. */
const WITH_NET_RAW = [
  'setpriv',
  '--inh-caps=-all,+net_raw',
  '--bounding-set=-all,+net_raw',
  '--no-new-privs',
];

describe.runIf(canRun('replies to this machine', TOOLS))('replies to this machine', () => {
  let lab: Lab;
  let nginx: Nginx;

  onNginxGround({}, (ground) => {
    ({ lab, nginx } = ground);
  });

  keepGround(() => [lab.client, lab.target]);

  const target = (family: 'ipv4' | 'ipv6' = 'ipv4', port = 80) =>
    family === 'ipv4' ? `${lab.target.ipv4}:${port}` : `[${lab.target.ipv6}]:${port}`;
  const play = (users: number, argv: readonly string[], prefix: readonly string[] = []) =>
    replay(lab.client, [SHORT, '--users', `${users}`, ...argv], { prefix });
  const playTo = (users: number, ...argv: string[]) => play(users, ['--target', target(), ...argv]);

  describe('the probe', () => {
    test('is no connection: the server sees those of the users alone', async () => {
      await routeClients(lab);
      const before = await kernelCount(lab.target, 'TcpPassiveOpens');
      const logged = nginx.accessLog().length;
      const { exchanges } = completed(await playTo(20, '--clients', RANGE), 20);
      expect((await kernelCount(lab.target, 'TcpPassiveOpens')) - before).toBe(20);
      expect(nginx.accessLog()).toHaveLength(logged + exchanges.sent);
    });

    test.each(['ipv4', 'ipv6'] as const)('tells a closed port at once: 5 (%s)', async (family) => {
      await routeClients(lab);
      const argv = ['--target', target(family, 81), '--clients', CLIENTS_ROUTED[family]];
      const replayed = await play(20, argv, FIRST.prefix);
      unreached(replayed, 20);
      expect(replayed.stderr).toContain(
        `to ${target(family, 81)} with a reset: nothing listens there`,
      );
      expect(replayed.elapsedMs).toBeLessThan(15_000);
    });

    test.each(['ipv4', 'ipv6'] as const)(
      'tells silence in seconds, with the line that mends it: 5 (%s)',
      async (family) => {
        const argv = ['--target', target(family), '--clients', CLIENTS_ROUTED[family]];
        const replayed = await play(20, argv, FIRST.prefix);
        unreached(replayed, 20);
        expect(replayed.stderr).toContain('no answer to the probe');
        expect(replayed.elapsedMs).toBeLessThan(25_000);
        const [line = ''] =
          /ip (?:-6 )?route add \S+ via [0-9a-f.:]+[0-9a-f]/.exec(replayed.stderr) ?? [];
        expect(line).toContain(CLIENTS_ROUTED[family]);
        await mustInside(lab.target, line.split(' '));
        completed(await play(20, argv), 20);
      },
    );

    test.each([
      { family: 'ipv4', tool: 'iptables', how: 'icmp-admin-prohibited', said: '(ICMP 3/13)' },
      { family: 'ipv6', tool: 'ip6tables', how: 'icmp6-adm-prohibited', said: '(ICMPv6 1/1)' },
    ] as const)('tells what a firewall says of it: 5 ($family)', async (row) => {
      await routeClients(lab);
      const reject = ['-A', 'INPUT', '-p', 'tcp', '--dport', '80', '-j', 'REJECT'];
      await mustInside(lab.target, [row.tool, ...reject, '--reject-with', row.how]);
      const argv = ['--target', target(row.family), '--clients', CLIENTS_ROUTED[row.family]];
      const replayed = await play(20, argv);
      unreached(replayed, 20);
      const who = lab.target[row.family];
      expect(replayed.stderr).toContain(`${who} says: prohibited by a firewall ${row.said}`);
    });

    test('tells a server whose accept queue is full from silence: 5', async () => {
      await routeClients(lab);
      const server = startInside(lab.target, [PYTHON, '-c', FULL_SERVER]);
      await until('its queue is full', () => server.output().includes('full'));
      try {
        // Both at once: each waits for seconds.
        const families = ['ipv4', 'ipv6'] as const;
        const both = await Promise.all(
          families.map((family) =>
            play(20, ['--target', target(family, 86), '--clients', CLIENTS_ROUTED[family]]),
          ),
        );
        for (const replayed of both) {
          unreached(replayed, 20);
          expect(replayed.stderr).toContain('its accept queue is full, or a firewall drops');
          expect(replayed.stderr).toContain("ss -ltn 'sport = :86'");
        }
      } finally {
        await server.stop('SIGKILL');
      }
    });

    test('that the own firewall holds back says so: 5', async () => {
      await routeClients(lab);
      const drop = ['-A', 'OUTPUT', '-p', 'tcp', '--dport', '80', '-j', 'DROP'];
      await mustInside(lab.client, ['iptables', ...drop]);
      const replayed = await playTo(20, '--clients', RANGE, '--sender', 'ip');
      unreached(replayed, 20);
      expect(replayed.stderr).toContain("this machine's firewall refused it");
    });
  });

  test('another machine is not reached by lo: 2', async () => {
    const replayed = await playTo(20, '--interface', 'lo');
    expect(replayed).toMatchObject({ code: 2, result: null });
    expect(replayed.stderr).toContain('leave --interface out');
  });

  test('a dry run needs no privilege, though nobody knows the next hop yet', async () => {
    await mustInside(lab.client, ['ip', 'neighbour', 'flush', 'all']);
    const prefix = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];
    const argv = ['--target', target(), '--clients', RANGE, '--dry-run'];
    const { code, stdout, stderr } = await play(20, argv, prefix);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`to ${lab.target.ipv4} (whose MAC the run will ask for)`);
    expect(stdout).toContain(`ip route add ${RANGE} via ${lab.client.ipv4}`);
  });

  test.each([
    { name: 'as root', prefix: [] as string[] },
    { name: 'with CAP_NET_RAW alone', prefix: WITH_NET_RAW },
  ])(
    'of two replays with the same clients the second is refused by name: 4 ($name)',
    async (row) => {
      await routeClients(lab);
      const argv = ['--target', target(), '--clients', RANGE];
      const slow = ['--accel', '0.05'];
      const before = await kernelCount(lab.target, 'TcpPassiveOpens');
      const first = play(40, [...argv, ...slow, '--ports', '1024-2047'], row.prefix);
      const hasBegun = async () => (await kernelCount(lab.target, 'TcpPassiveOpens')) > before;
      await until('the first has begun', hasBegun, 30_000);
      const second = await play(40, [...argv, '--ports', '2047-9999'], row.prefix);
      expect(second).toMatchObject({ code: 4, result: null });
      expect(second.stderr).toMatch(
        /another replay on this machine, process \d+, plays from 198\.18\.0\.1-198\.19\.255\.254 \(ports 1024-2047\)/,
      );
      const third = await play(40, [...argv, '--ports', '2048-9999'], row.prefix);
      completed(third, 40);
      completed(await first, 40);
    },
  );

  describe('connections of an earlier run, whose TIME-WAIT heeds no reset', () => {
    test('are passed by with other ports; with the same ones it is told', async () => {
      await routeClients(lab);
      await mustInside(lab.target, ['sysctl', '-qw', 'net.ipv4.tcp_rfc1337=1']);
      const argv = ['--clients', RANGE, '--no-timestamps', '--accel', '10', '--timeout', '2s'];
      for (const seed of ['1', '2']) completed(await playTo(60, ...argv, '--seed', seed), 60);
      completed(await playTo(60, ...argv, '--seed', '1', '--ports', '5000'), 60);
      const again = await playTo(60, ...argv, '--seed', '2', '--ports', '5000');
      // Linux lets in whose sequence numbers lie behind the old ones: about one of two.
      expect(withLedger(again).users.completed).toBeLessThan(60);
      expect(again.stderr).toContain('the target still has connections of an earlier run');
      expect(again.stderr).toContain('another --seed or --ports');
    });
  });

  describe('a target that asks its link for clients off the link', () => {
    test.each(['ipv4', 'ipv6'] as const)('is answered (%s)', async (family) => {
      const range = CLIENTS_ROUTED[family];
      const ip = family === 'ipv4' ? ['ip'] : ['ip', '-6'];
      await mustInside(lab.target, [...ip, 'route', 'add', range, 'dev', DEVICE]);
      const argv = ['--target', target(family), '--clients', range];
      const replayed = await play(50, argv);
      completed(replayed, 50);
      expect(replayed.stdout).toContain(
        `asks its link for clients (${family === 'ipv4' ? 'ARP' : 'NDP'})`,
      );
      await mustInside(lab.target, [...ip, 'neighbour', 'flush', 'all']);
      const refused = await play(50, [...argv, '--no-arp', '--ports', '9000']);
      expect(refused.stderr).toContain(`(${family === 'ipv4' ? 'ARP' : 'NDP'}): --arp;`);
    });
  });
});
