/** Requests that are written anew, against naive twins: edits of what requests were made of, and llhttp. */
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { answer, type PlayedSession, play } from './play.ts';
import '../../helpers/property-seed.ts';

/** What a request is made of. */
interface Made {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly fields: readonly (readonly [string, string])[];
  readonly form: readonly (readonly [string, string])[];
  /** Sizes of chunks, as far as the body goes; none: Content-Length. */
  readonly chunks: readonly number[];
}

const word = fc.stringMatching(/^[a-z]{1,8}$/);
const pair = fc.tuple(word, word);
const made: fc.Arbitrary<Made> = fc.record({
  method: fc.constantFrom('POST', 'PUT'),
  path: fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`),
  query: fc.array(pair, { maxLength: 3 }),
  fields: fc.array(
    fc.tuple(
      word.map((name) => `X-${name}`),
      word,
    ),
    { maxLength: 4 },
  ),
  form: fc.array(pair, { minLength: 1, maxLength: 4 }),
  chunks: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }),
});

const pairs = (of: readonly (readonly [string, string])[]): string =>
  of.map(([name, value]) => `${name}=${value}`).join('&');

/** The body without chunks. */
const bodyOf = ({ form }: Made): string => pairs(form);

function written(request: Made): string {
  const { method, path, query, fields, chunks } = request;
  const body = bodyOf(request);
  const target = query.length === 0 ? path : `${path}?${pairs(query)}`;
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: h.test',
    'Content-Type: application/x-www-form-urlencoded',
    chunks.length === 0 ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked',
    ...fields.map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${chunks.length === 0 ? body : inChunks(body, chunks)}`;
}

function inChunks(body: string, sizes: readonly number[]): string {
  let text = '';
  let at = 0;
  for (const size of [...sizes, body.length]) {
    const part = body.slice(at, at + size);
    if (part !== '') text += `${part.length.toString(16)}\r\n${part}\r\n`;
    at += part.length;
  }
  return `${text}0\r\n\r\n`;
}

/** Messages of a stream, cut anywhere; the server says something between them, and answers at the end. */
function cut(stream: string, cuts: readonly number[], requests: number): PlayedSession {
  const places = [...new Set(cuts.map((each) => each % stream.length))].filter((each) => each > 0);
  places.sort((a, b) => a - b);
  const messages = [0, ...places].map((from, i) => stream.slice(from, places[i] ?? stream.length));
  const between = messages.slice(1).map(() => '');
  return { messages, stages: ['', ...between, answer('ok').repeat(requests)] };
}

/** All that is sent of requests, however they are cut. */
function sent(rules: HttpRules, requests: readonly Made[], cuts: readonly number[]): string {
  const session = cut(requests.map(written).join(''), cuts, requests.length);
  const [played] = play(rules, [session], []);
  expect(played?.failed).toBeNull();
  return (played?.sent ?? []).join('');
}

interface Heard {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly string[];
  readonly body: string;
}

/** What node's own parser (llhttp) makes of a stream. */
async function heard(stream: string, count: number): Promise<readonly Heard[]> {
  const requests: Promise<Heard>[] = [];
  const read = async (request: IncomingMessage): Promise<Heard> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString('latin1');
    return {
      method: request.method ?? '',
      target: request.url ?? '',
      fields: request.rawHeaders,
      body,
    };
  };
  const duplex = new Duplex({ read: () => undefined, write: (_, __, done) => done() });
  await new Promise<void>((done, fail) => {
    const server = createServer((request, response) => {
      requests.push(read(request));
      if (requests.length === count) request.on('end', done);
      request.on('end', () => response.end());
    });
    server.on('clientError', fail);
    server.emit('connection', duplex);
    duplex.push(Buffer.from(stream, 'latin1'));
  });
  return await Promise.all(requests);
}

const CASES = { numRuns: 200 };
const made2 = fc.array(made, { minLength: 1, maxLength: 3 });
const cuts = fc.array(fc.nat(2_000), { maxLength: 4 });

test('rules that change nothing leave every octet as it is', () => {
  fc.assert(
    fc.property(made2, cuts, (requests, at) => {
      const rules: HttpRules = {
        cookies: 'auto',
        send: [
          { replace: 'a', with: 'a' },
          { when: { path: '/nowhere/at/all/x' }, headers: { A: 'b' } },
        ],
      };
      expect(sent(rules, requests, at)).toBe(requests.map(written).join(''));
    }),
    CASES,
  );
});

