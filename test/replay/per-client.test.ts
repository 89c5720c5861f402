/** Users that are recorded clients with all their connections, in virtual time. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../src/measure/counters.ts';
import type { Replay } from '../../src/replay/replay.ts';
import type { SessionSpec } from '../helpers/scripts.ts';
import { named, type PlayOptions, play } from './play.ts';

const MS = 1e6;

/** 1 ms to connect, a request at once, its answer `answerMs` later, and the client's end `endMs` after that. */
const session = (
  client: number,
  startMs: number,
  answerMs: number,
  endMs = 1,
  more: Partial<SessionSpec> = {},
): SessionSpec => ({
  startMs,
  client,
  said: [
    { from: 'client', text: `ask ${client} at ${startMs}` },
    { from: 'server', text: 100 + startMs, afterMs: answerMs },
  ],
  endAfterMs: endMs,
  ...more,
});

/** When each connection was to start, by row, in ms. */
function startsOf({ replay }: { readonly replay: Replay }): number[] {
  // What was asked last was intended a connect time of 1 ms after the start.
  return Array.from(replay.plays.intendedNs, (ns) => ns / MS - 1);
}

const playClients = (specs: readonly SessionSpec[], options: PlayOptions = {}) =>
  play(specs, { per: 'client', ...options });

/** A browser: a page, five connections that overlap it, and one after two of these were left. */
const BROWSER = [
  session(7, 0, 50),
  session(7, 20, 30),
  session(7, 21, 30),
  session(7, 22, 100),
  session(7, 23, 10),
  session(7, 24, 200),
  // The page was left at 52 ms, the others at 52, 53, 124, 35 and 226 ms.
  session(7, 60, 10),
];

describe('at the recorded pace of the server', () => {
  test('all connections start as recorded, to the nanosecond', () => {
    const played = playClients(BROWSER);
    expect(startsOf(played)).toEqual([0, 20, 21, 22, 23, 24, 60]);
    expect(named(played.counters)).toMatchObject({
      STARTED: 7,
      COMPLETED: 7,
      CLIENTS_STARTED: 1,
      CLIENTS_COMPLETED: 1,
    });
    // As many at once as were recorded.
    expect(played.peak).toBe(6);
  });

  test('accelerated by as much', () => {
    const { replay } = playClients(BROWSER, { accel: 4 });
    const intendedMs = Array.from(replay.plays.intendedNs, (ns) => ns / MS);
    expect(intendedMs).toEqual([0, 20, 21, 22, 23, 24, 60].map((ms) => (ms + 1) / 4));
  });

  test('clients start as they did, each with its own connections', () => {
    const played = playClients([
      session(1, 0, 10),
      session(2, 5, 10),
      session(1, 30, 10),
      session(2, 40, 10),
      session(3, 41, 10),
    ]);
    // Rows are client by client.
    expect(startsOf(played)).toEqual([0, 30, 5, 40, 41]);
    expect(played.counters[Counter.CLIENTS_COMPLETED]).toBe(3);
  });
});

