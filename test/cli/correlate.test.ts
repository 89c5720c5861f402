/** `gryphon inspect --correlate` and `--write-rules`: what they print, and what they write. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseRules } from '../../src/cli/config/rules-file.ts';
import { main } from '../../src/cli/main.ts';
import { optionsFor } from '../../src/cli/rules-text.ts';
import { FaultList } from '../../src/cli/usage-error.ts';
import type { CorrelationReport, InspectDocument } from '../../src/report/inspect-document.ts';
import { inspectText } from '../../src/report/inspect-text.ts';
import { inspectCaptures } from '../../src/run/inspect-captures.ts';
import { type Connection, httpCapture } from '../helpers/http-capture.ts';
import { makeFolder } from '../helpers/servers.ts';
import { answer, get } from '../rewrite/http/play.ts';
import { fakeContext } from './fake-context.ts';

const folder = makeFolder('correlate');
afterAll(() => folder.remove());

function captureOf(name: string, connections: readonly Connection[]): string {
  const path = join(folder.path, name);
  writeFileSync(path, httpCapture(connections));
  return path;
}

/** Two clients, who were each given a cookie and a token on one connection, and said it on another. */
const visits = ['4f1c0a7be2', '93d85e6b10'].flatMap((value, i): Connection[] => {
  const client = `10.0.0.${i + 7}`;
  const token = `${value}"'x`;
  const said = answer(
    JSON.stringify({ it: { "the 'token'": token } }),
    'Set-Cookie: v=2026.11; Path=/\r\n',
  );
  const headers = `Cookie: v=2026.11\r\nX-Token: ${token}\r\n`;
  return [
    { client, exchanges: [[get('/login'), said]] },
    { client, exchanges: [[get('/page', headers), answer('')]] },
  ];
});

async function inspect(...args: readonly string[]) {
  const context = fakeContext({ args: ['inspect', ...args] });
  const code = await main(context);
  return { ...context, code, text: context.out.join('') };
}

test('the table names what is handed out, where it is sent, and the rule', async () => {
  const { code, text, err } = await inspect(captureOf('two.pcap', visits), '--correlate');
  expect({ code, err }).toEqual({ code: 0, err: [] });
  expect(text.slice(text.indexOf('Correlated:'))).toBe(
    [
      'Correlated: 2 values in 4 HTTP sessions of 2 clients that answers handed out and later requests had',
      'Value                     handed out by  sent in         clients  values  differs  sure   rule',
      `JSON $.it["the 'token'"]  GET /login     header x-token        2       2      yes  high  token`,
      '! some of it is sent on connections on which it was not handed out: replay with --per client',
      '! 1 more place handed out what all clients had alike, or what may be there by chance: in no rule (--json has them)',
      '',
    ].join('\n'),
  );
});

test('--write-rules writes a file that --rules reads, and says how to play it', async () => {
  const capture = captureOf('rules.pcap', visits);
  const { written, text } = await inspect(capture, '--write-rules', 'r.yaml');
  const yaml = written.get('r.yaml') ?? '';
  const faults = new FaultList();
  const read = parseRules(yaml, 'r.yaml', faults)?.rules;
  faults.throwIfAny();
  const { correlation } = await inspectCaptures([capture], {
    ...{ seed: 1, sessions: false, correlate: true },
  });
  expect(read).toEqual(correlation?.rules);
  expect(read).toEqual({
    learn: [{ name: 'token', when: { path: '/login' }, from: { json: '$.it["the \'token\'"]' } }],
  });
  expect(text.split('\n').at(-2)).toBe(
    `Written: gryphon replay ${capture} --rules r.yaml --per client`,
  );
});

