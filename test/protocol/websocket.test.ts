import { describe, expect, test } from 'vitest';
import { ReplyClass } from '../../src/protocol/framer.ts';
import { MessageKind, RecordedRequests, WebSocketMessages } from '../../src/protocol/websocket.ts';
import { KindList, WebSocketPushes } from '../../src/protocol/websocket-pushes.ts';
import { frame } from '../helpers/websocket.ts';
import { everyCut, follow, octets } from './follow.ts';

const bytes = (...values: number[]): string => String.fromCharCode(...values);

/** Messages of a server's, where they end, and what they say. */
const SERVER: [string, string[], string[]][] = [
  ['a text, and a binary', [frame(0x81, 'hello'), frame(0x82, '\x00')], ['text', 'binary']],
  [
    'in frames, with a ping between',
    [frame(0x01, 'he') + frame(0x89, 'p') + frame(0x80, 'llo')],
    ['text'],
  ],
  [
    'of 126 octets, and of none',
    [frame(0x82, 'x'.repeat(126)), frame(0x81, '')],
    ['binary', 'text'],
  ],
  [
    'behind a pong, and a close',
    [frame(0x8a, '') + frame(0x82, 'a'), frame(0x88, '\x03\xf3')],
    ['binary', 'close 1011'],
  ],
  ['a close without a code', [frame(0x88, '')], ['close']],
];

describe('where WebSocket messages end', () => {
  test.each(SERVER)('%s', (_title, messages, texts) => {
    const stream = octets(messages.join(''));
    const kinds = messages.map(() => 0);
    const ends = messages.map((_, i) => messages.slice(0, i + 1).join('').length);
    const whole = follow(new WebSocketMessages(), stream, kinds);
    expect(whole.map(({ end }) => end)).toEqual(ends);
    expect(whole.map(({ text }) => text)).toEqual(texts);
    for (const cuts of everyCut(stream.length)) {
      expect(follow(new WebSocketMessages(), stream, kinds, { cuts })).toEqual(whole);
    }
  });

  test('of clients, which are masked, and may be compressed', () => {
    const messages = [
      frame(0x81, 'hello', 'mask'),
      frame(0xc1, 'z', 'mask'),
      frame(0x89, '', 'mask'),
    ];
    const stream = octets(messages.join(''));
    for (const cuts of everyCut(stream.length)) {
      const found = follow(new RecordedRequests(), stream, [0, 0, 0], { cuts });
      expect(found.map(({ end }) => end)).toEqual([11, 18, 24]);
    }
  });

  test('a message of 70,000 octets', () => {
    const stream = octets(frame(0x82, 'x'.repeat(70_000)));
    expect(follow(new WebSocketMessages(), stream, [0]).at(0)?.end).toBe(stream.length);
  });

  test.each([
    ['a masked one', frame(0x81, 'hello', 'mask'), 'MALFORMED'],
    ['an opcode that is none', '\x83\x00', 'MALFORMED'],
    ['reserved bits', '\xb1\x00', 'MALFORMED'],
    ['compression that nobody agreed on', '\xc1\x00', 'MALFORMED'],
    ['a compressed pong', '\xca\x00', 'MALFORMED'],
    ['a ping in pieces', '\x09\x00', 'MALFORMED'],
    ['a ping of 126 octets', '\x89\x7e\x00\x7e', 'BAD_LENGTH'],
    ['what goes on with nothing', '\x80\x00', 'MALFORMED'],
    ['a message within a message', '\x01\x01a\x81\x00', 'MALFORMED'],
    ['half a close code', '\x88\x01\x03', 'BAD_LENGTH'],
    ['2^63 octets', '\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00', 'BAD_LENGTH'],
    ['2^64 octets', '\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff', 'BAD_LENGTH'],
  ])('%s of a server is lost by name', (_, text, fault) => {
    for (const cuts of everyCut(text.length)) {
      expect(follow(new WebSocketMessages(), octets(text), [0], { cuts }).at(0)?.fault).toBe(fault);
    }
  });

  test('what has been agreed on may be compressed', () => {
    const found = follow(new WebSocketMessages(), octets('\xc1\x01z'), [MessageKind.COMPRESSED]);
    expect(found.at(0)?.end).toBe(3);
  });

  test.each([
    [1000, ReplyClass.OK],
    [1001, ReplyClass.GO_ON],
    [1002, ReplyClass.REFUSED],
    [1011, ReplyClass.FAILED],
    [4000, ReplyClass.REFUSED],
  ])('a close with %i is of class %i', (code, replyClass) => {
    const stream = octets(frame(0x88, bytes(code >>> 8, code & 0xff)));
    expect(follow(new WebSocketMessages(), stream, [0])).toMatchObject([{ code, replyClass }]);
  });
});

