/** Recovery by what the peer reports (RFC 6675, 8985): segments in, segments out, and the whole state. */
import { describe, expect, test } from 'vitest';
import { Count, SSTHRESH_INITIAL, UserFlag } from '../../src/tcp/user-table.ts';
import { Harness, MS, type Sent, USER } from './harness.ts';

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

describe('a window that was taken back', () => {
  const TS = 1_000;
  /** As `flying`, with timestamps: what leaves now has the time in milliseconds. */
  function stamped(): Harness {
    const h = new Harness({ timestamps: true })
      .establish({ sackPermitted: true, timestamps: [TS, 0] })
      .write(1000 * SEGMENT);
    h.receive({ ack: h.ours(10 * SEGMENT), timestamps: [TS, h.nowNs / MS] });
    expect(segmentsOf(h.take()).at(-1)).toBe(29);
    return h;
  }
  const SEGMENT = MSS - 12;
  const segmentsOf = (sent: readonly Sent[]) => sent.map(({ offset }) => offset / SEGMENT);
  const echoes = (h: Harness, ms: number, next: number, ...blocks: [from: number, to: number][]) =>
    h.receive({
      ack: h.ours(next * SEGMENT),
      timestamps: [TS, ms],
      sack: blocks.map(([from, to]) => [h.ours(from * SEGMENT), h.ours(to * SEGMENT)] as const),
    });
  const isRepairing = (h: Harness): boolean =>
    (h.users.flags[USER] & (UserFlag.RECOVERY | UserFlag.LOSS)) !== 0;

  /** Segment 10 is repeated 10 ms after it has left. */
  function recovering(): { h: Harness; before: Readonly<Record<string, number>>; leftMs: number } {
    const h = stamped();
    const leftMs = h.nowNs / MS;
    const before = h.tcb();
    h.nowNs += 10 * MS;
    echoes(h, leftMs, 10, [11, 14]);
    expect(segmentsOf(h.take())).toContain(10);
    expect(h.users.cwnd[USER]).toBeLessThan(before.cwnd);
    return { h, before, leftMs };
  }

  test('is put back where the acknowledgement echoes what had left before (RFC 3522)', () => {
    const { h, before, leftMs } = recovering();
    echoes(h, leftMs, 14);
    expect(isRepairing(h)).toBe(false);
    expect(h.users.cwnd[USER]).toBeGreaterThanOrEqual(before.cwnd);
    expect(h.tcb()).toMatchObject({ ssthresh: before.ssthresh });
    // What is late once is waited for from now on.
    expect(h.users.flags[USER] & UserFlag.REORDERED).not.toBe(0);
  });

  test('is not where it echoes the repetition', () => {
    const { h, before, leftMs } = recovering();
    const { cwnd, ssthresh } = h.tcb();
    h.nowNs += 10 * MS;
    echoes(h, leftMs + 10, 14);
    expect(isRepairing(h)).toBe(true);
    echoes(h, leftMs + 10, 30);
    expect(isRepairing(h)).toBe(false);
    expect(h.tcb()).toMatchObject({ cwnd, ssthresh });
    expect(h.users.ssthresh[USER]).toBeLessThan(before.ssthresh);
  });

  test('is not while another repetition is in flight that may be needed', () => {
    const h = stamped();
    const leftMs = h.nowNs / MS;
    h.nowNs += 10 * MS;
    echoes(h, leftMs, 10, [11, 14], [15, 25]);
    expect(segmentsOf(h.take())).toEqual(expect.arrayContaining([10, 14]));
    echoes(h, leftMs, 14, [15, 25]);
    expect(isRepairing(h)).toBe(true);
    echoes(h, leftMs, 25);
    expect(isRepairing(h)).toBe(false);
    expect(h.users.ssthresh[USER]).toBe(SSTHRESH_INITIAL);
  });

  test.each([
    { name: 'all that was repeated', twice: [10, 14, 15], isBack: true },
    { name: 'but one of it', twice: [10, 14], isBack: false },
    { name: 'one of it three times', twice: [10, 10], isBack: false },
  ])('without timestamps: came twice is $name (RFC 3708)', ({ twice, isBack }) => {
    const h = flying();
    const { cwnd, ssthresh } = h.tcb();
    holds(h, 10, [16, 26], [11, 14]);
    expect(repeats(h)).toEqual([10, 14, 15]);
    holds(h, 30);
    for (const segment of twice) holds(h, 30, [segment, segment + 1]);
    expect(isRepairing(h)).toBe(false);
    expect(h.users.ssthresh[USER] === ssthresh).toBe(isBack);
    expect(h.users.cwnd[USER] >= cwnd).toBe(isBack);
  });

  test('what came twice a round trip after all of it was acknowledged is of other times', () => {
    const h = flying();
    holds(h, 10, [11, 14]);
    h.take();
    // Once for what was in flight, and once for what left meanwhile.
    for (let i = 0; i < 2; i++) {
      holds(h, segmentsSent(h));
      h.take();
    }
    const { cwnd, ssthresh } = h.tcb();
    holds(h, 30, [10, 11]);
    expect(h.tcb()).toMatchObject({ cwnd, ssthresh });
    expect(h.users.flags[USER] & UserFlag.SCOREBOARD).toBe(0);
  });

  test('by a timeout is put back where what was sent once arrives after it (RFC 5682)', () => {
    const h = flying();
    const { cwnd, ssthresh } = h.tcb();
    for (let turn = 0; turn < 2; turn++) h.timeout();
    expect(repeats(h)).toEqual([29, 10]);
    expect(h.users.cwnd[USER]).toBe(16);
    holds(h, 12);
    expect(isRepairing(h)).toBe(false);
    expect(h.users.cwnd[USER]).toBeGreaterThanOrEqual(cwnd);
    expect(h.tcb()).toMatchObject({ ssthresh });
    expect(repeats(h)).toEqual([]);
    expect(h.users.sndNxt[USER]).toBe(h.users.sndMax[USER]);
  });

  test('by a timeout is not where nothing but what was repeated arrives', () => {
    const h = flying();
    for (let turn = 0; turn < 2; turn++) h.timeout();
    h.take();
    holds(h, 11);
    expect(isRepairing(h)).toBe(true);
    expect(repeats(h)).toEqual([11, 12]);
  });

  test('by timeouts is put back by the first echo of what had left before them', () => {
    const h = stamped();
    const leftMs = h.nowNs / MS;
    const { cwnd, ssthresh } = h.tcb();
    for (let turn = 0; turn < 4; turn++) h.timeout();
    expect(h.users.count(USER, Count.RETRIES)).toBe(3);
    h.take();
    echoes(h, leftMs, 11);
    expect(isRepairing(h)).toBe(false);
    expect(h.users.cwnd[USER]).toBeGreaterThanOrEqual(cwnd);
    expect(h.tcb()).toMatchObject({ ssthresh });
  });

  test('is three tenths of what was in flight when it was lost, not of what is left of that', () => {
    const h = flying();
    const cwnd = h.users.cwnd[USER];
    // Half of the flight is acknowledged before anything new leaves.
    h.arrive({ ack: h.ours(20 * MSS) });
    h.arrive({ ack: h.ours(20 * MSS), sack: [[h.ours(21 * MSS), h.ours(24 * MSS)]] });
    expect(h.users.flags[USER] & UserFlag.RECOVERY).not.toBe(0);
    expect(h.users.ssthresh[USER]).toBeGreaterThanOrEqual(Math.floor(0.7 * cwnd));
  });

  test('is so by what is in flight where there is no more to send', () => {
    const h = new Harness().establish({ sackPermitted: true }).write(10 * MSS);
    h.receive({ ack: h.ours(10 * MSS) });
    h.write(5 * MSS);
    holds(h, 10, [11, 14]);
    expect(h.users.ssthresh[USER]).toBe(Math.floor(0.7 * 5 * 16));
  });
});

