/**
 * Replays whose replies come from intercepts: client, target and auxiliary machine in namespaces.
 * The servers' own accounts say whether the users were real to them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { packetFields, startCapture } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import {
  type Auxiliary,
  addAuxiliary,
  leftovers,
  makeToken,
  type RunningIntercept,
  startIntercept,
} from '../helpers/intercept.ts';
import { LIST_ITEMS, redisListCapture } from '../helpers/long-answer.ts';
import { CLIENTS_ROUTED, inside, type Lab, makeLab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { run, signalTo, startProgram, until } from '../helpers/process.ts';
import { completed, fixture, type Replayed, replay, withLedger } from '../helpers/replay.ts';
import {
  makeFolder,
  type Nginx,
  startGreeting,
  startNginx,
  startRedis,
} from '../helpers/servers.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'nginx',
  'curl',
  'iptables',
  'redis-server',
  'tcpdump',
  'tshark',
];
const MODES = ['advanced', 'nfqueue', 'sink'] as const;
type Mode = (typeof MODES)[number];

interface Noted {
  readonly plan: { readonly mode: string };
  readonly generator: { readonly notes: readonly string[]; readonly warnings: readonly string[] };
}
const notesOf = ({ result }: Replayed): Noted => result as unknown as Noted;

const hasRegistered = (one: RunningIntercept): Promise<void> =>
  until('a replay has registered', () => one.output().includes('a replay has registered'), 60_000);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.runIf(canRun('intercepts', TOOLS))('a replay with intercepts', () => {
  let lab: Lab;
  let auxiliary: Auxiliary;
  let nginx: Nginx;
  let token: string;
  const running: RunningIntercept[] = [];

  beforeAll(async () => {
    lab = await makeLab();
    auxiliary = await addAuxiliary(lab);
    nginx = await startNginx(lab.target);
    token = makeToken();
    // As targets have: a way for everything that they know nothing of. It leads to the auxiliary.
    await mustInside(lab.target, ['ip', 'route', 'add', 'default', 'via', auxiliary.gateway]);
  });

  keepGround(() => [lab.client, lab.target]);

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
  });

  afterAll(async () => {
    await nginx?.stop();
    await auxiliary?.close();
    await lab?.close();
  });

  const hostOf = (mode: Mode) => (mode === 'advanced' ? auxiliary : lab.target);

  async function start(mode: Mode, argv: readonly string[] = [], port?: number) {
    const at = { token, ...(port === undefined ? {} : { port }) };
    const started = await startIntercept(hostOf(mode), ['--mode', mode, ...argv], at);
    running.push(started);
    return started;
  }

  const play = (
    modes: readonly Mode[],
    argv: readonly string[],
    options: { capture?: string; port?: number } = {},
  ): Promise<Replayed> => {
    const { capture = 'http-keepalive.pcap', port = 80 } = options;
    const intercepts = modes.map((mode) => hostOf(mode).ipv4).join(',');
    const target = ['--target', `${lab.target.ipv4}:${port}`, '--token-file', token];
    return replay(lab.client, [fixture(capture), ...target, '-s', intercepts, ...argv]);
  };

  test.each(['advanced', 'nfqueue'] as const)(
    'answers that say in their midst how they go on are followed to their ends: %s',
    async (mode) => {
      const redis = await startRedis(lab.target);
      const folder = makeFolder('list');
      try {
        await redis.cli('rpush', 'list', ...LIST_ITEMS);
        const capture = join(folder.path, 'list.pcap');
        writeFileSync(capture, redisListCapture());
        const argv = [capture, '--target', `${lab.target.ipv4}:${redis.port}`, '-u', '20'];
        const by = ['--token-file', token, '-s', hostOf(mode).ipv4, '-a', '10'];
        const intercept = await start(mode);
        const whole = await replay(lab.client, [...argv, ...by]);
        expect(completed(whole, 20).answerRules).toMatchObject({ protocol: 40 });
        expect(notesOf(whole).generator.warnings.join('\n')).not.toContain('octets of each packet');
        await intercept.stop();
        if (mode !== 'advanced') return;

        await start(mode, ['--prefix-bytes-max', '512', '--prefix-bytes', '256']);
        const cut = await replay(lab.client, [...argv, ...by]);
        expect(notesOf(cut).generator.warnings.join('\n')).toMatch(
          /hands over 512 octets of each packet: answers of redis are followed as far as that/,
        );
        expect(cut.result?.answerRules.protocol).toBe(0);
      } finally {
        await redis.stop();
        folder.remove();
      }
    },
  );

  /** A client that is told a token on one connection, and says it on the next. */
  async function recordToken(path: string): Promise<void> {
    const recording = await startCapture(lab.target, path, { filter: 'tcp port 80' });
    const base = `http://${lab.target.ipv4}`;
    const told = await mustInside(lab.client, ['curl', '-sS', `${base}/session`]);
    const { token: recorded } = JSON.parse(told) as { readonly token: string };
    const url = `${base}/page.html?t=${encodeURIComponent(recorded)}`;
    await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', url]);
    await recording.stop();
  }

  describe.each(MODES)('in mode %s', (mode) => {
    test('what an answer tells is read through it, and stands in the next request', async () => {
      const clients = 40;
      const folder = makeFolder('token-rule');
      const capture = join(folder.path, 'token.pcap');
      await recordToken(capture);
      const rules = join(folder.path, 'rules.yaml');
      writeFileSync(rules, 'unbound: fail\nlearn: [{ name: token, from: { json: $.token } }]\n');
      await start(mode);
      const before = nginx.accessLog().length;
      const by = ['--target', `${lab.target.ipv4}:80`, '--token-file', token];
      const users = ['--per', 'client', '-u', `${clients}`, '--rules', rules, '--threads', '2'];
      const replayed = await replay(lab.client, [
        capture,
        ...by,
        ...['-s', hostOf(mode).ipv4, '-a', '10'],
        ...users,
      ]);
      folder.remove();
      completed(replayed, 2 * clients);
      expect(notesOf(replayed)).toMatchObject({
        plan: { mode },
        rewriting: { answersRead: clients, answersReadInPart: 0 },
      });
      const entries = nginx.accessLog().slice(before);
      const tokens = new Map<string, string>();
      for (const { address, uri, connection } of entries) {
        if (uri === '/session') tokens.set(address, `/page.html?t=token%2Fof%2B${connection}`);
      }
      expect(tokens.size).toBe(clients);
      for (const { address, uri } of entries) {
        if (uri !== '/session') expect(uri).toBe(tokens.get(address));
      }
      expect(entries).toHaveLength(2 * clients);
    });

    test('nginx gets every request once, and no reply leaves but to the intercept', async () => {
      await start(mode);
      const before = nginx.accessLog().length;
      const path = join(makeFolder('leak').path, 'leak.pcap');
      // What the client machine sees on both its links, and what the auxiliary passes on.
      const filter = `tcp and src host ${lab.target.ipv4} and dst net ${CLIENTS_ROUTED.ipv4}`;
      const leak = await startCapture(lab.client, path, { filter, device: 'any' });
      const replayed = await play([mode], ['-u', '160', '--accel', '10', '--threads', '2']);
      const result = completed(replayed, 160);
      await leak.stop();
      expect(await packetFields(path, ['ip.dst'])).toEqual([]);
      const requests = nginx.accessLog().slice(before);
      expect(requests).toHaveLength(result.exchanges.sent);
      expect(requests.every(({ status }) => status === 200)).toBe(true);
      expect(notesOf(replayed).plan.mode).toBe(mode);
      expect(notesOf(replayed).generator.notes.join('\n')).toMatch(
        /0 dropped for this replay, 0 by/,
      );
    });

    test('redis gets every command', async () => {
      const redis = await startRedis(lab.target);
      try {
        await start(mode);
        const replayed = await play([mode], ['-u', '42', '-a', '10'], {
          capture: 'redis.pcap',
          port: redis.port,
        });
        completed(replayed, 42);
        expect(await redis.connectionsReceived()).toBeGreaterThanOrEqual(42);
      } finally {
        await redis.stop();
      }
    });

    test('a server that greets first is heard', async () => {
      const server = await startGreeting(lab.target);
      try {
        await start(mode);
        const options = { capture: 'greeting.pcap', port: server.port };
        completed(await play([mode], ['-u', '8', '-a', '10'], options), 8);
        expect(server.connections().filter(({ octets }) => octets.length > 0)).toHaveLength(8);
      } finally {
        await server.stop();
      }
    });

    test('SIGTERM ends it with 0 and nothing is left behind', async () => {
      const pidFile = join(makeFolder('pid').path, 'pid');
      const started = await start(mode, ['--pid-file', pidFile]);
      expect(Number(readFileSync(pidFile, 'utf8'))).toBeGreaterThan(1);
      completed(await play([mode], ['-u', '16', '-a', '10']), 16);
      await started.stop('SIGTERM');
      expect(started.output()).toContain('"msg":"ending"');
      expect(existsSync(pidFile)).toBe(false);
      expect(await leftovers(hostOf(mode))).toEqual([]);
    });

    test('killed and started again in mid-run: the run goes on and says what was missed', async () => {
      const first = await start(mode);
      const path = join(makeFolder('leak').path, 'leak.pcap');
      // By the target's default route, where whatever is not withheld leaves it.
      const filter = `tcp and src host ${lab.target.ipv4} and dst net ${CLIENTS_ROUTED.ipv4}`;
      const leak = await startCapture(lab.target, path, { filter, device: 'aux0' });
      const replaying = play([mode], ['-u', '64', '-a', '0.3', '--threads', '1']);
      await hasRegistered(first);
      await pause(2_000);
      await first.stop('SIGKILL');
      await pause(700);
      await start(mode);
      const replayed = await replaying;
      const result = withLedger(replayed);
      expect(result.users).toMatchObject({ planned: 64, completed: 64 });
      const { notes, warnings } = notesOf(replayed).generator;
      expect(notes.join('\n')).toMatch(/lost once, replies of .* were missed/);
      expect(warnings.join('\n')).toContain('is lost');
      await leak.stop();
      const left = await packetFields(path, ['ip.dst']);
      if (mode === 'advanced') expect(left.length).toBeGreaterThan(0);
      else expect(left).toEqual([]);
      await running.at(-1)?.stop();
      expect(await leftovers(hostOf(mode))).toEqual([]);
    });
  });

  test.each(MODES)('IPv6 goes the same way (%s), and none of it further', async (mode) => {
    await start(mode);
    const clients = CLIENTS_ROUTED.ipv6;
    // The sink makes a route of its own; the kernel makes no reply for nfqueue without one.
    const via = { advanced: auxiliary.gateway6, nfqueue: lab.client.ipv6, sink: null }[mode];
    const route = ['ip', '-6', 'route'];
    if (via !== null) await mustInside(lab.target, [...route, 'add', clients, 'via', via]);
    const before = nginx.accessLog().length;
    const path = join(makeFolder('leak').path, 'leak.pcap');
    const filter = `tcp and src host ${lab.target.ipv6} and dst net ${clients}`;
    const leak = await startCapture(lab.client, path, { filter, device: 'any' });
    try {
      const replayed = await replay(lab.client, [
        fixture('http-ipv6.pcap'),
        ...['--target', `[${lab.target.ipv6}]:80`, '-c', clients, '-u', '60', '-a', '10'],
        ...['-s', hostOf(mode).ipv4, '--token-file', token],
      ]);
      const result = completed(replayed, 60);
      expect(notesOf(replayed).plan.mode).toBe(mode);
      expect(nginx.accessLog().slice(before)).toHaveLength(result.exchanges.sent);
    } finally {
      await leak.stop();
      if (via !== null) await mustInside(lab.target, [...route, 'del', clients]);
    }
    expect(await packetFields(path, ['ipv6.dst'])).toEqual([]);
  });

  test('strangers on the port change nothing: octets, scans, half-open ends, a wrong secret', async () => {
    const daemon = await start('sink');
    const replaying = play(['sink'], ['-u', '160', '-a', '0.5']);
    await hasRegistered(daemon);
    const { ipv4 } = lab.target;
    const script = `
import os, socket, time
held = []
for i in range(120):
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect(('${ipv4}', 36524))
        if i % 3 == 0: s.send(os.urandom(2000))
        if i % 3 == 1: held.append(s)
        else: s.close()
    except OSError: pass
time.sleep(1.5)
`;
    const noise = startProgram(inside(lab.client, ['/usr/bin/python3', '-c', script]));
    const wrong = makeToken('another secret of more than sixteen octets');
    const other = await replay(lab.client, [
      fixture('http-short.pcap'),
      ...['--target', `${ipv4}:80`, '-s', ipv4, '--token-file', wrong, '-c', '10.99.0.0/24'],
    ]);
    expect(other.code).toBe(5);
    // With 40 of them holding the line a right one may be turned away, but never the running one.
    expect(other.stderr).toMatch(/secret|cannot be reached/);
    completed(await replaying, 160);
    await noise.stop();
    expect(daemon.hasEnded()).toBe(false);
    expect(daemon.output()).toContain('connections were turned away');
    completed(await play(['sink'], ['-u', '16', '-a', '10']), 16);
  });

  test('two replays on one intercept, each with clients of its own', async () => {
    await start('nfqueue');
    const before = nginx.accessLog().length;
    const [one, other] = await Promise.all([
      play(['nfqueue'], ['-u', '80', '-a', '2', '-c', '198.18.0.0/24']),
      play(['nfqueue'], ['-u', '80', '-a', '2', '-c', '198.18.1.0/24']),
    ]);
    const sent = completed(one, 80).exchanges.sent + completed(other, 80).exchanges.sent;
    expect(nginx.accessLog()).toHaveLength(before + sent);
  });

  test('a second replay that wants the same clients is refused by the name of the first', async () => {
    const daemon = await start('sink');
    const first = play(['sink'], ['-u', '32', '-a', '0.5']);
    await hasRegistered(daemon);
    const second = await play(['sink'], ['-u', '32']);
    expect(second.code).toBe(5);
    expect(second.stderr).toMatch(
      /has registered clients 198\.18\.0\.1-198\.19\.255\.254 with ports/,
    );
    completed(await first, 32);
  });

  test('two intercepts for one replay', async () => {
    await start('sink');
    await start('advanced');
    const replayed = await play(['sink', 'advanced'], ['-u', '160', '-a', '10']);
    completed(replayed, 160);
    expect(notesOf(replayed).plan.mode).toBe('sink+advanced');
  });

  test('a client of the operator works undisturbed during a run', async () => {
    await start('nfqueue');
    const replaying = play(['nfqueue'], ['-u', '160', '-a', '1']);
    let answered = 0;
    for (let i = 0; i < 20; i++) {
      const url = `http://${lab.target.ipv4}/page.html`;
      const { code } = await run(
        inside(lab.client, ['curl', '-sSfm', '2', '-o', '/dev/null', url]),
      );
      if (code === 0) answered++;
      await pause(50);
    }
    expect(answered).toBe(20);
    completed(await replaying, 160);
  });

  describe('before anything is played it is said', () => {
    test('that nobody listens', async () => {
      const { code, stderr } = await play(['sink'], []);
      expect(code).toBe(5);
      expect(stderr).toContain(
        `intercept at ${lab.target.ipv4}:36524 cannot be reached: ECONNREFUSED`,
      );
    });

    test('that one end has no secret', async () => {
      await start('sink');
      const { ipv4 } = lab.target;
      const argv = ['--target', `${ipv4}:80`, '-s', ipv4];
      const { code, stderr } = await replay(lab.client, [fixture('http-short.pcap'), ...argv]);
      expect(code).toBe(5);
      expect(stderr).toContain('--token-file');
    });

    test('that nothing listens at the target', async () => {
      await start('sink');
      const { code, stderr } = await play(['sink'], [], { port: 81 });
      expect(code).toBe(5);
      expect(stderr).toContain("the target's host answered the probe");
    });

    test.each(MODES)(
      'that no answer was seen of a target with a strict rp_filter (%s), and what mends it',
      async (mode) => {
        await start(mode);
        const strict = 'net.ipv4.conf.all.rp_filter';
        await mustInside(lab.target, ['sysctl', '-qw', `${strict}=1`]);
        try {
          const { code, stderr } = await play([mode], []);
          expect(code).toBe(5);
          expect(stderr).toContain('no answer to the probe');
          if (mode === 'advanced') expect(stderr).toContain('ip route add 198.18.0.0/15 via');
          const [, line = ''] = /strict rp_filter.*: (sysctl -w \S+)/.exec(stderr) ?? [];
          expect(line).toBe(`sysctl -w ${strict}=2`);
          await mustInside(lab.target, line.split(' '));
          completed(await play([mode], ['-u', '16', '-a', '10']), 16);
        } finally {
          await mustInside(lab.target, ['sysctl', '-qw', `${strict}=0`]);
        }
      },
    );
  });

  test('over IPv6 the route that is wanting is told as `ip -6` takes it', async () => {
    await start('advanced');
    const clients = CLIENTS_ROUTED.ipv6;
    const { code, stderr } = await replay(lab.client, [
      fixture('http-ipv6.pcap'),
      ...['--target', `[${lab.target.ipv6}]:80`, '-c', clients],
      // Its address for replays is one of IPv4: no next hop for these clients.
      ...['-s', auxiliary.ipv4, '--token-file', token],
    ]);
    expect(code).toBe(5);
    const [, line = ''] = /on the target: (.*) via AUXILIARY/.exec(stderr) ?? [];
    expect(line).toBe(`ip -6 route add ${clients}`);
    await mustInside(lab.target, [...line.split(' '), 'via', auxiliary.gateway6]);
    await mustInside(lab.target, ['ip', '-6', 'route', 'del', clients]);
  });

  test('--daemon comes back when it can serve, and the log and the pid are in their files', async () => {
    const folder = makeFolder('daemon').path;
    const [log, pid] = [join(folder, 'log'), join(folder, 'pid')];
    const command = [process.execPath, 'bin/gryphon.js', 'intercept', '--mode', 'sink', '--daemon'];
    const files = ['--log-file', log, '--pid-file', pid, '--listen', '127.0.0.1:36600'];
    const { code, stderr } = await run(inside(lab.target, [...command, ...files]));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('ready: 127.0.0.1:36600, mode sink');
    const id = Number(readFileSync(pid, 'utf8'));
    expect(readFileSync(log, 'utf8')).toContain('"msg":"ready"');
    signalTo(id, 'SIGTERM');
    for (let i = 0; i < 100 && existsSync(`/proc/${id}`); i++) await pause(50);
    expect(existsSync(`/proc/${id}`)).toBe(false);
    expect(await leftovers(lab.target)).toEqual([]);
  });
});
