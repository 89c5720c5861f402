/** A replay with a rule for own addresses is told to end, at any stage of its start and end: nothing of it is left. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Host, makeNamespaces, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, type Running, run, signalTo, until } from '../helpers/process.ts';
import { fixture, replayCommand } from '../helpers/replay.ts';
import { makeFolder } from '../helpers/servers.ts';

const PYTHON = '/usr/bin/python3';
const CHAINS = ['iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore'];
const TOOLS = ['ip', 'nft', ...CHAINS, 'iptables-save', 'ss', PYTHON];
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const PORT = 8_080;
/** Half a second of play. */
const LOAD = ['--users', '20', '--rate', '40'];
/** Moments of a life at which it is told to end, besides the calls of tools. */
const MOMENTS = 12;
const INTERRUPTED = 130;
/** Some twenty-five lives, and a busy machine. */
const LIVES_MS = 240_000;

interface Life {
  readonly calls: readonly string[];
  /** Null: a signal has ended it before it had a say. */
  readonly code: number | null;
  readonly output: string;
  readonly left: readonly string[];
  readonly elapsedMs: number;
}

describe.runIf(canRun('signals at a replay from own addresses', TOOLS))('told to end', () => {
  let host: Host;
  let close: () => void;
  let server: Running;
  const running: Running[] = [];

  beforeAll(async () => {
    const made = await makeNamespaces(1);
    close = made.close;
    host = { name: made.names[0] ?? '', device: 'lo', ipv4: '127.0.0.1', ipv6: '::1' };
    await mustInside(host, ['ip', 'link', 'set', 'lo', 'up']);
    server = startInside(host, [PYTHON, '-m', 'http.server', '-b', host.ipv4, `${PORT}`]);
    await until('the server listens', async () => {
      const text = await mustInside(host, ['ss', '-Hltn', `sport = :${PORT}`]);
      return text !== '';
    });
  });

  afterAll(async () => {
    for (const each of running) await each.stop('SIGKILL');
    await server?.stop('SIGKILL');
    close?.();
  });

  /** @param tools those that are there @param told when: at the nth call of a tool, or so long after the start */
  async function live(
    tools: readonly string[],
    signal: (typeof SIGNALS)[number],
    told: { readonly call?: number; readonly afterMs?: number },
  ): Promise<Life> {
    const { path, remove } = makeFolder('signals');
    const log = join(path, 'calls');
    writeFileSync(log, '');
    for (const tool of tools) {
      const script = `#!/bin/sh
echo "${tool} $*" >>${log}
PATH=${process.env.PATH}:/usr/sbin:/sbin
[ "$(wc -l <${log})" = ${told.call ?? 0} ] && kill -${signal.slice(3)} $PPID
exec ${findTool(tool)} "$@"
`;
      writeFileSync(join(path, tool), script);
      chmodSync(join(path, tool), 0o755);
    }
    const target = ['--target', `${host.ipv4}:${PORT}`, '--clients', 'own', '--no-progress'];
    const argv = replayCommand([fixture('http-short.pcap'), ...target, ...LOAD]);
    const started = performance.now();
    const replay = startInside(host, ['env', `PATH=${path}`, ...argv]);
    running.push(replay);
    if (told.afterMs !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, told.afterMs));
      if (!replay.hasEnded()) signalTo(replay.pid, signal);
    }
    await until('it has ended', () => replay.hasEnded(), 60_000);
    const elapsedMs = performance.now() - started;
    const look = ['sh', '-c', 'iptables-save -t raw; nft list tables'];
    const left = (await mustInside(host, look)).split('\n').filter((line) => /gryphon/.test(line));
    await run(['ip', 'netns', 'exec', host.name, 'nft', 'flush', 'ruleset']);
    const calls = readFileSync(log, 'utf8').split('\n').slice(0, -1);
    remove();
    return { calls, code: replay.exitCode(), output: replay.output(), left, elapsedMs };
  }

  test.each([
    { tool: 'iptables', tools: ['ip', 'nft', ...CHAINS] },
    { tool: 'nft', tools: ['ip', 'nft'] },
  ])(
    'it takes its rule away, whichever stage it is at: $tool',
    async ({ tools }) => {
      const whole = await live(tools, 'SIGINT', {});
      expect(whole).toMatchObject({ code: 0, left: [] });
      expect(whole.output).toContain('all 20 users completed');
      expect(whole.calls.length).toBeGreaterThan(6);
      const lives: Life[] = [];
      for (const [at] of whole.calls.entries()) {
        lives.push(await live(tools, SIGNALS[at % 2] ?? 'SIGINT', { call: at + 1 }));
      }
      // Told while it makes its rule, it plays nothing; while it takes it away, it has played all.
      const codes = lives.map(({ code }) => code);
      expect(codes).toEqual([...codes].sort((a, b) => (b ?? 0) - (a ?? 0)));
      expect(new Set(codes)).toEqual(new Set([INTERRUPTED, 0]));
      for (let moment = 0; moment < MOMENTS; moment++) {
        const afterMs = (whole.elapsedMs * moment) / MOMENTS;
        lives.push(await live(tools, SIGNALS[moment % 2] ?? 'SIGINT', { afterMs }));
      }
      const wrong = lives.filter(({ calls, code, left, output }) => {
        // What has called no tool yet, or has told its result, has nothing to take away, and may end as every program does.
        const isOutside = calls.length === 0 || output.includes('all 20 users completed');
        const isEnded = code === null ? isOutside : code === INTERRUPTED || code === 0;
        // A run that has been played is not interrupted, whatever it is told afterwards.
        const isTold = code === null || /interrupted/.test(output) === (code === INTERRUPTED);
        return left.length > 0 || !isEnded || !isTold;
      });
      expect(wrong).toEqual([]);
    },
    LIVES_MS,
  );
});
