import { describe, expect, test } from 'vitest';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { Count, State } from '../../src/tcp/user-table.ts';
import { ACK, FIN, RST, SYN } from '../../src/wire/tcp.ts';
import { Harness, IRS, ISS, MS, SECOND, USER } from './harness.ts';

describe('SYN-SENT', () => {
  test('opening sends one SYN and sets its timer', () => {
    const h = new Harness().open();
    expect(h.take()).toEqual([{ seq: ISS, ack: 0, flags: SYN, offset: 0, payloadBytes: 0 }]);
    expect(h.state).toBe(State.SYN_SENT);
    expect(h.users.dueNs[USER]).toBe(SECOND);
  });

  test('the SYN is repeated with exponential back-off and then given up', () => {
    const h = new Harness().open();
    h.take();
    const times: number[] = [];
    for (let i = 0; i < 6; i++) {
      expect(h.timeout()).toBe(TcpEvent.NONE);
      times.push(h.nowNs / SECOND);
      expect(h.take()).toEqual([{ seq: ISS, ack: 0, flags: SYN, offset: 0, payloadBytes: 0 }]);
    }
    expect(times).toEqual([1, 3, 7, 15, 31, 63]);
    expect(h.timeout()).toBe(TcpEvent.GAVE_UP);
    expect(h.take()).toEqual([]);
  });

  test('a SYN-ACK establishes, is acknowledged at once and gives the first round trip', () => {
    const h = new Harness().open();
    h.take();
    h.nowNs = 10 * MS;
    const events = h.receive({
      seq: IRS,
      ack: h.ours(0),
      flags: SYN | ACK,
      mss: 1000,
      windowScale: 7,
      window: 500,
    });
    expect(events).toBe(TcpEvent.CONNECTED);
    expect(h.state).toBe(State.ESTABLISHED);
    expect(h.take()).toEqual([
      { seq: h.ours(0), ack: h.peer(0), flags: ACK, offset: 0, payloadBytes: 0 },
    ]);
    expect(h.users.srttUs[USER]).toBe(10_000);
    expect(h.users.sendMss[USER]).toBe(1000);
    // The window of a SYN is not scaled.
    expect(h.users.sndWnd[USER]).toBe(500);
    expect(h.users.count(USER, Count.WINDOW_SHIFT)).toBe(7);
    expect(h.users.dueNs[USER]).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    { name: 'no MSS option means 536', mss: 0, offered: 1460, expected: 536 },
    { name: 'an absurd MSS is raised', mss: 1, offered: 1460, expected: 48 },
    { name: 'our own MSS bounds the peer’s', mss: 9000, offered: 500, expected: 500 },
  ])('$name', ({ mss, offered, expected }) => {
    const h = new Harness({ mss: offered }).establish({ mss });
    expect(h.users.sendMss[USER]).toBe(expected);
  });

  test('timestamps are used only when both sides offer them, and cost 12 octets', () => {
    const both = new Harness({ timestamps: true }).establish({ timestamps: [7, 0] });
    expect(both.users.sendMss[USER]).toBe(1448);
    expect(both.users.tsRecent[USER]).toBe(7);
    const one = new Harness({ timestamps: true }).establish();
    expect(one.users.sendMss[USER]).toBe(1460);
  });

  test('a SYN-ACK after a repeated SYN gives no round trip and a window of one segment', () => {
    const h = new Harness().open();
    h.timeout();
    h.nowNs += 5 * MS;
    h.receive({ seq: IRS, ack: h.ours(0), flags: SYN | ACK, mss: 1460 });
    expect(h.users.srttUs[USER]).toBe(0);
    h.take();
    h.write(5 * 1460);
    expect(h.take()).toHaveLength(1);
  });

  test.each([
    { name: 'RST,ACK of our SYN refuses', flags: RST | ACK, ack: 0, events: TcpEvent.REFUSED },
    {
      name: 'RST,ACK of something else is ignored',
      flags: RST | ACK,
      ack: 5,
      events: TcpEvent.OUT_OF_WINDOW,
    },
    { name: 'RST without ACK is ignored', flags: RST, ack: 0, events: TcpEvent.OUT_OF_WINDOW },
    { name: 'SYN without ACK is ignored', flags: SYN, ack: 0, events: TcpEvent.OUT_OF_WINDOW },
    {
      name: 'ACK of our SYN without SYN is ignored',
      flags: ACK,
      ack: 0,
      events: TcpEvent.OUT_OF_WINDOW,
    },
    { name: 'FIN,ACK is ignored', flags: FIN | ACK, ack: 0, events: TcpEvent.OUT_OF_WINDOW },
  ])('$name', ({ flags, ack, events }) => {
    const h = new Harness().open();
    h.take();
    expect(h.receive({ seq: IRS, ack: h.ours(ack), flags })).toBe(events);
    expect(h.state).toBe(events === TcpEvent.REFUSED ? State.CLOSED : State.SYN_SENT);
    expect(h.take()).toEqual([]);
  });

  test('an ACK that is not ours (an older connection lives there) is reset, and the SYN comes again', () => {
    const h = new Harness().open();
    h.take();
    h.nowNs = 3 * MS;
    expect(h.receive({ seq: IRS, ack: 12_345, flags: ACK })).toBe(
      TcpEvent.OUT_OF_WINDOW | TcpEvent.OLD_CONNECTION,
    );
    expect(h.take()).toEqual([{ seq: 12_345, ack: 0, flags: RST, offset: 0, payloadBytes: 0 }]);
    expect(h.state).toBe(State.SYN_SENT);
    h.timeout();
    expect(h.nowNs).toBe(4 * MS);
    expect(h.take().at(0)?.flags).toBe(SYN);
  });

  test('a peer that does not listen to resets is asked as often as any other, not more', () => {
    const h = new Harness().open();
    h.take();
    const times: number[] = [];
    let events = 0;
    for (let syns = 0; syns < 6; syns++) {
      // Each SYN is answered by the old connection, and by a copy of that.
      h.nowNs += MS;
      events |= h.receive({ seq: IRS, ack: 12_345, flags: ACK });
      expect(h.receive({ seq: IRS, ack: 12_345, flags: ACK })).toBe(TcpEvent.OUT_OF_WINDOW);
      h.timeout();
      times.push(h.nowNs / MS);
      expect(h.take().map(({ flags }) => flags)).toEqual([RST, RST, SYN]);
    }
    expect(events & TcpEvent.OLD_CONNECTION).not.toBe(0);
    // At once after the first reset, then doubling as without it.
    expect(times).toEqual([2, 2_002, 6_002, 14_002, 30_002, 62_002]);
    expect(h.timeout()).toBe(TcpEvent.GAVE_UP);
  });

  test('resets of old connections are limited, for all users together', () => {
    const h = new Harness().open();
    h.take();
    for (let i = 0; i < 10_001; i++) h.receive({ seq: IRS, ack: 12_345, flags: ACK });
    expect(h.take()).toHaveLength(10_000);
  });

  test('the SYN after a reset gives a round trip and a whole window: none was lost', () => {
    const h = new Harness().open();
    h.receive({ seq: IRS, ack: 12_345, flags: ACK });
    h.timeout();
    h.nowNs += 10 * MS;
    h.receive({ seq: IRS, ack: h.ours(0), flags: SYN | ACK, mss: 1460 });
    expect(h.users.srttUs[USER]).toBe(10_000);
    h.take();
    h.write(20 * 1460);
    expect(h.take()).toHaveLength(10);
  });
});
