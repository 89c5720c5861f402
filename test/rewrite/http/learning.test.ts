/** What clients are told and say again. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { httpModule } from '../../../src/rewrite/http/http-module.ts';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import type { MessageWriter } from '../../../src/rewrite/module.ts';
import {
  answer,
  get,
  type LiveServer,
  type PlayedSession,
  planAll,
  play,
  post,
  session,
  settingsOf,
} from './play.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_NAME = 'application/json';
const JSON_TYPE = 'Content-Type: application/json\r\n';
const TOKEN: HttpRules = { learn: [{ name: 'token', from: { json: '$.token' } }] };

/** Where a module writes a message of this recorded text. */
function writerOf(recorded: string): { readonly out: MessageWriter; said(): string } {
  let said = '';
  const copy = (from: number, to: number) => {
    said += recorded.slice(from, to);
  };
  const put = (octets: Uint8Array) => {
    said += Buffer.from(octets).toString('latin1');
  };
  const out = {
    ...{ recorded: Buffer.from(recorded, 'latin1'), isLate: false, copy, put },
    fail: () => undefined,
  };
  return { out, said: () => said };
}

/** A server that says what was recorded with `recorded` replaced by `live`. */
const saying =
  (recorded: PlayedSession, ...pairs: readonly (readonly [string, string])[]): LiveServer =>
  (stage) =>
    pairs.reduce((text, [from, to]) => text.replaceAll(from, to), recorded.stages[stage] ?? '');

