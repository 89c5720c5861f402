import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { CaptureCache, REPLY_SLOT_BYTES } from '../../src/embedded/capture-cache.ts';
import { StreamView } from '../../src/session/script/stream-view.ts';
import type { CaptureBytes } from '../../src/transport/ports.ts';
import { randomOctets, record } from '../helpers/recorded.ts';

const PAGE_BYTES = 4096;
/** A capture far larger than the cache, whose octets are told by their offsets. */
const octetAt = (offset: number): number => (Math.imul(offset, 0x9e37_79b1) >>> 24) & 0xff;
const HUGE: CaptureBytes = {
  read: (offset, into) => {
    for (let i = 0; i < into.length; i++) into[i] = octetAt(offset + i);
  },
};

function octetsAt(cache: CaptureCache, offset: number, bytes: number): number[] {
  cache.copy(offset, bytes, 0);
  return [...cache.memory.subarray(0, bytes)];
}

const expected = (offset: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => octetAt(offset + i));

test('octets of a capture larger than the cache are right, in whatever order they are asked for', () => {
  const fileBytes = 8192 * PAGE_BYTES * 3 + 100;
  const cache = new CaptureCache(HUGE, [{ path: 'huge', base: 0, bytes: fileBytes }]);
  // Few pages, so that different ones meet in one slot of the cache and pages are crossed.
  const offset = fc
    .tuple(fc.nat(2), fc.nat(2), fc.integer({ min: -100, max: 100 }))
    .map(([turn, page, at]) => Math.max(0, (turn * 8192 + page) * PAGE_BYTES + at));
  fc.assert(
    fc.property(fc.array(fc.tuple(offset, fc.integer({ min: 1, max: 250 }))), (asked) => {
      for (const [at, bytes] of asked) {
        expect(octetsAt(cache, at, bytes)).toEqual(expected(at, bytes));
      }
    }),
  );
});

test('a page is read once while it is in the cache', () => {
  const { scripts, capture } = record([
    { messages: [{ from: 'client', octets: randomOctets(900, 1) }] },
  ]);
  const cache = new CaptureCache(capture, scripts.files);
  for (let i = 0; i < 10; i++) cache.copy(i, 100, 0);
  expect(capture.reads).toBe(1);
});

test('nothing is read past the end of a file, and what lies between files is zero', () => {
  const reads: [number, number][] = [];
  const capture: CaptureBytes = {
    read: (offset, into) => {
      reads.push([offset, into.length]);
      HUGE.read(offset, into);
    },
  };
  const cache = new CaptureCache(capture, [
    { path: 'a', base: 0, bytes: 10 },
    { path: 'b', base: PAGE_BYTES, bytes: PAGE_BYTES + 5 },
  ]);
  expect(octetsAt(cache, 8, 4)).toEqual([...expected(8, 2), 0, 0]);
  expect(octetsAt(cache, PAGE_BYTES - 1, 2)).toEqual([0, octetAt(PAGE_BYTES)]);
  expect(octetsAt(cache, 2 * PAGE_BYTES + 4, 3)).toEqual([octetAt(2 * PAGE_BYTES + 4), 0, 0]);
  expect(octetsAt(cache, 9 * PAGE_BYTES, 2)).toEqual([0, 0]);
  expect(reads).toEqual([
    [0, 10],
    [PAGE_BYTES, PAGE_BYTES],
    [2 * PAGE_BYTES, 5],
  ]);
});

test('a capture that has become shorter is an error, each time it is asked for', () => {
  const { scripts, capture } = record([
    { messages: [{ from: 'client', octets: randomOctets(900, 1) }] },
  ]);
  const files = [{ path: 'longer', base: 0, bytes: capture.octets.length + 1 }];
  const cache = new CaptureCache(capture, files);
  expect(scripts.sessions).toBe(1);
  for (let i = 0; i < 2; i++) expect(() => cache.copy(0, 10, 0)).toThrow(ReplayError);
});

describe('mismatches', () => {
  test('any piece of a stream in any cut, with any octets changed, is counted exactly', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(399),
        fc.nat(420),
        fc.nat(50),
        fc.uniqueArray(fc.nat(399), { maxLength: 5 }),
        (octets, extentBytesMax, start, length, position, changed) => {
          const from = Math.min(start, octets.length);
          const { scripts, capture, streamOf } = record(
            [
              { messages: [{ from: 'server', octets: randomOctets(9, 1) }] },
              { messages: [{ from: 'client', octets }] },
            ],
            { extentBytesMax },
          );
          const cache = new CaptureCache(capture, scripts.files);
          // The payload, as it would have been gathered: the stream's, with some octets changed.
          const payload = Uint8Array.from(
            { length },
            (_, i) => streamOf('client', 1)[from + i] ?? 7,
          );
          const isChanged = changed.filter((at) => at < length);
          for (const at of isChanged) payload[at] ^= 0x5a;
          const scratch = REPLY_SLOT_BYTES + position;
          cache.memory.set(payload, scratch);
          const beyond = Math.max(0, from + length - octets.length);
          const wrong = isChanged.filter((at) => at < length - beyond).length + beyond;
          const stream = new StreamView(scripts.client, capture.read.bind(capture));
          expect(cache.mismatches(stream, 1, from, position, position + length)).toBe(wrong);
        },
      ),
    );
  });
});

test("a stream's octets are copied across its extents", () => {
  const octets = randomOctets(500, 4);
  const { scripts, capture } = record([{ messages: [{ from: 'server', octets }] }], {
    extentBytesMax: 40,
  });
  const cache = new CaptureCache(capture, scripts.files);
  const stream = new StreamView(scripts.server, capture.read.bind(capture));
  cache.copyStream(stream, 0, 33, 128, 60);
  expect(cache.memory.subarray(60, 188)).toEqual(octets.subarray(33, 161));
});
