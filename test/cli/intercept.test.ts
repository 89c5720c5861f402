import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { readInterceptOptions } from '../../src/cli/intercept.ts';
import { parseIntercept, parseListen } from '../../src/cli/values/endpoints.ts';
import { parsePassed } from '../../src/cli/values/netfilter.ts';
import type { InterceptOptions } from '../../src/run/intercept/intercept-run.ts';
import { fakeContext } from './fake-context.ts';
import { readOptions } from './read-options.ts';

const COMMANDS = await loadCommands();

const SECRET = 'a secret of more than sixteen octets';

async function read(line: string, env: Record<string, string> = {}): Promise<InterceptOptions> {
  const args = ['intercept', ...line.split(' ').filter((word) => word !== '')];
  const context = fakeContext({ args, env });
  context.written.set('token', SECRET);
  const parsed = parseCommandLine(COMMANDS, context);
  if ('output' in parsed) throw new Error('no command');
  return await readInterceptOptions({ ...parsed, context });
}

test('without options an intercept listens on loopback, in mode advanced, without a secret', async () => {
  expect(await read('')).toEqual({
    mode: 'advanced',
    host: '127.0.0.1',
    port: 36_524,
    key: null,
    prefixBytes: 1_024,
    prefixBytesMax: 65_406,
    source: {
      prefixBytes: 1_024,
      prefixBytesMax: 65_406,
      interfaces: [],
      pass: [],
      force: false,
      failOpen: false,
      noRules: false,
    },
    logFile: null,
    pidFile: null,
    metrics: null,
  });
});

test.each([
  { line: '-l 4000', expected: { host: '127.0.0.1', port: 4000 } },
  { line: '--listen 10.0.0.9:4000', expected: { host: '10.0.0.9', port: 4000 } },
  { line: '--mode nfqueue --queue 0-3 --fail-open', expected: { mode: 'nfqueue' } },
  { line: '--log-file log --pid-file pid', expected: { logFile: 'log', pidFile: 'pid' } },
  { line: '--prefix-bytes-max 4096', expected: { prefixBytesMax: 4_096 } },
  { line: '--prefix-bytes 0', expected: { prefixBytes: 0 } },
  { line: '--metrics 9100', expected: { metrics: { host: '127.0.0.1', port: 9_100 } } },
  { line: '--metrics 0.0.0.0:9100', expected: { metrics: { host: '0.0.0.0', port: 9_100 } } },
  { line: '--metrics localhost:1', expected: { metrics: { host: '127.0.0.1', port: 1 } } },
  { line: '--metrics [::1]:9100', expected: { metrics: { host: '::1', port: 9_100 } } },
])('$line is understood', async ({ line, expected }) => {
  expect(await read(line)).toMatchObject(expected);
});

test('options of a mode reach its source', async () => {
  const { source } = await read('--mode nfqueue --queue 2-3 --no-rules --pass 10.1.0.0/16:80');
  expect(source).toMatchObject({ queues: { first: 2, last: 3 }, noRules: true });
  expect(source.pass).toHaveLength(1);
  expect((await read('--interface eth0,eth1')).source.interfaces).toEqual(['eth0', 'eth1']);
  expect((await read('-F tcp')).source.filter).toBe('tcp');
  expect((await read('--mode sink --filter tcp')).source.filter).toBe('tcp');
});

