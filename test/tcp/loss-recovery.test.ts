import { describe, expect, test } from 'vitest';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { UserFlag } from '../../src/tcp/user-table.ts';
import { Harness, type Sent, USER } from './harness.ts';

const MSS = 1460;
/** Numbers of the segments that left. */
const segments = (sent: readonly Sent[]) => sent.map(({ offset }) => offset / MSS);
const cwnd = (h: Harness) => h.users.cwnd[USER] / 16;

/** Twenty segments in flight, more to be said, so that `sndMax` moves on while one is repaired. */
function flying(): Harness {
  const h = new Harness().establish().write(1000 * MSS);
  h.receive({ ack: h.ours(10 * MSS) });
  expect(segments(h.take()).at(-1)).toBe(29);
  return h;
}

const duplicates = (h: Harness, count: number) => {
  for (let i = 0; i < count; i++) h.receive({});
};

describe('fast recovery (RFC 6582)', () => {
  test('the first two duplicates let a new segment each go (RFC 3042)', () => {
    const h = flying();
    duplicates(h, 2);
    expect(segments(h.take())).toEqual([30, 31]);
  });

  test('ends at the recover point although more has been sent meanwhile', () => {
    const h = flying();
    duplicates(h, 19);
    const during = segments(h.take());
    expect(during.filter((segment) => segment === 10)).toHaveLength(1);
    // What was in flight when the loss was seen, limited transmit included.
    expect(during.slice(0, 3)).toEqual([30, 31, 10]);
    expect(during.at(-1)).toBeGreaterThan(31);
    h.receive({ ack: h.ours(32 * MSS) });
    expect(h.users.flags[USER] & UserFlag.RECOVERY).toBe(0);
    // Nothing that had been sent is sent again.
    expect(Math.min(...segments(h.take()))).toBeGreaterThan(32);
    h.receive({ ack: h.ours(33 * MSS) });
    expect(Math.min(...segments(h.take()))).toBeGreaterThan(33);
  });

  test('each partial acknowledgement brings the next hole, once', () => {
    const h = flying();
    duplicates(h, 17);
    h.take();
    h.receive({ ack: h.ours(15 * MSS) });
    expect(segments(h.take()).filter((segment) => segment < 30)).toEqual([15]);
    duplicates(h, 5);
    expect(segments(h.take()).filter((segment) => segment < 30)).toEqual([]);
    h.receive({ ack: h.ours(20 * MSS) });
    expect(segments(h.take()).filter((segment) => segment < 30)).toEqual([20]);
    h.receive({ ack: h.ours(32 * MSS) });
    expect(segments(h.take()).filter((segment) => segment < 32)).toEqual([]);
  });

  test('takes the window back by three tenths, once for all holes', () => {
    const h = flying();
    duplicates(h, 17);
    h.receive({ ack: h.ours(15 * MSS) });
    h.receive({ ack: h.ours(32 * MSS) });
    // 22 segments were in flight, two of them by limited transmit.
    expect(cwnd(h)).toBeCloseTo(22 * 0.7, 0);
  });
});

describe('after a timeout', () => {
  test('sending begins again with one segment and skips what the peer has', () => {
    const h = flying();
    h.timeout();
    expect(segments(h.take())).toEqual([10]);
    h.receive({ ack: h.ours(18 * MSS) });
    h.take();
    h.receive({ ack: h.ours(30 * MSS) });
    expect(Math.min(...segments(h.take()))).toBe(30);
  });

  test('an acknowledgement of more than was repeated brings one segment, of the next hole', () => {
    const h = flying();
    h.timeout();
    h.take();
    for (const hole of [18, 21, 25]) {
      h.receive({ ack: h.ours(hole * MSS) });
      expect(segments(h.take())).toEqual([hole]);
    }
  });

  test('where nothing lies behind the hole, slow start goes on', () => {
    const h = flying();
    h.timeout();
    h.take();
    h.receive({ ack: h.ours(18 * MSS) });
    expect(segments(h.take())).toEqual([18]);
    h.receive({ ack: h.ours(19 * MSS) });
    expect(segments(h.take())).toEqual([19, 20]);
    h.receive({ ack: h.ours(20 * MSS) });
    h.receive({ ack: h.ours(21 * MSS) });
    expect(segments(h.take())).toEqual([21, 22, 23, 24]);
  });

  test('duplicates that our own repetitions bring are no new loss', () => {
    const h = flying();
    h.timeout();
    h.receive({ ack: h.ours(18 * MSS) });
    h.take();
    duplicates(h, 6);
    expect(segments(h.take())).toEqual([]);
    expect(h.users.flags[USER] & UserFlag.RECOVERY).toBe(0);
  });

  test('a shut window is probed without loss of the congestion window', () => {
    const h = new Harness().establish().write(20 * MSS);
    h.receive({ ack: h.ours(10 * MSS), window: 0 });
    const before = cwnd(h);
    for (let i = 0; i < 4; i++) {
      expect(h.timeout()).toBe(TcpEvent.NONE);
      h.receive({ window: 0 });
    }
    expect(cwnd(h)).toBe(before);
    h.take();
    h.receive({ window: 60_000 });
    expect(segments(h.take()).at(0)).toBe(10);
    // The timer waits as if nothing had happened.
    expect(h.users.dueNs[USER] - h.nowNs).toBeLessThan(1e9);
  });
});

describe('an overtaken segment (SND.WL1, SND.WL2)', () => {
  test('does not shut a window that a later one has opened', () => {
    const h = new Harness().establish().write(100);
    h.take();
    h.receive({ seq: h.peer(50), ack: h.ours(100), window: 60_000 });
    h.receive({ seq: h.peer(0), ack: h.ours(100), payloadBytes: 50, window: 0 });
    expect(h.users.sndWnd[USER]).toBe(60_000);
  });

  test('of two that cannot be told apart the larger window counts', () => {
    const h = new Harness().establish().write(100);
    h.receive({ ack: h.ours(100), window: 0 });
    h.receive({ ack: h.ours(100), window: 5_000 });
    h.receive({ ack: h.ours(100), window: 0 });
    expect(h.users.sndWnd[USER]).toBe(5_000);
  });

  test('what acknowledges more, or comes later in the stream, says the window', () => {
    const h = new Harness().establish().write(100);
    h.receive({ ack: h.ours(50), window: 700 });
    expect(h.users.sndWnd[USER]).toBe(700);
    h.receive({ payloadBytes: 10, window: 600 });
    h.receive({ payloadBytes: 10, window: 500 });
    expect(h.users.sndWnd[USER]).toBe(500);
  });
});

describe('the longest stream', () => {
  test('4,294,967,295 octets end with a FIN, and nothing begins again', () => {
    const h = new Harness().establish();
    const { users } = h;
    // As if all had been sent and acknowledged but the last ten octets.
    h.limit = 0xffff_ffff;
    const at = h.ours(h.limit - 10);
    users.sndUna[USER] = at;
    users.sndNxt[USER] = at;
    users.sndMax[USER] = at;
    h.finish();
    expect(h.take().map(({ offset, payloadBytes }) => [offset, payloadBytes])).toEqual([
      [0xffff_ffff - 10, 10],
      [0, 0],
    ]);
    h.client.emit(USER);
    expect(h.take()).toEqual([]);
    h.receive({ ack: h.ours(h.limit) });
    h.timeout();
    expect(h.take()).toHaveLength(1);
    h.receive({ ack: h.ours(h.limit + 1) });
    expect(h.client.isOutstanding(USER)).toBe(false);
  });
});
