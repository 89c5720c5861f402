import { describe, expect, test } from 'vitest';
import { seqAdd } from '../../src/base/seq.ts';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { State } from '../../src/tcp/user-table.ts';
import { ACK, FIN, PSH, RST, SYN } from '../../src/wire/tcp.ts';
import { Harness, IRS, MS, USER, WINDOW_BYTES } from './harness.ts';

const offsets = (sent: readonly { offset: number; payloadBytes: number }[]) =>
  sent.map(({ offset, payloadBytes }) => [offset, payloadBytes]);

describe('sending', () => {
  test('a stream is cut to the peer’s MSS and its last segment is pushed', () => {
    const h = new Harness().establish().write(3000);
    const sent = h.take();
    expect(offsets(sent)).toEqual([
      [0, 1460],
      [1460, 1460],
      [2920, 80],
    ]);
    expect(sent.map((s) => s.flags)).toEqual([ACK, ACK, ACK | PSH]);
    // The first octet lies behind the wrap of 2^32.
    expect(sent.map((s) => s.seq)).toEqual([0, 1460, 2920]);
  });

  test('no more than the initial window of ten segments leaves unacknowledged', () => {
    const h = new Harness().establish().write(30 * 1460);
    expect(h.take()).toHaveLength(10);
    h.receive({ ack: h.ours(2 * 1460) });
    // Two acknowledged, and slow start admits two more.
    expect(h.take()).toHaveLength(4);
  });

  test('the peer’s window is never exceeded, and no sliver is sent while data is in flight', () => {
    const h = new Harness().establish({ window: 2000 }).write(5000);
    expect(offsets(h.take())).toEqual([[0, 1460]]);
    h.receive({ ack: h.ours(1460), window: 1000 });
    // Nothing is in flight: a piece of a segment is better than none.
    expect(offsets(h.take())).toEqual([[1460, 1000]]);
    h.receive({ ack: h.ours(2460), window: 5000 });
    expect(offsets(h.take())).toEqual([
      [2460, 460],
      [2920, 1460],
      [4380, 620],
    ]);
  });

  test('a scaled window is shifted', () => {
    const h = new Harness().establish({ windowScale: 3, window: 100 });
    h.receive({ window: 1000 });
    expect(h.users.sndWnd[USER]).toBe(8000);
  });
});

describe('retransmission', () => {
  test('what is not acknowledged is sent again, with doubled waits, from the first octet on', () => {
    const h = new Harness({ mss: 500 }).establish().write(700);
    const startNs = h.nowNs;
    h.take();
    const waits: number[] = [];
    let beforeNs = startNs;
    for (let i = 0; i < 4; i++) {
      h.timeout();
      waits.push((h.nowNs - beforeNs) / MS);
      beforeNs = h.nowNs;
      expect(offsets(h.take())).toEqual([[0, 500]]);
    }
    // A round trip of 10 ms and 200 ms more.
    expect(waits).toEqual([210, 420, 840, 1680]);
    h.receive({ ack: h.ours(500) });
    expect(offsets(h.take())).toEqual([[500, 200]]);
    h.receive({ ack: h.ours(700) });
    expect(h.client.isOutstanding(USER)).toBe(false);
    expect(h.users.dueNs[USER]).toBe(Number.POSITIVE_INFINITY);
  });

  test('it is given up after the limit', () => {
    const h = new Harness({ dataRetriesMax: 3 }).establish().write(10);
    for (let i = 0; i < 3; i++) expect(h.timeout()).toBe(TcpEvent.NONE);
    expect(h.timeout()).toBe(TcpEvent.GAVE_UP);
  });

  test('octets sent twice say nothing about the round trip (Karn)', () => {
    const h = new Harness().establish().write(10);
    const srttUs = h.users.srttUs[USER];
    h.timeout();
    h.nowNs += 500 * MS;
    h.receive({ ack: h.ours(10) });
    expect(h.users.srttUs[USER]).toBe(srttUs);
  });

  test('a round trip is smoothed by RFC 6298', () => {
    const h = new Harness().establish().write(10);
    h.nowNs += 50 * MS;
    h.receive({ ack: h.ours(10) });
    // srtt 10 ms, rttvar 5 ms; the sample is 50 ms.
    expect(h.users.srttUs[USER]).toBe(15_000);
    expect(h.users.rttvarUs[USER]).toBe(13_750);
  });

  test('three duplicate acknowledgements bring the lost segment at once, partial ones the next hole', () => {
    const h = new Harness().establish().write(8 * 1460);
    h.take();
    h.receive({});
    h.receive({});
    expect(h.take()).toEqual([]);
    h.receive({});
    expect(offsets(h.take())).toEqual([[0, 1460]]);
    h.receive({ ack: h.ours(3 * 1460) });
    expect(offsets(h.take()).at(0)).toEqual([3 * 1460, 1460]);
    h.receive({ ack: h.ours(8 * 1460) });
    expect(h.take()).toEqual([]);
  });

  test.each([
    { name: 'a window update', segment: { window: 60_000 } },
    { name: 'a segment with payload', segment: { payloadBytes: 5 } },
  ])('$name is no duplicate acknowledgement', ({ segment }) => {
    const h = new Harness().establish().write(1460);
    h.take();
    for (let i = 0; i < 6; i++) h.receive({ ...segment, window: 60_000 - i });
    expect(h.take().filter((s) => s.payloadBytes > 0)).toEqual([]);
  });
});

