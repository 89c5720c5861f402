/** Pings in a server's stream, against a naive reader of whole streams. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PingReader, pongFrame } from '../../src/protocol/websocket-pings.ts';
import '../helpers/property-seed.ts';
import { frame } from '../helpers/websocket.ts';

const octetsOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const dataOf = (text: string): DataView => new DataView(Uint8Array.from(octetsOf(text)).buffer);
const pendingOf = (reader: PingReader): string | null =>
  reader.pendingBytes < 0 ? null : Buffer.from(reader.payload).toString('latin1');

/** What a server may say: frames of data, of any length, and control frames. */
const anyFrame = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(0x01, 0x00, 0x80, 0x81, 0x82),
      fc.constantFrom(0, 1, 5, 125, 126, 700, 66_000),
    )
    .map(([first, bytes]) => frame(first, '\x89\x01'.repeat(bytes / 2))),
  fc
    .tuple(
      fc.constantFrom(0x88, 0x89, 0x89, 0x89, 0x8a),
      fc.string({ unit: 'binary-ascii', maxLength: 125 }),
    )
    .map(([first, text]) => frame(first, text)),
);

/** Payload of the last ping among frames that are known one by one. */
const lastPing = (frames: readonly string[]): string | null =>
  frames.findLast((each) => each.charCodeAt(0) === 0x89)?.slice(2) ?? null;

describe('pings', () => {
  test('the last one is known, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(300)), (frames, cuts) => {
        const reader = new PingReader();
        const stream = frames.join('');
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          const piece = stream.slice(at, at + cut + 1);
          expect(reader.feed(dataOf(piece), 0, piece.length, piece.length)).toBe(true);
          at += piece.length;
        }
        expect(pendingOf(reader)).toBe(lastPing(frames));
      }),
    );
  });

  test('one at every cut, between others', () => {
    const stream = frame(0x81, 'before') + frame(0x89, 'which') + frame(0x82, 'x'.repeat(200));
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new PingReader();
      for (const piece of [stream.slice(0, cut), stream.slice(cut)]) {
        reader.feed(dataOf(piece), 0, piece.length, piece.length);
      }
      expect(pendingOf(reader)).toBe('which');
    }
  });

  test('what is not at hand is stepped over where that can be done', () => {
    const long = frame(0x82, 'x'.repeat(5_000));
    const reader = new PingReader();
    const data = dataOf(long);
    expect(reader.feed(data, 0, 100, long.length)).toBe(true);
    const next = frame(0x89, 'p');
    expect(reader.feed(dataOf(next), 0, next.length, next.length)).toBe(true);
    expect(pendingOf(reader)).toBe('p');
    // A payload that nobody has seen cannot be said again; one of no octets can.
    expect(reader.feed(dataOf(next), 0, 2, next.length)).toBe(true);
    expect(pendingOf(reader)).toBeNull();
    expect(reader.feed(dataOf(next), 0, 1, next.length)).toBe(false);
  });

  test.each([
    ['a masked one', frame(0x89, 'p', 'mask')],
    ['one that is too long', frame(0x89, 'p'.repeat(126))],
    ['a length beyond 2^53', '\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff'],
  ])('are not looked for behind %s', (_, text) => {
    expect(new PingReader().feed(dataOf(text), 0, text.length, text.length)).toBe(false);
  });
});

test('a pong is masked, and says what the ping said', () => {
  const payload = octetsOf('where are you?');
  const pong = pongFrame(payload, 0x01fe_80aa);
  expect([...pong.subarray(0, 6)]).toEqual([0x8a, 0x80 | payload.length, 0x01, 0xfe, 0x80, 0xaa]);
  const said = pong.subarray(6).map((octet, i) => octet ^ pong[2 + (i % 4)]);
  expect(Buffer.from(said).toString()).toBe('where are you?');
});
