/** Which values came from answers: where they are found, what delimits them, and how sure that is. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { frame, SWITCHED, UPGRADE } from '../http/frames.ts';
import { answer, get, type PlayedSession, play, post, session } from '../http/play.ts';
import { asClient, brief, correlated } from './clients.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'Content-Type: application/json\r\n';
const HTML = 'Content-Type: text/html\r\n';

/** Values as two clients had them; of the same length, so that nothing else tells them apart. */
const VALUES = ['8f3a9c21d4', '5b70e6f9a1'];

/** A session of each of two clients. */
const twoClients = (of: (value: string) => PlayedSession): PlayedSession[] =>
  VALUES.flatMap((value, i) => asClient(`10.0.0.${i + 1}`, [of(value)]));

/** Rules for a value that comes like that and goes out in a query. */
function rulesFor(answered: (value: string) => string): { rules: HttpRules; found: string[] } {
  const { rules, rows } = correlated(
    twoClients((value) =>
      session([get('/a'), answered(value)], [get(`/b?t=${value}`), answer('')]),
    ),
  );
  return { rules, found: rows.map((row) => `${row.in} ${row.name}`) };
}

describe('where a value is handed out, and what delimits it', () => {
  const page = (body: string) => answer(body, HTML);
  test.each([
    {
      name: 'a cookie',
      answered: (v: string) => answer('', `Set-Cookie: sid=${v}; Path=/\r\n`),
      found: 'cookie sid',
      rules: { cookies: 'auto' },
    },
    {
      name: 'JSON',
      answered: (v: string) => answer(`{"a":[{"b":1},{"the token":"${v}"}]}`, JSON_TYPE),
      found: 'json $.a[1]["the token"]',
      from: { json: '$.a[1]["the token"]' },
    },
    {
      name: 'JSON that does not say so, and is cut off',
      answered: (v: string) => answer(`{"id":"${v}","rest":"`),
      found: 'json $.id',
      from: { json: '$.id' },
    },
    {
      name: 'a URL within JSON',
      answered: (v: string) => answer(`{"href":"/orders/${v}/items"}`, JSON_TYPE),
      found: 'link href',
      from: { between: ['"href":"/orders/', '/'] },
    },
    {
      name: 'a header field',
      answered: (v: string) => answer('', `X-Next-Token: ${v}\r\n`),
      found: 'header x-next-token',
      from: { header: 'x-next-token' },
    },
    {
      name: 'a part of a header field',
      answered: (v: string) => answer('', `Authentication-Info: a=1, nextnonce="${v}"\r\n`),
      found: 'header authentication-info',
      from: { header: 'authentication-info', regex: 'nextnonce="([^"]+)' },
    },
    {
      name: 'a segment of Location',
      answered: (v: string) => answer('', `Location: http://shop.test/orders/${v}?x=1\r\n`, 303),
      found: 'location orders/',
      from: { header: 'Location', regex: '/orders/([^/?#;]+)' },
    },
    {
      name: 'the first segment of Location',
      answered: (v: string) => answer('', `Location: /${v}\r\n`, 303),
      found: 'location /',
      from: { header: 'Location', regex: '^/([^/?#;]+)' },
    },
    {
      name: 'a segment behind another identifier',
      answered: (v: string) => answer('', `Location: /u/8831/o/77120000/${v}\r\n`, 303),
      found: 'location o/',
      from: { header: 'Location', regex: '/o/[^/]+/([^/?#;]+)' },
    },
    {
      name: 'a parameter of Location',
      answered: (v: string) => answer('', `Location: /cb?a=1&code=${v}#x\r\n`, 302),
      found: 'location code',
      from: { header: 'Location', regex: '[?&#]code=([^&#]*)' },
    },
    {
      name: 'a hidden field',
      answered: (v: string) => page(`<input type="hidden" name="csrf" value="${v}">`),
      found: 'hidden csrf',
      from: { between: ['name="csrf" value="', '"'] },
    },
    {
      name: 'a hidden field, its value first and in single quotes',
      answered: (v: string) => page(`<input value='x1'><input value='${v}' name='csrf'/>`),
      found: 'hidden csrf',
      from: { regex: "value='([^']*)'[^<>]{0,200}name='csrf'" },
    },
    {
      name: 'a meta tag',
      answered: (v: string) => page(`<meta name="csrf-token" content="${v}" />`),
      found: 'meta csrf-token',
      from: { between: ['name="csrf-token" content="', '"'] },
    },
    {
      name: 'an attribute',
      answered: (v: string) => page(`<div class="x" data-cart="${v}">`),
      found: 'attribute data-cart',
      from: { between: ['data-cart="', '"'] },
    },
    {
      name: 'a link',
      answered: (v: string) => page(`<a href="/x">a</a><a href="/cart/${v}/add">b</a>`),
      found: 'link cart/',
      from: { between: ['/cart/', '/'] },
    },
    {
      name: 'a parameter of a link',
      answered: (v: string) => page(`<a href="/x?a=1&amp;session=${v}">b</a>`),
      found: 'link session',
      from: { between: [';session=', '"'] },
    },
    {
      name: 'a script',
      answered: (v: string) => page(`<script>window.app = { csrf: '${v}', a: 1 }</script>`),
      found: 'script csrf',
      from: { between: ["csrf: '", "'"] },
    },
    {
      name: 'a text',
      answered: (v: string) => page(`<p class="n">Order <b>${v}</b></p>`),
      found: 'text ',
      from: { between: ['<b>', '<'] },
    },
    {
      name: 'the end of a text',
      answered: (v: string) => answer(`token=${v}`),
      found: 'script token',
      from: { regex: 'token=(.+)' },
    },
  ])('$name', ({ answered, found, from, rules }) => {
    const said = rulesFor(answered);
    expect(said.found).toEqual([found]);
    const [learn] = said.rules.learn ?? [];
    if (rules === undefined) expect(learn).toMatchObject({ when: { path: '/a' }, from });
    else expect(said.rules).toEqual(rules);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ])('in a body in %s and in chunks', (coding, pack) => {
    const { rules } = rulesFor((value) => {
      const packed = pack(`<input name="csrf" value="${value}">`).toString('latin1');
      const chunk = `${packed.length.toString(16)}\r\n${packed}\r\n0\r\n\r\n`;
      const head = `Transfer-Encoding: chunked\r\nContent-Encoding: ${coding}`;
      return `HTTP/1.1 200 OK\r\n${HTML}${head}\r\n\r\n${chunk}`;
    });
    expect(rules.learn).toMatchObject([{ from: { between: ['name="csrf" value="', '"'] } }]);
  });
});

