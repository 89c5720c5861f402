import { describe, expect, test } from 'vitest';
import { Count } from '../../src/tcp/user-table.ts';
import { ACK, SYN } from '../../src/wire/tcp.ts';
import { Harness, IRS, MS, SECOND, USER } from './harness.ts';

/** What the timer waits for from now on, in ms. */
const waitsMs = (h: Harness) => (h.users.dueNs[USER] - h.nowNs) / MS;
const srttMs = (h: Harness) => h.users.srttUs[USER] / 1000;

describe('without timestamps one octet a round trip is timed', () => {
  test('from when it left, not from the acknowledgement before', () => {
    const h = new Harness().establish().write(10 * 1460);
    for (let segment = 1; segment <= 10; segment++) {
      h.nowNs += segment === 1 ? 300 * MS : MS;
      h.receive({ ack: h.ours(segment * 1460) });
    }
    // 10 ms at first; then one sample of 300, which the nine after it do not shorten.
    expect(srttMs(h)).toBeCloseTo(10 + 290 / 8, 3);
  });

  test('and the next one when it is acknowledged', () => {
    const h = new Harness().establish().write(1460);
    h.nowNs += 10 * MS;
    h.receive({ ack: h.ours(1460) });
    h.write(1460);
    h.nowNs += 90 * MS;
    h.receive({ ack: h.ours(2920) });
    expect(srttMs(h)).toBeCloseTo(10 + 80 / 8, 3);
  });

  test('a fast retransmission drops the measurement', () => {
    const h = new Harness().establish().write(5 * 1460);
    for (let i = 0; i < 3; i++) h.receive({});
    h.nowNs += 500 * MS;
    h.receive({ ack: h.ours(5 * 1460) });
    expect(srttMs(h)).toBe(10);
  });

  test('the back-off is kept until something that was sent once is acknowledged (Karn)', () => {
    const h = new Harness().establish().write(1460);
    h.timeout();
    h.timeout();
    h.nowNs += MS;
    h.receive({ ack: h.ours(1460) });
    expect(h.users.count(USER, Count.RETRIES)).toBe(0);
    h.take();
    h.write(1460);
    expect(waitsMs(h)).toBe(4 * 210);
    h.nowNs += 10 * MS;
    h.receive({ ack: h.ours(2920) });
    h.write(1460);
    // A round trip of 10 ms and 200 ms.
    expect(waitsMs(h)).toBeCloseTo(210, 3);
  });

  test('when nothing is known of it since the SYN was repeated, the timer waits three seconds', () => {
    const h = new Harness().open();
    h.timeout();
    h.nowNs += 5 * MS;
    h.receive({ seq: IRS, ack: h.ours(0), flags: SYN | ACK, mss: 1460 });
    h.write(100);
    expect(waitsMs(h)).toBe(3_000);
  });
});

describe('with timestamps', () => {
  const established = () => new Harness({ timestamps: true }).establish({ timestamps: [1, 0] });

  test('a repetition is measured by what the acknowledgement echoes, which ends the back-off', () => {
    const h = established().write(1448);
    h.timeout();
    const sentMs = h.nowNs / MS;
    h.nowNs += 30 * MS;
    h.receive({ ack: h.ours(1448), timestamps: [2, sentMs] });
    expect(srttMs(h)).toBeCloseTo(10 + 20 / 8, 3);
    expect(h.users.count(USER, Count.BACKOFF)).toBe(0);
  });

  test('an echo of what was never sent is no sample', () => {
    const h = established().write(1448);
    h.nowNs += 30 * MS;
    h.receive({ ack: h.ours(1448), timestamps: [2, 0x8000_0000] });
    expect(srttMs(h)).toBe(10);
  });

  test('nor is an acknowledgement without one', () => {
    const h = established().write(1448);
    h.nowNs += 30 * MS;
    h.receive({ ack: h.ours(1448) });
    expect(srttMs(h)).toBe(10);
  });

  test('the answer to the first SYN after a second one says that none was lost', () => {
    const h = new Harness({ timestamps: true }).open();
    h.timeout();
    h.nowNs = 2 * SECOND;
    h.receive({ seq: IRS, ack: h.ours(0), flags: SYN | ACK, mss: 1460, timestamps: [1, 0] });
    expect(srttMs(h)).toBe(2_000);
    h.take();
    h.write(20 * 1448);
    expect(h.take()).toHaveLength(10);
  });
});

describe('TS.Recent is that of the segment at Last.ACK.sent (RFC 7323, section 4.3)', () => {
  const established = () => new Harness({ timestamps: true }).establish({ timestamps: [100, 0] });

  test('of two segments that one acknowledgement covers it echoes the first', () => {
    const h = established();
    h.receive({ payloadBytes: 100, timestamps: [110, 0] });
    h.receive({ payloadBytes: 100, timestamps: [120, 0] });
    expect(h.take()).toHaveLength(1);
    expect(h.users.tsRecent[USER]).toBe(110);
    h.receive({ payloadBytes: 100, timestamps: [130, 0] });
    expect(h.users.tsRecent[USER]).toBe(130);
  });

  test('a segment behind a hole changes nothing, the one that fills it does', () => {
    const h = established();
    h.receive({ seq: h.peer(100), payloadBytes: 100, timestamps: [110, 0] });
    expect(h.users.tsRecent[USER]).toBe(100);
    h.receive({ seq: h.peer(0), payloadBytes: 100, timestamps: [120, 0] });
    expect(h.users.tsRecent[USER]).toBe(120);
  });

  test('without timestamps a segment that bears one does not disturb what is timed', () => {
    const h = new Harness().establish().write(10);
    h.nowNs += 50 * MS;
    h.receive({ payloadBytes: 5, timestamps: [1, 0] });
    h.receive({ ack: h.ours(10) });
    expect(srttMs(h)).toBe(15);
  });
});
