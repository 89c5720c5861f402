/** Connections of a client that wait for what another was to be told, when that will not come any more. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, said } from '../helpers/recorded.ts';
import { type Answer, type TalkOptions, talk } from './talking.ts';

const FIN = { how: StreamEnd.FIN } as const;

/** It was left a second after it had begun. */
const sessionOf = (...lines: readonly string[]): RecordedSession => ({
  messages: lines.flatMap((line) => [
    said('client', `${line}\n`, NS_PER_MS),
    said('server', `${line.toUpperCase()}\n`, NS_PER_MS),
  ]),
  clientEnd: { ...FIN, offsetNs: 1e9 },
  serverEnd: { ...FIN, afterPeer: true },
});

interface Told {
  readonly tokens: Set<number>;
  readonly over: Set<number>;
}

/**
 * Sessions say `login …`, whose answer tells a token, `skip …`, which is left out, and `use N …`, which needs
 * what session N was told. What is sent in vain says so.
 */
function moduleOf(asked: string[], hearsEnds: boolean): ProtocolModule {
  const texts: string[][] = [];
  const module: ProtocolModule<number, Told, { told: Told; session: number }> = {
    name: 'tokens',
    plan: ({ session, messages, message }) => {
      texts[session] = Array.from({ length: messages }, (_, i) =>
        Buffer.from(message(i)).toString('latin1').trim(),
      );
      const needs = (text: string) => text.startsWith('use') || text.startsWith('skip');
      const rewrites = texts[session].flatMap((text, i) => (needs(text) ? [i] : []));
      const reads = texts[session].flatMap((text, i) => (text.startsWith('login') ? [i + 1] : []));
      return { plan: session, rewrites, reads };
    },
    client: () => ({ tokens: new Set(), over: new Set() }),
    connection: (told, session) => ({ told, session }),
    onAnswer: ({ told, session }) => {
      told.tokens.add(session);
    },
    ...(hearsEnds && {
      onEnd: ({ told, session }: { told: Told; session: number }) => {
        told.over.add(session);
      },
    }),
    rewrite: ({ told, session }, message, out) => {
      const [what = '', of] = texts[session]?.[message]?.split(' ') ?? [];
      if (what === 'skip') {
        told.over.add(session);
        return 'skip';
      }
      const has = told.tokens.has(Number(of));
      if (!has && !told.over.has(Number(of)) && !out.isLate) return 'wait';
      asked.push(`${session} ${has ? 'told' : 'in vain'}${out.isLate ? ', late' : ''}`);
      out.copy(0, out.recorded.length);
      return 'ready';
    },
  };
  return module as ProtocolModule;
}

/** One client has all sessions, which overlap; without an answer of their own lines are answered in capitals. */
function play(
  sessions: readonly RecordedSession[],
  answers: Readonly<Record<string, Answer>>,
  { hearsEnds = true, ...more }: Partial<TalkOptions> & { readonly hearsEnds?: boolean } = {},
) {
  const asked: string[] = [];
  const { counters, endMs } = talk({
    sessions,
    modules: [moduleOf(asked, hearsEnds)],
    scripts: {
      clientAddress: new Uint32Array(sessions.length).fill(7),
      durationNs: new Float64Array(sessions.length).fill(20e9),
    },
    options: { per: 'client', users: 1 },
    server: (heard, connection) => {
      if (heard === '')
        return `open ${connection}` in answers ? [answers[`open ${connection}`]] : [];
      return heard
        .split('\n')
        .slice(0, -1)
        .map((line) => answers[line] ?? `${line.toUpperCase()}\n`);
    },
    ...more,
  });
  return { asked, counters, endMs };
}

const LONG: Answer = { text: 'SLOW\n', delayMs: 2_000 };
const CUT: Answer = { text: '', end: true, delayMs: 10 };
const CUT_AT_ONCE: Answer = { text: '', end: true };

