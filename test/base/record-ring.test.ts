import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRecordRing, RECORD_HEADER_BYTES, RecordRing } from '../../src/base/record-ring.ts';

/** The least that a ring can have: two of the longest records. */
const CAPACITY = 2 * 0xfffe;

const source = new DataView(new ArrayBuffer(70_000));
for (let i = 0; i < source.byteLength; i++) source.setUint8(i, (i * 7) & 0xff);

interface Seen {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly octets: number[];
}

/** Both ends of a ring, and what is read from it one by one. */
function makeRing() {
  const memory = createRecordRing(1);
  return { writer: new RecordRing(memory), reader: new RecordRing(memory) };
}

function readOne(reader: RecordRing, at: number): Seen {
  const { data } = reader;
  const bytes = data.getUint16(at + 8);
  const octets = Array.from({ length: bytes }, (_, i) =>
    data.getUint8(at + RECORD_HEADER_BYTES + i),
  );
  return { seconds: data.getUint32(at), nanoseconds: data.getUint32(at + 4), octets };
}

/** Records as they lie in a piece that `take` has filled. */
function readPiece(piece: Uint8Array): Seen[] {
  const data = new DataView(piece.buffer, piece.byteOffset, piece.length);
  const seen: Seen[] = [];
  for (let at = 0; at < piece.length; ) {
    const bytes = data.getUint16(at + 8);
    const octets = Array.from(piece.subarray(at + 10, at + 10 + bytes));
    seen.push({ seconds: data.getUint32(at), nanoseconds: data.getUint32(at + 4), octets });
    at += RECORD_HEADER_BYTES + bytes;
  }
  return seen;
}

const expected = (seconds: number, nanoseconds: number, start: number, bytes: number): Seen => ({
  seconds,
  nanoseconds,
  octets: Array.from({ length: bytes }, (_, i) => source.getUint8(start + i)),
});

test('an empty ring has nothing to read or to take', () => {
  const { reader } = makeRing();
  expect(reader.oldest()).toBe(-1);
  expect(reader.take(new Uint8Array(100), 0)).toBe(0);
});

test('records come out as they went in, however the two ends take turns', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('push' as const),
      bytes: fc.oneof(fc.nat(300), fc.nat(0xfffe)),
      start: fc.nat(100),
    }),
    fc.record({ kind: fc.constant('read' as const), count: fc.nat(20) }),
    fc.record({ kind: fc.constant('take' as const), room: fc.nat(70_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { writer, reader } = makeRing();
      const queue: Seen[] = [];
      let dropped = 0;
      let serial = 0;
      for (const each of steps) {
        if (each.kind === 'push') {
          serial++;
          if (writer.push(serial, 999_999_999, source, each.start, each.bytes)) {
            queue.push(expected(serial, 999_999_999, each.start, each.bytes));
          } else {
            dropped++;
            // Only where it is really full: less than two such records of room are left.
            const held = queue.reduce((sum, { octets }) => sum + 10 + octets.length, 0);
            expect(held + 2 * (10 + each.bytes)).toBeGreaterThan(CAPACITY - 20);
          }
        } else if (each.kind === 'read') {
          let at = reader.oldest();
          for (let i = 0; i < each.count && at >= 0; i++) {
            expect(readOne(reader, at)).toEqual(queue.shift());
            at = reader.release(at);
          }
        } else {
          const piece = new Uint8Array(each.room + 5);
          const bytes = reader.take(piece, 5);
          const seen = readPiece(piece.subarray(5, 5 + bytes));
          expect(seen).toEqual(queue.splice(0, seen.length));
          const next = queue.at(0);
          // Nothing is held back that would have fitted.
          if (next !== undefined)
            expect(bytes + 10 + next.octets.length).toBeGreaterThan(each.room);
        }
      }
      expect(writer.dropped).toBe(dropped);
      let at = reader.oldest();
      for (const each of queue) {
        expect(readOne(reader, at)).toEqual(each);
        at = reader.release(at);
      }
      expect(at).toBe(-1);
    }),
    { numRuns: 60 },
  );
});

describe('waking', () => {
  test('the first record after the reader began to wait wants a wake-up, the others do not', () => {
    const { writer, reader } = makeRing();
    expect(writer.needsWake()).toBe(true);
    expect(writer.needsWake()).toBe(false);
    expect(reader.isSignalled).toBe(true);
    reader.beginWait();
    expect(reader.isSignalled).toBe(false);
    expect(writer.needsWake()).toBe(true);
  });
});