test('in JSON there is all of it, and nothing else on stdout', async () => {
  const capture = captureOf('json.pcap', visits);
  const { text, written } = await inspect(capture, '--json', '--write-rules', 'r.yaml');
  const { correlation } = JSON.parse(text) as InspectDocument;
  expect(correlation).toMatchObject({
    ...{ sessions: 4, clients: 2, sessionsLeft: 0, sessionsHoled: 0, isCut: false },
    rows: [
      { rule: 'token', differs: 'yes' },
      { in: 'cookie', name: 'v', differs: 'no', rule: null },
    ],
  });
  expect(written.get('r.yaml')).toContain('name: token');
});

test('where nothing is found it says so, and writes rules that change nothing', async () => {
  const { text, written } = await inspect('fixtures/smtp.pcap', '--write-rules', 'r.yaml');
  expect(text).toContain(
    '\nCorrelated: nothing in 0 HTTP sessions of 0 clients was sent back that an answer had handed out\n',
  );
  expect(text.split('\n').at(-2)).toBe('Written: rules that change nothing');
  const faults = new FaultList();
  expect(parseRules(written.get('r.yaml') ?? '', 'r.yaml', faults)?.rules).toEqual({});
});

test('without it nothing is looked for', async () => {
  const { text } = await inspect(captureOf('without.pcap', visits), '--json');
  expect(JSON.parse(text)).not.toHaveProperty('correlation');
});

test('a file that cannot be written is said before anything is read', async () => {
  const context = fakeContext({
    args: ['inspect', 'no-such.pcap', '--write-rules', '/proc/nowhere/r.yaml'],
    files: {
      checkWritable: async () => {
        throw new Error('not there');
      },
    },
  });
  expect(await main(context)).not.toBe(3);
  expect(context.err.join('')).toContain('not there');
});

test('sessions whose answers have holes are not looked at, and said to be', async () => {
  const [first] = visits;
  const holed: Connection = {
    client: '10.0.0.9',
    exchanges: [
      [get('/login'), undefined],
      [get('/page'), answer('')],
    ],
  };
  const capture = captureOf('holed.pcap', first === undefined ? [holed] : [first, holed]);
  const { text } = await inspect(capture, '--include', 'holed', '--correlate');
  expect(text).toContain('nothing in 1 HTTP session of 1 client');
  expect(text).toContain('! 1 session whose answers were not captured whole, not looked at\n');
});

test('what was left out, and what a replay needs, is said', () => {
  const row: CorrelationReport['rows'][number] = {
    ...{ by: ['GET /a', 'GET /b', 'GET /c', 'GET /d'], in: 'hidden', name: 'x'.repeat(60) },
    sent: [
      { part: 'header', name: 'a', as: 'base64' },
      { part: 'form', name: 'b', as: 'percent' },
    ],
    ...{ clients: 1, values: 1, example: 'x…', differs: 'unknown', changes: true, confidence: 0.6 },
    ...{ rule: 'x', isAcross: false, isUnfindable: false },
  };
  const lost = { ...row, rule: null, isUnfindable: true };
  const correlation: CorrelationReport = {
    ...{ sessions: 9, clients: 1, sessionsLeft: 3, sessionsHoled: 1, isCut: true },
    rows: [...Array.from({ length: 41 }, () => row), lost],
    ...{ rules: { cookies: 'auto' }, bodyBytes: 100_000 },
  };
  const document: InspectDocument = {
    schema: 'gryphon.inspect/1',
    ...{ files: [], sessions: { total: 0, replayable: 0, skipped: {} }, servers: [] },
  };
  const text = inspectText({ ...document, correlation }, 200);
  for (const said of [
    `form field ${'x'.repeat(39)}…  GET /a, GET /b, 2 more  header a (base64), form b (percent-encoded)`,
    'each time  medium',
    '! 1 more rows (--json has all)',
    '! 1 place of which no rule can be made: form field',
    '! one client was recorded',
    '! 3 sessions beyond 512 MiB of payload, or 64 MiB of a client, not looked at',
    '! 1 session whose answers were not captured whole, not looked at',
    '! there is more than is looked at',
  ]) {
    expect(text).toContain(said);
  }
  expect(optionsFor(correlation)).toBe(' --answer-bytes 256KiB');
});