test('where values are sent, and how they are encoded there', () => {
  const found = correlated(
    twoClients((part) => {
      const value = `${part}/+x=`;
      const form = new URLSearchParams({ a: value }).toString();
      const base64 = Buffer.from(value).toString('base64');
      const parts = `--x\r\nContent-Disposition: form-data; name="m"\r\n\r\n${value}\r\n--x--\r\n`;
      return session(
        [get('/a'), answer(`{"t":"${value}"}`, JSON_TYPE)],
        [get(`/q?t=${encodeURIComponent(value)}`, `Cookie: a=1; c=${value}\r\n`), answer('')],
        [
          get(`/path/${encodeURIComponent(value)}`, `Authorization: Bearer ${value}\r\n`),
          answer(''),
        ],
        [post('/f', FORM, form, `X-Packed: ${base64}\r\n`), answer('')],
        [post('/j', 'application/json', `{"deep":[{"v":"${value}"}]}`), answer('')],
        [post('/m', 'multipart/form-data; boundary=x', parts), answer('')],
      );
    }),
  );
  expect(found.rows.map(brief)).toEqual([
    {
      by: 'GET /a',
      in: 'json $.t',
      sent: [
        ...['cookie c', 'query t as percent', 'header authorization', 'path path as percent'],
        ...['header x-packed as base64', 'form a as percent', 'json $.deep[0].v', 'form m'],
      ],
      rule: 't',
    },
  ]);
});