describe('pushes', () => {
  /** Kinds of a message, as a recording's are told. */
  const kindsOf = (text: string): readonly number[] => {
    const list = new KindList();
    follow(new WebSocketMessages(list), octets(frame(0x81, text)), [0]);
    return list.kinds;
  };
  const tick = kindsOf('tick 17')[1];
  /** The answer's beginning, and what is left of it, at each cut of the stream. */
  const begins = (stream: string, cuts: readonly number[]): number => {
    const framer = new WebSocketPushes({ pushes: new Set([tick]), parts: new Set() });
    const ends = [...cuts, stream.length].filter((cut) => cut > 0);
    const memory = new DataView(octets(stream).buffer);
    framer.begin(0);
    let begun = -1;
    let at = 0;
    const words = new Uint32Array(11);
    for (const end of ends) {
      framer.save(words, 0);
      framer.load(words, 0);
      const outcome = framer.feed(memory, at, end - at, end - at);
      if (framer.answerAt >= 0) begun = framer.answerAt;
      if (outcome !== 0) return outcome === 1 ? begun : -2;
      at = end;
    }
    return -1;
  };

  test('are stepped over, wherever packets end', () => {
    const before =
      frame(0x81, 'tick 1') + frame(0x8a, 'pong') + frame(0x01, 'tick 99') + frame(0x80, 'more');
    const stream = before + frame(0x81, 'an answer');
    for (const cuts of everyCut(stream.length)) expect(begins(stream, cuts)).toBe(before.length);
    for (const cuts of everyCut(before.length)) expect(begins(before, cuts)).toBe(-1);
  });

  test('parts of an answer are told, also where they begin as pushes do', () => {
    const [, push, part] = kindsOf('pushed and more');
    const before = frame(0x81, 'push') + frame(0x8a, 'pong');
    const stream = before + frame(0x81, 'pushed at once') + frame(0x81, 'an answer');
    const memory = new DataView(octets(stream).buffer);
    const words = new Uint32Array(11);
    for (let cut = 1; cut < stream.length; cut++) {
      const framer = new WebSocketPushes({ pushes: new Set([push, part]), parts: new Set([part]) });
      framer.begin(0);
      const told: boolean[] = [];
      expect(framer.feed(memory, 0, cut, cut)).toBe(0);
      if (framer.hasPart) told.push(framer.isPartOlder);
      framer.save(words, 0);
      framer.begin(0);
      framer.load(words, 0);
      expect(framer.feed(memory, cut, stream.length - cut, stream.length - cut)).toBe(1);
      if (framer.hasPart) told.push(framer.isPartOlder);
      // Known by its eighth octet, behind two of its header.
      const isKnownLater = cut < before.length + 10;
      expect(told, `${cut}`).toEqual([isKnownLater && cut > before.length]);
    }
  });

  test('numbers make no other kind', () => {
    expect(kindsOf('price 12.50 now')).toEqual(kindsOf('price 7.1 now'));
    expect(kindsOf('at 1')).toEqual(kindsOf('at 999'));
    expect(kindsOf('at 1')).not.toEqual(kindsOf('at 1b'));
    const long = 'x'.repeat(31);
    expect(kindsOf(`${long}1`)).toEqual(kindsOf(`${long}23`));
    expect(kindsOf('a')).not.toEqual(kindsOf('b'));
  });

  test('of what was not asked all are', () => {
    const framer = new WebSocketPushes({ pushes: new Set(), parts: new Set() });
    framer.isAsked = false;
    framer.begin(0);
    const stream = octets(frame(0x81, 'an answer'));
    expect(framer.feed(new DataView(stream.buffer), 0, stream.length, stream.length)).toBe(0);
    expect(framer.isBetween).toBe(true);
  });
});
