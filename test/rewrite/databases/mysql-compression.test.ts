/** What MySQL's compressed packets hold, as octets, as streams and as sessions. */
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredStream } from '../../../src/protocol/message-ends.ts';
import {
  InflatedStream,
  inflated,
  inflatedMessage,
  inflatedSession,
} from '../../../src/rewrite/databases/mysql-compression.ts';
import type { RecordedSession } from '../../../src/rewrite/module.ts';

const octets = (text: string): Buffer => Buffer.from(text, 'latin1');
const number = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, value >> 16];

/** A compressed packet. @param before what it says that it holds */
function packet(content: Uint8Array, isStored = false, before = content.length): Buffer {
  const packed = isStored ? content : deflateSync(content);
  return Buffer.concat([
    Buffer.from([...number(packed.length), 0, ...number(isStored ? 0 : before)]),
    packed,
  ]);
}

/** @param known octets that were captured */
const stored = (all: Uint8Array, known = all.length): StoredStream => ({
  bytes: all.length,
  read: (at, into) => into.set(all.subarray(at, at + into.length)),
  knownFrom: (at, most) => Math.max(0, Math.min(most, known - at)),
});

function readAll(stream: StoredStream, step: number): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < stream.bytes; ) {
    const bytes = stream.knownFrom?.(at, Math.min(step, stream.bytes - at)) ?? 0;
    if (bytes === 0) break;
    const part = new Uint8Array(bytes);
    stream.read(at, part);
    parts.push(part);
    at += bytes;
  }
  return Buffer.concat(parts);
}

describe('packets', () => {
  const text = octets('select 1 '.repeat(50));

  test('hold what was compressed, and what was not worth it', () => {
    const both = Buffer.concat([packet(text), packet(octets('ab'), true), packet(text)]);
    expect(inflated(both)).toEqual(Buffer.concat([text, octets('ab'), text]));
    expect(inflated(both, 1)).toEqual(text);
    expect(inflated(new Uint8Array(0))).toEqual(Buffer.alloc(0));
  });

  test.each([
    ['cut in their head', packet(text).subarray(0, 6)],
    ['cut behind it', packet(text).subarray(0, 20)],
    ['of less than they say', packet(text, false, text.length + 1)],
    ['of more than they say', packet(octets('a'.repeat(1_000_000)), false, 100)],
    ['not compressed at all', Buffer.from([4, 0, 0, 0, 9, 0, 0, 1, 2, 3, 4])],
  ])('%s are none', (_, packets) => {
    expect(inflated(packets)).toBeNull();
  });
});

describe('a stream', () => {
  const contents = fc.array(
    fc.record({ content: fc.uint8Array({ maxLength: 300 }), isStored: fc.boolean() }),
    { maxLength: 8 },
  );

  test('is what its packets hold, however it is read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), contents, fc.nat(40), (before, all, step) => {
        const packets = all.map(({ content, isStored }) =>
          packet(content, isStored || content.length === 0),
        );
        const stream = new InflatedStream(
          stored(Buffer.concat([before, ...packets])),
          before.length,
          false,
        );
        const expected = Buffer.concat([before, ...all.map(({ content }) => content)]);
        expect(stream.bytes).toBe(expected.length);
        expect(readAll(stream, step + 1)).toEqual(expected);
        let at = before.length;
        let plainAt = before.length;
        expect(stream.offsetOf(at)).toBe(plainAt);
        for (const [i, { content }] of all.entries()) {
          at += packets[i].length;
          plainAt += content.length;
          expect(stream.offsetOf(at)).toBe(plainAt);
        }
      }),
    );
  });

  test('has nothing of a packet whose beginning alone has come', () => {
    const one = packet(octets('a'.repeat(100)));
    const stream = new InflatedStream(stored(Buffer.concat([one, one])), 0, false);
    expect(stream.offsetOf(one.length + 9)).toBe(100);
    expect(stream.offsetOf(2 * one.length)).toBe(200);
  });

  test('is not known from what is no packet on, or was not captured', () => {
    const one = packet(octets('a'.repeat(100)));
    const all = Buffer.concat([one, one, octets('rest')]);
    for (const packed of [stored(all), stored(all, 2 * one.length), stored(all, one.length + 3)]) {
      const stream = new InflatedStream(packed, 0, false);
      expect(stream.knownFrom(0, 500)).toBe(100);
      expect(stream.knownFrom(200, 1)).toBe(0);
      expect(stream.bytes).toBeGreaterThan(100);
    }
    const broken = Buffer.concat([one, packet(octets('b'.repeat(50)), false, 60), one]);
    const stream = new InflatedStream(stored(broken), 0, false);
    expect(stream.knownFrom(100, 5)).toBe(0);
    expect(stream.knownFrom(160, 500)).toBe(100);
  });

  test('of a client has no wish for compression', () => {
    const logIn = Buffer.from([9, 0, 0, 1, 0xff, 2, 3, 0xff, 5]);
    const stream = new InflatedStream(stored(logIn), logIn.length, true);
    const plain = [9, 0, 0, 1, 0xdf, 2, 3, 0xfb, 5];
    for (const step of [1, 2, 3, 9]) expect([...readAll(stream, step)]).toEqual(plain);
  });
});

describe('a session', () => {
  const session = (messages: readonly Uint8Array[], stages: readonly Uint8Array[] = []) =>
    ({
      ...{ session: 0, clientAddress: '', server: '', protocol: 'mysql' },
      messages: messages.length,
      message: (i: number) => messages[i],
      stage: (i: number) => stages[i],
    }) satisfies RecordedSession;
  const [log, one, two] = ['log-in', 'one'.repeat(30), 'two'.repeat(40)].map(octets);

  test('says what its packets hold, in the message in which they end', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(120), { maxLength: 4 }), (cuts) => {
        const said = Buffer.concat([packet(one), packet(two), packet(octets('end'), true)]);
        const at = [0, ...cuts.map((cut) => Math.min(cut, said.length)), said.length].sort(
          (a, b) => a - b,
        );
        const parts = at.slice(1).map((to, i) => said.subarray(at[i], to));
        const recorded = session([log, ...parts]);
        const found = inflatedSession(recorded, 1);
        expect(found).not.toBeNull();
        const all = parts.map((part, i) =>
          inflatedMessage(found?.parted ?? new Map(), i + 1, part),
        );
        expect(Buffer.concat(all).toString()).toBe(`${one}${two}end`);
        expect(found?.session.message(0)).toEqual(log);
        for (const [i, part] of all.entries()) {
          expect(found?.session.message(i + 1)).toEqual(part);
        }
      }),
    );
  });

  test('that ends amid a packet, or holds none, is not played', () => {
    expect(inflatedSession(session([log, packet(one).subarray(0, 9)]), 1)).toBeNull();
    expect(inflatedSession(session([log, octets('\x04\0\0\0\x09\0\0abcd')]), 1)).toBeNull();
  });

  test('hears what packets hold from behind the stage before its first one', () => {
    const heard = [octets('greeting'), octets('ok'), packet(two), packet(one).subarray(0, 9)];
    const found = inflatedSession(session([log, packet(one), packet(two)], heard), 1);
    const stages = [0, 1, 2, 3].map((i) => found?.session.stage(i)?.toString());
    expect(stages).toEqual(['greeting', 'ok', two.toString(), undefined]);
  });
});