describe('a learnt value', () => {
  const recorded = session(
    [post('/login', 'application/json', '{}'), answer('{"token":"rec0rded-t0ken"}', JSON_TYPE)],
    [get('/a?t=rec0rded-t0ken', 'Authorization: Bearer rec0rded-t0ken\r\n'), answer('')],
  );

  test('stands wherever its recorded form stood, and is encoded as it has to be there', () => {
    const server = (stage: number) =>
      stage === 1 ? answer('{"token":"l+ve/ t\\u00f6ken"}', JSON_TYPE) : answer('');
    const [played] = play(TOKEN, [recorded], [server]);
    expect(played?.sent).toEqual([
      recorded.messages[0],
      get('/a?t=l%2Bve%2F%20t%C3%B6ken', 'Authorization: Bearer l+ve/ t\xc3\xb6ken\r\n'),
    ]);
    expect(played?.waits).toBe(0);
  });

  test('and where it is the recorded one, no octet changes', () => {
    expect(play(TOKEN, [recorded], [])[0]?.sent).toEqual(recorded.messages);
  });

  test('is no slot where aliases are off, and is there for templates', () => {
    const rules: HttpRules = {
      learn: [{ name: 'token', from: { json: '$.token' }, alias: false }],
      send: [{ when: { path: '/a' }, headers: { X: '{{token}} {{recorded.token}}' } }],
    };
    const [played] = play(rules, [recorded], [saying(recorded, ['rec0rded', 'live'])]);
    expect(played?.sent[1]).toBe(
      get(
        '/a?t=rec0rded-t0ken',
        'Authorization: Bearer rec0rded-t0ken\r\nX: live-t0ken rec0rded-t0ken\r\n',
      ),
    );
  });

  test('that the live server did not give leaves the recorded one, is skipped, or fails', () => {
    const none = () => answer('{}', JSON_TYPE);
    const of = (unbound: 'recorded' | 'skip' | 'fail') =>
      play({ ...TOKEN, unbound }, [recorded], [none])[0];
    expect(of('recorded')).toEqual(expect.objectContaining({ sent: recorded.messages, waits: 0 }));
    expect(of('skip')?.sent).toEqual([recorded.messages[0], null]);
    expect(of('fail')?.failed).toBe('token was never learnt');
  });

  test('is followed where several are given: each request gets what came instead of its own', () => {
    const orders = session(
      [post('/orders', 'text/plain', ''), answer('', 'Location: /orders/1041\r\n', 201)],
      [post('/orders', 'text/plain', ''), answer('', 'Location: /orders/1042\r\n', 201)],
      [get('/orders/1041'), answer('')],
      [get('/orders/1042/x?y=10420'), answer('')],
    );
    const rules: HttpRules = {
      learn: [
        {
          name: 'order',
          when: { status: 201 },
          from: { header: 'location', regex: '/orders/(\\d+)' },
        },
      ],
    };
    const [played] = play(rules, [orders], [saying(orders, ['1041', '77'], ['1042', '78'])]);
    expect(played?.sent.slice(2)).toEqual([get('/orders/77'), get('/orders/78/x?y=10420')]);
  });

  const MULTIPART = 'multipart/form-data; boundary=q';
  test.each([
    ['percent-encoded', get('/?t=a%2Fb%2Bc%3D'), get('/?t=x%2Fy%3D')],
    ['with small hex digits', get('/?t=a%2fb%2bc%3d'), get('/?t=x%2fy%3d')],
    ['as it is in a query', get('/?t=a/b+c='), get('/?t=x/y=')],
    ['in a form', post('/', FORM, 't=a%2Fb%2Bc%3D'), post('/', FORM, 't=x%2Fy%3D')],
    ['in JSON', post('/', JSON_NAME, '{"t":"a\\/b+c="}'), post('/', JSON_NAME, '{"t":"x\\/y="}')],
    ['in base64', get('/', 'X: YS9iK2M9\r\n'), get('/', 'X: eC95PQ==\r\n')],
    [
      'in a multipart body',
      post('/', MULTIPART, '--q\r\n\r\na/b+c=\r\n--q--'),
      post('/', MULTIPART, '--q\r\n\r\nx/y=\r\n--q--'),
    ],
  ])('is found %s', (_, request, wanted) => {
    const rules: HttpRules = { learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }] };
    const told = session([get('/'), answer('<t>a/b+c=</t>')], [request, answer('')]);
    expect(play(rules, [told], [() => answer('<t>x/y=</t>')])[0]?.sent[1]).toBe(wanted);
  });

  test('is found in a header field as scripts read it from a cookie', () => {
    const told = (value: string) => answer('', `Set-Cookie: XSRF-TOKEN=${value}; Path=/\r\n`);
    const asked = (value: string) =>
      get('/', `Cookie: XSRF-TOKEN=${value}\r\nX-XSRF-TOKEN: ${decodeURIComponent(value)}\r\n`);
    const recorded = session(
      [get('/'), told('eyJpdiI6%2Fa%3D')],
      [asked('eyJpdiI6%2Fa%3D'), answer('')],
    );
    const [played] = play({ cookies: 'auto' }, [recorded], [() => told('b3%2B%26%3D')]);
    expect(played?.sent[1]).toBe(asked('b3%2B%26%3D'));
    // What would end the field goes out as it was recorded.
    const [ended] = play({ cookies: 'auto' }, [recorded], [() => told('b3%0D%0AX: y')]);
    expect(ended?.sent[1] ?? '').not.toContain('\nX: y');
  });

  test.each([
    [
      'chunked',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<t>ab\r\n7\r\ncd</t>.\r\n0\r\n\r\n`,
    ],
    ['after 103', `HTTP/1.1 103 Early\r\nLink: x\r\n\r\n${answer('<t>abcd</t>')}`],
    [
      'compressed',
      (() => {
        const body = gzipSync('<t>abcd</t>').toString('latin1');
        return answer(body, 'Content-Encoding: gzip\r\n');
      })(),
    ],
  ])('is read where the answer is %s', (_, text) => {
    const rules: HttpRules = { learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }] };
    const told = session([get('/'), text], [get('/?t=abcd'), answer('')]);
    expect(play(rules, [told], [() => answer('<t>live</t>')])[0]?.sent[1]).toBe(get('/?t=live'));
  });

  test('is read from the right answer of several in one stage', () => {
    const told = session(
      [get('/1') + get('/2'), answer('<t>aaaa</t>') + answer('<t>bbbb</t>')],
      [get('/?a=aaaa&b=bbbb'), answer('')],
    );
    const rules: HttpRules = {
      learn: [{ name: 't', when: { path: '/2' }, from: { between: ['<t>', '</t>'] } }],
    };
    const server = () => answer('<t>1111</t>') + answer('<t>2222</t>');
    expect(play(rules, [told], [server])[0]?.sent[1]).toBe(get('/?a=aaaa&b=2222'));
  });

  test('of an answer whose beginning alone was kept is learnt where it stands there', () => {
    const rules: HttpRules = { learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }] };
    const told = session([get('/'), answer('<t>abcd</t>')], [get('/?t=abcd'), answer('')]);
    const module = httpModule(settingsOf(rules));
    const [planned] = planAll(module, [told]);
    const client = module.client({
      ...{ client: 0, clients: 1, iteration: 0, seed: 1, nowMs: () => 0 },
    });
    if (planned === undefined) throw new Error('not planned');
    const connection = module.connection(client, planned.plan);
    // A gigabyte is said to follow.
    const beginning = `HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n<t>live</t>${'x'.repeat(65_000)}`;
    module.onAnswer?.(connection, 1, Buffer.from(beginning), false);
    expect(client.values.get('t')).toBe('live');
  });
});

test('of requests in one stage of which the first is left out, the answer is the second one’s', () => {
  const recorded: PlayedSession = {
    messages: [get('/skipped'), get('/asked'), get('/?t=second1')],
    stages: ['', '', answer('<t>first11</t>') + answer('<t>second1</t>'), answer('')],
  };
  const rules: HttpRules = {
    learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }],
    skip: [{ when: { path: '/skipped' } }],
  };
  const live = (stage: number) => answer(stage === 2 ? '<t>live222</t>' : '');
  expect(play(rules, [recorded], [live])[0]?.sent).toEqual([
    null,
    get('/asked'),
    get('/?t=live222'),
  ]);
});

describe('clients with several connections', () => {
  const first = session([get('/login'), answer('<t>abcdef</t>')]);
  const second = session([get('/x'), answer('')], [get('/?t=abcdef'), answer('')]);
  const rules: HttpRules = { learn: [{ name: 't', from: { between: ['<t>', '</t>'] } }] };

  test('use on one what they were told on another, whichever was recorded first', () => {
    const live = () => answer('<t>live42</t>');
    const inOrder = play(rules, [first, second], [live], { perClient: true });
    expect(inOrder[1]?.sent).toEqual([get('/x'), get('/?t=live42')]);
    // The one that needs it is played first, waits, and goes on with what was recorded.
    const turned = play(rules, [second, first], [], { perClient: true });
    expect(turned[0]).toEqual(expect.objectContaining({ sent: second.messages, waits: 1 }));
  });

  test.each(['recorded', 'skip', 'fail'] as const)(
    'do not wait for one that is over: then %s',
    (unbound) => {
      const module = httpModule(settingsOf({ ...rules, unbound }, { perClient: true }));
      const [told, asking] = planAll(module, [first, second]);
      const info = { client: 0, clients: 1, iteration: 0, seed: 1, nowMs: () => 0 };
      const client = module.client(info);
      if (told === undefined || asking === undefined) throw new Error('not planned');
      const login = module.connection(client, told.plan);
      const use = module.connection(client, asking.plan);
      const { said, out } = writerOf(second.messages[1] ?? '');
      expect(module.rewrite?.(use, 1, out)).toBe('wait');
      module.onEnd?.(login);
      expect(module.rewrite?.(use, 1, out)).toBe(unbound === 'recorded' ? 'ready' : unbound);
      expect(said()).toBe(unbound === 'recorded' ? second.messages[1] : '');
    },
  );

  test('do not wait for what a request that is left out would have told', () => {
    const skipping: HttpRules = { ...rules, skip: [{ when: { path: '/login' } }] };
    const module = httpModule(settingsOf(skipping, { perClient: true }));
    const busy = session([get('/login'), answer('<t>abcdef</t>')], [get('/y'), answer('')]);
    const [told, asking] = planAll(module, [busy, second]);
    const client = module.client({ client: 0, clients: 1, iteration: 0, seed: 1, nowMs: () => 0 });
    if (told === undefined || asking === undefined) throw new Error('not planned');
    const login = module.connection(client, told.plan);
    const use = module.connection(client, asking.plan);
    const { out } = writerOf(second.messages[1] ?? '');
    expect(module.rewrite?.(use, 1, out)).toBe('wait');
    expect(module.rewrite?.(login, 0, writerOf(busy.messages[0] ?? '').out)).toBe('skip');
    expect(module.rewrite?.(use, 1, out)).toBe('ready');
  });

  test('are clients of their own otherwise, and so are those of other addresses', () => {
    const live = () => answer('<t>live42</t>');
    expect(play(rules, [first, second], [live])[1]?.sent).toEqual(second.messages);
    const foreign = { ...second, clientAddress: '10.0.0.8' };
    const [, played] = play(rules, [first, foreign], [live], { perClient: true });
    expect(played).toEqual(expect.objectContaining({ sent: second.messages, waits: 0 }));
  });
});

describe('cookies', () => {
  const COOKIES: HttpRules = { cookies: 'auto' };
  const of = (recorded: PlayedSession, server: LiveServer) =>
    play(COOKIES, [recorded], [server])[0]?.sent;
  const set = (...cookies: string[]) =>
    answer('', cookies.map((each) => `Set-Cookie: ${each}\r\n`).join(''));

  test('are those that the live server has set, in the recorded order', () => {
    const recorded = session(
      [get('/'), set('sid=rec1; Path=/; HttpOnly', 'lang=en')],
      [get('/a', 'Cookie: own=1; lang=en;sid=rec1\r\n'), answer('')],
    );
    expect(of(recorded, () => set('sid=live; Path=/', 'lang=de', 'new=x'))?.[1]).toBe(
      get('/a', 'Cookie: own=1; lang=de; sid=live; new=x\r\n'),
    );
  });

  test('that are the recorded ones leave every octet as it is', () => {
    const recorded = session(
      [get('/'), set('sid=rec1')],
      [get('/a', 'cookie:  own=1; sid=rec1  \r\n'), answer('')],
    );
    expect(of(recorded, () => set('sid=rec1'))?.[1]).toBe(recorded.messages[1]);
  });

  test('that the live server did not set, or has taken back, are left out', () => {
    const recorded = session(
      [get('/'), set('sid=rec1')],
      [get('/a', 'Cookie: sid=rec1\r\n'), set('sid=rec2')],
      [get('/b', 'Cookie: sid=rec2; own=1\r\n'), answer('')],
    );
    expect(of(recorded, () => answer(''))?.slice(1)).toEqual([
      get('/a'),
      get('/b', 'Cookie: own=1\r\n'),
    ]);
    const takesBack = (stage: number) => set(stage === 1 ? 'sid=live' : 'sid=; Max-Age=0');
    expect(of(recorded, takesBack)?.slice(1)).toEqual([
      get('/a', 'Cookie: sid=live\r\n'),
      get('/b', 'Cookie: own=1\r\n'),
    ]);
  });

  test('that the recorded client had from before are replaced when the live server sets new ones', () => {
    const recorded = session(
      [get('/a', 'Cookie: sid=old\r\n'), answer('')],
      [get('/b', 'Cookie: sid=old\r\n'), answer('')],
    );
    expect(of(recorded, (stage) => (stage === 1 ? set('sid=new') : answer('')))).toEqual([
      get('/a', 'Cookie: sid=old\r\n'),
      get('/b', 'Cookie: sid=new\r\n'),
    ]);
  });

  test('are for the host that the request is sent to', () => {
    const recorded = session(
      [get('/'), set('sid=rec1; Domain=example.com')],
      [get('/a', 'Cookie: sid=rec1\r\n'), answer('')],
    );
    const rules: HttpRules = { cookies: 'auto', send: [{ headers: { Host: 'shop.test:8080' } }] };
    const [played] = play(rules, [recorded], [() => set('sid=live; Domain=shop.test')]);
    expect(played?.sent[1]).toContain('Cookie: sid=live\r\n');
  });

  test('that stand in a field of their own, too, are followed there', () => {
    const recorded = session(
      [get('/'), set('XSRF-TOKEN=recorded-csrf')],
      [
        get('/a', 'Cookie: XSRF-TOKEN=recorded-csrf\r\nX-XSRF-TOKEN: recorded-csrf\r\n'),
        answer(''),
      ],
    );
    expect(of(recorded, () => set('XSRF-TOKEN=live-csrf'))?.[1]).toBe(
      get('/a', 'Cookie: XSRF-TOKEN=live-csrf\r\nX-XSRF-TOKEN: live-csrf\r\n'),
    );
  });

  test('off leaves them as they were recorded', () => {
    const recorded = session(
      [get('/'), set('sid=rec1')],
      [get('/a', 'Cookie: sid=rec1\r\n'), answer('')],
    );
    expect(play({ cookies: 'off' }, [recorded], [])[0]?.sent).toEqual(recorded.messages);
  });
});

test('a request waits for each of its cookies, also where another was set by some of several answers', () => {
  const set = (name: string, value: string) => `Set-Cookie: ${name}=${value}-recorded\r\n`;
  const cookies = 'Cookie: a=a-recorded; b=b-recorded\r\n';
  // Both connections set a; b comes with the second one's answer alone.
  const first = session([get('/1'), answer('', set('a', 'a'))], [get('/2', cookies), answer('')]);
  const second = session([get('/3'), answer('', set('a', 'a') + set('b', 'b'))]);
  const [played] = play({ cookies: 'auto' }, [first, second], [], { perClient: true });
  expect(played?.waits).toBe(1);
});

describe('of several values in an answer', () => {
  const page = (...tokens: readonly string[]) =>
    answer(
      tokens.map((token, i) => `<form action="/f${i}"><input name="t" value="${token}">`).join(''),
    );
  const between = ['name="t" value="', '"'] as const;
  const regex = 'name="t" value="([^"]*)"';
  const tokens = ['first-rec', 'second-rec', 'third-rec'];
  const live = tokens.map((token) => token.replace('rec', 'live'));
  test.each([
    ['the first one', { between }, 0],
    ['one by its number', { between, nth: 3 }, 2],
    ['one by its number, by a regex', { regex, nth: 2 }, 1],
    ['the one behind a text', { between, after: 'action="/f1"' }, 1],
    ['the one behind a text, by a regex', { regex, after: 'action="/f2"' }, 2],
    ['one by its number behind a text', { between, after: 'action="/f1"', nth: 2 }, 2],
  ])('%s is learnt', (_, from, place) => {
    const recorded = session(
      [get('/'), page(...tokens)],
      [get(`/b?t=${tokens[place]}`), answer('')],
    );
    const rules: HttpRules = { learn: [{ name: 't', from }] };
    const [played] = play(rules, [recorded], [() => page(...live)]);
    expect(played?.sent[1]).toBe(get(`/b?t=${live[place]}`));
  });

  test.each([
    ['no such text', { between, after: 'action="/f9"' }],
    ['fewer of them', { between, nth: 4 }],
    ['none behind the text', { between, after: 'third-rec' }],
    ['an empty match again and again', { regex: 'x*', nth: 100_000 }],
  ])('nothing is learnt where there is %s', (_, from) => {
    const recorded = session([get('/'), page(...tokens)], [get('/b', 'X: {{t}}\r\n'), answer('')]);
    const rules: HttpRules = {
      ...{ unbound: 'fail', learn: [{ name: 't', from }] },
      send: [{ when: { path: '/b' }, headers: { X: '{{t}}' } }],
    };
    expect(play(rules, [recorded], [() => page(...live)])[0]?.failed).toBe('t was never learnt');
  });
});
