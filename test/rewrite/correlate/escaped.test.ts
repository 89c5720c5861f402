/** Values that stand escaped in answers, and go out as they are, or percent-encoded. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { answer, get, type PlayedSession, play, post, session } from '../http/play.ts';
import { asClient, correlated } from './clients.ts';

const FORM = 'application/x-www-form-urlencoded';
const HTML = 'Content-Type: text/html; charset=utf-8\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** Of two recorded clients: the first has something to escape, the second has not. */
const RECORDED = ['8f3a/9c+21=&d4<5x', '5b70e6f9a1c28d374'];
const LIVE = "q7/&amp;+w2=é'#";

const octets = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

/** As template engines write it: what markup gives a meaning; and more than that. */
const html = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
const handlebars = (text: string) =>
  html(text).replaceAll('&#39;', '&#x27;').replaceAll('`', '&#x60;').replaceAll('=', '&#x3D;');
const named = (text: string) =>
  html(text).replaceAll('/', '&sol;').replaceAll('=', '&equals;').replaceAll('+', '&plus;');
const numbers = (text: string) => text.replace(/[^\w.-]/gu, (c) => `&#${c.codePointAt(0)};`);
const hex = (text: string) =>
  text.replace(/[^\w.-]/gu, (c) => `&#x${(c.codePointAt(0) ?? 0).toString(16)};`);
/** As PHP writes JSON, as Rails and Django write it into pages, and as ES encoders do. */
const php = (text: string) => JSON.stringify(text).replaceAll('/', '\\/');
const inPage = (text: string) =>
  JSON.stringify(text).replace(/[<>&'=+\u007f-\uffff]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
const js = (text: string) =>
  text.replace(/[^\w.-]/g, (c) => {
    const code = c.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
  });

const page = (body: string) => answer(octets(body), HTML);
const input = (value: string) => `<form><input type="hidden" name="csrf" value="${value}"></form>`;

/** Sent in a query, in a form, in a field of the header. */
const asking = (value: string, answered: string): PlayedSession =>
  session(
    [get('/page'), answered],
    [get(`/a?t=${encodeURIComponent(value)}`), answer('')],
    [post('/b', FORM, `x=1&csrf=${encodeURIComponent(value)}`), answer('')],
  );

function found(answered: (value: string) => string) {
  return correlated(
    RECORDED.flatMap((value, i) => asClient(`10.0.0.${i + 1}`, [asking(value, answered(value))])),
  );
}

/** What the first client sends where another value comes, which stands there escaped likewise. */
function sentBy(rules: HttpRules, answered: (value: string) => string) {
  const recorded = asking(RECORDED[0] ?? '', answered(RECORDED[0] ?? ''));
  const [played] = play(
    rules,
    [recorded],
    [(stage) => (stage === 1 ? answered(LIVE) : answer(''))],
  );
  return played?.sent;
}

describe.each<[string, (value: string) => string]>([
  ['in an attribute, as most engines escape it', (v) => page(input(html(v)))],
  ['in an attribute, as Handlebars does', (v) => page(input(handlebars(v)))],
  ['in an attribute, by names', (v) => page(input(named(v)))],
  ['in an attribute, by numbers', (v) => page(input(numbers(v)))],
  ['in an attribute, by hexadecimal numbers', (v) => page(input(hex(v)))],
  ['in an attribute in single quotes', (v) => page(`<b data-csrf='${html(v)}'>`)],
  ['in the text of an element', (v) => page(`<p id="csrf-token">${hex(v)}</p>`)],
  ['in a parameter of a link', (v) => page(`<a href="/x?a=1&amp;token=${hex(v)}&amp;b=2">`)],
  [
    'in JSON within an attribute',
    (v) => page(`<div data-props="${html(JSON.stringify({ a: 1, token: v, b: 2 }))}">`),
  ],
  [
    'in JSON within a script',
    (v) => page(`<script>var c = {"token":${inPage(v)},"a":1};</script>`),
  ],
  ['in a string of a script', (v) => page(`<script>var token = "${js(v)}";</script>`)],
  ['in JSON, with \\/', (v) => answer(octets(`{"a":{"token":${php(v)}}}`), JSON_TYPE)],
  [
    'in markup within JSON',
    (v) => answer(octets(JSON.stringify({ html: input(html(v)) })), JSON_TYPE),
  ],
  [
    'in a page that is compressed',
    (v) => {
      const packed = gzipSync(Buffer.from(input(html(v)), 'utf8')).toString('latin1');
      return answer(packed, `${HTML}Content-Encoding: gzip\r\n`);
    },
  ],
])('a value that stands escaped %s', (_, answered) => {
  const { rows, rules } = found(answered);

  test('is found, with a rule', () => {
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ clients: 2, values: 2, differs: 'yes', isUnfindable: false });
    expect(rules.learn).toHaveLength(1);
  });

  test('by which each client sends what it was given, as it has to be where it stands', () => {
    const live = octets(LIVE);
    const percent = live.replace(
      /[^\w.~-]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    );
    expect(sentBy(rules, answered)).toEqual([
      get('/page'),
      get(`/a?t=${percent}`),
      post('/b', FORM, `x=1&csrf=${percent}`),
    ]);
  });

  test('and as recorded where it is the recorded one', () => {
    const recorded = asking(RECORDED[0] ?? '', answered(RECORDED[0] ?? ''));
    expect(play(rules, [recorded], [])[0]?.sent).toEqual(recorded.messages);
  });
});