describe('what came twice', () => {
  test('says of no loss, however often it does', () => {
    const h = flying();
    for (let i = 0; i < 5; i++) {
      h.receive({ ack: h.ours(10 * MSS), sack: [[h.ours(8 * MSS), h.ours(9 * MSS)]] });
      h.receive({ ack: h.ours(10 * MSS) });
    }
    expect(repeats(h)).toEqual([]);
    expect(h.users.flags[USER] & (UserFlag.RECOVERY | UserFlag.SCOREBOARD)).toBe(0);
  });

  /** Segments overtake each other; then one is repeated, which comes twice. @returns the wait, in quarters of a round trip */
  function overtaken(h: Harness, isTwice = true): number {
    const next = (h.users.sndUna[USER] - h.ours(0)) / MSS;
    holds(h, next, [next + 1, next + 2]);
    const waitNs = h.users.dueNs[USER] - h.nowNs - 2 * MS;
    const quarters = Math.round((4 * waitNs) / (h.users.srttUs[USER] * 1_000));
    h.timeout();
    h.take();
    // All but the last, so that there is more to be heard.
    const mark = segmentsSent(h) - 1;
    holds(h, mark);
    if (isTwice) holds(h, mark, [next, next + 1]);
    for (let i = 0; i < 2; i++) holds(h, segmentsSent(h));
    return quarters;
  }

  test('lengthens the wait for what is late by a quarter of a round trip, up to all of it', () => {
    const h = flying();
    holds(h, 10, [11, 12]);
    holds(h, 12);
    const quarters = Array.from({ length: 6 }, () => overtaken(h));
    expect(quarters).toEqual([1, 2, 3, 4, 4, 4]);
  });

  test('not in sixteen recoveries: the wait is a quarter again', () => {
    const h = flying();
    holds(h, 10, [11, 12]);
    holds(h, 12);
    overtaken(h);
    const quarters = Array.from({ length: 18 }, () => overtaken(h, false));
    expect(quarters).toEqual([...new Array<number>(16).fill(2), 1, 1]);
  });

  test('is forgotten with a timeout that goes on without reports: one segment leaves', () => {
    const h = flying();
    holds(h, 10, [11, 12]);
    holds(h, 12);
    overtaken(h);
    h.take();
    h.timeout();
    for (let turn = 0; turn < 3 && !(h.users.flags[USER] & UserFlag.LOSS); turn++) h.timeout();
    expect(h.users.flags[USER] & UserFlag.LOSS).not.toBe(0);
    h.take();
    // The window shuts and opens: sending begins again at the first octet.
    h.receive({ window: 0, seq: h.users.rcvNxt[USER], ack: h.users.sndUna[USER] });
    h.users.sndWnd[USER] = 0;
    h.receive({ window: 65_535 });
    expect(h.take().filter(({ payloadBytes }) => payloadBytes > 0)).toHaveLength(1);
  });
});
