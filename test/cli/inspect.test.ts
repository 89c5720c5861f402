import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { jsonPieces } from '../../src/cli/inspect.ts';
import { main } from '../../src/cli/main.ts';
import type { InspectDocument, SessionReport } from '../../src/report/inspect-document.ts';
import { type FakeContext, fakeContext } from './fake-context.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

async function inspect(...args: string[]): Promise<FakeContext & { code: number }> {
  const context = fakeContext({ args: ['inspect', ...args] });
  return Object.assign(context, { code: await main(context) });
}

test('the table goes to stdout and nothing to stderr', async () => {
  const { code, out, err } = await inspect(fixture('http-keepalive.pcap'));
  expect({ code, err }).toEqual({ code: 0, err: [] });
  expect(out.join('')).toContain('Sessions: 16, 16 of them replayable');
});

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
