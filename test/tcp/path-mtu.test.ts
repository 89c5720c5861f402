import { describe, expect, test } from 'vitest';
import { seqAdd } from '../../src/base/seq.ts';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { Harness, USER } from './harness.ts';

const offsets = (sent: readonly { offset: number; payloadBytes: number }[]) =>
  sent.map(({ offset, payloadBytes }) => [offset, payloadBytes]);

describe('a router says that packets are too large', () => {
  test('what was lost is sent again at once in smaller segments, and the window stays', () => {
    const h = new Harness().establish().write(4 * 1460);
    h.take();
    const cwnd = h.users.cwnd[USER];
    expect(h.client.onPathMtu(USER, h.ours(0), 1000)).toBe(true);
    expect(offsets(h.take())).toEqual([
      [0, 1000],
      [1000, 1000],
      [2000, 1000],
      [3000, 1000],
      [4000, 1000],
      [5000, 840],
    ]);
    expect(h.users.cwnd[USER]).toBe(cwnd);
    h.receive({ ack: h.ours(4 * 1460) });
    expect(h.take()).toEqual([]);
  });

  test('the messages about the other packets of the flight bring nothing more', () => {
    const h = new Harness().establish().write(4 * 1460);
    h.client.onPathMtu(USER, h.ours(0), 1000);
    h.take();
    expect(h.client.onPathMtu(USER, h.ours(1460), 1000)).toBe(false);
    expect(h.take()).toEqual([]);
  });

  test('the timestamp option is deducted', () => {
    const h = new Harness({ timestamps: true }).establish({ timestamps: [1, 0] }).write(1448);
    h.take();
    expect(h.client.onPathMtu(USER, h.ours(0), 1000)).toBe(true);
    expect(h.users.sendMss[USER]).toBe(988);
  });

  test.each([
    { name: 'quotes octets that are acknowledged', seq: 0, mss: 1000 },
    { name: 'quotes octets that were never sent', seq: 5 * 1460, mss: 1000 },
    { name: 'names a size that is none smaller', seq: 1460, mss: 1460 },
    { name: 'names a larger size', seq: 1460, mss: 9000 },
  ])('a message that $name is not believed', ({ seq, mss }) => {
    const h = new Harness().establish().write(4 * 1460);
    h.receive({ ack: h.ours(1460) });
    h.take();
    expect(h.client.onPathMtu(USER, h.ours(seq), mss)).toBe(false);
    expect(h.users.sendMss[USER]).toBe(1460);
    expect(h.take()).toEqual([]);
  });

  test('nor one for a connection that is not open', () => {
    const h = new Harness().open();
    expect(h.client.onPathMtu(USER, seqAdd(h.ours(0), -1), 1000)).toBe(false);
  });
});

describe('nobody says so (RFC 4821)', () => {
  test('a full-sized segment that is lost twice in a row is sent smaller, step by step', () => {
    const h = new Harness().establish().write(1460);
    h.take();
    const seen: [number, number][] = [];
    for (let i = 0; i < 4; i++) {
      const events = h.timeout();
      seen.push([events, h.take().at(0)?.payloadBytes ?? 0]);
    }
    expect(seen).toEqual([
      [TcpEvent.NONE, 1460],
      [TcpEvent.MSS_LOWERED, 1024],
      [TcpEvent.MSS_LOWERED, 512],
      [TcpEvent.NONE, 512],
    ]);
  });

  test('a small segment that is lost says nothing about size', () => {
    const h = new Harness().establish().write(500);
    for (let i = 0; i < 5; i++) expect(h.timeout()).toBe(TcpEvent.NONE);
    expect(h.users.sendMss[USER]).toBe(1460);
  });
});

describe('what the engine asks', () => {
  test('a user retransmits from its first repetition until the acknowledgement', () => {
    const h = new Harness().open();
    h.timeout();
    expect(h.client.isRetransmitting(USER)).toBe(false);
    const open = new Harness().establish().write(10);
    expect(open.client.isRetransmitting(USER)).toBe(false);
    open.timeout();
    expect(open.client.isRetransmitting(USER)).toBe(true);
    open.receive({ ack: open.ours(10) });
    expect(open.client.isRetransmitting(USER)).toBe(false);
  });

  test('a hole is there until it is filled', () => {
    const h = new Harness().establish();
    expect(h.client.hasHole(USER)).toBe(false);
    h.receive({ seq: h.peer(100), payloadBytes: 50 });
    expect(h.client.hasHole(USER)).toBe(true);
    h.receive({ seq: h.peer(0), payloadBytes: 100 });
    expect(h.client.hasHole(USER)).toBe(false);
  });
});
