/** Replays that cannot go well: each ends soon, with its exit code and a line that says why. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstPortOf } from '../../src/schedule/client-ports.ts';
import { packetFields, startCapture } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, connectionsWith, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { signalTo, until } from '../helpers/process.ts';
import {
  completed,
  connectionsGone,
  FIRST,
  fixture,
  replay,
  unreached,
  withLedger,
} from '../helpers/replay.ts';
import { type Nginx, startRude } from '../helpers/servers.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'chrt',
  'iptables',
  'nginx',
  'setpriv',
  'tcpdump',
  'tshark',
  '/usr/bin/python3',
];
const RANGE = CLIENTS_ROUTED.ipv4;
const KEEPALIVE = fixture('http-keepalive.pcap');
const [FIN, SYN, RST] = [0x01, 0x02, 0x04];

describe.runIf(canRun('replay that fails', TOOLS))('replay that fails', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: string;

  onNginxGround({ isRouted: true }, (ground) => {
    ({ lab, nginx } = ground);
    folder = ground.folder.path;
  });

  keepGround(() => [lab.client, lab.target]);

  const against = (port: number, ...more: string[]) => [
    '--target',
    `${lab.target.ipv4}:${port}`,
    '--clients',
    RANGE,
    ...more,
  ];

  describe('a target that lets the probe in and no user', () => {
    // Of two ports one is the users' and the other is the probe's.
    const ports = { first: 5_000, last: 5_001 };
    const asked = ['--ports', '5000-5001', '--seed', '1', '--users', '50', '--accel', '10'];
    const rule = [
      'INPUT',
      '-p',
      'tcp',
      '--dport',
      '80',
      '--sport',
      `${firstPortOf(ports, 1)}`,
      '-j',
    ];
    const judge = (...how: string[]) => mustInside(lab.target, ['iptables', '-A', ...rule, ...how]);

    test('with a reset has refused every user: 5', async () => {
      await judge('REJECT', '--reject-with', 'tcp-reset');
      const replayed = await replay(lab.client, [KEEPALIVE, ...against(80, ...asked)]);
      expect(withLedger(replayed).users).toMatchObject({ planned: 50, refused: 50, completed: 0 });
      expect(replayed.code).toBe(5);
      expect(replayed.stderr).toMatch(/refused/i);
    });

    test('in silence times every user out after the time asked for, and says so before: 5', async () => {
      await judge('DROP');
      const argv = [KEEPALIVE, ...against(80, ...asked, '--timeout', '5s')];
      const replayed = await replay(lab.client, argv, FIRST);
      expect(withLedger(replayed).users).toMatchObject({ planned: 50, timedOut: 50, completed: 0 });
      expect(replayed.code).toBe(5);
      expect(replayed.result?.durationSeconds).toBeGreaterThan(5);
      expect(replayed.stderr).toContain(
        'no SYN-ACK has come for 3 s, though 50 users are connecting',
      );
      expect(replayed.stderr).toContain(`ip route add ${RANGE} via ${lab.client.ipv4}`);
      // By the run's own clock: not twice as long, and not the default of 30 s.
      expect(replayed.result?.durationSeconds).toBeLessThan(10);
    });
  });

  test('a server that takes the request and never answers is waited for as long as was asked for', async () => {
    const path = join(folder, 'never.pcap');
    const capture = await startCapture(lab.target, path);
    signalTo(nginx.workerPid, 'SIGSTOP');
    try {
      const asked = ['--users', '1', '-t', '5s'];
      // It is its own clock that is looked at.
      const replayed = await replay(lab.client, [KEEPALIVE, ...against(80, ...asked)], FIRST);
      const { users, exchanges } = withLedger(replayed);
      expect(users).toMatchObject({ planned: 1, timedOut: 1 });
      expect(exchanges.answered).toBe(0);
    } finally {
      signalTo(nginx.workerPid, 'SIGCONT');
      await capture.stop();
    }
    // From the last that the server said, which acknowledges the request, to the reset that ends the user.
    const rows = await packetFields(path, ['frame.time_epoch', 'tcp.flags', 'tcp.srcport']);
    const read = rows.map(([seconds, flags, port]) => ({
      seconds: Number(seconds),
      flags: Number(flags),
      fromServer: port === '80',
    }));
    const ended = read.findLast(({ flags, fromServer }) => !fromServer && (flags & RST) !== 0);
    const last = read.findLast(
      ({ seconds, fromServer }) => fromServer && seconds < (ended?.seconds ?? 0),
    );
    const waited = Number(ended?.seconds) - Number(last?.seconds);
    expect(waited).toBeGreaterThan(4.99);
    expect(waited).toBeLessThan(5.1);
    await connectionsGone(lab.target, RANGE);
  });

  test('a target that falls silent half way times the users out that it left waiting', async () => {
    const drop = [
      'OUTPUT',
      '-p',
      'tcp',
      '--sport',
      '80',
      '-m',
      'length',
      '--length',
      '1000:',
      '-j',
    ];
    await mustInside(lab.target, ['iptables', '-A', ...drop, 'DROP']);
    try {
      const asked = ['--users', '32', '--accel', '10', '--timeout', '2s'];
      const replayed = await replay(lab.client, [KEEPALIVE, ...against(80, ...asked)], FIRST);
      const { users, exchanges } = withLedger(replayed);
      expect(users).toMatchObject({ planned: 32, timedOut: 32, peakEstablished: 32 });
      expect(exchanges.answered).toBe(0);
      expect(replayed.code).not.toBe(0);
      expect(replayed.result?.durationSeconds).toBeGreaterThan(2);
      expect(replayed.result?.durationSeconds).toBeLessThan(4);
    } finally {
      await mustInside(lab.target, ['iptables', '-D', ...drop, 'DROP']);
    }
    await connectionsGone(lab.target, RANGE);
  });

  test.each([
    { name: 'as soon as it has accepted', port: 83, when: 'accept' as const },
    { name: 'in the middle of a request', port: 84, when: 60 },
  ])('a target that resets $name resets every user, and nothing is answered', async (row) => {
    const rude = await startRude(lab.target, row.port, row.when);
    try {
      const asked = ['--users', '50', '--accel', '10'];
      const replayed = await replay(lab.client, [KEEPALIVE, ...against(row.port, ...asked)]);
      const { users, exchanges } = withLedger(replayed);
      expect(users).toMatchObject({ planned: 50, reset: 50, completed: 0 });
      expect(exchanges.answered).toBe(0);
      expect(replayed.code).not.toBe(0);
    } finally {
      await rude.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });

  test('without the right to send raw packets nothing is sent: 4', async () => {
    // Still root by name, so that it may read the checkout wherever that lies; but with no
    // capability left, which is all that the kernel asks about.
    const prefix = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];
    const before = await nginx.stubStatus();
    const replayed = await replay(lab.client, [KEEPALIVE, ...against(80)], { prefix });
    expect(replayed).toMatchObject({ code: 4, result: null });
    expect(replayed.stderr).toMatch(/cap_net_raw/i);
    expect((await nginx.stubStatus()).accepted).toBe(before.accepted);
  });

  test('an interface that does not exist: 4, with those that do', async () => {
    const replayed = await replay(lab.client, [KEEPALIVE, ...against(80, '-o', 'nosuch0')]);
    expect(replayed).toMatchObject({ code: 4, result: null });
    expect(replayed.stderr).toContain('nosuch0');
  });

  test('a pool smaller than the users: 2, and how many it would take', async () => {
    const small = ['--target', `${lab.target.ipv4}:80`, '--clients', '198.18.0.1'];
    const ports = ['--ports', '2000-2099', '--users', '101'];
    const before = await nginx.stubStatus();
    const replayed = await replay(lab.client, [KEEPALIVE, ...small, ...ports]);
    expect(replayed).toMatchObject({ code: 2, result: null });
    expect(replayed.stderr).toMatch(/100\b/);
    expect(replayed.stderr).toMatch(/101\b/);
    expect((await nginx.stubStatus()).accepted).toBe(before.accepted);
  });

  test('a target without a route from here: 4 or 5, with the address', async () => {
    const nowhere = ['--target', '10.200.0.1:80', '--clients', RANGE];
    const replayed = await replay(lab.client, [KEEPALIVE, ...nowhere]);
    expect([4, 5]).toContain(replayed.code);
    expect(replayed.stderr).toContain('10.200.0.1');
  });

  test('a closed port leaves every document that was asked for, and no summary: 5', async () => {
    const out = join(folder, 'closed');
    const argv = ['--out', out, '--threshold', 'errors:rate<1%'];
    const replayed = await replay(lab.client, [KEEPALIVE, ...against(85, ...argv)]);
    const { failure } = unreached(replayed, 16);
    expect(failure).toContain(`${lab.target.ipv4}:85 with a reset: nothing listens there`);
    const written = (name: string) => readFileSync(join(out, name), 'utf8');
    expect(JSON.parse(written('result.json'))).toMatchObject({ failure, users: { waiting: 16 } });
    expect(written('summary.txt')).toContain('✗');
    expect(written('junit.xml')).toContain('<failure');
  });

  test('a next hop that does not answer: 5, with its address', async () => {
    const nobody = ['--target', '10.77.0.99:80', '--clients', RANGE];
    const replayed = await replay(lab.client, [KEEPALIVE, ...nobody]);
    unreached(replayed, 16);
    expect(replayed.stderr).toContain('10.77.0.99');
  });

  test('Ctrl-C in the middle: 130, a full report, every connection closed', async () => {
    // At a hundredth of the speed the sessions last half a minute.
    const asked = ['--users', '160', '--accel', '0.01', '--rate', '400/s'];
    let interruptedMs = Number.POSITIVE_INFINITY;
    let interruptedAt = Number.POSITIVE_INFINITY;
    const path = join(folder, 'interrupted.pcap');
    const capture = await startCapture(lab.target, path, { filter: 'tcp dst port 80' });
    const replayed = await replay(lab.client, [KEEPALIVE, ...against(80, ...asked)], {
      onStart: (child) => {
        const isUnderWay = async () => (await nginx.stubStatus()).active >= 100;
        void until('a hundred users established', isUnderWay).then(() => {
          interruptedMs = performance.now();
          interruptedAt = Date.now() / 1000;
          child.kill('SIGINT');
        });
      },
    });
    expect(replayed.code).toBe(130);
    const { users } = withLedger(replayed);
    expect(users).toMatchObject({ planned: 160, live: 0, completed: 0 });
    expect(users.aborted).toBeGreaterThanOrEqual(100);
    expect(replayed.stdout).not.toBe('');
    // A second for servers to end, three for what was lost on the way.
    expect(performance.now() - interruptedMs).toBeLessThan(8_000);
    await connectionsGone(lab.target, RANGE);
    await until('nginx idle', async () => (await nginx.stubStatus()).active === 0);
    await capture.stop();
    // On the target's link: nothing is begun or asked any more, and each connection is ended by us.
    const sent = await packetFields(path, [
      'frame.time_epoch',
      'tcp.len',
      'tcp.flags',
      'tcp.stream',
    ]);
    const packets = sent.map(([time, bytes, flags, stream]) => {
      return { time: Number(time), bytes: Number(bytes), flags: Number(flags), stream };
    });
    // What was on its way when the signal came, and the time that a busy machine takes to hear of it.
    const late = packets.filter(({ time }) => time > interruptedAt + 1.25);
    expect(late.filter(({ bytes, flags }) => bytes > 0 || (flags & SYN) !== 0)).toEqual([]);
    const openedBy = new Set(packets.map(({ stream }) => stream));
    const ended = packets.filter(({ flags }) => (flags & (FIN | RST)) !== 0);
    expect(new Set(ended.map(({ stream }) => stream))).toEqual(openedBy);
    expect(openedBy.size).toBeGreaterThan(100);
  });

  test('a run killed outright leaves connections behind, and the same run succeeds after it', async () => {
    const argv = [KEEPALIVE, ...against(80, '--users', '64', '--seed', '7')];
    const killed = await replay(lab.client, [...argv, '--accel', '0.01', '--rate', '400/s'], {
      onStart: (child) => {
        const isUnderWay = async () => (await nginx.stubStatus()).active >= 50;
        void until('fifty users established', isUnderWay).then(() => child.kill('SIGKILL'));
      },
    });
    expect(killed.signal).toBe('SIGKILL');
    expect((await connectionsWith(lab.target, RANGE)).length).toBeGreaterThanOrEqual(50);
    completed(await replay(lab.client, [...argv, '--accel', '4']), 64);
    await connectionsGone(lab.target, RANGE);
  });

  test.each([
    {
      name: 'is no capture',
      make: (path: string) => writeFileSync(path, 'GET / HTTP/1.1\r\n\r\n'.repeat(9)),
    },
    { name: 'is empty', make: (path: string) => writeFileSync(path, '') },
    { name: 'does not exist', make: () => undefined },
    { name: 'ends within its header', make: (path: string) => cut(path, 20) },
    { name: 'ends within its first packet', make: (path: string) => cut(path, 60) },
    { name: 'holds no packet', make: (path: string) => cut(path, 24) },
  ])('a file that $name: 3, with its path', async ({ name, make }) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.pcap`);
    make(path);
    const replayed = await replay(lab.client, [path, ...against(80)]);
    expect(replayed).toMatchObject({ code: 3, result: null });
    expect(replayed.stderr).toContain(path);
  });

  test('a folder in place of a file: 3, with its path', async () => {
    // Of its own: a folder of captures can be played, and other cases leave theirs in the common one.
    const path = join(folder, 'a-folder');
    mkdirSync(path);
    writeFileSync(join(path, 'notes.txt'), 'nothing to play');
    const replayed = await replay(lab.client, [path, ...against(80)]);
    expect(replayed).toMatchObject({ code: 3, result: null });
    expect(replayed.stderr).toContain(path);
  });

  test('a file cut in its middle: what is whole is played, and the cut is said', async () => {
    const path = join(folder, 'cut.pcap');
    const bytes = readFileSync(KEEPALIVE).length;
    cut(path, Math.floor(bytes / 2) + 1);
    const replayed = await replay(lab.client, [path, ...against(80)]);
    const { capture, users } = withLedger(replayed);
    expect(capture.sessions.replayable).toBeGreaterThan(0);
    expect(capture.sessions.total).toBeLessThan(16);
    expect(users.completed).toBe(capture.sessions.replayable);
    expect(replayed.stdout + replayed.stderr).toMatch(/cut|truncated/i);
  });
});

function cut(path: string, bytes: number): void {
  writeFileSync(path, readFileSync(KEEPALIVE));
  truncateSync(path, bytes);
}
