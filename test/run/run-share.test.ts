/** Shares of a run add up to the run. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseClients } from '../../src/cli/values/clients.ts';
import { createCounters } from '../../src/measure/counters.ts';
import { createExchangeFigures } from '../../src/measure/exchange-figures.ts';
import { LatencyTable } from '../../src/measure/histograms.ts';
import { mergeResults } from '../../src/measure/merge-results.ts';
import { resultOf } from '../../src/measure/record-result.ts';
import type { RunResult } from '../../src/measure/result.ts';
import { recordOf } from '../../src/measure/run-record.ts';
import { sumFigures } from '../../src/replay/difference-texts.ts';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { draftPlan } from '../../src/run/plan/draft-plan.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { clientConnections, plannedLoad } from '../../src/run/plan/planned-load.ts';
import { openEmbeddedThread } from '../../src/run/threads/embedded-thread.ts';
import { CONTROL_WORDS } from '../../src/run/threads/thread-job.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { AddressPool } from '../../src/schedule/address-pool.ts';
import { addressesOfShare, usersOfShare, wholeRun } from '../../src/schedule/run-share.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade, type SessionSpec } from '../helpers/scripts.ts';
import { FACTS } from '../measure/sample-run.ts';
import { OPTIONS } from '../replay/play.ts';

/** The first two do not speak HTTP, the others ask for the same things of different names. */
const SPECS = [0, 300, 450, 1700, 2900].map((startMs, i) => ({
  startMs,
  said: [
    { from: 'client' as const, text: i < 2 ? 40 + i : `GET /things/${i} HTTP/1.1\r\n\r\n` },
    { from: 'server' as const, text: 700 * (i + 1), afterMs: 13 * (i + 1) },
    {
      from: 'client' as const,
      text: i < 2 ? 25 : `HEAD /${'ab'.repeat(i)} HTTP/1.1\r\n\r\n`,
      afterMs: 170 * i,
    },
    { from: 'server' as const, text: 90, afterMs: 7 },
  ],
}));

/** Plays one share, or all, in virtual time, among some threads. */
function played(
  options: ReplayOptions,
  shards = 1,
  specs: readonly SessionSpec[] = SPECS,
): RunResult {
  const memory: number[] = [];
  const { scripts, capture } = handMade(specs, 1448, memory);
  const plan = planOf(scripts, options);
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const prepared = prepareSessions(plan, capture);
  const { classNames: names } = prepared.exchanges;
  const threads = Array.from({ length: shards }, (__, shard) => {
    const counters = createCounters();
    const figures = createExchangeFigures(names.length);
    const shared = {
      plan,
      prepared,
      shards,
      network: null,
      socket: null,
      realTime: false,
      control,
      modules: [],
      arenaBytes: 0,
    };
    const run = openEmbeddedThread({ ...shared, shard, counters, figures }, capture, []);
    const timeline = playThrough(run.turns('0'));
    return { counters, figures, timeline, columns: run.latency.columns };
  });
  const { share } = plan;
  const identity = {
    version: '0.1.0',
    clock: 'virtual' as const,
    captureDigest: '0f',
    planDigest: 'f0',
    asked: { users: '1000', pace: '"think"' },
    sessions: FACTS.capture.sessions,
    plan: {
      ...FACTS.plan,
      per: options.per ?? ('connection' as const),
      users: share.users,
      iterations: plan.iterations,
    },
    recorded: plannedLoad({ ...plan, share: wholeRun(share.users), users: share.users }),
    shares: share.of,
    stateBytesPerUser: 128,
  };
  const facts = {
    share: share.index,
    users: plan.users,
    ...(plan.perClient === undefined ? {} : { connections: clientConnections(plan) }),
    command: FACTS.command,
    files: FACTS.capture.files,
    startedAt: FACTS.startedAt,
    wallSeconds: 1,
    mode: 'embedded',
    generator: FACTS.generator,
    isInterrupted: false,
    failure: null,
    failureKind: null,
    stopped: null,
  };
  const latency = LatencyTable.of(threads.map(({ columns }) => columns));
  return resultOf(
    recordOf(identity, facts, {
      counters: threads.map(({ counters }) => counters),
      latency,
      ...sumFigures(
        scripts,
        prepared.exchanges,
        (at, into) => capture.read(at, into),
        threads.map(({ figures }) => figures),
      ),
      timelines: threads.map(({ timeline }) => timeline),
    }),
    [],
  );
}

const sharesOf = (options: ReplayOptions, of: number): RunResult[] =>
  Array.from({ length: of }, (_, index) => played({ ...options, share: { index, of } }));

const named = (results: readonly RunResult[]) =>
  results.map((result, i) => ({ source: `r${i + 1}.json`, result }));

