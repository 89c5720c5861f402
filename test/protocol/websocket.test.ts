import { describe, expect, test } from 'vitest';
import { WebSocketMessages } from '../../src/protocol/websocket.ts';
import { everyCut, follow, octets } from './follow.ts';

const frame = (first: number, text: string, mask = ''): string => {
  const size = text.length;
  const bit = mask === '' ? 0 : 0x80;
  const length =
    size < 126 ? [size | bit] : size < 65_536 ? [126 | bit, size >> 8, size & 0xff] : null;
  const long = [127 | bit, 0, 0, 0, 0, size >>> 24, (size >>> 16) & 0xff, (size >>> 8) & 0xff];
  return String.fromCharCode(first, ...(length ?? [...long, size & 0xff])) + mask + text;
};

describe('where WebSocket messages end', () => {
  test.each([
    ['a text, masked', [frame(0x81, 'hello', 'mask')]],
    ['in frames, with a ping between', [frame(0x01, 'he') + frame(0x89, 'p') + frame(0x80, 'llo')]],
    ['of 126 octets, and of none', [frame(0x82, 'x'.repeat(126)), frame(0xc1, '')]],
    ['behind a pong, and a close', [frame(0x8a, '') + frame(0x82, 'a'), frame(0x88, '\x03\xe8')]],
  ])('%s', (_title, messages) => {
    const stream = octets(messages.join(''));
    const kinds = messages.map(() => 0);
    const ends = messages.map((_, i) => messages.slice(0, i + 1).join('').length);
    const whole = follow(new WebSocketMessages(), stream, kinds);
    expect(whole.map(({ end }) => end)).toEqual(ends);
    for (const cuts of everyCut(stream.length)) {
      expect(follow(new WebSocketMessages(), stream, kinds, { cuts })).toEqual(whole);
    }
  });

  test('a message of 70,000 octets', () => {
    const stream = octets(frame(0x82, 'x'.repeat(70_000)));
    expect(follow(new WebSocketMessages(), stream, [0]).at(0)?.end).toBe(stream.length);
  });

  test.each([
    ['\x83\x00', 'MALFORMED'],
    ['\xb1\x00', 'MALFORMED'],
    ['\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff', 'BAD_LENGTH'],
  ])('%j is lost by name', (text, fault) => {
    expect(follow(new WebSocketMessages(), octets(text), [0]).at(0)?.fault).toBe(fault);
  });
});
