/** Made-up applications: what is found, played again, says what a client was given, and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answer, get, type PlayedSession, play, post, session } from '../http/play.ts';
import { asClient, correlated } from './clients.ts';
import '../../helpers/property-seed.ts';

const HTML = 'Content-Type: text/html\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** Ways to hand a value out, and to send one. */
const HANDED: readonly ((value: string, name: string) => string)[] = [
  (value, name) => answer(`{"a":{"${name}":"${value}"}}`, JSON_TYPE),
  (value, name) => answer(`<p><input type="hidden" name="${name}" value="${value}">`, HTML),
  (value, name) => answer(`<meta name="${name}" content="${value}"><p>x</p>`, HTML),
  (value, name) => answer(`<script>var ${name} = "${value}";</script>`, HTML),
  (value, name) => answer('', `Location: /${name}/${value}?x=1\r\n`, 303),
  (value, name) => answer('', `Location: /x?${name}=${value}\r\n`, 302),
  (value, name) => answer('', `Set-Cookie: ${name}=${value}; Path=/\r\n`),
  (value, name) => answer('ok', `X-${name}: ${value}\r\n`),
];
const SENT: readonly ((value: string, name: string) => string)[] = [
  (value, name) => get(`/get?${name}=${value}`),
  (value, name) => get(`/${name}/${value}/more`),
  (value) => get('/auth', `Authorization: Bearer ${value}\r\n`),
  (value, name) => post('/form', 'application/x-www-form-urlencoded', `a=1&${name}=${value}`),
  (value, name) => post('/json', 'application/json', `{"${name}":["${value}"]}`),
  (value, name) => get('/packed', `X-${name}: ${Buffer.from(value).toString('base64')}\r\n`),
];

/** Names that a server gives, and values by client: 16 digits and letters. */
const step = fc.record({
  handed: fc.nat(HANDED.length - 1),
  sent: fc.array(fc.nat(SENT.length - 1), { minLength: 1, maxLength: 3 }),
  name: fc
    .stringMatching(/^[a-z]{3,8}$/)
    .filter((name) => !['path', 'form', 'json'].includes(name)),
});
const steps = fc.uniqueArray(step, { minLength: 1, maxLength: 4, selector: ({ name }) => name });

/** A client's value: nobody else has it, and no other step. */
const givenTo = (client: number, i: number): string =>
  `${((client + 1) * 7919 * (i + 1)).toString(16).padStart(8, 'b')}x${client}y${i}zq`.padEnd(
    16,
    '0',
  );

type Step = typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never;

const visit = (of: readonly Step[], client: number): PlayedSession =>
  session(
    ...of.flatMap(({ handed, sent, name }, i): [string, string][] => {
      const value = givenTo(client, i);
      const ask: [string, string] = [get(`/step-${name}`), HANDED[handed]?.(value, name) ?? ''];
      const uses = sent.map((each): [string, string] => [
        SENT[each]?.(value, name) ?? '',
        answer(''),
      ]);
      return [ask, ...uses];
    }),
  );

const LIVE = 9;

test('rules that were found give the recorded requests back, and another client what it was given', () => {
  fc.assert(
    fc.property(steps, (of) => {
      const recorded = [0, 1, 2].flatMap((i) => asClient(`10.0.0.${i}`, [visit(of, i)]));
      const { rules, rows } = correlated(recorded);
      expect(rows.every(({ rule }) => rule !== null)).toBe(true);
      const [first] = recorded;
      if (first === undefined) throw new Error('no session');
      const [again] = play(rules, [first], []);
      expect(again?.sent).toEqual(first.messages);
      const live = visit(of, LIVE);
      const [played] = play(rules, [first], [(stage) => live.stages[stage] ?? '']);
      expect(played?.sent).toEqual(live.messages);
    }),
    { numRuns: 150 },
  );
});

test('whatever answers and requests are, it neither throws nor says that it knows what it does not', () => {
  const piece = fc.constantFrom(
    ...[
      '<input value="',
      '" name="',
      '">',
      '{"a":',
      '"',
      '}',
      '[',
      'abc123def',
      '/abc123def/',
      '<meta ',
    ],
    ...[
      'content=',
      "'",
      '%41',
      '=',
      '&',
      '\\u00',
      '\n',
      '\u00e9\u00ff',
      'https://',
      '?',
      'Bearer ',
      ';',
    ],
  );
  const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''));
  const inLine = text.map((each) => each.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(fc.tuple(inLine, text, inLine), { maxLength: 4 }), (made) => {
      const one = session(
        ...made.map(([asked, body, field]): [string, string] => [
          post(`/${asked.replaceAll(/\s/g, '')}`, 'application/x-www-form-urlencoded', body),
          answer(body, `Location: ${field}\r\nSet-Cookie: ${field}\r\nX-A: ${asked}\r\n`),
        ]),
      );
      const { rules, rows } = correlated([one]);
      for (const { confidence } of rows) expect(confidence >= 0 && confidence <= 1).toBe(true);
      const [again] = play(rules, [one], []);
      expect(again?.failed).toBeNull();
    }),
    { numRuns: 500 },
  );
});