/** What a sum has to have in common with the whole: all but who played it, and the peak. */
function measured(result: RunResult): unknown {
  const { users, record: _, shares: __, generator, plan, ...rest } = result;
  const { fellBehind, startLagMsMax } = generator;
  return { ...rest, plan, fellBehind, startLagMsMax, users: { ...users, peakEstablished: 0 } };
}

const OPTION_CASES: readonly (readonly [string, Partial<ReplayOptions>])[] = [
  ['one user a session', {}],
  ['more users than sessions', { users: 53 }],
  ['several iterations', { users: 17, iterations: 3 }],
  ['a rate', { users: 40, ratePerSecond: 25 }],
  [
    'a ramp',
    {
      users: 30,
      ramp: [
        { atNs: 0, users: 0 },
        { atNs: 2e9, users: 30 },
      ],
    },
  ],
  ['an open loop, accelerated', { users: 31, pace: 'schedule', accel: 2.5 }],
];

describe('the sum of the shares is the whole run, field by field', () => {
  test.each(OPTION_CASES)('%s', (_, options) => {
    const asked = { ...OPTIONS, ...options };
    const whole = played(asked);
    expect(whole.classes.map(({ name }) => name)).toEqual([
      'GET /things/{id}',
      'HEAD /abab',
      'HEAD /ababab',
      'HEAD /{id}',
      'other',
    ]);
    for (const of of [2, 3, 5]) {
      const shares = sharesOf(asked, of);
      const sum = mergeResults(named([...shares].reverse()), [], false);
      expect(measured(sum)).toEqual(measured(whole));
      expect(sum.faults).toEqual([]);
      const peaks = shares.map(({ users }) => users.peakEstablished);
      expect(sum.users.peakEstablished).toBeGreaterThanOrEqual(whole.users.peakEstablished);
      expect(sum.users.peakEstablished).toBeLessThanOrEqual(peaks.reduce((a, b) => a + b));
    }
  });
});

describe('however many threads play it, the result is the same but for the peak', () => {
  test.each(OPTION_CASES)('%s', (_, options) => {
    const asked = { ...OPTIONS, ...options };
    const whole = played(asked);
    for (const shards of [2, 3]) {
      const shared = played(asked, shards);
      expect(measured(shared)).toEqual(measured(whole));
      expect(shared.faults).toEqual([]);
      expect(shared.users.peakEstablished).toBeGreaterThanOrEqual(whole.users.peakEstablished);
    }
  });
});

describe('each target has all addresses and ports, where these would not suffice for all of them', () => {
  const specs = SPECS.map((spec, i) => ({
    ...spec,
    port: [80, 81, 80, 82, 81][i],
    client: i >> 1,
  }));
  // 20 ports each: of 50 users 20, 20 and 10 go to each of the three.
  const few = (addresses: number) => ({
    ports: { first: 2_000, last: 2_019 },
    clients: parseClients(`198.18.0.1-198.18.0.${addresses}`),
  });

  test.each([
    ['users', { users: 50 }, 1],
    ['users, all ports of an address first', { users: 50, order: 'port' }, 1],
    ['users with several plays', { users: 10, iterations: 5 }, 1],
    ['one user with many plays', { users: 1, iterations: 50 }, 1],
    ['users of several addresses', { users: 150 }, 3],
    // Each of these has two connections at most, to two targets.
    ['clients', { users: 20, per: 'client' }, 1],
    ['clients with several plays', { users: 5, iterations: 4, per: 'client' }, 1],
  ] as const)('%s', (_, options, addresses) => {
    const asked = { ...OPTIONS, ...options };
    const { plan: __, ...roomy } = played(asked, 1, specs);
    for (const shards of [1, 2, 3]) {
      const { plan, ...result } = played({ ...asked, ...few(addresses) }, shards, specs);
      expect(result.faults).toEqual([]);
      expect(result.users.completed).toBe(roomy.users.completed);
      expect(measured({ ...result, plan })).toEqual(measured({ ...roomy, plan }));
    }
  });

  test('and among shares', () => {
    const asked = { ...OPTIONS, ...few(2), users: 100 };
    const whole = played(asked, 2, specs);
    expect(whole.users.completed).toBe(100);
    const shares = [0, 1].map((index) => played({ ...asked, share: { index, of: 2 } }, 2, specs));
    expect(measured(mergeResults(named(shares), [], false))).toEqual(measured(whole));
  });

  test('until a time: as often as one of them has places for', () => {
    const { scripts } = handMade(specs);
    const plan = (options: Partial<ReplayOptions>) =>
      planOf(scripts, { ...OPTIONS, ...few(1), durationNs: 60e9, ...options });
    expect([plan({ users: 5 }).iterations, plan({ users: 5 }).portsByTarget]).toEqual([10, true]);
    expect(plan({ users: 50 }).iterations).toBe(1);
    const clients = plan({ users: 5, per: 'client' });
    expect([clients.iterations, clients.portsByTarget]).toEqual([4, true]);
    // What is enough for all is not made more of.
    expect(plan({ users: 5, iterations: 4 }).portsByTarget).toBe(false);
  });

  test('more than that is refused, and says so', () => {
    const { scripts } = handMade(specs);
    const refused = (options: Partial<ReplayOptions>) => () =>
      planOf(scripts, { ...OPTIONS, ...few(1), ...options });
    expect(refused({ users: 53 })).toThrow(
      "22 connections to one target need 2 client addresses with 20 ports each; '198.18.0.1-198.18.0.1' has 1",
    );
    expect(refused({ users: 53, durationNs: 60e9 })).toThrow('22 connections to one target');
    expect(refused({ users: 21, per: 'client' })).toThrow('21 clients with 1 ports each');
  });
});

