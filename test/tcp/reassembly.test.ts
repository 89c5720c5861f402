import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seqAdd } from '../../src/base/seq.ts';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { State, UserTable } from '../../src/tcp/user-table.ts';
import { ACK, FIN, PSH } from '../../src/wire/tcp.ts';
import { Harness, USER } from './harness.ts';

const STREAM_BYTES = 40;

describe('what comes in any order', () => {
  test('is delivered once, never over a hole, and with the push and the end that belong to it', () => {
    const piece = fc
      .tuple(fc.integer({ min: 0, max: STREAM_BYTES }), fc.integer({ min: 0, max: 12 }))
      .map(([from, bytes]) => ({ from, to: Math.min(STREAM_BYTES, from + bytes) }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.boolean(), (pieces, hasFin) => {
        const h = new Harness().establish();
        // The naive twin: a mark for each octet that came and was not turned away.
        const come = new Set<number>();
        let delivered = 0;
        let hasFinCome = false;
        for (const { from, to } of pieces) {
          const isEnd = to === STREAM_BYTES;
          const flags = ACK | (isEnd ? PSH : 0) | (isEnd && hasFin ? FIN : 0);
          const wasDone = h.state !== State.ESTABLISHED;
          const events = h.receive({ seq: h.peer(from), payloadBytes: to - from, flags });
          const isLost = (events & TcpEvent.OUT_OF_ORDER_LOST) !== 0;
          if (!isLost) for (let octet = from; octet < to; octet++) come.add(octet);
          if (!isLost && isEnd && hasFin) hasFinCome = true;
          let expected = 0;
          while (come.has(expected)) expected++;
          if (wasDone) continue;
          delivered += h.client.deliveredBytes;
          expect(delivered).toBe(expected);
          const finBytes = h.state === State.ESTABLISHED ? 0 : 1;
          expect(h.users.rcvNxt[USER]).toBe(h.peer(expected + finBytes));
          const isAhead = [...come].some((octet) => octet >= expected);
          const isFinAhead = hasFinCome && h.state === State.ESTABLISHED;
          expect(h.client.hasHole(USER)).toBe(isAhead || isFinAhead);
          if (h.client.deliveredBytes > 0 && expected === STREAM_BYTES) {
            expect(h.client.deliveredPush).toBe(true);
          }
          // Every acknowledgement that left says no more than that.
          for (const { ack } of h.take()) expect(ack).toBe(h.users.rcvNxt[USER]);
        }
        if (hasFin && delivered === STREAM_BYTES) expect(h.state).toBe(State.CLOSE_WAIT);
      }),
      { numRuns: 2_000, seed: 7 },
    );
  });

  test('a bare FIN waits for what is missing, and is forgotten with the connection', () => {
    const h = new Harness().establish();
    h.receive({ seq: h.peer(10), flags: FIN | ACK });
    expect(h.client.hasHole(USER)).toBe(true);
    h.client.abort(USER);
    expect(h.client.hasHole(USER)).toBe(false);
    h.establish();
    expect(h.receive({ payloadBytes: 10 })).toBe(TcpEvent.DATA);
    expect(h.state).toBe(State.ESTABLISHED);
  });

  test('a FIN in front of what else has come is none, and nobody waits for it for ever', () => {
    const h = new Harness().establish();
    h.receive({ seq: h.peer(10), payloadBytes: 10 });
    h.receive({ seq: h.peer(15), flags: FIN | ACK });
    h.receive({ payloadBytes: 10 });
    expect(h.users.rcvNxt[USER]).toBe(seqAdd(h.peer(0), 20));
    expect(h.client.hasHole(USER)).toBe(false);
  });
});

test('a user takes no more than is said of it', () => {
  const users = new UserTable(1_000);
  const columns = Object.values(users).filter((column) => ArrayBuffer.isView(column));
  const bytes = columns.reduce((sum, column) => sum + column.byteLength, 0) / 1_000;
  expect(columns).toHaveLength(18);
  expect(bytes).toBeLessThanOrEqual(64);
});
