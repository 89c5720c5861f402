import { describe, expect, test } from 'vitest';
import { Harness, MS, USER } from './harness.ts';

const MSS = 1460;
const cwnd = (h: Harness) => h.users.cwnd[USER] / 16;

/** Acknowledges everything that is in flight at once, a round trip later, `times` over. */
function roundTrips(h: Harness, times: number, rttMs = 10): void {
  for (let i = 0; i < times; i++) {
    h.nowNs += rttMs * MS;
    h.receive({ ack: h.users.sndMax[USER] });
    h.take();
  }
}

/** A user with endless octets whose peer has a large window. */
const endless = () => {
  const h = new Harness().establish({ windowScale: 14, window: 65_535 });
  h.receive({ window: 65_535 });
  h.write(100_000 * MSS);
  h.take();
  return h;
};

describe('slow start', () => {
  test('doubles a round trip although one acknowledgement covers all of it', () => {
    const h = endless();
    const seen = [cwnd(h)];
    for (let i = 0; i < 5; i++) {
      roundTrips(h, 1);
      seen.push(cwnd(h));
    }
    expect(seen).toEqual([10, 20, 40, 80, 160, 320]);
  });

  test('a window that is not used does not grow', () => {
    const h = new Harness().establish();
    for (let i = 0; i < 50; i++) {
      h.write(MSS);
      roundTrips(h, 1);
    }
    expect(cwnd(h)).toBe(10);
  });
});

describe('congestion avoidance', () => {
  test('rises towards the window of the last loss, and slowly around it (CUBIC)', () => {
    const h = endless();
    roundTrips(h, 3, 100);
    for (let i = 0; i < 3; i++) h.receive({});
    const lost = 82 * 0.7;
    roundTrips(h, 1, 100);
    expect(cwnd(h)).toBeCloseTo(lost, 0);
    const seen: number[] = [];
    for (let i = 0; i < 60; i++) {
      roundTrips(h, 1, 100);
      seen.push(cwnd(h));
    }
    // Never less than Reno's share, never a jump, past the old window within K of 3.9 seconds and some.
    for (const [i, now] of seen.entries()) {
      const before = seen.at(i - 1) ?? 0;
      if (i > 0) expect(now - before).toBeGreaterThan(0.4);
      if (i > 0) expect(now - before).toBeLessThan(0.1 * before);
    }
    expect(seen[19]).toBeGreaterThan(70);
    expect(seen[19]).toBeLessThan(82);
    expect(seen.at(-1)).toBeGreaterThan(82);
  });

  test('grows by round trips, however many acknowledgements there are', () => {
    const h = endless();
    roundTrips(h, 2);
    for (let i = 0; i < 3; i++) h.receive({});
    roundTrips(h, 1);
    const before = cwnd(h);
    const end = h.users.sndMax[USER];
    h.nowNs += 10 * MS;
    while (h.users.sndUna[USER] !== end) h.receive({ ack: h.users.sndUna[USER] + MSS });
    expect(cwnd(h) - before).toBeGreaterThan(0.4);
    expect(cwnd(h) - before).toBeLessThan(2.2);
  });
});

describe('after a pause', () => {
  /** A window of 80 segments, everything acknowledged. */
  const idle = () => {
    const h = new Harness().establish({ windowScale: 14, window: 65_535 });
    h.receive({ window: 65_535 });
    h.write(70 * MSS);
    roundTrips(h, 4);
    expect(h.client.isOutstanding(USER)).toBe(false);
    return h;
  };

  test.each([
    { pauseMs: 100, halvings: 0 },
    { pauseMs: 230, halvings: 1 },
    { pauseMs: 450, halvings: 2 },
    { pauseMs: 60_000, halvings: 9 },
  ])('of $pauseMs ms the window has halved $halvings times, down to ten segments', (row) => {
    const h = idle();
    const before = cwnd(h);
    h.nowNs += row.pauseMs * MS;
    h.write(1000 * MSS);
    const expected = Math.max(10, Math.floor((16 * before) / 2 ** row.halvings) / 16);
    expect(cwnd(h)).toBe(expected);
    expect(h.take()).toHaveLength(Math.floor(expected));
  });
});
