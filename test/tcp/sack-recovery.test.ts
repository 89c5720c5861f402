/** Recovery by what the peer reports (RFC 6675, 8985): segments in, segments out, and the whole state. */
import { describe, expect, test } from 'vitest';
import { UserFlag } from '../../src/tcp/user-table.ts';
import { Harness, type Sent, USER } from './harness.ts';

const MSS = 1460;
const segments = (sent: readonly Sent[]) => sent.map(({ offset }) => offset / MSS);

/** Segments 10 to 29 in flight, more to be said. */
function flying(): Harness {
  const h = new Harness().establish({ sackPermitted: true }).write(1000 * MSS);
  h.receive({ ack: h.ours(10 * MSS) });
  expect(segments(h.take()).at(-1)).toBe(29);
  return h;
}

/** The peer has all up to segment `next`, and the segments of each block. */
const holds = (h: Harness, next: number, ...blocks: [from: number, to: number][]) =>
  h.receive({
    ack: h.ours(next * MSS),
    sack: blocks.map(([from, to]) => [h.ours(from * MSS), h.ours(to * MSS)] as const),
  });

const repeats = (h: Harness) => segments(h.take()).filter((segment) => segment < 30);

describe('holes', () => {
  test('are repeated once more than two segments behind them are held, each once', () => {
    const h = flying();
    holds(h, 10, [11, 13]);
    expect(repeats(h)).toEqual([]);
    holds(h, 10, [11, 14]);
    expect(repeats(h)).toEqual([10]);
    expect(h.users.flags[USER] & UserFlag.RECOVERY).not.toBe(0);
    holds(h, 10, [16, 26], [11, 14]);
    expect(repeats(h)).toEqual([14, 15]);
    for (let to = 27; to <= 30; to++) holds(h, 10, [16, to], [11, 14]);
    expect(repeats(h)).toEqual([]);
  });

  test('are given up on no sooner than the repetition may have arrived, and then at once', () => {
    const h = flying();
    holds(h, 10, [11, 20]);
    expect(repeats(h)).toEqual([10]);
    holds(h, 10, [11, 30]);
    const after = h.users.sndMax[USER];
    h.take();
    // Segment 30 left after the repetition of 10: what holds it has lost the repetition.
    h.nowNs += 10e6;
    expect(after).toBe(h.ours(segmentsSent(h) * MSS));
    holds(h, 10, [11, segmentsSent(h)]);
    expect(repeats(h)).toEqual([10]);
  });

  test('with little behind them wait for a quarter of a round trip', () => {
    const h = flying();
    holds(h, 10, [11, 12]);
    h.take();
    const waitMs = (h.users.dueNs[USER] - h.nowNs) / 1e6;
    expect(waitMs).toBeGreaterThan(2);
    expect(waitMs).toBeLessThan(6);
    h.timeout();
    expect(repeats(h)).toEqual([10]);
  });

  test('and nonsense: what was never sent, or acknowledged, or turned round, says nothing', () => {
    const h = flying();
    const before = h.tcb();
    holds(h, 10, [40, 50], [2, 5], [20, 15]);
    expect(repeats(h)).toEqual([]);
    const after = h.tcb();
    expect({ ...after, flags: 0, dueNs: 0 }).toEqual({ ...before, flags: 0, dueNs: 0 });
  });
});

describe('in recovery', () => {
  /** Segment 10 is repeated, and all others up to 29 are held. */
  function recovering(): Harness {
    const h = flying();
    holds(h, 10, [11, 20]);
    expect(repeats(h)).toEqual([10]);
    holds(h, 10, [11, 30]);
    h.take();
    return h;
  }

  test('silence is ended by probes of the first hole, each after twice as long, and then by a timeout', () => {
    const h = recovering();
    const ms: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      ms.push((h.users.dueNs[USER] - h.nowNs) / 1e6);
      h.timeout();
      expect(repeats(h)).toEqual([10]);
      expect((h.users.flags[USER] & UserFlag.LOSS) !== 0).toBe(turn >= 2);
    }
    const [first = 0, second = 0, timeout = 0, next = 0] = ms;
    expect(first).toBeLessThan(40);
    expect(second).toBe(2 * first);
    expect(timeout).toBeGreaterThan(200);
    // A third probe would have left less than twice its time to the timeout.
    expect(4 * first).toBeGreaterThan(timeout / 2);
    expect(next).toBe(2 * timeout);
  });

  test('a probe that is answered is no congestion, and the next one waits no longer than the first', () => {
    const h = recovering();
    const firstMs = (h.users.dueNs[USER] - h.nowNs) / 1e6;
    const { cwnd, ssthresh } = h.tcb();
    h.timeout();
    h.take();
    h.nowNs += 10e6;
    holds(h, 10, [11, segmentsSent(h)]);
    expect(repeats(h)).toEqual([]);
    expect(h.tcb()).toMatchObject({ cwnd, ssthresh });
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBe(firstMs);
  });

  test('ends with the timer that holds outside: one segment may have its acknowledgement delayed', () => {
    const h = recovering();
    h.limit = segmentsSent(h) * MSS;
    holds(h, segmentsSent(h) - 1);
    expect(h.users.flags[USER] & UserFlag.RECOVERY).toBe(0);
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBeGreaterThan(200);
  });

  test('a hole with one segment behind it is repeated at once', () => {
    const h = recovering();
    const next = segmentsSent(h);
    h.nowNs += 10e6;
    // One segment of those that left after the repetition is missing, the one behind it is held.
    holds(h, 10, [next - 1, next], [11, next - 2]);
    expect(segments(h.take()).slice(0, 2)).toEqual([10, next - 2]);
  });
});