test('frames of a WebSocket have values, too', () => {
  const visit = (value: string): PlayedSession => ({
    messages: [get('/a'), UPGRADE, frame(`{"auth":"${value}"}`), frame(`join ${value}xyz`)],
    stages: ['', answer(`{"t":"${value}","room":"${value}xyz"}`, JSON_TYPE), SWITCHED, '', ''],
  });
  const { rows, rules } = correlated(twoClients(visit));
  expect(rows.map(brief)).toEqual([
    { by: 'GET /a', in: 'json $.t', sent: ['frame $.auth'], rule: 't' },
    { by: 'GET /a', in: 'json $.room', sent: ['frame '], rule: 'room' },
  ]);
  const live = visit('77aa88bb99');
  const [played] = play(rules, [visit(VALUES[0] ?? '')], [(stage) => live.stages[stage] ?? '']);
  expect(played?.sent).toEqual(live.messages);
});

describe('what is none', () => {
  test('what all clients got alike, in whatever page', () => {
    const { rows, rules } = correlated(
      twoClients(() =>
        session(
          [get('/a'), answer('<input name="csrf_version" value="2026112801">', HTML)],
          [get('/b?csrf_version=2026112801'), answer('')],
        ),
      ),
    );
    expect(rows).toMatchObject([{ differs: 'no', rule: null }]);
    expect(rows[0]?.confidence).toBeLessThan(0.5);
    expect(rules).toEqual({});
  });

  test('what the client had made itself before the server echoed it', () => {
    const { rows } = correlated(
      twoClients((value) =>
        session(
          [get('/a', `X-Request-Id: ${value}\r\n`), answer('', `X-Request-Id: ${value}\r\n`)],
          [get('/b', `X-Request-Id: ${value}\r\n`), answer(`{"id":"${value}"}`, JSON_TYPE)],
          [get(`/c?id=${value}`), answer('')],
        ),
      ),
    );
    expect(rows).toEqual([]);
  });

  test('what was asked for before the answer that has it', () => {
    const [value] = VALUES;
    const pipelined: PlayedSession = {
      messages: [get('/a') + get(`/b?t=${value}`)],
      stages: ['', answer(`{"t":"${value}"}`) + answer('')],
    };
    const later = session([get('/a'), answer(`{"t":"${value}"}`)]);
    const before = session([get(`/b?t=${value}`), answer('')]);
    expect(correlated([pipelined]).rows).toEqual([]);
    expect(correlated([before, later]).rows).toEqual([]);
    expect(correlated([later, before]).rows).toHaveLength(1);
  });

  test('files, words, and what says what a client is', () => {
    const page = '<a href="/css/site.3f2a9c1b.css"><input name="go" value="checkout"> Mozilla/5.0';
    const { rows } = correlated([
      session(
        [get('/', 'User-Agent: Mozilla/5.0\r\n'), answer(page, HTML)],
        [get('/css/site.3f2a9c1b.css', 'User-Agent: Mozilla/5.0\r\n'), answer('')],
        [post('/go', FORM, 'go=checkout', 'Referer: /css/site.3f2a9c1b.css\r\n'), answer('')],
      ),
    ]);
    expect(rows).toEqual([]);
  });

  test('parts of what correlates as a whole', () => {
    const { rows } = correlated(
      twoClients((value) => {
        const whole = `${value}.${value}xy.${value}zz`;
        return session(
          [get('/a'), answer(`{"jwt":"${whole}"}`, JSON_TYPE)],
          [get('/b', `Authorization: Bearer ${whole}\r\n`), answer('')],
        );
      }),
    );
    expect(rows.map(brief)).toEqual([
      { by: 'GET /a', in: 'json $.jwt', sent: ['header authorization'], rule: 'jwt' },
    ]);
  });
});

