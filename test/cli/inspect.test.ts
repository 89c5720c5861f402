import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { jsonPieces } from '../../src/cli/inspect.ts';
import { main } from '../../src/cli/main.ts';
import { compileFilter } from '../../src/io/sys/libpcap.ts';
import type { InspectDocument, SessionReport } from '../../src/report/inspect-document.ts';
import { inspectText } from '../../src/report/inspect-text.ts';
import { type FakeContext, fakeContext } from './fake-context.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

async function inspect(...args: string[]): Promise<FakeContext & { code: number }> {
  const context = fakeContext({ args: ['inspect', ...args] });
  return Object.assign(context, { code: await main(context) });
}

function hasLibpcap(): boolean {
  try {
    return compileFilter('tcp', 1).length > 0;
  } catch {
    return false;
  }
}

test('the table goes to stdout and nothing to stderr', async () => {
  const { code, out, err } = await inspect(fixture('http-keepalive.pcap'));
  expect({ code, err }).toEqual({ code: 0, err: [] });
  expect(out.join('')).toContain('Sessions: 16, 16 of them replayable');
});

describe('--rules', () => {
  const withRules = async (yaml: string, ...args: readonly string[]) => {
    const world = fakeContext({
      args: ['inspect', fixture('http-keepalive.pcap'), '--rules', 'r.yaml', ...args],
    });
    world.written.set('r.yaml', yaml);
    return Object.assign(world, { code: await main(world) });
  };

  test('tells what they would write anew and read', async () => {
    const all =
      'send: [{ headers: { X-Run: "{{a}}" } }]\nlearn: [{ name: a, from: { header: Server } }]\n';
    const { code, out } = await withRules(all);
    expect({ code, text: out.join('') }).toEqual({
      code: 0,
      text: expect.stringContaining(
        '\nRules:    sessions that change 16, messages written anew 130, answers read 114\n',
      ),
    });
    const { out: json } = await withRules(all, '--json');
    expect((JSON.parse(json.join('')) as InspectDocument).rewriting).toEqual({
      ...{ sessions: 16, messages: 130, answers: 114, refused: [] },
    });
  });

  test('or nothing', async () => {
    const { out } = await withRules('skip: [{ when: { path: /nowhere } }]\n');
    expect(out.join('')).toContain('\nRules:    nothing: the rules mean none of these sessions\n');
  });

  test('what they leave out has its reason, and the ends of the first session', async () => {
    const { out } = await withRules('{}', '--json');
    const document = JSON.parse(out.join('')) as InspectDocument;
    const refused = [
      {
        reason: 'http: a request is signed',
        sessions: 3,
        client: '10.0.0.7',
        server: '10.0.0.1:80',
      },
    ];
    const rewriting = { sessions: 0, messages: 0, answers: 0, refused };
    expect(inspectText({ ...document, rewriting })).toContain(
      '\n! 3 left out, http: a request is signed (first: 10.0.0.7 to 10.0.0.1:80)\n',
    );
  });
});

test.each([
  ['http-keepalive.pcap', '4 addresses with 4 replayable sessions at the median, 4 at most'],
  ['public/http-41conn-null.pcap', '1 address with 41 replayable sessions'],
])('the recorded clients of %s are told, since they can be played as such', async (name, said) => {
  const { out } = await inspect(fixture(name));
  expect(out.join('')).toContain(`Clients:  ${said}; --per client plays each as one\n`);
  const { out: json } = await inspect(fixture(name), '--json');
  const { clients, sessions } = JSON.parse(json.join('')) as InspectDocument;
  const [count = 0, max = 0] = [clients?.count, clients?.sessionsMax];
  // All of these had as many.
  expect(count * max).toBe(sessions.replayable);
});

test('the table names what the sessions of a server speak, whatever its port', async () => {
  const { out } = await inspect(fixture('http-keepalive.pcap'), fixture('smtp.pcap'));
  const rows = out.join('').split('\n');
  const protocolOf = (server: string) =>
    rows.find((row) => row.startsWith(server))?.split(/\s+/)[1];
  expect(protocolOf('10.77.0.1:80')).toBe('http1');
  expect(protocolOf('10.77.0.1:25')).toBe('smtp');
});

