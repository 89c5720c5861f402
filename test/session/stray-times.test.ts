/** Time stamps that cannot be right, and what is made of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { handshake, record, type SentSegment } from '../helpers/recording.ts';

/** 2^16 seconds. */
const FAR_MS = 65_536_000;

const FIN = 0x01;

/** A session of two turns, 10 ms apart; `shift` changes the time of the segment of a number. */
function session(shift: (segment: number) => number, clientPort = 50_000, atMs = 0): SentSegment[] {
  const segments: SentSegment[] = [
    ...handshake(),
    { from: 'client', atMs: 30, at: 0, acked: 0, payload: 'question' },
    { from: 'server', atMs: 40, at: 0, acked: 8, payload: 'answer' },
    { from: 'client', atMs: 50, at: 8, acked: 6, payload: 'another' },
    { from: 'server', atMs: 60, at: 6, acked: 15, payload: 'one' },
    { from: 'client', atMs: 70, at: 15, acked: 9, flags: FIN },
    { from: 'server', atMs: 80, at: 9, acked: 16, flags: FIN },
  ];
  return segments.map((segment, i) => ({
    ...segment,
    clientPort,
    atMs: segment.atMs + atMs + shift(i),
  }));
}

/** What is played of a session, in milliseconds. */
function timesOf(recording: ReturnType<typeof record>, session_ = 0) {
  const { client, server, startNs, durationNs } = recording.scripts();
  const ms = (column: Float64Array, first: Uint32Array) =>
    [...column.subarray(first[session_], first[session_ + 1])].map((ns) => ns / 1e6);
  return {
    start: startNs[session_] / 1e6,
    duration: durationNs[session_] / 1e6,
    thinks: ms(client.messageThinkNs, client.firstMessage),
    latencies: ms(server.messageThinkNs, server.firstMessage),
    messages: [client.firstMessage[session_ + 1], server.firstMessage[session_ + 1]],
  };
}

const none = () => 0;

describe('a time stamp that is far off', () => {
  const plain = timesOf(record(session(none)));

  // Not the first packet, and not the last: each of these has another one on both sides.
  test.each(
    [1, 2, 3, 4, 5, 6, 7].flatMap((which) =>
      [FAR_MS, -FAR_MS, 2500, -2500, -1_699_999_000_000].map((ms) => ({ which, ms })),
    ),
  )('moves nothing: packet $which by $ms ms', ({ which, ms }) => {
    const recording = record(session((i) => (i === which ? ms : 0)));
    expect(timesOf(recording)).toEqual(plain);
    expect(recording.ingest.strayTimestamps).toBe(1);
    expect(recording.ingest.clockStepsBack).toBe(0);
  });

  test('moves no other session', () => {
    const segments = [0, 1, 2].flatMap((n) =>
      session((i) => (n === 1 && i === 4 ? FAR_MS : 0), 50_000 + n, n * 1000),
    );
    const recording = record(segments);
    expect(recording.scripts().startNs).toEqual(Float64Array.of(0, 1e9, 2e9));
    expect(recording.ingest.last).toMatchObject({ seconds: 1_700_000_002, nanoseconds: 80e6 });
  });

  test('may be of a few packets in a row', () => {
    const recording = record(session((i) => (i >= 2 && i <= 5 ? FAR_MS : 0)));
    const { duration, messages } = timesOf(recording);
    expect({ duration, messages }).toEqual({ duration: plain.duration, messages: plain.messages });
    expect(recording.ingest.strayTimestamps).toBe(4);
  });

  test('of a packet that is no TCP moves nothing either', () => {
    const segments = session(none);
    const other = { ...segments[3], capturedBytes: 20, atMs: FAR_MS };
    const recording = record([...segments.slice(0, 4), other, ...segments.slice(4)]);
    expect(timesOf(recording)).toEqual(plain);
    expect(recording.ingest.strayTimestamps).toBe(1);
  });
});

