/** What a plan comes to if the target answers as recorded, and what it may not come to. */

import { describe, expect, test } from 'vitest';
import { parseClients } from '../../src/cli/values/clients.ts';
import { plannedLoad } from '../../src/run/plan/planned-load.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

/** A second each, of which 10 ms are the server's. */
const { scripts } = handMade([
  {
    said: [
      { from: 'client', text: 'ask', afterMs: 989 },
      { from: 'server', text: 'answer', afterMs: 10 },
    ],
  },
]);

describe('a planned load', () => {
  test.each([
    { name: 'one after another', options: { users: 5, ratePerSecond: 1 }, plays: 5, seconds: 5 },
    { name: 'again', options: { users: 2, iterations: 3 }, plays: 6, seconds: 3.5 },
    {
      name: 'accelerated',
      options: { users: 2, iterations: 3, accel: 10 },
      plays: 6,
      seconds: 0.35,
    },
    {
      name: 'until a time',
      options: { users: 10, durationNs: 30e9, ratePerSecond: 1e6 },
      plays: 300,
      seconds: 30,
    },
    {
      name: 'of whom the time lets only some start',
      options: { users: 100, iterations: 1, durationNs: 3.5e9, ratePerSecond: 1 },
      plays: 4,
      seconds: 4,
    },
    {
      name: 'until a time, accelerated',
      options: { users: 10, durationNs: 30e9, ratePerSecond: 1e6, accel: 10 },
      plays: 3000,
      seconds: 30,
    },
    {
      name: 'until a time, on connections that stay open',
      options: { users: 10, durationNs: 30e9, ratePerSecond: 1e6, close: 'server' },
      plays: 10,
      seconds: 30,
    },
  ] as const)('of users $name', ({ options, plays, seconds }) => {
    const plan = planOf(scripts, { ...OPTIONS, ...options });
    const load = plannedLoad(plan);
    expect(load).toMatchObject({ plays, messages: plays, payloadBytes: 3 * plays });
    expect(load.durationNs / 1e9).toBeCloseTo(seconds, 2);
  });
});

test('of a share is that of the sessions that its users play', () => {
  const said = ['1', '22', '333'].map((text) => ({ said: [{ from: 'client' as const, text }] }));
  const three = handMade(said).scripts;
  const loads = [0, 1, 2].map((index) =>
    plannedLoad(planOf(three, { ...OPTIONS, users: 9, iterations: 2, share: { index, of: 3 } })),
  );
  // User u + 3 plays what user u does, and so does each of them again.
  expect(loads.map(({ plays }) => plays)).toEqual([6, 6, 6]);
  expect(loads.map(({ payloadBytes }) => payloadBytes)).toEqual([6, 12, 18]);
});

describe('connections', () => {
  const pool = { clients: parseClients('10.0.0.0/8'), ports: { first: 1, last: 65_535 } };

  test('beyond 32 bits are refused, with the number', () => {
    const asked = { ...OPTIONS, ...pool, users: 2 ** 20, iterations: 2 ** 12 + 1 };
    expect(() => planOf(scripts, asked)).toThrow(
      expect.objectContaining({
        code: 'ERR_RUN_CONNECTIONS',
        kind: 'usage',
        message: expect.stringContaining('4,296,015,872 connections'),
      }),
    );
  });

  test('up to there are taken', () => {
    const asked = { ...OPTIONS, ...pool, users: 2 ** 20, iterations: 2 ** 12 };
    expect(planOf(scripts, asked).iterations).toBe(2 ** 12);
  });

  test('of users that play until a time stay within them', () => {
    const asked = { ...OPTIONS, ...pool, users: 2 ** 20, durationNs: 3600e9 };
    const { users, iterations, playsUntilNs } = planOf(scripts, asked);
    expect(users * iterations).toBeLessThanOrEqual(2 ** 32);
    expect(playsUntilNs).toBe(3600e9);
  });
});

test('of connections that only some servers end users play on until one stays open', () => {
  const said = [
    { from: 'client', text: 'ask', afterMs: 989 },
    { from: 'server', text: 'answer', afterMs: 10 },
  ] as const;
  const some = handMade([
    { said, end: 'server' },
    { said, end: 'client' },
  ]).scripts;
  const asked = { users: 10, durationNs: 30e9, ratePerSecond: 1e6, close: 'server' } as const;
  const load = plannedLoad(planOf(some, { ...OPTIONS, ...asked }));
  // As users are ten, each has the same session again: five stay, and five play on.
  expect(load.plays).toBe(5 + 5 * 30);
  expect(load.durationNs / 1e9).toBeCloseTo(30, 1);
});

test.each(['connection', 'client'] as const)(
  'each %s is played as often as its own length lets it be until a time',
  (per) => {
    const asks = (afterMs: number) => ({
      said: [{ from: 'client', text: 'ask', afterMs }] as const,
    });
    const unlike = handMade([asks(999), asks(2_999)]).scripts;
    const options = { users: 2, durationNs: 9.5e9, ratePerSecond: 1e6, per };
    const load = plannedLoad(planOf(unlike, { ...OPTIONS, ...options }));
    // From 0, 1, … 9 s and from 0, 3, 6, 9 s on.
    expect(load).toMatchObject({ plays: 14, messages: 14 });
    expect(load.durationNs / 1e9).toBeCloseTo(12, 1);
  },
);