describe('what a connection was to be told', () => {
  test('is waited for as long as it may come', () => {
    const slow = { 'login a': { text: 'LOGIN A\n', delayMs: 700 } };
    const { asked, endMs } = play([sessionOf('login a'), sessionOf('use 0')], slow);
    expect(asked).toEqual(['1 told']);
    expect(endMs).toBeGreaterThan(700);
  });

  test.each<[string, Record<string, Answer>]>([
    ['that the server cuts off', { 'login a': CUT }],
    ['that ends before anything was said', { 'open 0': CUT_AT_ONCE }],
  ])('of one %s, is waited for no longer, whatever else the client does', (_, how) => {
    const sessions = [sessionOf('login a'), sessionOf('use 0'), sessionOf('slow')];
    const { asked, counters, endMs } = play(sessions, { ...how, slow: LONG });
    expect(asked).toEqual(['1 in vain']);
    expect(counters[Counter.ABORTED_CLOSED_EARLY]).toBe(1);
    expect(counters[Counter.COMPLETED]).toBe(2);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(0);
    // With the slow one.
    expect(endMs).toBeLessThan(2_200);
  });

  test('of one that went on without its request, likewise', () => {
    const sessions = [sessionOf('first', 'skip', 'slow', 'use 0'), sessionOf('use 0')];
    const first: Answer = { text: 'FIRST\n', delayMs: 50 };
    const { asked, counters } = play(sessions, { first, slow: LONG }, { hearsEnds: false });
    // Before the slow one is over.
    expect(asked).toEqual(['1 in vain', '0 in vain']);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(0);
    expect(counters[Counter.COMPLETED]).toBe(2);
  });

  test('of one for which there was no room, likewise', () => {
    const sessions = [sessionOf('use 1'), sessionOf('login b', `use 1 ${'x'.repeat(3_000)}`)];
    const { asked, counters, endMs } = play(sessions, {}, { arenaBytes: 4_096 });
    expect(counters[Counter.ABORTED_NOT_STARTED]).toBe(1);
    expect(asked).toEqual(['0 in vain']);
    expect(endMs).toBeLessThan(100);
  });
});

describe('where nobody is left who could be told it', () => {
  test.each<[string, readonly RecordedSession[]]>([
    ['since the others have ended', [sessionOf('login a'), sessionOf('use 0')]],
    ['since they wait for each other', [sessionOf('use 1', 'a'), sessionOf('use 0', 'b')]],
  ])('a module that does not look after that is told that it is late: %s', (_, sessions) => {
    const { asked, counters, endMs } = play(sessions, { 'login a': CUT }, { hearsEnds: false });
    expect(asked[0]).toMatch(/^\d in vain, late$/);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(asked.length);
    expect(endMs).toBeLessThan(100);
  });

  test('since the one that could starts behind who waits', () => {
    const sessions = [sessionOf('login a'), sessionOf('use 2'), sessionOf('login c')];
    const { asked, endMs } = play(
      sessions,
      {},
      {
        hearsEnds: false,
        scripts: {
          clientAddress: Uint32Array.of(7, 7, 7),
          startNs: Float64Array.of(0, 0, 2e9),
          durationNs: Float64Array.of(1e9, 1e9, 1e9),
        },
      },
    );
    expect(asked).toEqual(['1 in vain, late']);
    // With the recorded second between the two, and no bind timeout.
    expect(endMs).toBeLessThan(1_100);
  });

  test('one that is still to start in time is waited for', () => {
    const sessions = [sessionOf('use 1'), sessionOf('login b')];
    const { asked } = play(
      sessions,
      {},
      {
        hearsEnds: false,
        scripts: {
          clientAddress: Uint32Array.of(7, 7),
          startNs: Float64Array.of(0, 900e6),
          durationNs: Float64Array.of(20e9, 20e9),
        },
      },
    );
    expect(asked).toEqual(['0 told']);
  });
});