describe('packets that overtake each other', () => {
  /** Segment 10 comes behind 11, before it is repeated. */
  function reordered(): Harness {
    const h = flying();
    holds(h, 10, [11, 12]);
    holds(h, 12);
    h.take();
    expect(h.users.flags[USER] & UserFlag.REORDERED).not.toBe(0);
    return h;
  }

  test('make time tell what is lost, whatever is held behind it', () => {
    const h = reordered();
    holds(h, 12, [13, 28]);
    expect(repeats(h)).toEqual([]);
    h.timeout();
    expect(repeats(h)).toEqual([12]);
  });

  test('are waited for each from when something has come behind it', () => {
    const h = reordered();
    holds(h, 12, [13, 20]);
    const waitNs = h.users.dueNs[USER] - h.nowNs;
    h.nowNs += waitNs / 2;
    holds(h, 12, [21, 28], [13, 20]);
    h.timeout();
    expect(repeats(h)).toEqual([12]);
    expect(h.users.dueNs[USER] - h.nowNs).toBe(waitNs / 2);
    h.timeout();
    expect(repeats(h)).toContain(20);
  });

  test('are not seen in what was lost', () => {
    const h = flying();
    holds(h, 10, [11, 14]);
    h.nowNs += 10e6;
    holds(h, 30);
    expect(h.users.flags[USER] & UserFlag.REORDERED).toBe(0);
  });
});

const segmentsSent = (h: Harness): number => (h.users.sndMax[USER] - h.ours(0)) / MSS;

describe('a timeout', () => {
  test('repeats what is not held, and only that', () => {
    const h = flying();
    holds(h, 10, [11, 14], [16, 30]);
    h.take();
    h.timeout();
    const seen = repeats(h);
    for (let turn = 0; turn < 4; turn++) {
      holds(h, 10, [11, 14], [16, 30]);
      seen.push(...repeats(h));
    }
    expect(seen.filter((segment) => segment > 10 && segment !== 14 && segment !== 15)).toEqual([]);
    h.receive({ ack: h.users.sndMax[USER] });
    expect(h.users.flags[USER] & (UserFlag.LOSS | UserFlag.SCOREBOARD)).toBe(0);
  });

  test('is forestalled by one probe of the tail', () => {
    const h = new Harness().establish({ sackPermitted: true }).write(5 * MSS);
    h.take();
    const waitMs = (h.users.dueNs[USER] - h.nowNs) / 1e6;
    expect(waitMs).toBe(62);
    h.timeout();
    expect(segments(h.take())).toEqual([4]);
    // The next one is no probe.
    h.timeout();
    expect(segments(h.take())).toEqual([0]);
    expect(h.users.flags[USER] & UserFlag.LOSS).not.toBe(0);
  });

  test('is forestalled without room for a delay once data was lost', () => {
    const h = flying();
    // Over a path that has lost nothing a peer is rather slow.
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBeGreaterThan(42);
    holds(h, 10, [11, 14]);
    holds(h, segmentsSent(h));
    h.take();
    h.nowNs += 10e6;
    holds(h, segmentsSent(h) - 3);
    h.take();
    const last = segmentsSent(h);
    const roundMs = 2 * (h.users.srttUs[USER] / 1e3);
    const variationMs = (h.users.srttUs[USER] + 4 * h.users.rttvarUs[USER]) / 1e3;
    const waitMs = (h.users.dueNs[USER] - h.nowNs) / 1e6;
    expect(waitMs).toBeCloseTo(Math.max(roundMs, variationMs) + 2, 3);
    // What was probed had come, and was not acknowledged: this peer delays.
    h.timeout();
    expect(segments(h.take())).toEqual([last - 1]);
    h.nowNs += 10e6;
    holds(h, last, [last - 1, last]);
    expect(h.users.flags[USER] & UserFlag.PEER_DELAYS).not.toBe(0);
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBeGreaterThan(waitMs + 30);
    // The next probe is needed: the last segment was lost. From then on there is no more room than at first.
    h.take();
    h.timeout();
    expect(h.take()).toHaveLength(1);
    h.nowNs += 10e6;
    holds(h, segmentsSent(h));
    expect(h.users.flags[USER] & UserFlag.PEER_DELAYS).toBe(0);
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBeLessThanOrEqual(waitMs);
  });

  test('comes as without SACK where one segment is in flight', () => {
    const h = new Harness().establish({ sackPermitted: true }).write(100);
    expect((h.users.dueNs[USER] - h.nowNs) / 1e6).toBe(210);
  });
});