describe('a shut window', () => {
  test('is probed with one octet and backs off, without end', () => {
    const h = new Harness({ dataRetriesMax: 2 }).establish({ window: 0 }).write(100);
    expect(h.take()).toEqual([]);
    for (let i = 0; i < 8; i++) {
      expect(h.timeout()).toBe(TcpEvent.NONE);
      expect(offsets(h.take())).toEqual([[0, 1]]);
      h.receive({ ack: h.ours(0), window: 0 });
    }
    h.receive({ ack: h.ours(0), window: 1000 });
    expect(offsets(h.take())).toEqual([[0, 100]]);
  });

  test('the rest follows when the probe’s octet was taken', () => {
    const h = new Harness().establish({ window: 0 }).write(100);
    h.timeout();
    h.take();
    h.receive({ ack: h.ours(1), window: 1000 });
    expect(offsets(h.take())).toEqual([[1, 99]]);
  });
});

describe('receiving', () => {
  test('in-order data may wait 30 ms for its acknowledgement, a second segment may not', () => {
    const h = new Harness().establish();
    expect(h.receive({ payloadBytes: 100 })).toBe(TcpEvent.DATA);
    expect(h.client.deliveredBytes).toBe(100);
    expect(h.take()).toEqual([]);
    expect(h.users.dueNs[USER]).toBe(h.nowNs + 30 * MS);
    h.receive({ payloadBytes: 100 });
    expect(h.take()).toEqual([
      { seq: h.ours(0), ack: h.peer(200), flags: ACK, offset: 0, payloadBytes: 0 },
    ]);
  });

  test('the delayed acknowledgement leaves when its time has come', () => {
    const h = new Harness().establish();
    h.receive({ payloadBytes: 100 });
    h.timeout();
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(100)]);
    expect(h.users.dueNs[USER]).toBe(Number.POSITIVE_INFINITY);
  });

  test('a merged answer of many segments is acknowledged at once', () => {
    const h = new Harness().establish();
    h.receive({ payloadBytes: 20_000 });
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(20_000)]);
  });

  test('data we send carries the acknowledgement', () => {
    const h = new Harness().establish();
    h.receive({ payloadBytes: 100 });
    h.write(10);
    expect(h.take()).toEqual([
      { seq: h.ours(0), ack: h.peer(100), flags: ACK | PSH, offset: 0, payloadBytes: 10 },
    ]);
  });

  test('nothing is acknowledged over a hole; filling it delivers both parts', () => {
    const h = new Harness().establish();
    expect(h.receive({ seq: h.peer(1000), payloadBytes: 500 })).toBe(TcpEvent.NONE);
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(0)]);
    expect(h.receive({ seq: h.peer(0), payloadBytes: 1000 })).toBe(TcpEvent.DATA);
    expect(h.client.deliveredBytes).toBe(1500);
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(1500)]);
  });

  test('the out-of-order interval grows at both ends', () => {
    const h = new Harness().establish();
    h.receive({ seq: h.peer(1000), payloadBytes: 500 });
    h.receive({ seq: h.peer(1500), payloadBytes: 500 });
    h.receive({ seq: h.peer(800), payloadBytes: 300 });
    h.receive({ seq: h.peer(0), payloadBytes: 800 });
    expect(h.users.rcvNxt[USER]).toBe(h.peer(2000));
  });

  test('what lies behind 256 holes is kept, and behind one more left to the peer’s repetition', () => {
    const h = new Harness().establish();
    const at = (interval: number) => h.peer(100 * interval + 50);
    for (let interval = 0; interval < 256; interval++) {
      expect(h.receive({ seq: at(interval), payloadBytes: 50 })).toBe(TcpEvent.NONE);
    }
    const isLost = h.receive({ seq: at(256), payloadBytes: 50 });
    expect(isLost).toBe(TcpEvent.OUT_OF_ORDER_LOST);
    for (let hole = 0; hole < 256; hole++) {
      h.receive({ seq: h.peer(100 * hole), payloadBytes: 50 });
      expect(h.users.rcvNxt[USER]).toBe(h.peer(100 * (hole + 1)));
    }
    expect(h.client.hasHole(USER)).toBe(false);
  });

  test('an overlap is delivered once', () => {
    const h = new Harness().establish();
    h.receive({ payloadBytes: 100 });
    expect(h.receive({ seq: h.peer(50), payloadBytes: 100 })).toBe(TcpEvent.DATA);
    expect(h.client.deliveredBytes).toBe(50);
  });

  test('a repetition is acknowledged at once and delivers nothing', () => {
    const h = new Harness().establish();
    h.receive({ payloadBytes: 100 });
    h.timeout();
    h.take();
    expect(h.receive({ seq: h.peer(0), payloadBytes: 100 }) & TcpEvent.DATA).toBe(0);
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(100)]);
  });

  test.each([
    { name: 'a keep-alive probe without octet', offset: -1, payloadBytes: 0 },
    { name: 'a keep-alive probe with an octet', offset: -1, payloadBytes: 1 },
    { name: 'a segment beyond the window', offset: WINDOW_BYTES, payloadBytes: 10 },
  ])('$name is answered with an ACK and changes nothing', ({ offset, payloadBytes }) => {
    const h = new Harness().establish();
    const events = h.receive({ seq: h.peer(offset), payloadBytes });
    expect(events & (TcpEvent.DATA | TcpEvent.RESET)).toBe(0);
    expect(h.take()).toEqual([
      { seq: h.ours(0), ack: h.peer(0), flags: ACK, offset: 0, payloadBytes: 0 },
    ]);
    expect(h.state).toBe(State.ESTABLISHED);
  });

  test('a repeated SYN-ACK is answered with an ACK', () => {
    const h = new Harness().establish();
    h.receive({ seq: IRS, flags: SYN | ACK, ack: h.ours(0) });
    expect(h.take().map((s) => s.flags)).toEqual([ACK]);
    expect(h.state).toBe(State.ESTABLISHED);
  });

  test('an acknowledgement of what was never sent is answered and ignored', () => {
    const h = new Harness().establish().write(10);
    h.take();
    expect(h.receive({ ack: h.ours(11) })).toBe(TcpEvent.OUT_OF_WINDOW);
    expect(h.client.isOutstanding(USER)).toBe(true);
    expect(h.take().map((s) => s.flags)).toEqual([ACK]);
  });

  test('an old timestamp is refused (PAWS), but never for an RST', () => {
    const h = new Harness({ timestamps: true }).establish({ timestamps: [100, 0] });
    expect(h.receive({ payloadBytes: 5, timestamps: [99, 0] })).toBe(TcpEvent.OUT_OF_WINDOW);
    expect(h.receive({ payloadBytes: 5, timestamps: [101, 0] })).toBe(TcpEvent.DATA);
    expect(h.receive({ flags: RST, timestamps: [1, 0] })).toBe(TcpEvent.RESET);
  });
});