test.each([40, 60, 80, 100, 132])(
  'on %i columns everything is shown and no line is wider',
  async (columns) => {
    // Paths that no line is too narrow for, wherever this folder lies.
    const args = ['inspect', '--sessions', 'fixtures/http-short.pcap', 'fixtures/smtp.pcap'];
    const context = fakeContext({ args, columns });
    expect(await main(context)).toBe(0);
    const [narrow, wide] = [context.out.join(''), (await inspect(...args.slice(1))).out.join('')];
    // A table cannot be narrower than its first column and the widest other one.
    expect(Math.max(...narrow.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
      Math.max(columns, 48),
    );
    const words = (text: string) => new Set(text.replaceAll(/\s+/g, ' ').split(' '));
    expect(words(narrow)).toEqual(words(wide));
  },
);

test('--json is one document without sessions', async () => {
  const { out } = await inspect(fixture('smtp.pcap'), '--json');
  const document = JSON.parse(out.join(''));
  expect(document).toMatchObject({
    schema: 'gryphon.inspect/1',
    sessions: { total: 5, replayable: 5, skipped: {} },
    servers: [{ address: '10.77.0.1', port: 25, serverFirst: 5 }],
  });
  expect(document).not.toHaveProperty('sessionList');
});

test('--sessions adds an entry for each session, with digests', async () => {
  const { out } = await inspect('--sessions', fixture('smtp.pcap'), '--json');
  const { sessionList } = JSON.parse(out.join(''));
  expect(sessionList).toHaveLength(5);
  expect(sessionList[0]).toMatchObject({
    first: 'server',
    clientSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test.each([
  { args: [], code: 2, says: 'no capture given' },
  { args: ['x.pcap', '--users', '5'], code: 2, says: 'unknown option --users' },
  { args: ['no-such.pcap'], code: 3, says: 'no-such.pcap does not exist' },
])('$args ends with $code: $says', async ({ args, code, says }) => {
  const inspected = await inspect(...args);
  expect(inspected.code).toBe(code);
  expect(inspected.err.join('')).toContain(says);
  expect(inspected.out).toEqual([]);
});

describe('with a selection', () => {
  const capture = fixture('http-keepalive.pcap');

  test('the table counts what is selected, and nothing else', async () => {
    const document = async (...args: string[]) =>
      JSON.parse((await inspect(capture, '--json', ...args)).out.join('')) as InspectDocument;
    const whole = await document('--sessions');
    const part = await document('--session-index', '0,3');
    const chosen = [0, 3].map((i) => whole.sessionList?.at(i));
    const sum = (of: 'clientTurns' | 'clientBytes' | 'serverBytes') =>
      chosen.reduce((total, session) => total + (session?.[of] ?? 0), 0);
    expect(part.sessions).toMatchObject({ total: 16, replayable: 2 });
    expect(part.servers).toMatchObject([
      {
        sessions: 2,
        replayable: 2,
        clientTurns: sum('clientTurns'),
        clientBytes: sum('clientBytes'),
        serverBytes: sum('serverBytes'),
      },
    ]);
  });

  test('that leaves none, it says which option does', async () => {
    const { code, out, err } = await inspect(capture, '--server', '443');
    expect(code).toBe(0);
    expect(err.join('')).toBe(
      'gryphon: no session is selected: --server leaves none: the capture has 10.77.0.1:80\n',
    );
    expect(out.join('')).not.toContain('no server was found');
  });

  test.runIf(hasLibpcap())('that is a filter, it says how little that lets pass', async () => {
    const { err, out } = await inspect(capture, '--filter', 'udp');
    expect(err.join('')).toMatch(
      /^gryphon: no session is selected: --filter leaves no TCP: it keeps 0 of [\d,]+ packets\n$/,
    );
    expect(out.join('')).not.toContain('not TCP');
  });

  test.each([
    { args: ['--from', '5s', '--until', '1s'], says: '--from 5s and --until 1s leave nothing' },
    { args: ['--from', '2026-01-02', '--until', '2026-01-01'], says: 'leave nothing between' },
    { args: ['--min-bytes', '2kB', '--max-bytes', '1kB'], says: 'leave nothing between them' },
    {
      args: ['--from', 'yesterday'],
      says: "'yesterday' is neither a time into the capture nor a date",
    },
  ])('$args is a wrong use', async ({ args, says }) => {
    const { code, err } = await inspect(capture, ...args);
    expect(code).toBe(2);
    expect(err.join('')).toContain(says);
  });
});

describe('the document in pieces', () => {
  const sessions = { total: 0, replayable: 0, skipped: {} };
  const bare: InspectDocument = { schema: 'gryphon.inspect/1', files: [], sessions, servers: [] };
  // What stands in an entry does not matter here.
  const entries = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ clientPort: i }) as SessionReport);

  test.each([0, 1, 999, 1000, 1001, 2500])('is whole with %i sessions', (count) => {
    const document = { ...bare, sessionList: entries(count) };
    expect(JSON.parse([...jsonPieces(document)].join(''))).toEqual(document);
  });

  test('is whole without sessions', () => {
    expect(JSON.parse([...jsonPieces(bare)].join(''))).toEqual(bare);
  });
});
