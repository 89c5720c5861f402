/** How users end, and whose fault a delay is, where the network or the target plays no fair game. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { Replay } from '../../src/replay/replay.ts';
import { lingerNs } from '../../src/run/threads/drain.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, randomOctets, said } from '../helpers/recorded.ts';
import { type Faults, FaultyLink } from './faulty-link.ts';
import { makeEnds, simulate } from './simulation.ts';

const FIN = { how: StreamEnd.FIN } as const;
const DELAY_NS = 10 * NS_PER_MS;
const TIMEOUT_NS = 5 * NS_PER_SECOND;

/** 1 ms to connect, then a request and its answer; the rest is up to who ends. */
const session = (first: 'client' | 'server'): RecordedSession => ({
  connectNs: NS_PER_MS,
  messages: [said('client', 'ask', 5 * NS_PER_MS), said('server', 'answer', 7 * NS_PER_MS)],
  clientEnd: { ...FIN, thinkNs: 200 * NS_PER_MS, afterPeer: first === 'server' },
  serverEnd: { ...FIN, thinkNs: 100 * NS_PER_MS, afterPeer: first === 'client' },
});

/** Nothing gets through to the server from then on. */
const deafFrom = (fromNs: number, first: 'client' | 'server') =>
  simulate({
    sessions: [session(first)],
    users: 1,
    seed: 1,
    toServer: { delayNs: DELAY_NS, drop: ({ atNs }) => atNs >= fromNs },
    toClient: { delayNs: DELAY_NS },
    plan: { timeoutNs: TIMEOUT_NS },
  });

describe('a server that does not hear', () => {
  test('the FIN, and has closed: the user is completed, and counted', () => {
    const { counters } = deafFrom(200 * NS_PER_MS, 'server');
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.COMPLETED_UNACKED_FIN]).toBe(1);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(1);
  });

  test('the FIN, and has not closed: the user timed out while closing', () => {
    const { counters } = deafFrom(200 * NS_PER_MS, 'client');
    expect(counters[Counter.TIMED_OUT]).toBe(1);
    expect(counters[Counter.TIMED_OUT_CLOSING]).toBe(1);
  });

  test('the request: the user timed out while it was sent again', () => {
    const { counters } = deafFrom(24 * NS_PER_MS, 'server');
    expect(counters[Counter.TIMED_OUT]).toBe(1);
    expect(counters[Counter.TIMED_OUT_RETRANSMITTING]).toBe(1);
  });

  test('anything: the user timed out connecting', () => {
    const { counters } = deafFrom(0, 'server');
    expect(counters[Counter.TIMED_OUT_CONNECTING]).toBe(1);
  });
});

describe('what a full window holds back', () => {
  test('is not the generator’s lag', () => {
    const users = 20;
    const octets = randomOctets(900, 1);
    const { counters, latency } = simulate({
      sessions: [
        {
          connectNs: NS_PER_MS,
          messages: [
            { from: 'client', octets, thinkNs: NS_PER_MS },
            // The window is full, and the acknowledgement is 20 ms away.
            { from: 'client', octets, thinkNs: NS_PER_MS, awaits: 0 },
            said('server', 'answer', 7 * NS_PER_MS),
          ],
          clientEnd: FIN,
          serverEnd: { ...FIN, afterPeer: true },
        },
      ],
      users,
      seed: 1,
      toServer: { delayNs: DELAY_NS },
      toClient: { delayNs: DELAY_NS },
      target: { windowBytes: 1_000 },
    });
    expect(counters[Counter.COMPLETED]).toBe(users);
    const table = LatencyTable.of([latency.columns]);
    expect(table.row(Latency.LAG)).toMatchObject({ count: users, max: 0 });
    expect(table.row(Latency.HELD).count).toBe(users);
    expect(table.row(Latency.HELD).p50).toBeCloseTo(19, 0);
    // The wait counts from when it was intended, the service from when it was sent.
    expect(table.row(Latency.RESPONSE).p50).toBeCloseTo(19 + 27, 0);
    expect(table.row(Latency.SERVICE).p50).toBeCloseTo(27, 0);
  });
});

describe('an interrupt', () => {
  test('closes some users a turn, all of them in the end, and reads replies meanwhile', () => {
    const users = 3_000;
    const ends = makeEnds({ sessions: [session('client')], users, seed: 1 });
    const link = new FaultyLink(ends.target, 1, {}, {});
    const counters = createCounters();
    const plan = { ...ends.plan, arrivals: { ...ends.plan.arrivals, startNs: () => 0 } };
    const { capture } = ends.recorded;
    const replay = new Replay(plan, link, link, capture, new LatencyRecorder(), counters);
    const turn = (nowNs: number): void => {
      ends.target.onTimeout(nowNs);
      link.onTimeout(nowNs);
      link.receive(4096, replay);
      replay.onTimeout(nowNs);
      replay.flush();
    };
    for (let nowNs = 0; counters[Counter.CONNECTED] < users; nowNs += NS_PER_MS) turn(nowNs);
    const before = counters[Counter.PACKETS_SENT];
    let nowNs = NS_PER_SECOND;
    replay.interrupt(nowNs);
    expect(counters[Counter.PACKETS_SENT] - before).toBeLessThan(1_000);
    expect(replay.isInterrupting).toBe(true);
    for (let turns = 0; !replay.isDone && turns < 100; turns++) {
      nowNs = Math.max(nowNs, replay.nextDueNs());
      if (replay.isInterrupting) expect(replay.nextDueNs()).toBeLessThanOrEqual(nowNs);
      turn(nowNs);
      nowNs += 50 * NS_PER_MS;
    }
    expect(replay.isInterrupting).toBe(false);
    expect(counters[Counter.ABORTED_INTERRUPTED]).toBe(users);
  });
});

describe('after the last user', () => {
  const played = (sessions: readonly RecordedSession[], toClient: Faults) =>
    simulate({ sessions, users: 40, seed: 3, toClient }).replay;

  /** What stands above whole steps of 10 ms is the round trip to a server that takes 1 ms to accept. */
  const lingerMs = (...run: Parameters<typeof played>) =>
    10 * Math.floor(lingerNs(played(...run)) / (10 * NS_PER_MS));

  test('repeated FINs are answered for longer where packets were lost', () => {
    expect(lingerMs([session('client')], {})).toBe(300);
    expect(lingerMs([session('client')], { loss: 0.2 })).toBe(3_000);
  });

  test('and where the way is long, by the time that a server waits at first for an acknowledgement', () => {
    const delayNs = 400 * NS_PER_MS;
    expect(lingerMs([session('client')], { delayNs })).toBe(300 + 3 * 400);
    // Whoever has ended second knows that the other has heard it.
    expect(lingerMs([session('server')], { delayNs })).toBe(300);
  });
});