describe('wrong use is said', () => {
  test.each([
    ['--mode sniff', "--mode: 'sniff' is not one of advanced, nfqueue, sink"],
    ['--listen lab:1', "--listen: 'lab:1' is not [HOST:]PORT"],
    ['--listen 10.0.0.9:70000', 'is not a whole number from 0 to 65,535'],
    ['--prefix-bytes 65407', "--prefix-bytes: '65407' is not a whole number"],
    ['--prefix-bytes-max 65407', "--prefix-bytes-max: '65407' is not a whole number"],
    ['--queue 3-1', "--queue: '3-1' is not a span of queues"],
    ['--mode nfqueue --queue 0-65535', "--queue: '0-65535' is 65536 queues; at most 256 are taken"],
    ['--pass host', "--pass: 'host' is not CIDR[:PORT]"],
    ['--queue 1', '--queue is for --mode nfqueue'],
    ['--mode sink --interface eth0', '--interface is for --mode advanced'],
    ['--daemon', '--daemon needs --log-file'],
    ['x.pcap', "unexpected argument 'x.pcap'"],
    ['--mode nfqueue --filter tcp', '--filter is for --mode advanced and sink'],
    ['--mode nfqueue -F tcp', '--filter is for --mode advanced and sink'],
    ['--metrics lab:9100', "--metrics: 'lab:9100' is not [HOST:]PORT"],
    ['--metrics 10.0.0.9', "--metrics: '10.0.0.9' is not [HOST:]PORT"],
    ['--metrics fd00::1', "--metrics: 'fd00::1' is not [HOST:]PORT"],
    ['--metrics ::1:9100', "--metrics: '::1:9100' is not [HOST:]PORT"],
    ['--metrics 70000', "--metrics: '70000' is not a whole number from 1 to 65,535"],
    ['--metrics localhost:0', "--metrics: '0' is not a whole number from 1 to 65,535"],
    ['--nosuch', 'unknown option --nosuch'],
  ])('%s', async (line, fault) => {
    await expect(read(line)).rejects.toThrow(fault);
  });
});

describe('the secret', () => {
  test('is the same from the file and from the environment', async () => {
    const fromFile = (await read('--token-file token')).key;
    expect(fromFile).toHaveLength(32);
    expect((await read('', { GRYPHON_TOKEN: `${SECRET}\n` })).key).toEqual(fromFile);
    expect((await read('', { GRYPHON_TOKEN: `${SECRET}!` })).key).not.toEqual(fromFile);
  });

  test('that is too short is refused', async () => {
    await expect(read('', { GRYPHON_TOKEN: 'short' })).rejects.toThrow('at least 16 are needed');
  });

  test('is looked for by a replay with intercepts only', async () => {
    const env = { GRYPHON_TOKEN: SECRET };
    const line = ['replay', 'x.pcap', '--target', '10.0.0.1:80'];
    expect((await readOptions(line, env)).token).toBeNull();
    expect((await readOptions([...line, '-s', '10.0.0.2'], env)).token?.text).toBe(SECRET);
  });
});

test.each([
  ['10.0.0.2', { host: '10.0.0.2', port: null }],
  ['10.0.0.2:9', { host: '10.0.0.2', port: 9 }],
  ['lab', { host: 'lab', port: null }],
  ['lab.example:9', { host: 'lab.example', port: 9 }],
  ['fd00::1', { host: 'fd00::1', port: null }],
  ['[fd00::1]', { host: 'fd00::1', port: null }],
  ['[fd00::1]:9', { host: 'fd00::1', port: 9 }],
])('-s %s', (text, expected) => {
  expect(parseIntercept(text)).toEqual({ label: text, ...expected });
});

test('-s takes several, by name too, with -p for those without a port', async () => {
  const line = ['replay', 'x.pcap', '--target', 'lab:80', '-s', 'lab,10.0.0.3:9', '-p', '8'];
  expect((await readOptions(line)).intercepts).toEqual([
    { host: '10.0.0.9', port: 8 },
    { host: '10.0.0.3', port: 9 },
  ]);
});

test.each([
  ['0', { host: '127.0.0.1', port: 0 }],
  ['10.0.0.9', { host: '10.0.0.9', port: 36_524 }],
  ['localhost:5', { host: '127.0.0.1', port: 5 }],
  ['::', { host: '::', port: 36_524 }],
  ['fd00::1', { host: 'fd00::1', port: 36_524 }],
  ['[::1]:5', { host: '::1', port: 5 }],
])('--listen %s', (text, expected) => {
  expect(parseListen(text)).toEqual(expected);
});

test.each([
  ['10.1.0.0/16', 16, null],
  ['10.1.2.3', 32, null],
  ['10.1.2.3:80', 32, 80],
  ['10.1.0.0/16:80', 16, 80],
  ['fd00::/64', 64, null],
  ['[fd00::/64]:80', 64, 80],
])('--pass %s', (text, prefixBits, port) => {
  const passed = parsePassed(text);
  expect({ bits: passed.block.prefixBits, port: passed.port }).toEqual({ bits: prefixBits, port });
});
