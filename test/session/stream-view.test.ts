import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamColumns } from '../../src/session/script/scripts.ts';
import { SegmentPlan } from '../../src/session/script/segment-plan.ts';
import { StreamView } from '../../src/session/script/stream-view.ts';
import { foldSum, sumOctets } from '../../src/wire/checksum.ts';
import { EXTENTS_PER_FRAME } from '../../src/wire/frame-batch.ts';
import { type Recorded, randomOctets, record } from '../helpers/recorded.ts';

/** Three sessions, of which the middle one says `octets` in messages of these lengths. */
function recorded(octets: Uint8Array, extentBytesMax: number, messageBytes = octets.length) {
  const messages = [];
  for (let at = 0; at < octets.length; at += messageBytes) {
    messages.push({ from: 'client', octets: octets.subarray(at, at + messageBytes) } as const);
  }
  const other = { messages: [{ from: 'client', octets: randomOctets(50, 9) }] } as const;
  return record([other, { messages }, other], { extentBytesMax, seed: octets.length + 1 });
}

const viewOf = ({ scripts, capture }: Recorded): StreamView =>
  new StreamView(scripts.client, (offset, into) => capture.read(offset, into));

/** What lies in the capture where the walk leads. */
function walked(view: StreamView, { capture }: Recorded, start: number, end: number): number[] {
  const octets: number[] = [];
  view.seek(view.extentAt(1, start), start, end);
  while (view.next()) {
    expect(view.bytes).toBeGreaterThan(0);
    octets.push(...capture.octets.subarray(view.offset, view.offset + view.bytes));
  }
  return octets;
}

const stream = fc.record({
  octets: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  extentBytesMax: fc.integer({ min: 1, max: 80 }),
});

describe('a piece of a stream', () => {
  test('is walked, read and summed as the octets that were said', () => {
    fc.assert(
      fc.property(stream, fc.nat(299), fc.nat(300), ({ octets, extentBytesMax }, from, bytes) => {
        const made = recorded(octets, extentBytesMax);
        const view = viewOf(made);
        const start = from % octets.length;
        const end = Math.min(start + bytes, octets.length);
        const piece = octets.subarray(start, end);
        expect(view.bytesOf(1)).toBe(octets.length);
        expect(walked(view, made, start, end)).toEqual([...piece]);
        const sum = foldSum(sumOctets(piece, 0, piece.length));
        expect(view.sum(view.extentAt(1, start), start, end)).toBe(sum);
        // From an extent before it as well, as whoever goes through a stream has it.
        expect(view.sum(made.scripts.client.firstExtent[1], start, end)).toBe(sum);
      }),
    );
  });

  test('is found in the extent that holds its first octet', () => {
    fc.assert(
      fc.property(stream, ({ octets, extentBytesMax }) => {
        const made = recorded(octets, extentBytesMax);
        const view = viewOf(made);
        const { firstExtent, extentStart, extentBytes } = made.scripts.client;
        for (let at = 0; at < octets.length; at++) {
          const extent = view.extentAt(1, at);
          expect(extentStart[extent]).toBeLessThanOrEqual(at);
          expect(extentStart[extent] + extentBytes[extent]).toBeGreaterThan(at);
          expect(view.extentFrom(firstExtent[1], at)).toBe(extent);
        }
        // Behind the last octet is the row at which the next session's extents begin.
        expect(view.extentAt(1, octets.length)).toBe(firstExtent[2]);
      }),
    );
  });

  test('that the stream has only in part is read as far as there is any', () => {
    const octets = randomOctets(100, 3);
    const view = viewOf(recorded(octets, 7));
    const into = new Uint8Array(30).fill(0xaa);
    expect(view.read(1, 90, into)).toBe(10);
    expect([...into]).toEqual([...octets.subarray(90), ...new Uint8Array(20).fill(0xaa)]);
    expect(view.read(1, 100, into)).toBe(0);
    expect(view.read(1, 5000, into)).toBe(0);
  });
});

test('a session that says nothing has no octets', () => {
  const made = recorded(new Uint8Array(0), 10);
  const view = viewOf(made);
  expect(view.bytesOf(1)).toBe(0);
  expect(view.read(1, 0, new Uint8Array(4))).toBe(0);
  expect(walked(view, made, 0, 0)).toEqual([]);
});

test('a walk past the last extent ends', () => {
  const made = recorded(randomOctets(20, 1), 100);
  const view = viewOf(made);
  view.seek(made.scripts.client.extentStart.length, 0, 10);
  let ranges = 0;
  while (view.next()) if (++ranges > 3) break;
  expect(ranges).toBeLessThan(3);
});

describe('the cut of a stream into segments', () => {
  test('covers each message by pieces that fit a frame, with their sums', () => {
    const sizes = fc.record({ mss: fc.integer({ min: 1, max: 120 }), message: fc.nat(150) });
    fc.assert(
      fc.property(stream, sizes, ({ octets, extentBytesMax }, { mss, message }) => {
        const made = recorded(octets, extentBytesMax, message + 1);
        const view = viewOf(made);
        const plan = new SegmentPlan(view, 3, mss);
        const { extentStart } = made.scripts.client;
        for (let start = 0; start < octets.length; ) {
          const row = plan.find(1, start);
          const end = plan.segmentEnd[row];
          expect(plan.segmentStart[row]).toBe(start);
          expect(end - start).toBeGreaterThan(0);
          expect(end - start).toBeLessThanOrEqual(mss);
          // A message's octets only: no segment reaches over its end.
          expect(Math.floor(start / (message + 1))).toBe(Math.floor((end - 1) / (message + 1)));
          const [first, last] = [view.extentAt(1, start), view.extentAt(1, end - 1)];
          expect(plan.segmentExtent[row]).toBe(first);
          expect(last - first).toBeLessThan(EXTENTS_PER_FRAME);
          expect(extentStart[first]).toBeLessThanOrEqual(start);
          expect(plan.segmentSum[row]).toBe(foldSum(sumOctets(octets, start, end)));
          for (let at = start; at < end; at++) expect(plan.find(1, at)).toBe(row);
          start = end;
        }
      }),
    );
  });
});

test('of a stream whose beginning a changed index puts behind its first octet nothing is read', () => {
  const asked: number[] = [];
  const columns = {
    firstExtent: Uint32Array.of(0, 2),
    extentStart: Uint32Array.of(0xffff_fffd, 6),
    extentBytes: Uint32Array.of(6, 22),
    extentOffset: Float64Array.of(280, 420),
  };
  const view = new StreamView(columns as unknown as StreamColumns, (offset) => {
    asked.push(offset);
  });
  view.read(0, 0, new Uint8Array(16));
  expect(asked).toEqual([]);
});
