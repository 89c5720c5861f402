/** Frames of a WebSocket behind its upgrade, taken apart by a naive reader. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import '../../helpers/property-seed.ts';
import { frame, SWITCHED, UPGRADE } from './frames.ts';
import { answer, get, type PlayedSession, play } from './play.ts';

const chat = (...frames: readonly string[]): PlayedSession => ({
  messages: [get('/login'), UPGRADE, ...frames],
  stages: ['', answer('<t>recorded-token</t>'), SWITCHED, ...frames.map(() => '\u0081\u0002ok')],
});

const RULES: HttpRules = {
  learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }],
  send: [{ replace: 'prod', with: 'stage' }],
};

const sent = (session: PlayedSession, live: string) =>
  play(
    RULES,
    [session],
    [(stage) => (stage === 1 ? answer(`<t>${live}</t>`) : (session.stages[stage] ?? ''))],
  )[0]?.sent.slice(2);

test.each(['tok', 'x'.repeat(110), 'y'.repeat(126), 'z'.repeat(70_000)])(
  'a frame gets the learnt value under its own mask, and the length that it has then',
  (live) => {
    const session = chat(
      frame('auth recorded-token to prod'),
      frame('nothing', 0x82),
      frame('ping', 0x89),
    );
    expect(sent(session, live)).toEqual([
      frame(`auth ${live} to stage`),
      ...session.messages.slice(3),
    ]);
  },
);

test('within JSON it is written as JSON has it', () => {
  expect(sent(chat(frame('{"t":"recorded-token"}')), 'a"b')).toEqual([frame('{"t":"a\\"b"}')]);
});

test('frames that are compressed, or cut off, stay as they are', () => {
  const compressed = frame('recorded-token', 0xc1);
  const cut = frame('recorded-token').slice(0, -1);
  expect(sent(chat(compressed, cut), 'live')).toEqual([compressed, cut]);
});

test('any frames in messages of any size are those of a naive replacement', () => {
  const text = fc.array(
    fc.constantFrom('recorded-token', 'prod', 'a', ' ', '\u00ff', '-'.repeat(60)),
    { maxLength: 5 },
  );
  const mask = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, mask), { minLength: 1, maxLength: 4 }),
      fc.nat(300),
      (frames, at) => {
        const payloads = frames.map(([parts, key]) => [` ${parts.join(' ')}`, key] as const);
        const stream = payloads.map(([payload, key]) => frame(payload, 0x81, key)).join('');
        const cut = 1 + (at % stream.length);
        const session = chat(
          ...[stream.slice(0, cut), stream.slice(cut)].filter((each) => each !== ''),
        );
        const wanted = payloads.map(([payload, key]) =>
          frame(
            payload.replaceAll('recorded-token', 'live').replaceAll('prod', 'stage'),
            0x81,
            key,
          ),
        );
        expect((sent(session, 'live') ?? []).join('')).toBe(wanted.join(''));
      },
    ),
  );
});
