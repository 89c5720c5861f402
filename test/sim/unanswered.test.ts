/** A target that lets the probe in and then nobody: how many connections are opened to it. */
import { expect, test } from 'vitest';
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { Replay } from '../../src/replay/replay.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { randomOctets } from '../helpers/recorded.ts';
import { FaultyLink } from './faulty-link.ts';
import { makeEnds, run } from './simulation.ts';

const USERS = 5_000;
/** What src/replay/starts.ts allows before anybody has answered. */
const UNANSWERED_MAX = 1_024;
const SECOND = NS_PER_SECOND;

/** @param silentNs the target hears nothing until then */
function play(silentNs: number, timeoutNs: number) {
  const ends = makeEnds({
    sessions: [
      {
        messages: [
          { from: 'client', octets: randomOctets(50, 1) },
          { from: 'server', octets: randomOctets(60, 2) },
        ],
      },
    ],
    users: USERS,
    seed: 1,
    ratePerSecond: 10_000,
    plan: { timeoutNs },
  });
  const { plan, target, recorded, counters } = ends;
  const seen = { startedBefore: 0, openMax: 0 };
  const toServer = {
    delayNs: 1e6,
    drop: () => {
      if (counters[Counter.CONNECTED] === 0) {
        seen.startedBefore = counters[Counter.STARTED];
        const open = seen.startedBefore - counters[Counter.TIMED_OUT];
        seen.openMax = Math.max(seen.openMax, open);
      }
      return counters[Counter.CLOCK_NS] < silentNs;
    },
  };
  const link = new FaultyLink(target, 1, toServer, { delayNs: 1e6 });
  const replay = new Replay(plan, link, link, recorded.capture, new LatencyRecorder(), counters);
  ends.presentOf = (user) => replay.connections.numberOf(user);
  const endNs = run(replay, target, link, 3600 * SECOND, 1);
  expect(ledgerFaults(counters, USERS)).toEqual([]);
  return { counters, endNs, ...seen };
}

test('one that stays silent is opened no more than 1,024 connections, and then the run ends', () => {
  const { counters, endNs, openMax } = play(Number.POSITIVE_INFINITY, 5 * SECOND);
  expect(openMax).toBe(UNANSWERED_MAX);
  expect(counters[Counter.STARTED]).toBe(UNANSWERED_MAX);
  expect(counters[Counter.TIMED_OUT_CONNECTING]).toBe(UNANSWERED_MAX);
  expect(endNs).toBeLessThan(6 * SECOND);
});

test('one that wakes up late gets them all, from its first answer on', () => {
  const { counters, startedBefore } = play(6 * SECOND, 30 * SECOND);
  expect(startedBefore).toBe(UNANSWERED_MAX);
  expect(counters[Counter.COMPLETED]).toBe(USERS);
});