describe('a first or last time stamp more than a day from all others', () => {
  const YEAR_MS = 365 * 86_400_000;
  const count = session(none).length;

  test.each(
    [0, count - 1].flatMap((which) =>
      [YEAR_MS, -YEAR_MS, 2 * 86_400_000, -1_699_999_000_000].map((ms) => ({ which, ms })),
    ),
  )('is astray, and counts with the packet beside it: packet $which by $ms ms', (row) => {
    const { which, ms } = row;
    const recording = record(session((i) => (i === which ? ms : 0)));
    expect(recording.ingest.strayTimestamps).toBe(1);
    expect(recording.ingest.clockStepsBack).toBe(0);
    expect(recording.ingest.packets).toBe(count);
    const beside = record(session((i) => (i === which ? (which === 0 ? 10 : -10) : 0)));
    expect(timesOf(recording)).toEqual(timesOf(beside));
  });

  test('moves no other session', () => {
    const three = (shift: (n: number, i: number) => number) =>
      record([0, 1, 2].flatMap((n) => session((i) => shift(n, i), 50_000 + n, n * 1000)));
    const first = three((n, i) => (n === 0 && i === 0 ? -YEAR_MS : 0));
    expect([...first.scripts().startNs].map((ns) => ns / 1e6)).toEqual([0, 990, 1990]);
    const last = three((n, i) => (n === 2 && i === count - 1 ? YEAR_MS : 0));
    expect([...last.scripts().startNs].map((ns) => ns / 1e6)).toEqual([0, 1000, 2000]);
  });

  test('is believed where it is one of several, or the only other one', () => {
    const two = record(session((i) => (i < 2 ? -YEAR_MS : 0)));
    expect(two.ingest.strayTimestamps).toBe(0);
    const pair = record(
      session(none)
        .slice(0, 2)
        .map((one, i) => ({ ...one, atMs: i * YEAR_MS })),
    );
    expect(pair.ingest.strayTimestamps).toBe(0);
    expect(pair.ingest.packets).toBe(2);
  });

  test('does not hide a second one that is astray', () => {
    const recording = record(session((i) => (i === 1 ? YEAR_MS : 0)));
    expect(timesOf(recording)).toEqual(timesOf(record(session(none))));
    expect(recording.ingest.strayTimestamps).toBe(1);
  });
});

describe('time that really moves on', () => {
  test('by years, between sessions', () => {
    const years = 3 * 365 * 86_400_000;
    const recording = record([...session(none), ...session(none, 50_001, years)]);
    expect(recording.ingest.strayTimestamps).toBe(0);
    expect(recording.scripts().startNs).toEqual(Float64Array.of(0, years * 1e6));
    expect(timesOf(recording, 1).thinks).toEqual(timesOf(recording, 0).thinks);
  });

  test('with a long pause within a session', () => {
    const recording = record(session((i) => (i >= 5 ? FAR_MS : 0)));
    expect(recording.ingest.strayTimestamps).toBe(0);
    expect(timesOf(recording).thinks).toEqual([10, 10 + FAR_MS]);
  });

  test('with pauses between all packets', () => {
    const recording = record(session((i) => i * 10_000));
    expect(recording.ingest.strayTimestamps).toBe(0);
    expect(timesOf(recording).duration).toBe(80 + 80_000);
  });

  test('up to the last packet, of which nobody knows', () => {
    const recording = record(session((i) => (i === 8 ? FAR_MS : 0)));
    expect(recording.ingest.strayTimestamps).toBe(0);
    expect(recording.ingest.packets).toBe(9);
    expect(timesOf(recording).duration).toBe(80 + FAR_MS);
  });

  test('and back for good: the clock was set', () => {
    const recording = record([
      ...session(none),
      ...session(none, 50_001, -FAR_MS),
      ...session(none, 50_002, -FAR_MS + 1000),
    ]);
    expect(recording.ingest.strayTimestamps).toBe(0);
    expect(recording.ingest.clockStepsBack).toBe(1);
    expect(recording.scripts().startNs).toEqual(Float64Array.of(0, 80e6, 1080e6));
  });
});

test('whatever the times are, every packet is taken once, and in order', () => {
  const times = fc.array(
    fc.oneof(fc.constantFrom(0, 1, 3000, FAR_MS, -FAR_MS), fc.integer({ min: -1e7, max: 1e7 })),
    { minLength: 9, maxLength: 9 },
  );
  fc.assert(
    fc.property(times, (shifts) => {
      const recording = record(session((i) => shifts[i]));
      expect(recording.ingest.packets).toBe(9);
      expect(recording.text('client')).toBe('questionanother');
      expect(recording.text('server')).toBe('answerone');
      expect(timesOf(recording).messages).toEqual([2, 2]);
    }),
  );
});
