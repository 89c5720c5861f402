/** What a sender takes its time for: stamps are those of the frames, however many turns a user has open. */
import { describe, expect, test } from 'vitest';
import { Latency } from '../../src/measure/histograms.ts';
import { LaterTurns } from '../../src/replay/later-turns.ts';
import type { Sender } from '../../src/transport/ports.ts';
import type { SessionSpec } from '../helpers/scripts.ts';
import { play } from './play.ts';
import { WireTimes } from './wire-times.ts';

const MS = 1e6;

/** Frames are handed over this long after the engine has played what they bear, and that on top a frame. */
const BATCH_MS = 3;
const FRAME_MS = 2;

class SlowWire extends WireTimes {
  override on(sender: Sender, counters: Float64Array): Sender {
    const { batch, flush } = super.on(sender, counters);
    return {
      batch,
      flush: () => {
        batch.laterNs.fill(FRAME_MS * MS);
        flush();
        batch.firstNs += BATCH_MS * MS;
      },
    };
  }
}

const REQUESTS = 6;
const asking = (serverMs: number): SessionSpec => ({
  said: Array.from({ length: REQUESTS }, (_, i) => [
    { from: 'client' as const, text: `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`, afterMs: 10 },
    {
      from: 'server' as const,
      text: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      afterMs: serverMs,
    },
  ]).flat(),
});

describe('a request that leaves after it was played', () => {
  test.each([
    { what: 'one turn is open', serverMs: 8 },
    { what: 'several turns are open', serverMs: 200 },
  ])('is timed from when it left: $what', ({ serverMs }) => {
    const options = { pace: 'schedule', server: [asking(serverMs)] } as const;
    const prompt = play([asking(8)], { ...options, wire: new WireTimes() });
    const late = play([asking(8)], { ...options, wire: new SlowWire() });
    for (const row of [Latency.SERVICE, Latency.LAG, Latency.RESPONSE]) {
      expect(late.latency.row(row).count).toBe(REQUESTS);
      expect(prompt.latency.row(row).count).toBe(REQUESTS);
    }
    const lateMs = BATCH_MS + FRAME_MS;
    for (const figure of ['min', 'mean', 'max'] as const) {
      const [before, after] = [prompt, late].map(({ latency }) => latency.row(Latency.SERVICE));
      expect((before[figure] ?? 0) - (after[figure] ?? 0), figure).toBeCloseTo(lateMs, 1);
      expect(late.latency.row(Latency.LAG)[figure], figure).toBeCloseTo(lateMs, 1);
      // What the target takes as the user meets it is the same.
      const [meant, met] = [prompt, late].map(({ latency }) => latency.row(Latency.RESPONSE));
      expect(met[figure], figure).toBeCloseTo(meant[figure] ?? Number.NaN, 6);
    }
    if (serverMs > 8) expect(prompt.latency.row(Latency.SERVICE).max).toBeGreaterThan(serverMs);
  });
});

describe('turns behind the open one', () => {
  const USER = 7;

  test('wait in their order, board, and leave frame by frame', () => {
    const later = new LaterTurns();
    for (let message = 1; message <= 4; message++) later.add(USER, message, 10 * message, 0);
    later.add(USER + 1, 1, 0, 0);
    const first = later.firstWaiting(USER);
    expect(first?.message).toBe(1);
    if (first === null) throw new Error('nobody waits');
    later.board(first, null);
    const second = later.firstWaiting(USER);
    expect(second?.message).toBe(2);
    if (second === null) throw new Error('nobody waits');
    later.board(second, first);
    const other = later.firstWaiting(USER + 1);
    if (other === null) throw new Error('nobody waits');
    later.board(other, null);
    const left = later.leave();
    expect([left.message, left.beside?.message, left.beside?.beside]).toEqual([1, 2, null]);
    expect(later.leave()).toBe(other);
    expect(later.firstWaiting(USER)?.message).toBe(3);
    expect(later.firstWaiting(USER + 1)).toBeNull();
  });

  test('are held once, and only where they are in no frame', () => {
    const later = new LaterTurns();
    for (let message = 1; message <= 3; message++) later.add(USER, message, 0, 5);
    const first = later.firstWaiting(USER);
    if (first === null) throw new Error('nobody waits');
    later.board(first, null);
    const held: number[] = [];
    later.hold(USER, 50, ({ message }) => held.push(message));
    later.hold(USER, 60, ({ message }) => held.push(message));
    expect(held).toEqual([3, 2]);
    expect(later.take(USER, 2)).toMatchObject({ isHeld: true, sentNs: 50, isInFrame: false });
  });

  test('count as waiting until they board, are taken or their user ends', () => {
    const later = new LaterTurns();
    expect(later.areWaiting).toBe(false);
    for (let message = 1; message <= 3; message++) later.add(USER, message, 0, 0);
    later.add(USER + 1, 1, 0, 0);
    later.forget(USER + 1);
    const first = later.firstWaiting(USER);
    if (first === null) throw new Error('nobody waits');
    later.board(first, null);
    expect(later.areWaiting).toBe(true);
    // Those before it are past as well.
    expect(later.take(USER, 2)?.message).toBe(2);
    expect(later.areWaiting).toBe(true);
    later.forget(USER);
    expect([later.areWaiting, later.areThere]).toEqual([false, false]);
    // Its frame leaves all the same.
    expect(later.leave()).toBe(first);
  });
});
