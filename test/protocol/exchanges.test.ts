/**
 * Requests and their answers, protocol by protocol: both streams are cut at every octet, and end where
 * they were made to end. What an answer says is in the row.
 */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { NO_ANSWER } from '../../src/protocol/framer.ts';
import { FOLLOWED_PROTOCOLS } from '../../src/protocol/registry.ts';
import { everyCut, follow, octets } from './follow.ts';
import { entryOf, kindsOf, talks } from './talks.ts';

describe('requests and answers are told apart', () => {
  test.each(talks)('$protocol: $title', (talk) => {
    const kinds = kindsOf(talk);
    const answered = talk.rows.filter(([, answer]) => answer !== '');
    const texts = answered.map(([, answer]) => answer);
    const answerKinds = kinds.filter((kind) => kind !== NO_ANSWER);
    if (talk.greeting !== undefined) {
      texts.unshift(talk.greeting);
      answerKinds.unshift(0);
    }
    const stream = octets(texts.join(''));
    const framer = entryOf(talk.protocol).answers();
    const whole = follow(framer, stream, answerKinds);
    let at = 0;
    const expected = texts.map((text) => {
      at += text.length;
      return at;
    });
    expect(whole.map(({ end }) => end)).toEqual(expected);
    const said = whole.slice(talk.greeting === undefined ? 0 : 1);
    answered.forEach(([request, , replyClass, code], i) => {
      const label = JSON.stringify(request);
      if (replyClass !== undefined) expect(said.at(i)?.replyClass, label).toBe(replyClass);
      if (code !== undefined) expect(said.at(i)?.text, label).toBe(code);
    });
    for (const cuts of everyCut(stream.length)) {
      expect(follow(framer, stream, answerKinds, { cuts }), String(cuts)).toEqual(whole);
    }
  });
});

describe('what is no answer of the protocol', () => {
  test.each([
    ['redis', 'HTTP/1.1 400 Bad Request\r\n', 'MALFORMED'],
    ['redis', '$x\r\n', 'BAD_LENGTH'],
    ['redis', '*\r\n', 'BAD_LENGTH'],
    ['redis', '$99999999999999999999\r\n', 'BAD_LENGTH'],
    ['smtp', 'hello\r\n', 'MALFORMED'],
    ['smtp', '25 ok\r\n', 'MALFORMED'],
    ['smtp', '950 ok\r\n', 'MALFORMED'],
    ['pop3', '* OK\r\n', 'MALFORMED'],
    ['pop3', '+MAYBE\r\n', 'MALFORMED'],
    ['imap', 'nonsense\r\n', 'MALFORMED'],
    ['memcached', 'VALUE a 0 x\r\n', 'BAD_LENGTH'],
    ['memcached', '\x00\x01\r\n', 'MALFORMED'],
    ['memcached-binary', 'ERROR\r\n', 'MALFORMED'],
    ['mqtt', 'HTTP/1.1 400 Bad Request\r\n', 'MALFORMED'],
    ['mqtt', '\x36\x00', 'MALFORMED'],
    ['mqtt', '\x82\x02\x00\x01', 'MALFORMED'],
    ['mqtt', '\x20\x82\x80\x80\x80\x00', 'BAD_LENGTH'],
    ['mqtt', '\x20\x01\x00', 'BAD_LENGTH'],
    ['mqtt', '\x40\x01\x00', 'BAD_LENGTH'],
    ['postgresql', '\x16\x03\x01\x02\x00', 'MALFORMED'],
    ['postgresql', 'Z\x00\x00\x00\x03', 'BAD_LENGTH'],
    ['postgresql', 'T\xff\xff\xff\xff', 'BAD_LENGTH'],
  ])('%s: %j is lost by name', (protocol, text, fault) => {
    const framer = entryOf(protocol).answers();
    const stream = octets(text);
    for (const cuts of everyCut(stream.length)) {
      expect(follow(framer, stream, [0], { cuts }).at(0)?.fault).toBe(fault);
    }
  });

  it('a line without an end is lost', () => {
    const stream = octets(`250-${'x'.repeat(2 << 20)}`);
    const framer = entryOf('smtp').answers();
    expect(follow(framer, stream, [0]).at(0)?.fault).toBe('TOO_LONG');
  });
});

describe('any octets', () => {
  const piece = fc.constantFrom(
    '*2\r\n',
    '$3\r\n',
    '250 x\r\n',
    '220-',
    '\r\n',
    '+OK\r\n',
    '\x01\x00\x00\x01',
    'Z\x00\x00\x00\x05I',
    '.\r\n',
    '{3}\r\n',
    'VALUE a 0 3\r\n',
  );
  test.each([...FOLLOWED_PROTOCOLS.keys()])('%s: are read alike however they are cut', (name) => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 8 }),
        fc.array(fc.nat(60), { maxLength: 8 }),
        fc.array(fc.nat(5), { minLength: 3, maxLength: 3 }),
        (texts, cuts, kinds) => {
          const stream = Uint8Array.from(Buffer.from(texts.join(''), 'latin1'));
          const sorted = [...new Set(cuts)].sort((a, b) => a - b);
          const framer = entryOf(name).answers();
          const whole = follow(framer, stream, kinds);
          expect(follow(framer, stream, kinds, { cuts: sorted })).toEqual(whole);
          // No message ends before it began, and what has ended was read.
          let at = 0;
          for (const { end } of whole) {
            if (end < 0) break;
            expect(end).toBeGreaterThan(at);
            at = end;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
