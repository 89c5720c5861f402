/**
 * Replays whose replies come from intercepts: client, target and auxiliary machine in namespaces.
 * The servers' own accounts say whether the users were real to them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packetFields, startCapture } from '../helpers/capture.ts';
import { leftovers } from '../helpers/intercept.ts';
import { hasRegistered, interceptGround, MODES, notesOf } from '../helpers/intercept-ground.ts';
import { LIST_ITEMS, redisListCapture } from '../helpers/long-answer.ts';
import { CLIENTS_ROUTED, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay, withLedger } from '../helpers/replay.ts';
import { makeFolder, startGreeting, startRedis } from '../helpers/servers.ts';

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

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.runIf(canRun('intercepts', TOOLS))('a replay with intercepts', () => {
  const at = interceptGround();
  const { hostOf, start, play } = at;

  test.each(['advanced', 'nfqueue'] as const)(
    'answers that say in their midst how they go on are followed to their ends: %s',
    async (mode) => {
      const redis = await startRedis(at.lab.target);
      const folder = makeFolder('list');
      try {
        await redis.cli('rpush', 'list', ...LIST_ITEMS);
        const capture = join(folder.path, 'list.pcap');
        writeFileSync(capture, redisListCapture());
        const argv = [capture, '--target', `${at.lab.target.ipv4}:${redis.port}`, '-u', '20'];
        const by = ['--token-file', at.token, '-s', hostOf(mode).ipv4, '-a', '10'];
        const intercept = await start(mode);
        const whole = await replay(at.lab.client, [...argv, ...by]);
        expect(completed(whole, 20).answerRules).toMatchObject({ protocol: 40 });
        expect(notesOf(whole).generator.warnings.join('\n')).not.toContain('octets of each packet');
        await intercept.stop();
        if (mode !== 'advanced') return;

        await start(mode, ['--prefix-bytes-max', '512', '--prefix-bytes', '256']);
        const cut = await replay(at.lab.client, [...argv, ...by]);
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
    const recording = await startCapture(at.lab.target, path, { filter: 'tcp port 80' });
    const base = `http://${at.lab.target.ipv4}`;
    const told = await mustInside(at.lab.client, ['curl', '-sS', `${base}/session`]);
    const { token: recorded } = JSON.parse(told) as { readonly token: string };
    const url = `${base}/page.html?t=${encodeURIComponent(recorded)}`;
    await mustInside(at.lab.client, ['curl', '-sS', '-o', '/dev/null', url]);
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
      const before = at.nginx.accessLog().length;
      const by = ['--target', `${at.lab.target.ipv4}:80`, '--token-file', at.token];
      const users = ['--per', 'client', '-u', `${clients}`, '--rules', rules, '--threads', '2'];
      const replayed = await replay(at.lab.client, [
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
      const entries = at.nginx.accessLog().slice(before);
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
      const before = at.nginx.accessLog().length;
      const path = join(makeFolder('leak').path, 'leak.pcap');
      // What the client machine sees on both its links, and what the auxiliary passes on.
      const filter = `tcp and src host ${at.lab.target.ipv4} and dst net ${CLIENTS_ROUTED.ipv4}`;
      const leak = await startCapture(at.lab.client, path, { filter, device: 'any' });
      const replayed = await play([mode], ['-u', '160', '--accel', '10', '--threads', '2']);
      const result = completed(replayed, 160);
      await leak.stop();
      expect(await packetFields(path, ['ip.dst'])).toEqual([]);
      const requests = at.nginx.accessLog().slice(before);
      expect(requests).toHaveLength(result.exchanges.sent);
      expect(requests.every(({ status }) => status === 200)).toBe(true);
      expect(notesOf(replayed).plan.mode).toBe(mode);
      expect(notesOf(replayed).generator.notes.join('\n')).toMatch(
        /0 dropped for this replay, 0 by/,
      );
    });

    test('redis gets every command', async () => {
      const redis = await startRedis(at.lab.target);
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
      const server = await startGreeting(at.lab.target);
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
      const filter = `tcp and src host ${at.lab.target.ipv4} and dst net ${CLIENTS_ROUTED.ipv4}`;
      const leak = await startCapture(at.lab.target, path, { filter, device: 'aux0' });
      const replaying = play([mode], ['-u', '64', '-a', '0.3', '--threads', '1']);
      await hasRegistered(first);
      await pause(2_000);
      await first.stop('SIGKILL');
      await pause(700);
      const second = await start(mode);
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
      await second.stop();
      expect(await leftovers(hostOf(mode))).toEqual([]);
    });
  });

  test.each(MODES)('IPv6 goes the same way (%s), and none of it further', async (mode) => {
    await start(mode);
    const clients = CLIENTS_ROUTED.ipv6;
    // The sink makes a route of its own; the kernel makes no reply for nfqueue without one.
    const via = { advanced: at.auxiliary.gateway6, nfqueue: at.lab.client.ipv6, sink: null }[mode];
    const route = ['ip', '-6', 'route'];
    if (via !== null) await mustInside(at.lab.target, [...route, 'add', clients, 'via', via]);
    const before = at.nginx.accessLog().length;
    const path = join(makeFolder('leak').path, 'leak.pcap');
    const filter = `tcp and src host ${at.lab.target.ipv6} and dst net ${clients}`;
    const leak = await startCapture(at.lab.client, path, { filter, device: 'any' });
    try {
      const replayed = await replay(at.lab.client, [
        fixture('http-ipv6.pcap'),
        ...['--target', `[${at.lab.target.ipv6}]:80`, '-c', clients, '-u', '60', '-a', '10'],
        ...['-s', hostOf(mode).ipv4, '--token-file', at.token],
      ]);
      const result = completed(replayed, 60);
      expect(notesOf(replayed).plan.mode).toBe(mode);
      expect(at.nginx.accessLog().slice(before)).toHaveLength(result.exchanges.sent);
    } finally {
      await leak.stop();
      if (via !== null) await mustInside(at.lab.target, [...route, 'del', clients]);
    }
    expect(await packetFields(path, ['ipv6.dst'])).toEqual([]);
  });
});
