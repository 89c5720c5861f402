import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault, NEXT_REQUEST } from '../../src/protocol/framer.ts';
import { Http1Requests } from '../../src/protocol/http1-requests.ts';
import { MessageEnds, type StoredStream } from '../../src/protocol/message-ends.ts';
import { octets } from './follow.ts';

/** A stream that counts what is read of it. */
function storedText(text: string): StoredStream & { readBytes: number } {
  const stream = octets(text);
  return {
    bytes: stream.length,
    readBytes: 0,
    read(at, into) {
      this.readBytes += into.length;
      into.set(stream.subarray(at, at + into.length));
    },
  };
}

function endsOf(ends: MessageEnds, stream: StoredStream, lengths: readonly number[]): number[] {
  let at = 0;
  return lengths.map(() => {
    at = ends.endOf(new Http1Requests(), stream, at, NEXT_REQUEST);
    return at;
  });
}

const request = (bytes: number, name = 'x'): string =>
  `POST / HTTP/1.1\r\nHost: ${name}\r\nContent-Length: ${bytes}\r\n\r\n${'b'.repeat(bytes)}`;

it('reads a stream of small messages once, however many they are', () => {
  const texts = Array.from({ length: 2_000 }, () => request(3));
  const stream = storedText(texts.join(''));
  const ends = endsOf(
    new MessageEnds(),
    stream,
    texts.map(({ length }) => length),
  );
  expect(ends.at(-1)).toBe(stream.bytes);
  expect(stream.readBytes).toBeLessThanOrEqual(stream.bytes);
});

it('finds the ends that messages were made with, in two streams in turn', () => {
  const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(9_000)), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, sizes, (...both) => {
      const ends = new MessageEnds();
      const streams = both.map((each, i) => {
        const texts = each.map((bytes) => request(bytes, `${i}`.repeat(1 + i)));
        return { texts, stream: storedText(texts.join('')), at: 0 };
      });
      for (let row = 0; row < Math.max(...both.map(({ length }) => length)); row++) {
        for (const each of streams) {
          const text = each.texts.at(row);
          if (text === undefined) continue;
          const end = ends.endOf(new Http1Requests(), each.stream, each.at, NEXT_REQUEST);
          expect(end).toBe(each.at + text.length);
          each.at = end;
        }
      }
    }),
    { numRuns: 100 },
  );
});

/** A stream of which the capture has what lies before `known` alone: the rest reads as anything. */
const cutAt = (text: string, known: number): StoredStream => ({
  ...storedText(text.slice(0, known).padEnd(text.length, '\xd4\xc3\r\n')),
  knownFrom: (at, most) => Math.max(0, Math.min(most, known - at)),
});

it('does not read what the capture lacks, and steps over it where nothing has to be read', () => {
  const text = request(300);
  const header = text.length - 300;
  for (let known = 0; known <= text.length; known++) {
    const framer = new Http1Requests();
    const end = new MessageEnds().endOf(framer, cutAt(text, known), 0, NEXT_REQUEST);
    expect(end).toBe(known < header ? -1 : text.length);
    expect(framer.fault).toBe(known < header ? Fault.NOT_AT_HAND : Fault.NONE);
  }
});