describe('what is refused leaves the whole TCB as it was', () => {
  test.each([
    { name: 'an RST before the window', segment: { at: -1, flags: RST } },
    { name: 'an RST within the window', segment: { at: 1, flags: RST } },
    { name: 'a SYN', segment: { at: 5, flags: SYN } },
    { name: 'octets behind the window', segment: { at: WINDOW_BYTES, payloadBytes: 9 } },
    { name: 'an acknowledgement of what was never sent', segment: { acked: 9_000 } },
    { name: 'an acknowledgement that is older than the last', segment: { acked: 10 } },
    { name: 'an old timestamp', segment: { payloadBytes: 9, timestamps: [99, 0] as const } },
    { name: 'a segment without ACK', segment: { payloadBytes: 9, flags: PSH } },
    { name: 'octets that have come before', segment: { at: -20, payloadBytes: 20 } },
  ])('$name', ({ segment: { at = 0, acked = 1_448, ...rest } }) => {
    const h = new Harness({ timestamps: true }).establish({ timestamps: [100, 0] }).write(4_344);
    h.receive({ ack: h.ours(1_448), payloadBytes: 20, timestamps: [100, 0] });
    h.client.acknowledgeNow(USER);
    h.client.emit(USER);
    const before = h.tcb();
    h.receive({ seq: h.peer(20 + at), ack: h.ours(acked), ...rest });
    expect(h.tcb()).toEqual(before);
  });
});

