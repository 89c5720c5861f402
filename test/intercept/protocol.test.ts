import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CAPABILITIES,
  emitFrame,
  emitHello,
  emitPing,
  emitPong,
  emitRefused,
  emitStatus,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  FrameReader,
  FrameType,
  type Hello,
  mismatchOf,
  parseHello,
  parseJson,
  parseRefused,
  parseStatus,
  RefusalCode,
  timestampAt,
} from '../../src/intercept/protocol.ts';

interface Frame {
  readonly type: number;
  readonly payload: number[];
}

/** Feeds pieces to a reader and collects what it makes of them. */
function readFrames(pieces: readonly Uint8Array[], payloadBytesMax?: number) {
  const reader = new FrameReader(payloadBytesMax);
  const frames: Frame[] = [];
  let isGood = true;
  for (const piece of pieces) {
    isGood = reader.push(piece, {
      onFrame: (type, start, bytes) => {
        frames.push({ type, payload: Array.from(reader.octets.subarray(start, start + bytes)) });
        return true;
      },
    });
  }
  return { frames, isGood, reader };
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: CAPABILITIES,
  bootId: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  software: 'gryphon 1.2.3',
};

describe('frames', () => {
  const stream = join(
    emitHello(HELLO),
    emitFrame(FrameType.BYE, new Uint8Array(0)),
    emitPing({ seconds: 7, nanoseconds: 8 }),
    emitFrame(FrameType.RECORDS, Uint8Array.of(1, 2, 3)),
  );
  const whole = readFrames([stream]).frames;

  test('come out whole', () => {
    expect(whole.map(({ type }) => type)).toEqual([1, 9, 5, 7]);
    expect(whole.at(3)?.payload).toEqual([1, 2, 3]);
  });

  test('are the same at every split point', () => {
    for (let at = 0; at <= stream.length; at++) {
      const { frames } = readFrames([stream.subarray(0, at), stream.subarray(at)]);
      expect(frames, `split at ${at}`).toEqual(whole);
    }
  });

  test('are the same in pieces of any lengths', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ type: fc.nat(255), payload: fc.uint8Array({ maxLength: 400 }) })),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (list, lengths) => {
          const octets = join(
            ...list.map(({ type, payload }) => emitFrame(type as never, payload)),
          );
          const pieces: Uint8Array[] = [];
          for (let at = 0, i = 0; at < octets.length; i++) {
            const bytes = lengths[i % lengths.length] ?? 1;
            pieces.push(octets.subarray(at, at + bytes));
            at += bytes;
          }
          const { frames, isGood } = readFrames(pieces);
          expect(isGood).toBe(true);
          expect(frames).toEqual(
            list.map(({ type, payload }) => ({ type, payload: Array.from(payload) })),
          );
        },
      ),
    );
  });

  test('of the greatest length are read, and not one octet more', () => {
    const most = emitFrame(FrameType.REGISTER, new Uint8Array(FRAME_PAYLOAD_BYTES_MAX));
    expect(readFrames([most]).frames).toHaveLength(1);
    const header = Uint8Array.of(3, 1, 0, 1);
    expect(readFrames([header]).isGood).toBe(false);
  });

  test('are not read behind a fault', () => {
    const reader = new FrameReader(10);
    const sink = { onFrame: () => true };
    expect(reader.push(Uint8Array.of(3, 0, 0, 11), sink)).toBe(false);
    expect(reader.push(emitFrame(FrameType.BYE, new Uint8Array(0)), sink)).toBe(false);
  });

  test('random octets never throw and never read beyond a frame', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
        const reader = new FrameReader(64);
        for (const piece of pieces) {
          reader.push(piece, {
            onFrame: (_, start, bytes) => {
              expect(start + bytes).toBeLessThanOrEqual(reader.octets.length);
              expect(start).toBeGreaterThanOrEqual(FRAME_HEADER_BYTES);
              return true;
            },
          });
        }
      }),
    );
  });

  test.each([
    { name: 'an alert', first: 0x15, isTls: true },
    { name: 'a handshake', first: 0x16, isTls: true },
    { name: 'a hello', first: 1, isTls: false },
  ])('TLS is recognised by its first octet: $name', ({ first, isTls }) => {
    expect(readFrames([Uint8Array.of(first, 3, 1)]).reader.looksLikeTls).toBe(isTls);
  });
});

describe('hello', () => {
  test('says who is there', () => {
    const [frame] = readFrames([emitHello(HELLO)]).frames;
    expect(parseHello(Uint8Array.from(frame?.payload ?? []))).toEqual(HELLO);
  });

  test.each([
    { name: 'nothing', payload: [] },
    { name: 'a wrong magic', payload: [0x47, 0x52, 0x49, 0x44, 0, 1, 0, 1] },
    { name: 'a cut one', payload: [0x47, 0x52, 0x49, 0x43, 0, 1, 0] },
  ])('$name is none', ({ payload }) => {
    expect(parseHello(Uint8Array.from(payload))).toBeNull();
  });

  test('of a version that adds or leaves out fields is understood as far as its first eight octets', () => {
    const later = Uint8Array.from([0x47, 0x52, 0x49, 0x43, 0, 7, 0, 9]);
    expect(parseHello(later)).toMatchObject({ oldest: 7, newest: 9, software: '' });
  });

  test('what could play tricks on a terminal is not shown', () => {
    const [frame] = readFrames([emitHello({ ...HELLO, software: '\u001b[2Jx' })]).frames;
    expect(parseHello(Uint8Array.from(frame?.payload ?? []))?.software).toBe('?[2Jx');
  });

  test.each([
    { name: 'the same version', theirs: {}, fits: true },
    { name: 'a span that holds ours', theirs: { oldest: 1, newest: 5 }, fits: true },
    { name: 'later versions only', theirs: { oldest: 2, newest: 3 }, fits: false },
    { name: 'an older version only', theirs: { oldest: 0, newest: 0 }, fits: false },
    { name: 'a capability less than we need', theirs: { offered: 1 }, fits: false },
    { name: 'a need that we do not know', theirs: { required: 0x8000_0000 }, fits: false },
    { name: 'a gift that we do not know', theirs: { offered: 0xffff_ffff }, fits: true },
  ])('$name: fits $fits', ({ theirs, fits }) => {
    expect(mismatchOf(HELLO, { ...HELLO, ...theirs }) === null).toBe(fits);
    expect(mismatchOf({ ...HELLO, ...theirs }, HELLO) === null).toBe(fits);
  });
});

test('pings, pongs, totals and refusals keep what they say', () => {
  const sent = { seconds: 0xffff_fffe, nanoseconds: 999_999_999 };
  const came = { seconds: 1, nanoseconds: 2 };
  const answered = { seconds: 3, nanoseconds: 4 };
  const ping = emitPing(sent).subarray(FRAME_HEADER_BYTES);
  const pong = emitPong(ping, came, answered).subarray(FRAME_HEADER_BYTES);
  expect([0, 8, 16].map((at) => timestampAt(pong, at))).toEqual([sent, came, answered]);
  const status = { forwarded: 2 ** 50, dropped: 1, kernelDropped: 2 ** 33 };
  expect(parseStatus(emitStatus(status).subarray(FRAME_HEADER_BYTES))).toEqual(status);
  expect(parseStatus(new Uint8Array(23))).toBeNull();
  const refused = emitRefused(RefusalCode.OVERLAP, 'taken').subarray(FRAME_HEADER_BYTES);
  expect(parseRefused(refused)).toEqual({ code: RefusalCode.OVERLAP, text: 'taken' });
  expect(parseJson(Buffer.from('{'))).toBeUndefined();
});