test('what is set, added and removed is as if the request had been made like that', () => {
  const setting = fc.option(word);
  fc.assert(
    fc.property(
      ...[made2, cuts, fc.dictionary(word, setting), fc.dictionary(word, setting)],
      fc.dictionary(
        word.map((name) => `X-${name}`),
        setting,
      ),
      fc.nat(20),
      (requests, at, query, form, headers, shared) => {
        // Some of the names that there are, so that they are met.
        const met = (names: readonly (readonly [string, string])[], bit: number, by: string) =>
          Object.fromEntries(
            names.flatMap(([name], i) =>
              shared & (bit << i) ? [[name, i === 0 ? null : by]] : [],
            ),
          );
        const settings = {
          form: { ...form, ...met(requests[0]?.form ?? [], 1, 'q') },
          query: { ...query, ...met(requests[0]?.query ?? [], 2, 'r') },
          headers: { ...headers, ...met(requests[0]?.fields ?? [], 4, 's') },
        };
        const edited = requests.map(
          (request): Made => ({
            ...request,
            query: edit(request.query, settings.query, false),
            form: edit(request.form, settings.form, false),
            fields: edit(request.fields, settings.headers, true),
            // Where octets go of those that are chunked is looked at below.
            chunks: [],
          }),
        );
        const plain = requests.map((request): Made => ({ ...request, chunks: [] }));
        // Without `when` nothing is added to bodies.
        const rules: HttpRules = { send: [{ when: { path: '*' }, ...settings }] };
        expect(sent(rules, plain, at)).toBe(edited.map(written).join(''));
      },
    ),
    CASES,
  );
});

/** Pairs with some of them set: `null` removes. */
function edit(
  of: readonly (readonly [string, string])[],
  by: Readonly<Record<string, string | null>>,
  isHeader: boolean,
): readonly (readonly [string, string])[] {
  const seen = new Set<string>();
  const kept = of.flatMap(([name, value]): [string, string][] => {
    const key = Object.keys(by).find((each) => each === name);
    if (key === undefined) return [[name, value]];
    const isFirst = !seen.has(name);
    seen.add(name);
    const set = by[key] ?? null;
    // Of several header fields the first one is set and the others go.
    return set === null || (isHeader && !isFirst) ? [] : [[name, set]];
  });
  const added = Object.entries(by).flatMap(([name, value]): [string, string][] =>
    value === null || seen.has(name) ? [] : [[name, value]],
  );
  return [...kept, ...added];
}

test('replaced texts are those of a naive replacement, in chunks and without, as llhttp reads them', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...[made2, cuts, fc.stringMatching(/^[a-z]{1,3}$/), fc.stringMatching(/^[A-Z]{0,20}$/)],
      async (requests, at, replace, by) => {
        const stream = sent({ send: [{ replace, with: by }] }, requests, at);
        const wanted = requests.map((request) => bodyOf(request).replaceAll(replace, by));
        const found = await heard(stream, requests.length);
        expect(found.map(({ body }) => body)).toEqual(wanted);
        expect(found.map(({ method }) => method)).toEqual(requests.map(({ method }) => method));
        for (const [i, request] of requests.entries()) {
          const plain = { ...request, chunks: [] };
          const [line = ''] = written(plain).split(' HTTP', 1);
          const target = line.slice(line.indexOf(' ') + 1).replaceAll(replace, by);
          expect(found[i]?.target).toBe(target);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('no octets and no rules make it throw, and what is no request stays as it is', () => {
  const piece = fc.constantFrom(
    ...[
      'GET / HTTP/1.1\r\n',
      'POST /a?b=c HTTP/1.1\r\n',
      'Content-Length: 3\r\n',
      'Cookie: a=b; c\r\n',
    ],
    ...[
      'Transfer-Encoding: chunked\r\n',
      '\r\n',
      '\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      'A:\r\n b\r\n',
      'abc',
    ],
    ...[
      '{"a":[1,{"b":"c"',
      '}]}',
      '\u0000\u00ff',
      'PRI * HTTP/2.0',
      'Upgrade: websocket\r\n',
      'HTTP/1.1 101 X\r\n\r\n',
    ],
    ...[
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=b;;=\r\nContent-Encoding: gzip\r\n\r\n',
      '\u0081\u0083abcd123',
    ],
  );
  const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''));
  const rules: HttpRules = {
    cookies: 'auto',
    learn: [
      { name: 'x', from: { json: '$.a[0]' }, alias: true },
      { name: 'y', from: { between: ['a', 'c'] }, alias: true },
      { name: 'z', from: { header: 'Set-Cookie' }, alias: true },
    ],
    send: [
      {
        headers: { A: '{{x}}', Q: 1 },
        query: { b: null, d: '{{y}}' },
        json: { '$.a[1].b': 1, '$.n': 2 },
      },
      { form: { a: '{{z}}' }, replace: 'b', with: '' },
    ],
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 4 }), text, (exchanges, live) => {
      const session = {
        messages: exchanges.map(([message]) => message),
        stages: ['', ...exchanges.map(([, stage]) => stage)],
      };
      const [played] = play(rules, [session], [() => live], { perClient: true });
      expect(played?.failed).toBeNull();
    }),
    { numRuns: 2_000 },
  );
});
