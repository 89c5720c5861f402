/** Requests whose bodies are compressed. */
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import { asClient, correlated } from '../correlate/clients.ts';
import { answer, get, type PlayedSession, play, session } from './play.ts';

const JSON_TYPE = 'Content-Type: application/json\r\n';
const TOKEN: HttpRules = { learn: [{ name: 'token', from: { json: '$.token' } }] };

type Codec = (octets: Uint8Array) => Uint8Array;
const CODECS: readonly (readonly [string, string, Codec, Codec])[] = [
  ['gzip', 'gzip', (octets) => gzipSync(octets, { level: 1 }), gunzipSync],
  ['gzip by its old name', 'X-GZIP', gzipSync, gunzipSync],
  ['deflate', 'deflate', deflateSync, inflateSync],
  ['bare deflate', 'deflate', deflateRawSync, inflateRawSync],
  ['brotli', ' br', brotliCompressSync, brotliDecompressSync],
];

const text = (octets: Uint8Array) => Buffer.from(octets).toString('latin1');

/** A request with a packed body, whole or in chunks. */
const packed = (coding: string, body: string, isChunked = false): string => {
  const head = `POST /a HTTP/1.1\r\nHost: x\r\n${JSON_TYPE}Content-Encoding:${coding}\r\n`;
  if (!isChunked) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const middle = body.length >> 1;
  const chunks = [body.slice(0, middle), body.slice(middle), ''];
  const rest = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `${head}Transfer-Encoding: chunked\r\n\r\n${rest}`;
};

/** The body of what was sent, checked against its own length. */
function bodyOf(sent: string | null | undefined, unpack: Codec): string {
  const [head = '', ...rest] = (sent ?? '').split('\r\n\r\n');
  let body = rest.join('\r\n\r\n');
  const length = /\r\nContent-Length: (\d+)/.exec(head)?.[1];
  if (length !== undefined) expect(body).toHaveLength(Number(length));
  else {
    let whole = '';
    for (let at = 0; ; ) {
      const line = /^([0-9a-f]+)\r\n/.exec(body.slice(at));
      const bytes = Number.parseInt(line?.[1] ?? '', 16);
      at += line?.[0].length ?? Number.NaN;
      whole += body.slice(at, at + bytes);
      at += bytes + 2;
      if (bytes === 0) break;
    }
    body = whole;
  }
  return text(unpack(Buffer.from(body, 'latin1')));
}

const PLAIN = '{"user":"ann","token":"rec0rded-t0ken","more":[1,2,3]}';
const sessionOf = (request: string): PlayedSession =>
  session([get('/t'), answer('{"token":"rec0rded-t0ken"}', JSON_TYPE)], [request, answer('')]);
const live = (stage: number) => answer(stage === 1 ? '{"token":"l\\u00efve"}' : '', JSON_TYPE);

describe.each(CODECS)('a body in %s', (_, coding, pack, unpack) => {
  const octets = text(pack(Buffer.from(PLAIN)));

  test.each([false, true])('has what its client was told, in chunks: %s', (isChunked) => {
    const recorded = sessionOf(packed(coding, octets, isChunked));
    const [played] = play(TOKEN, [recorded], [live]);
    expect(bodyOf(played?.sent[1], unpack)).toBe(PLAIN.replace('rec0rded-t0ken', 'l\xc3\xafve'));
  });

  test('has what rules set and replace', () => {
    const rules: HttpRules = {
      send: [
        { when: { method: 'POST' }, json: { '$.user': 'bob', '$.new': 7 } },
        { replace: '[1,2,3]', with: '{{client}}' },
      ],
    };
    const [played] = play(rules, [session([packed(coding, octets), answer('')])], []);
    const said = JSON.parse(bodyOf(played?.sent[0], unpack));
    expect(said).toEqual({ user: 'bob', token: 'rec0rded-t0ken', more: 0, new: 7 });
  });

  test('stays octet for octet where nothing in it changes', () => {
    const recorded = sessionOf(packed(coding, octets));
    expect(play(TOKEN, [recorded], [])[0]?.sent).toEqual(recorded.messages);
    const header: HttpRules = { send: [{ headers: { Host: 'y' } }] };
    expect(play(header, [recorded], [])[0]?.sent[1]).toBe(
      recorded.messages[1]?.replace('Host: x', 'Host: y'),
    );
  });
});

describe('a body that cannot be unpacked', () => {
  const whole = text(gzipSync(Buffer.from(PLAIN)));
  test.each([
    ['a coding that is not known', 'zstd', whole],
    ['two codings', 'gzip, gzip', text(gzipSync(gzipSync(Buffer.from(PLAIN))))],
    ['broken', 'gzip', whole.slice(0, -9)],
    ['no gzip at all', 'gzip', PLAIN],
    ['longer than a MiB', 'gzip', text(gzipSync(Buffer.alloc(1_100_000, PLAIN)))],
  ])('stays as it is, and whoever wants it changed is told so: %s', (_, coding, body) => {
    const recorded = sessionOf(packed(coding, body));
    expect(play(TOKEN, [recorded], [live])[0]?.sent).toEqual(recorded.messages);
    const rules: HttpRules = { send: [{ json: { '$.user': 'bob' } }] };
    expect(play(rules, [recorded], [])[0]?.refused).toMatch(/compressed body/);
  });
});

test('values in compressed bodies are correlated', () => {
  const of = (value: string) =>
    session(
      [get('/t'), answer(`{"token":"${value}"}`, JSON_TYPE)],
      [packed('gzip', text(gzipSync(Buffer.from(`{"t":"${value}"}`)))), answer('')],
    );
  const clients = ['8f3a9c21d4', '5b70e6f9a1'].map((value, i) =>
    asClient(`10.0.0.${i + 1}`, [of(value)]),
  );
  const { rules } = correlated(clients.flat());
  expect(rules.learn).toEqual([{ name: 'token', when: { path: '/t' }, from: { json: '$.token' } }]);
});