describe('RST', () => {
  test.each([
    {
      name: 'at the expected number resets',
      offset: 0,
      events: TcpEvent.RESET,
      state: State.CLOSED,
      flags: [],
    },
    {
      name: 'within the window is challenged',
      offset: 1,
      events: TcpEvent.OUT_OF_WINDOW,
      state: State.ESTABLISHED,
      flags: [ACK],
    },
    {
      name: 'before the window is dropped',
      offset: -1,
      events: TcpEvent.OUT_OF_WINDOW,
      state: State.ESTABLISHED,
      flags: [],
    },
    {
      name: 'behind the window is dropped',
      offset: WINDOW_BYTES,
      events: TcpEvent.OUT_OF_WINDOW,
      state: State.ESTABLISHED,
      flags: [],
    },
  ])('$name', ({ offset, events, state, flags }) => {
    const h = new Harness().establish();
    expect(h.receive({ seq: h.peer(offset), flags: RST })).toBe(events);
    expect(h.state).toBe(state);
    expect(h.take().map((s) => s.flags)).toEqual(flags);
  });

  test('challenges are limited, so that two confused ends fall silent', () => {
    const h = new Harness().establish();
    for (let i = 0; i < 10_001; i++) h.receive({ seq: h.peer(-5), payloadBytes: 4 });
    expect(h.take()).toHaveLength(10_000);
  });

  test('to what bears no text there is one challenge in half a second', () => {
    const h = new Harness().establish();
    const confused = [
      { seq: h.peer(1), flags: RST },
      { seq: h.peer(-1), flags: ACK },
      { seq: h.peer(0), flags: SYN | ACK },
      { seq: h.peer(0), flags: ACK, ack: h.ours(1_000) },
    ];
    for (const segment of confused) {
      h.nowNs += 500 * MS;
      h.receive(segment);
      expect(h.take()).toHaveLength(1);
      for (const other of confused) h.receive(other);
      expect(h.take()).toHaveLength(0);
    }
  });

  test('our own carries the number that the peer expects', () => {
    const h = new Harness().establish().write(10);
    h.take();
    h.client.abort(USER);
    expect(h.take()).toEqual([
      { seq: h.ours(10), ack: h.peer(0), flags: RST | ACK, offset: 0, payloadBytes: 0 },
    ]);
    expect(h.state).toBe(State.CLOSED);
  });
});