describe('a sum is refused', () => {
  const shares = sharesOf({ ...OPTIONS, users: 9 }, 3);
  const changed = (i: number, change: object): RunResult => {
    const { record } = shares[i];
    if (record === null) throw new Error('it has a record');
    return { ...shares[i], record: { ...record, identity: { ...record.identity, ...change } } };
  };

  test.each([
    ['a share twice', [shares[0], shares[1], shares[0]], 'both are share 1'],
    ['missing shares', [shares[1]], 'shares 1, 3 of 3 are missing'],
    ['another plan', [shares[0], changed(1, { planDigest: 'ff' }), shares[2]], 'plans differ'],
    ['other captures', [shares[0], changed(1, { captureDigest: 'f' })], 'other captures'],
    ['another version', [shares[0], changed(1, { version: '9' })], 'gryphon 0.1.0 and 9'],
    ['another division', [shares[0], changed(1, { shares: 4 })], 'of 3 and of 4 shares'],
  ])('with %s', (_, results, said) => {
    expect(() => mergeResults(named(results), [], false)).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining(said) }),
    );
  });

  test('but for missing shares that are allowed: then it is no whole run', () => {
    const sum = mergeResults(named([shares[2], shares[0]]), [], true);
    expect(sum.failure).toBe('share 2 of 3 is missing');
    expect(sum.shares).toEqual({ of: 3, played: [1, 3] });
    expect(sum.users.planned).toBe(6);
    const alone = mergeResults(named([shares[2]]), [], true);
    expect([alone.failure, alone.failureKind]).toEqual([
      'shares 1, 2 of 3 are missing',
      'unreachable',
    ]);
  });
});

test('the slices of a pool are the pool, in its order, and apart', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 }), (last, of) => {
      const clients = parseClients(`10.0.0.1-10.0.0.${last},10.0.2.5,10.0.1.1-10.0.1.7`);
      const lows = (pool: typeof clients): number[] =>
        pool.ranges.flatMap(({ start, count }) =>
          Array.from({ length: count }, (_, i) => start + i),
        );
      const slices = Array.from({ length: of }, (_, index) =>
        addressesOfShare(clients, { index, of, users: 1 }),
      );
      expect(slices.flatMap(lows)).toEqual(lows(clients));
      for (const slice of slices.filter(({ ranges }) => ranges.length > 0)) {
        expect(lows(parseClients(slice.text))).toEqual(lows(slice));
      }
    }),
  );
});

test('no two shares use the same address', () => {
  const { scripts } = handMade(SPECS);
  const used = [0, 1, 2].flatMap((index) => {
    const plan = planOf(scripts, { ...OPTIONS, users: 300, share: { index, of: 3 } });
    const pool = new AddressPool(plan);
    return Array.from({ length: usersOfShare(plan.share) }, (_, user) => pool.addressOf(user));
  });
  expect(new Set(used).size).toBe(300);
});

test.each([
  ['share 3/3 has no user: there are 2', { users: 2, share: { index: 2, of: 3 } }],
  [
    'share 1/3 has no address of the pool',
    { users: 9, clients: parseClients('10.0.0.1-10.0.0.2'), share: { index: 0, of: 3 } },
  ],
  [
    'share 1/2 has no address of the pool',
    { users: 9, clients: parseClients('10.0.0.1'), share: { index: 0, of: 2 } },
  ],
])('refused: %s', (said, options) => {
  const { scripts } = handMade(SPECS);
  expect(() => draftPlan(scripts, { ...OPTIONS, ...options })).toThrow(said);
});