describe('how sure it is', () => {
  /** What one client got from a page that it asked for once, or again. */
  const alone = (name: string, values: readonly string[]) =>
    correlated([
      session(
        ...values.flatMap((value): [string, string][] => [
          [get('/page'), answer(`<input name="${name}" value="${value}">`, HTML)],
          [post('/do', FORM, `${name}=${value}`), answer('')],
        ]),
      ),
    ]).rows.map(({ differs, changes, confidence, rule }) => ({
      differs,
      changes,
      confidence,
      rule,
    }));

  test.each([
    { what: 'a number that may be anything', name: 'id', values: ['100234'], confidence: 0.35 },
    { what: 'what is called a token', name: 'csrf', values: ['100234'], confidence: 0.5 },
    {
      what: 'and looks like one',
      name: 'csrf',
      values: ['9f8e7d6c5b4a39281706'],
      confidence: 0.6,
    },
    {
      what: 'what changes each time',
      name: 'id',
      values: ['100234', '100235'],
      changes: true,
      confidence: 0.85,
    },
    { what: 'what stays', name: 'id', values: ['100234', '100234'], confidence: 0.35 },
  ])('of one client: $what', ({ name, values, changes = false, confidence }) => {
    const rule = confidence < 0.5 ? null : name;
    expect(alone(name, values)).toEqual([{ differs: 'unknown', changes, confidence, rule }]);
  });

  test('where clients asked for different things, what they got says less', () => {
    const products = VALUES.flatMap((value, i) =>
      asClient(`10.0.0.${i}`, [
        session(
          [get(`/product/${i + 10}`), answer(`<i data-sku="${value}">`, HTML)],
          [post('/cart', FORM, `sku=${value}`), answer('')],
        ),
      ]),
    );
    expect(correlated(products).rows).toMatchObject([
      { differs: 'yes', confidence: 0.45, rule: null },
    ]);
  });

  test('what most clients have of their own is partly theirs', () => {
    const given = ['8f3a9c21d4', '5b70e6f9a1', '8f3a9c21d4'];
    const { rows } = correlated(
      given.flatMap((value, i) =>
        asClient(`10.0.0.${i}`, [
          session([get('/a'), answer(`{"x":"${value}"}`)], [get(`/b?x=${value}`), answer('')]),
        ]),
      ),
    );
    expect(rows).toMatchObject([{ differs: 'partly', confidence: 0.6, clients: 3, values: 2 }]);
  });
});

