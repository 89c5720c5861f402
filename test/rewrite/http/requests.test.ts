/** What becomes of recorded requests, octet by octet. */
import { describe, expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { answer, feedOf, get, type PlayedSession, play, post, session } from './play.ts';

const FORM = 'application/x-www-form-urlencoded';

/** What is sent of a session in which the server says what it said in the recording. */
function sent(rules: HttpRules, recorded: PlayedSession): readonly (string | null)[] {
  const [played] = play(rules, [recorded], []);
  expect(played?.failed ?? null).toBeNull();
  return played?.sent ?? [];
}

/** What is sent of a session of one request. */
const one = (rules: HttpRules, request: string): string | null | undefined =>
  sent(rules, session([request, answer('ok')]))[0];

test('a header field is set in place, whatever the case of its name, or added after the last one', () => {
  const request = 'GET / HTTP/1.1\r\nHOST:  a.test \r\nAccept: */*\r\n\r\n';
  expect(one({ send: [{ headers: { host: 'shop.test', 'X-Run': 7 } }] }, request)).toBe(
    'GET / HTTP/1.1\r\nHOST:  shop.test \r\nAccept: */*\r\nX-Run: 7\r\n\r\n',
  );
});

test.each([
  ['http://h.test/p?a=http://h.test', 'http://shop.test:81/p?a=http://h.test'],
  ['HTTP://user@h.test:8080', 'HTTP://shop.test:81'],
  ['http://h.test?a=1', 'http://shop.test:81?a=1'],
  ['/http://h.test/', '/http://h.test/'],
  ['h.test:443', 'h.test:443'],
  ['*', '*'],
])('a host that is set is that of the target %s, too, where it has one', (target, wanted) => {
  const request = (line: string, host: string) => `GET ${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const send = [{ headers: { host: 'shop.test:81' } }];
  expect(one({ send }, request(target, 'h.test'))).toBe(request(wanted, 'shop.test:81'));
});

test('a header field is removed, all of its lines, and of several the first is set', () => {
  const request = 'GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nA: 3\r\n 4\r\n\r\n';
  expect(one({ send: [{ headers: { A: null } }] }, request)).toBe('GET / HTTP/1.1\r\nB: 2\r\n\r\n');
  expect(one({ send: [{ headers: { A: 'x' } }] }, request)).toBe(
    'GET / HTTP/1.1\r\nA: x\r\nB: 2\r\n\r\n',
  );
});

test('of what is set twice the later rule counts', () => {
  expect(
    one(
      {
        send: [
          { headers: { X: 1 }, query: { a: 1 } },
          { headers: { x: 2 }, query: { a: 2 } },
        ],
      },
      get('/'),
    ),
  ).toBe(get('/?a=2', 'x: 2\r\n'));
});

test('a log-in by Basic is that of the client, and nobody else logs in', () => {
  const accounts = feedOf('client', ['login', 'password'], ['ada', 'pä:ss'], ['bob', 'x']);
  const basic = { user: '{{account.login}}', password: '{{account.password}}' };
  const fields = (scheme: string, text: string) =>
    `Authorization: ${scheme} ${Buffer.from(text).toString('base64')}\r\nA: 1\r\n`;
  const recorded = session(
    [get('/a', fields('basic ', 'rec:orded')), answer('')],
    [get('/b'), answer('')],
    [get('/c', fields('Bearer', 'rec:orded')), answer('')],
    [get('/d', 'Authorization: Basic\r\n'), answer('')],
  );
  const rules: HttpRules = { feeds: { account: { csv: 'x' } }, send: [{ basic }] };
  const [played] = play(rules, [recorded], [], { feeds: { account: accounts } });
  expect(played?.sent).toEqual([
    get('/a', fields('basic ', 'ada:pä:ss')),
    ...recorded.messages.slice(1),
  ]);
});

test('an empty header field is filled', () => {
  expect(one({ send: [{ headers: { A: 1 } }] }, 'GET / HTTP/1.1\nA:\nB: 1\n\n')).toBe(
    'GET / HTTP/1.1\nA: 1\nB: 1\n\n',
  );
});

test.each([
  ['/p?a=1&b=2', { a: null }, '/p?b=2'],
  ['/p?a=1&b=2', { b: null }, '/p?a=1'],
  ['/p?a=1&b=2&c=3', { a: null, b: null }, '/p?c=3'],
  ['/p?a=1&b=2&c=3', { b: null, c: null }, '/p?a=1'],
  ['/p?a=1&b=2', { a: null, b: null }, '/p'],
  ['/p?a=1', { a: null, c: 'x' }, '/p?c=x'],
  ['*', { a: 'x' }, '*'],
  ['/p?a=1&a=2', { a: 'ä ' }, '/p?a=%C3%A4%20&a=%C3%A4%20'],
  ['/p', { a: 1, b: 2 }, '/p?a=1&b=2'],
  ['/p?', { a: 1 }, '/p?a=1'],
  ['/p?a', { a: 1 }, '/p?a=1'],
  ['/p?a%20b=1', { 'a b': 2 }, '/p?a%20b=2'],
  ['http://h.test/p?a=1', { a: 2 }, 'http://h.test/p?a=2'],
])('the query of %s with %j is %s', (target, query, wanted) => {
  expect(one({ send: [{ query }] }, get(target))).toBe(get(wanted));
});

test.each([
  ['/old/x?a=1', '/new?a=1'],
  ['http://h.test/old', 'http://h.test/new'],
  ['/', '/new'],
])('the path of %s is replaced, its query stays', (target, wanted) => {
  expect(one({ send: [{ path: '/new' }] }, get(target))).toBe(get(wanted));
});

test('fields of a form are set, added and removed, and the length follows', () => {
  const when = { path: '/login' };
  const send = [{ when, form: { user: 'a&b ', token: null, extra: '1' } }];
  expect(one({ send }, post('/login', FORM, 'user=bob&token=9&pw=x'))).toBe(
    post('/login', FORM, 'user=a%26b+&pw=x&extra=1'),
  );
  expect(one({ send }, post('/login', 'text/plain', 'user=bob'))).toBe(
    post('/login', 'text/plain', 'user=bob'),
  );
});

test('without `when`, what a rule says of bodies is set where the recorded ones have it', () => {
  const form = { send: [{ form: { user: 'ann', pw: 'x y', token: null } }] };
  expect(one(form, post('/login', FORM, 'user=bob&pw=1'))).toBe(
    post('/login', FORM, 'user=ann&pw=x+y'),
  );
  for (const other of ['', 'q=1', 'users=1&token2=3']) {
    expect(one(form, post('/search', FORM, other))).toBe(post('/search', FORM, other));
  }
  const json = { send: [{ json: { '$.user': 'ann', '$.a.b': 1 } }] };
  expect(one(json, post('/', 'application/json', '{"user":"bob","a":{}}'))).toBe(
    post('/', 'application/json', '{"user":"ann","a":{}}'),
  );
  expect(one(json, post('/', 'application/json', '{"q":1}'))).toBe(
    post('/', 'application/json', '{"q":1}'),
  );
});

test('… and bodies that cannot be changed are refused only where they may have it', () => {
  const refusal = (request: string) =>
    play({ send: [{ form: { user: 'ann' } }] }, [session([request, answer('')])], [])[0]?.refused;
  const part = (name: string) =>
    `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nbob\r\n--x--\r\n`;
  const multipart = 'multipart/form-data; boundary=x';
  expect(refusal(post('/upload', multipart, part('file')))).toBeUndefined();
  expect(refusal(post('/login', multipart, part('user')))).toBe(
    'a request has a multipart body, which form: cannot change',
  );
  const packed = 'Content-Encoding: zstd\r\n';
  expect(refusal(post('/metrics', 'application/x-protobuf', 'xyz', packed))).toBeUndefined();
  expect(refusal(post('/login', FORM, 'xyz', packed))).toBe(
    'a request has a compressed body, which cannot be changed',
  );
});

test('values of a JSON body are set by path, and added to an object', () => {
  const body = '{ "a": {"b": [1, {"c": "x"}]}, "n": 1, "e": {} }';
  const send = [
    {
      when: { path: '/' },
      json: { '$.a.b[1].c': 'q"\\ü', '$.n': true, '$.e.x': null, '$.e.y': 2, '$.z.z': 1 },
    },
  ];
  expect(one({ send }, post('/', 'application/json', body))).toBe(
    post(
      '/',
      'application/json',
      '{ "a": {"b": [1, {"c": "q\\"\\\\\xc3\xbc"}]}, "n": true, "e": {"x":null,"y":2} }',
    ),
  );
});

test('a literal text is replaced in target, fields and body, and nothing else moves', () => {
  const send = [{ replace: 'prod', with: 'stage-{{client}}' }];
  expect(
    one({ send }, post('/prod/x', 'text/plain', 'a prod b', 'Referer: http://prod/\r\n')),
  ).toBe(post('/stage-0/x', 'text/plain', 'a stage-0 b', 'Referer: http://stage-0/\r\n'));
});

test('chunks of a body get the sizes that they have then, and empty ones are left out', () => {
  const head = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';
  const send = [
    { replace: 'abc', with: 'ABCDEFGHIJKLMNOPQ' },
    { replace: 'gone', with: '' },
  ];
  expect(one({ send }, `${head}5;x=y\r\n1abc2\r\n4\r\ngone\r\n2\r\nzz\r\n0\r\nT: 1\r\n\r\n`)).toBe(
    `${head}13;x=y\r\n1ABCDEFGHIJKLMNOPQ2\r\n2\r\nzz\r\n0\r\nT: 1\r\n\r\n`,
  );
  // It begins in one chunk and ends in the next but one.
  expect(one({ send }, `${head}2\r\n1a\r\n1\r\nb\r\n2\r\nc2\r\n0\r\n\r\n`)).toBe(
    `${head}12\r\n1ABCDEFGHIJKLMNOPQ\r\n1\r\n2\r\n0\r\n\r\n`,
  );
});

test('a request that comes in two messages, with 100-continue, is consistent in both', () => {
  const head = 'POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n';
  const recorded: PlayedSession = {
    messages: [head, 'secret'],
    stages: ['', 'HTTP/1.1 100 Continue\r\n\r\n', answer('ok')],
  };
  expect(sent({ send: [{ replace: 'secret', with: 'longer than it' }] }, recorded)).toEqual([
    head.replace('6', '14'),
    'longer than it',
  ]);
});

test('what is added where one message ends and the next begins goes with the first', () => {
  const request = get('/a');
  const at = request.indexOf(' HTTP');
  const recorded: PlayedSession = {
    messages: [request.slice(0, at), request.slice(at)],
    stages: ['', '', answer('')],
  };
  const [first, second] = sent({ send: [{ query: { b: 1 } }] }, recorded);
  expect([first, second]).toEqual([`${request.slice(0, at)}?b=1`, request.slice(at)]);
});

test('requests of one message are written each by itself', () => {
  const recorded = session([get('/a') + get('/b'), answer('1') + answer('2')]);
  expect(sent({ send: [{ when: { path: '/b' }, headers: { X: '{{turn}}' } }] }, recorded)).toEqual([
    get('/a') + get('/b', 'X: 1\r\n'),
  ]);
});

test('only requests that a rule means are changed', () => {
  const recorded = session(
    [get('/a'), answer('', '', 404)],
    [get('/b/c'), answer('')],
    [post('/b/c', 'text/plain', ''), answer('', '', 201)],
  );
  const changed = (when: object) =>
    sent({ send: [{ when, headers: { X: 1 } }] }, recorded).map((each) => /X: 1/.test(each ?? ''));
  expect(changed({ path: '/b*' })).toEqual([false, true, true]);
  expect(changed({ path: '*/c', method: 'post' })).toEqual([false, false, true]);
  expect(changed({ host: '*.example.com', status: 200 })).toEqual([false, true, false]);
  expect(changed({ status: '2xx' })).toEqual([false, true, true]);
  expect(changed({ host: 'example.com' })).toEqual([false, false, false]);
});

test('requests that are to be left out are', () => {
  const recorded = session(
    [get('/a'), answer('')],
    [get('/logout'), answer('')],
    [get('/b'), answer('')],
  );
  expect(sent({ skip: [{ when: { path: '/logout' } }] }, recorded)).toEqual([
    get('/a'),
    null,
    get('/b'),
  ]);
});

test('built-in values are those of the client, the same in every run of the seed', () => {
  const headers = {
    C: '{{client}} {{user}} {{iteration}} {{turn}}',
    U: '{{uuid}} {{uuid}} {{uuid client}}',
    N: '{{counter n}} {{counter n}}',
    R: '{{random 100}} {{random 1000000}}',
    T: '{{now ms}} {{now s}} {{now iso}} {{now http}} {{date +1d YYYY-MM-DD HH:mm:ss}}',
    E: '{{env KEY}} {{run}}',
    F: '{{account.login}}',
  };
  const rules = {
    values: { run: 'run-{{client}}' },
    feeds: { account: { csv: 'x' } },
    send: [{ headers }],
  };
  const recorded = session([get('/a'), answer('')], [get('/b'), answer('')]);
  const more = {
    environment: { KEY: 'k' },
    feeds: { account: feedOf('client', ['id', 'login'], ['1', 'ann'], ['2', 'bob']) },
    info: { client: 3, iteration: 2, seed: 9, nowMs: () => 1_000_000_000_123 },
  };
  const [first] = play(rules, [recorded], [], more);
  const [again] = play(rules, [recorded], [], more);
  const [other] = play(rules, [recorded], [], { ...more, info: { ...more.info, seed: 10 } });
  expect(first?.sent).toEqual(again?.sent);
  const lines = (first?.sent ?? []).map((each) => (each ?? '').split('\r\n'));
  expect(lines[0]?.[2]).toBe('C: 3 3 2 0');
  const uuid = /^U: ([\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}) \1 (\S+)$/;
  const ids = lines.map((each) => uuid.exec(each[3] ?? ''));
  expect(ids[0]?.[1]).not.toBe(ids[1]?.[1]);
  expect(ids[0]?.[2]).toBe(ids[1]?.[2]);
  expect(lines.map((each) => each[4])).toEqual(['N: 1 1', 'N: 2 2']);
  expect(lines[0]?.[5]).toMatch(/^R: \d{1,2} \d{1,6}$/);
  expect(lines[0]?.[6]).toBe(
    'T: 1000000000123 1000000000 2001-09-09T01:46:40.123Z Sun, 09 Sep 2001 01:46:40 GMT 2001-09-10 01:46:40',
  );
  expect(lines[0]?.slice(7, 9)).toEqual(['E: k run-3', 'F: bob']);
  expect(other?.sent[0]).not.toBe(first?.sent[0]);
});

test('rows of their own are dealt out round by round, and the last is the last', () => {
  const rules: HttpRules = {
    feeds: { a: { csv: 'x', pick: 'once' } },
    send: [{ headers: { X: '{{a.n}}' } }],
    unbound: 'fail',
  };
  const feeds = { a: feedOf('once', ['n'], ['r0'], ['r1'], ['r2']) };
  const of = (client: number, iteration: number) =>
    play(rules, [session([get('/'), answer('')])], [], {
      feeds,

      info: { client, clients: 2, iteration },
    })[0];
  expect(of(1, 0)?.sent).toEqual([get('/', 'X: r1\r\n')]);
  expect(of(0, 1)?.sent).toEqual([get('/', 'X: r2\r\n')]);
  expect(of(1, 1)?.failed).toBe('the feed a has no more rows');
});

test('what a value may not break is kept whole: a line end fails, a blank in a target is encoded', () => {
  const rules: HttpRules = { feeds: { a: { csv: 'x' } }, send: [{ headers: { X: '{{a.n}}' } }] };
  const feeds = { a: feedOf('client', ['n'], ['a\r\nEvil: 1']) };
  const [played] = play(rules, [session([get('/'), answer('')])], [], { feeds });
  expect(played?.failed).toBe('a value with a line end cannot stand in a header field');
  expect(one({ send: [{ path: '/a b\x7f?' }] }, get('/'))).toBe(get('/a%20b%7F?'));
});

test.each([
  [
    'HTTP/2',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    { headers: { X: 1 } },
    'HTTP/2 cannot be rewritten: its headers are compressed',
  ],
  [
    'a signed request',
    get('/', 'Authorization: AWS4-HMAC-SHA256 Credential=x\r\n'),
    { headers: { X: 1 } },
    'a request is signed (AWS4-HMAC-SHA256), and would not be valid when changed',
  ],
  [
    'a signed request',
    get('/', 'X-Signature: 123\r\n'),
    { headers: { X: 1 } },
    'a request is signed (x-signature), and would not be valid when changed',
  ],
  [
    'a compressed body',
    post('/', FORM, 'xyz', 'Content-Encoding: gzip\r\n'),
    { form: { a: 1 } },
    'a request has a compressed body, which cannot be changed',
  ],
  [
    'a multipart body',
    post('/', 'multipart/form-data; boundary=x', '--x--'),
    { when: { path: '/' }, form: { a: 1 } },
    'a request has a multipart body, which form: cannot change',
  ],
])('%s is refused where it would have to be changed', (_, request, rule, refused) => {
  const recorded = session([request, answer('')]);
  expect(play({ send: [rule] }, [recorded], [])[0]?.refused).toBe(refused);
  if (!request.startsWith('PRI')) {
    const elsewhere = { ...rule, when: { path: '/elsewhere' } };
    expect(play({ send: [elsewhere] }, [recorded], [])[0]?.refused).toBeUndefined();
  }
});

test('a signature over the body alone keeps only the body from being changed', () => {
  const signed = post('/', 'text/plain', 'prod', 'X-Hub-Signature: sha1=1\r\n');
  expect(one({ send: [{ headers: { Host: 'shop.test' } }] }, signed)).toBe(
    signed.replace('www.example.com', 'shop.test'),
  );
  const recorded = session([signed, answer('')]);
  expect(play({ send: [{ replace: 'prod', with: 'x' }] }, [recorded], [])[0]?.refused).toBe(
    'a request is signed (x-hub-signature), and would not be valid when changed',
  );
});

test('a session that is not HTTP is played as it is', () => {
  const redis = { ...session(['*1\r\n$4\r\nPING\r\n', '+PONG\r\n']), protocol: 'redis' };
  expect(play({ send: [{ headers: { X: 1 } }] }, [redis], [])[0]).toEqual(
    expect.objectContaining({ sent: redis.messages, refused: undefined }),
  );
});

describe('requests of the same octets', () => {
  const same = get('/page');
  const recorded = session([same, answer('')], [same, answer('')], [same, answer('', '', 404)]);

  test('each say what is theirs, wherever they stand', () => {
    const rules: HttpRules = { send: [{ headers: { 'X-Turn': '{{turn}}' } }] };
    const [played] = play(rules, [{ ...recorded, messages: [same, same, same] }], []);
    expect(played?.sent).toEqual([0, 1, 2].map((turn) => get('/page', `X-Turn: ${turn}\r\n`)));
  });

  test('are told apart by how they were answered, where a rule asks for that', () => {
    const rules: HttpRules = { send: [{ when: { status: 404 }, headers: { 'X-Run': 'a' } }] };
    const [played] = play(rules, [recorded], []);
    expect(played?.sent).toEqual([same, same, get('/page', 'X-Run: a\r\n')]);
  });

  test('are each written where several came in one message', () => {
    const both = { messages: [same + same], stages: ['', answer('') + answer('')] };
    const [played] = play({ send: [{ headers: { 'X-Turn': '{{turn}}' } }] }, [both], []);
    expect(played?.sent).toEqual([get('/page', 'X-Turn: 0\r\n') + get('/page', 'X-Turn: 1\r\n')]);
  });
});