describe('with a server that takes 500 ms longer', () => {
  const slow = BROWSER.map(({ said, ...spec }) => ({
    ...spec,
    said: [said[0], { ...said[1], afterMs: (said[1].afterMs ?? 0) + 500 }],
  }));

  test('what overlapped keeps its offset, what followed waits for what it followed', () => {
    const played = playClients(BROWSER, { server: slow });
    // The connection of 21 ms was the last one left before 60 ms, at 53 ms; now all are late by 500 ms.
    expect(startsOf(played)).toEqual([0, 20, 21, 22, 23, 24, 560]);
    expect(played.peak).toBe(6);
  });

  test('the latest of those that it followed counts', () => {
    const server = BROWSER.map((spec, i) => (i === 4 ? slow[4] : spec));
    // The connection that was left first, at 35 ms, is left at 535 ms.
    expect(startsOf(playClients(BROWSER, { server })).at(6)).toBe(560);
  });

  test('one that it overlapped does not count', () => {
    const server = BROWSER.map((spec, i) => (i === 5 ? slow[5] : spec));
    expect(startsOf(playClients(BROWSER, { server })).at(6)).toBe(60);
  });

  test('in an open loop nothing waits', () => {
    const { peak, replay } = playClients(BROWSER, { server: slow, pace: 'schedule' });
    const intendedMs = Array.from(replay.plays.intendedNs, (ns) => ns / MS - 1);
    expect(intendedMs).toEqual([0, 20, 21, 22, 23, 24, 60]);
    expect(peak).toBe(7);
  });

  test('without pauses connections start at once, but behind those that they followed', () => {
    const { peak, replay } = playClients(BROWSER, { server: slow, pace: 'none' });
    const intendedMs = Array.from(replay.plays.intendedNs, (ns) => ns / MS - 1);
    // Five answers have come by 1 + 600 ms; the one of 700 ms overlapped the last connection.
    expect(intendedMs.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(intendedMs[6]).toBeGreaterThanOrEqual(530);
    expect(peak).toBe(6);
  });
});

test('with a faster server what followed starts sooner', () => {
  const pair = [session(1, 0, 900), session(1, 1_000, 10)];
  const server = [session(1, 0, 100), session(1, 1_000, 10)];
  expect(startsOf(playClients(pair, { server }))).toEqual([0, 200]);
});

test('connections start in their recorded order, whatever moves them', () => {
  // The second overlapped the first; the third followed the first, which is over at once now.
  const specs = [session(1, 0, 900), session(1, 800, 500), session(1, 1_000, 10)];
  const server = [session(1, 0, 1), ...specs.slice(1)];
  expect(startsOf(playClients(specs, { server }))).toEqual([0, 800, 800]);
});

test('pauses are cut to --max-gap, of what overlapped and of what followed', () => {
  const specs = [
    session(1, 0, 3_000),
    session(1, 2_000, 3_000),
    // The first was left at 3,002 ms, the second at 5,002 ms.
    session(1, 4_002, 10),
    session(1, 60_000, 10),
  ];
  const played = playClients(specs, { maxGapNs: 500 * MS });
  // The third is left at 4,014 - 500 ms, before the second, which is left at 3,502 ms; then 500 ms.
  expect(startsOf(played)).toEqual([0, 500, 3_502, 4_014]);
});

describe('more clients than recorded, and several plays', () => {
  const three = [
    session(1, 0, 10),
    session(2, 100, 10),
    session(1, 30, 10),
    session(1, 35, 10),
  ].sort((a, b) => (a.startMs ?? 0) - (b.startMs ?? 0));

  test('clients play the recorded ones in turn', () => {
    const { counters, replay } = playClients(three, { users: 5 });
    expect(replay.connections.count).toBe(3 + 1 + 3 + 1 + 3);
    expect(named(counters)).toMatchObject({
      STARTED: 11,
      COMPLETED: 11,
      CLIENTS_STARTED: 5,
      CLIENTS_COMPLETED: 5,
    });
  });

  test('a client plays again when all of its connections have ended, and the next recorded one', () => {
    const { counters, replay, peak } = playClients(three, { users: 1, iterations: 4 });
    expect(replay.connections.count).toBe(3);
    expect(named(counters)).toMatchObject({
      STARTED: 8,
      COMPLETED: 8,
      CLIENTS_STARTED: 4,
      CLIENTS_COMPLETED: 4,
    });
    // Never more at once than one play has.
    expect(peak).toBe(2);
  });

  test('one that has started plays its connections, though nothing starts any more', () => {
    const { counters } = playClients(three, { users: 3, durationNs: 20 * MS, iterations: 5 });
    // The second starts at 50 ms.
    expect(named(counters)).toMatchObject({ STARTED: 3, CLIENTS_STARTED: 1, CLIENTS_COMPLETED: 1 });
  });

  test('clients at a rate, with all of their connections', () => {
    const played = playClients(three, { users: 2, ratePerSecond: 2 });
    expect(startsOf(played)).toEqual([0, 30, 35, 500]);
  });

  test('clients on a ramp, with all of their connections', () => {
    const ramp = [
      { atNs: 0, users: 0 },
      { atNs: 1_000 * MS, users: 2 },
      { atNs: 3_000 * MS, users: 4 },
    ];
    const played = playClients(three, { users: 4, ramp });
    // Two in the first second, two in the next two; the connections of each as they were recorded.
    const begun = startsOf(played);
    expect(begun).toHaveLength(8);
    const [first, second] = [begun.slice(0, 3), begun.slice(4, 7)];
    expect(first.map((ms) => Math.round(ms - (first[0] ?? 0)))).toEqual([0, 30, 35]);
    expect(second.map((ms) => Math.round(ms - (second[0] ?? 0)))).toEqual([0, 30, 35]);
    const firsts = [begun[0], begun[3], begun[4], begun[7]].map((ms) => Math.round(ms ?? 0));
    expect(firsts).toEqual([0, 500, 1_000, 2_000]);
  });
});

describe('a client whose connections do not all end well', () => {
  const three = [session(1, 0, 10), session(1, 100, 10), session(1, 200, 10)];

  test('plays the others, and has ended as the first that did not', () => {
    const server = [
      three[0],
      session(1, 100, 10, 0, {
        said: [{ from: 'client', text: 'ask 1 at 100' }],
        end: 'server-rst',
      }),
      three[2],
    ];
    const { counters } = playClients(three, { server });
    expect(named(counters)).toMatchObject({
      STARTED: 3,
      COMPLETED: 2,
      RESET: 1,
      CLIENTS_STARTED: 1,
      CLIENTS_RESET: 1,
    });
  });

  test('one that nobody answers any more ends as timed out', () => {
    const server = three.map((spec) => ({ ...spec, said: [spec.said[0]], end: 'open' as const }));
    const { counters } = playClients(three, { server, timeoutNs: 1_000 * MS });
    expect(named(counters)).toMatchObject({ TIMED_OUT: 3, CLIENTS_TIMED_OUT: 1 });
    expect(counters[Counter.COMPLETED] + counters[Counter.CLIENTS_COMPLETED]).toBe(0);
  });
});