const RULES: HttpRules = { learn: [{ name: 't', from: { between: ['value="', '"'] } }] };

describe('a value that a client only cuts out', () => {
  const scripted = session(
    [get('/page'), page(input('8f3a&#x2F;9c21&amp;d4'))],
    [get(`/a?t=${encodeURIComponent('8f3a&#x2F;9c21&amp;d4')}`), answer('')],
  );
  const live = (stage: number) => (stage === 1 ? page(input('q&#47;w&lt;')) : answer(''));

  test('goes out with its escapes, those of the live one', () => {
    const [played] = play(RULES, [scripted], [live]);
    expect(played?.sent[1]).toBe(get('/a?t=q%26%2347%3Bw%26lt%3B'));
  });

  test('is correlated as well', () => {
    const { rules } = correlated(
      asClient('10.0.0.1', [scripted]).concat(
        asClient('10.0.0.2', [
          session(
            [get('/page'), page(input('1a2b&#x2F;3c4d&amp;5e'))],
            [get(`/a?t=${encodeURIComponent('1a2b&#x2F;3c4d&amp;5e')}`), answer('')],
          ),
        ]),
      ),
    );
    expect(play(rules, [scripted], [live])[0]?.sent[1]).toBe(get('/a?t=q%26%2347%3Bw%26lt%3B'));
  });
});

describe('what is no escape stays as it is', () => {
  test.each([
    [
      'in a text that is no markup',
      'Content-Type: text/plain\r\n',
      'a1b2c3&amp;d4',
      'a1b2c3&amp;d4',
    ],
    ['a name that is none', HTML, 'a1b2c3&nothing;d4', 'a1b2c3&nothing;d4'],
    ['a reference without an end', HTML, 'a1b2c3&amp d4', 'a1b2c3&amp d4'],
    [
      'a number beyond all characters',
      HTML,
      'a1&#x110000;&#9999999;&#0;',
      'a1&#x110000;&#9999999;&#0;',
    ],
    ['a path of Windows', HTML, 'C:\\temp\\users', 'C:\\temp\\users'],
    ['half a pair', HTML, 'a1b2\\ud83d', 'a1b2\xef\xbf\xbd'],
    ['both halves are one character', HTML, 'a1b2\\ud83d\\ude00', octets('a1b2😀')],
    ['and what is escaped twice is so once', HTML, 'a1b2&amp;lt;', 'a1b2&lt;'],
  ])('%s', (_, type, written, value) => {
    const rules: HttpRules = {
      ...RULES,
      send: [{ when: { path: '/b' }, headers: { X: '{{t}}' } }],
    };
    const recorded = session([get('/page'), answer(`value="0000"`, type)], [get('/b'), answer('')]);
    const server = (stage: number) => answer(stage === 1 ? `value="${written}"` : '', type);
    expect(play(rules, [recorded], [server])[0]?.sent[1]).toBe(get('/b', `X: ${value}\r\n`));
  });
});