describe('the end', () => {
  const finAcked = (h: Harness, offset: number) => seqAdd(h.ours(offset), 1);

  test('we first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT', () => {
    const h = new Harness().establish().write(10).finish();
    expect(h.take().map((s) => s.flags)).toEqual([ACK | PSH, FIN | ACK]);
    expect(h.state).toBe(State.FIN_WAIT_1);
    h.receive({ ack: finAcked(h, 10) });
    expect(h.state).toBe(State.FIN_WAIT_2);
    // Half-closed: the peer may still talk.
    expect(h.receive({ ack: finAcked(h, 10), payloadBytes: 100 })).toBe(TcpEvent.DATA);
    h.take();
    const events = h.receive({ ack: finAcked(h, 10), flags: FIN | ACK });
    expect(events).toBe(TcpEvent.PEER_FIN | TcpEvent.CLOSED);
    expect(h.state).toBe(State.TIME_WAIT);
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(101)]);
  });

  test('we first, both in one segment: FIN-WAIT-1 to TIME-WAIT', () => {
    const h = new Harness().establish().finish();
    const events = h.receive({ ack: finAcked(h, 0), flags: FIN | ACK, payloadBytes: 5 });
    expect(events).toBe(TcpEvent.ACKED | TcpEvent.DATA | TcpEvent.PEER_FIN | TcpEvent.CLOSED);
    expect(h.state).toBe(State.TIME_WAIT);
  });

  test('the peer first: CLOSE-WAIT, LAST-ACK, CLOSED', () => {
    const h = new Harness().establish();
    expect(h.receive({ flags: FIN | ACK })).toBe(TcpEvent.PEER_FIN);
    expect(h.state).toBe(State.CLOSE_WAIT);
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(1)]);
    // We may still talk.
    h.write(10);
    expect(offsets(h.take())).toEqual([[0, 10]]);
    h.finish();
    expect(h.state).toBe(State.LAST_ACK);
    expect(h.receive({ ack: finAcked(h, 10) }) & TcpEvent.CLOSED).not.toBe(0);
    expect(h.state).toBe(State.CLOSED);
  });

  test('both at once: CLOSING, TIME-WAIT', () => {
    const h = new Harness().establish().finish();
    expect(h.receive({ flags: FIN | ACK, ack: h.ours(0) })).toBe(TcpEvent.PEER_FIN);
    expect(h.state).toBe(State.CLOSING);
    expect(h.receive({ ack: finAcked(h, 0) }) & TcpEvent.CLOSED).not.toBe(0);
    expect(h.state).toBe(State.TIME_WAIT);
  });

  test('a lost FIN is sent again until it is acknowledged', () => {
    const h = new Harness().establish().write(10).finish();
    h.receive({ ack: h.ours(10) });
    h.take();
    h.timeout();
    expect(h.take().map((s) => s.flags)).toEqual([FIN | ACK]);
    h.timeout();
    expect(h.take().map((s) => s.seq)).toEqual([h.ours(10)]);
    h.receive({ ack: finAcked(h, 10) });
    expect(h.state).toBe(State.FIN_WAIT_2);
    expect(h.users.dueNs[USER]).toBe(Number.POSITIVE_INFINITY);
  });

  test('a FIN behind a hole counts when the hole is filled', () => {
    const h = new Harness().establish();
    expect(h.receive({ seq: h.peer(100), flags: FIN | ACK, payloadBytes: 50 })).toBe(TcpEvent.NONE);
    expect(h.state).toBe(State.ESTABLISHED);
    const events = h.receive({ seq: h.peer(0), payloadBytes: 100 });
    expect(events).toBe(TcpEvent.DATA | TcpEvent.PEER_FIN);
    expect(h.users.rcvNxt[USER]).toBe(h.peer(151));
  });

  test('a bare FIN behind a hole counts too', () => {
    const h = new Harness().establish();
    h.receive({ seq: h.peer(100), flags: FIN | ACK });
    expect(h.receive({ seq: h.peer(0), payloadBytes: 100 })).toBe(
      TcpEvent.DATA | TcpEvent.PEER_FIN,
    );
  });

  test('a repeated FIN in TIME-WAIT is acknowledged again', () => {
    const h = new Harness().establish().finish();
    h.receive({ ack: finAcked(h, 0), flags: FIN | ACK });
    h.take();
    h.receive({ seq: h.peer(0), ack: finAcked(h, 0), flags: FIN | ACK });
    expect(h.take().map((s) => s.ack)).toEqual([h.peer(1)]);
    expect(h.state).toBe(State.TIME_WAIT);
  });

  test('data after the peer’s FIN is not delivered', () => {
    const h = new Harness().establish();
    h.receive({ flags: FIN | ACK });
    expect(h.receive({ payloadBytes: 10 }) & TcpEvent.DATA).toBe(0);
  });
});