describe('the rules', () => {
  test('name each kind of answer, up to three; of more there is one rule for all', () => {
    const visit = (pages: number) =>
      correlated(
        twoClients((value) =>
          session(
            ...Array.from({ length: pages }, (_, i): [string, string][] => [
              [
                get(`/page-${'abcdef'[i]}`),
                answer(`<input name="csrf" value="${value}${i}">`, HTML),
              ],
              [post('/do', FORM, `csrf=${value}${i}`), answer('')],
            ]).flat(),
          ),
        ),
      ).rules.learn;
    const from = { between: ['name="csrf" value="', '"'] };
    expect(visit(2)).toEqual([
      { name: 'csrf', when: { path: '/page-a' }, from },
      { name: 'csrf', when: { path: '/page-b' }, from },
    ]);
    expect(visit(4)).toEqual([{ name: 'csrf', from }]);
  });

  test('have a name each, which is none of the built-in ones', () => {
    const { rules } = correlated(
      twoClients((value) =>
        session(
          [get('/a'), answer(`{"user":"${value}a","a":{"user":"${value}b"}}`, JSON_TYPE)],
          [get(`/b?a=${value}a&b=${value}b`), answer('')],
        ),
      ),
    );
    expect(rules.learn?.map(({ name }) => name)).toEqual(['user_2', 'user_3']);
  });

  test('leave out what a rule does not find in all answers that it is for', () => {
    const page = (value: string, other: string) =>
      answer(`<script>k = "${other}";\nk = "${value}";</script>`, HTML);
    const { rows, rules } = correlated(
      VALUES.flatMap((value, i) =>
        asClient(`10.0.0.${i}`, [
          session(
            [get('/a'), i === 0 ? page(value, 'other1') : page('other2', value)],
            [get(`/b?k=${value}`), answer('')],
          ),
        ]),
      ),
    );
    expect(rules).toEqual({});
    expect(rows).toMatchObject([{ isUnfindable: true, rule: null, clients: 2, values: 2 }]);
  });

  test('say which values are sent on other connections', () => {
    const [value = ''] = VALUES;
    const told = session([get('/a'), answer(`{"access_token":"${value}${value}"}`)]);
    const sent = session([get('/b', `Authorization: Bearer ${value}${value}\r\n`), answer('')]);
    expect(correlated([told, sent]).rows).toMatchObject([{ isAcross: true }]);
  });

  test('know a cookie in a header field as scripts read it', () => {
    const found = correlated(
      twoClients((value) =>
        session(
          [get('/a'), answer('', `Set-Cookie: XSRF-TOKEN=${value}%2F%3D; Path=/\r\n`)],
          [get('/b', `X-XSRF-TOKEN: ${value}/=\r\n`), answer('')],
        ),
      ),
    );
    expect(found.rows.map(brief)).toEqual([
      {
        by: 'GET /a',
        in: 'cookie XSRF-TOKEN',
        sent: ['header x-xsrf-token'],
        rule: 'cookies',
      },
    ]);
    expect(found.rules).toEqual({ cookies: 'auto' });
  });

  test.each<[string, (value: string) => readonly string[]]>([
    ['twice', (value) => [`sid=before-${value}; Path=/`, `sid=${value}; Path=/`]],
    ['and taken back behind it', (value) => [`sid=${value}; Path=/`, 'sid=; Max-Age=0; Path=/old']],
    [
      'and taken back before it',
      (value) => ['sid=gone; Max-Age=0; Path=/old', `sid=${value}; Path=/`],
    ],
  ])('know a cookie that one answer sets %s', (_, set) => {
    const visit = (value: string) =>
      session(
        [
          get('/a'),
          answer(
            '',
            set(value)
              .map((each) => `Set-Cookie: ${each}\r\n`)
              .join(''),
          ),
        ],
        [get('/b', `Cookie: sid=${value}\r\nX-Sid: ${value}\r\n`), answer('')],
      );
    const { rules } = correlated(twoClients(visit));
    expect(rules).toEqual({ cookies: 'auto' });
    const live = visit('c0ffee1234');
    const [played] = play(rules, [visit(VALUES[0] ?? '')], [(stage) => live.stages[stage] ?? '']);
    expect(played?.sent).toEqual(live.messages);
  });

  test('learn a short cookie that is sent in what is no cookie', () => {
    const visit = (value: string) =>
      session(
        [get('/a'), answer('', `Set-Cookie: n=${value}; Path=/\r\n`)],
        [get(`/b?n=${value}`, `Cookie: n=${value}\r\n`), answer('')],
      );
    const { rules } = correlated(
      ['8f3a9c', '5b70e6'].flatMap((each, i) => asClient(`10.0.0.${i}`, [visit(each)])),
    );
    expect(rules).toEqual({
      cookies: 'auto',
      learn: [{ name: 'n', from: { header: 'Set-Cookie', regex: '^n=([^;]*)' } }],
    });
    const live = visit('77abcd');
    const [played] = play(rules, [visit('8f3a9c')], [(stage) => live.stages[stage] ?? '']);
    expect(played?.sent).toEqual(live.messages);
  });

  test('are about the surest places where a page has more than are tried', () => {
    const ids = Array.from({ length: 160 }, (_, i) => `${1_000_000 + i}`);
    const found = correlated(
      twoClients((value) =>
        session(
          [get('/list'), answer(JSON.stringify({ items: ids, token: value }), JSON_TYPE)],
          ...ids.map((id): [string, string] => [get(`/item/${id}`), answer('')]),
          [get('/b', `Authorization: Bearer ${value}\r\n`), answer('')],
        ),
      ),
    );
    expect(found.isCut).toBe(true);
    expect(found.rules.learn).toMatchObject([{ name: 'token', from: { json: '$.token' } }]);
  });

  test('play as they are: each client says what it was given', () => {
    const [recorded = '', live = ''] = VALUES;
    const visit = (value: string) =>
      session(
        [
          get('/a'),
          answer(`<input name="csrf" value="${value}+">`, `${HTML}Set-Cookie: s=${value}s\r\n`),
        ],
        [
          post('/b', FORM, `csrf=${value}%2B`, `Cookie: s=${value}s\r\n`),
          answer('', `Location: /o/${value}9\r\n`, 303),
        ],
        [get(`/o/${value}9`, `Cookie: s=${value}s\r\n`), answer('')],
      );
    const { rules } = correlated(
      VALUES.flatMap((each, i) => asClient(`10.0.0.${i}`, [visit(each)])),
    );
    const answers = visit(live).stages;
    const [played] = play(rules, [visit(recorded)], [(stage) => answers[stage] ?? '']);
    expect(played?.sent).toEqual(visit(live).messages);
  });
});
