/** `--config`: what a file says counts behind flags and environment, and what is wrong has its place. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { CONFIG_BYTES_MAX } from '../../src/cli/config/config-file.ts';
import { withConfig } from '../../src/cli/config/with-config.ts';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { kernelFiles } from '../../src/cli/files.ts';
import { main } from '../../src/cli/main.ts';
import { REPLAY_TABLE } from '../../src/cli/options/replay-table.ts';
import { readReplayOptions } from '../../src/cli/replay-options.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { fakeContext } from './fake-context.ts';

const COMMANDS = await loadCommands();

/** Reads `gryphon replay --config runs/run.yaml …` with that file. */
async function read(
  yaml: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<ReplayOptions> {
  const context = fakeContext({ args: ['replay', '--config', 'runs/run.yaml', ...args], env });
  context.written.set('runs/run.yaml', yaml);
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  const given = await withConfig(line, context.files);
  const values = given.read(REPLAY_TABLE);
  return await readReplayOptions({ ...line, given, values, context });
}

/** What is wrong with a file, as lines. */
async function faultsOf(yaml: string): Promise<readonly string[]> {
  const error = await read(`captures: x.pcap\n${yaml}`).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).faults.map(
    ({ what, hint }) => `${what}${hint === null ? '' : `; ${hint}`}`,
  );
}

describe('a file', () => {
  test('has options by their names, values as on the command line', async () => {
    const yaml = `
captures: [a.pcap, /data/b.pcap, '-']
users: 1_000
accel: 1e1
timestamps: false
clients: [10.17.15.0/24, 10.17.16.1-10.17.16.9]
ramp: ["0:0", "60s:500"]
include: holed,mid-stream
threshold:
  - response:p(99)<20ms
  - errors:rate<0.1%
session-index: [0, 3-5]
`;
    expect(await read(yaml)).toMatchObject({
      captures: ['runs/a.pcap', '/data/b.pcap', '-'],
      users: 1000,
      accel: 10,
      timestamps: false,
      clients: { text: '10.17.15.0/24,10.17.16.1-10.17.16.9' },
      ramp: expect.arrayContaining([{ atNs: 60e9, users: 500 }]),
      choice: {
        selection: {
          include: ['holed', 'mid-stream'],
          indices: [
            { first: 0, last: 0 },
            { first: 3, last: 5 },
          ],
        },
      },
      thresholds: [{ expression: 'response:p(99)<20ms' }, { expression: 'errors:rate<0.1%' }],
    });
  });

  test('counts behind the environment, and that behind flags', async () => {
    const yaml = 'captures: x.pcap\nusers: 1\nseed: 1\naccel: 1\n';
    const env = { GRYPHON_USERS: '2', GRYPHON_SEED: '2' };
    expect(await read(yaml, ['--users', '3'], env)).toMatchObject({ users: 3, seed: 2, accel: 1 });
  });

  test('gives way as a whole list, captures as well', async () => {
    const yaml = 'captures: x.pcap\nthreshold: [lag:max<1s]\n';
    const read2 = await read(yaml, ['y.pcap', '--threshold', 'connect:max<1s']);
    expect(read2).toMatchObject({
      captures: ['y.pcap'],
      thresholds: [{ expression: 'connect:max<1s' }],
    });
  });

  test('does not contradict what is given closer to the user', async () => {
    const yaml = 'captures: x.pcap\nramp: 0:0,9s:9\ntarget: 10.0.0.1:80\ninterface: eth1\n';
    expect(await read(yaml, ['--rate', '5'])).toMatchObject({ ramp: null, ratePerSecond: 5 });
    expect(await read(yaml, ['--target', 'embedded'])).toMatchObject({
      target: { kind: 'embedded' },
    });
    const mapped = 'captures: x.pcap\nmap: 80-10.0.0.1:80\n';
    expect(await read(mapped, ['--target', 'embedded'])).toMatchObject({
      target: { kind: 'embedded' },
    });
  });

  test('may use an anchor again', async () => {
    const yaml = 'captures: x.pcap\nmax-gap: &short 5s\ntimeout: *short\n';
    expect(await read(yaml)).toMatchObject({ maxGapNs: 5e9, timeoutNs: 5e9 });
  });
});

describe('what is wrong is told with line and column', () => {
  test.each([
    ['usres: 5', "runs/run.yaml:2:1: unknown key 'usres'; did you mean users?"],
    ['maxGap: 5s', "runs/run.yaml:2:1: unknown key 'maxGap'; did you mean max-gap?"],
    ['xyzzy: 1', "runs/run.yaml:2:1: unknown key 'xyzzy'; keys are the names of options"],
    ['capture: a', "runs/run.yaml:2:1: unknown key 'capture'; did you mean captures?"],
    ['vus: 5', /^runs\/run\.yaml:2:1: vus is --users here/],
    ['users: many', /^runs\/run\.yaml:2:8: users: 'many' is not a whole number/],
    ['users: true', /^runs\/run\.yaml:2:8: users: 'true' is not a whole number/],
    ['users: [1, 2]', 'runs/run.yaml:2:1: users takes one value and no list'],
    ['users: {a: 1}', 'runs/run.yaml:2:1: users takes a value and not a mapping'],
    ['users:', 'runs/run.yaml:2:1: users takes a value and not nothing'],
    ['users: ""', 'runs/run.yaml:2:8: users needs a value'],
    ['timeout: 30', /^runs\/run\.yaml:2:10: timeout: '30' is not a duration; did you mean 30s/],
    ['quiet: perhaps', /^runs\/run\.yaml:2:8: quiet: 'perhaps' is neither on nor off; write true/],
    ['threshold: [a, [b]]', 'runs/run.yaml:2:1: threshold takes a value and not a list in a list'],
    ['users: *x', 'runs/run.yaml:2:1: users takes a value and not nothing'],
    ['config: other.yaml', 'runs/run.yaml:2:1: config can be given as a flag only'],
    [
      'token: abc',
      /^runs\/run\.yaml:2:1: a secret does not stand in the file itself; write token-file/,
    ],
    [
      'rate: 5\nramp: 0:0,1s:5',
      /^runs\/run\.yaml:2:7: rate and runs\/run\.yaml:3:7: ramp contradict/,
    ],
    ['interface: eth1', /^runs\/run\.yaml:2:12: interface means nothing to the embedded target/],
  ])('%s', async (yaml, fault) => {
    const faults = await faultsOf(yaml);
    const wanted = typeof fault === 'string' ? fault : expect.stringMatching(fault);
    expect(faults.slice(0, 1)).toEqual([wanted]);
    expect(faults.length).toBeLessThanOrEqual(2);
  });

  test('several at once, and of very many the first ones', async () => {
    expect(await faultsOf('usres: 5\nusers: many\n')).toHaveLength(2);
    const many = Array.from({ length: 1000 }, (_, i) => `x${i}: 1`).join('\n');
    const faults = await faultsOf(many);
    expect(faults).toHaveLength(11);
    expect(faults.at(-1)).toBe('runs/run.yaml has more faults than these');
  });
});

describe('what is no config file is one line and exit 2', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { name: 'an empty one', text: '', fault: /has no options/ },
    { name: 'comments alone', text: '# users: 5\n', fault: /has no options/ },
    { name: 'a list', text: '- users: 5\n', fault: /:1:1: not a mapping of options/ },
    { name: 'a word', text: 'users\n', fault: /:1:1: not a mapping of options/ },
    { name: 'not YAML', text: 'users: [1\nseed: 2\n', fault: /:2:1: not YAML: / },
    { name: 'a tab', text: 'users:\n\t- 1\n', fault: /:2:1: not YAML: / },
    { name: 'a key twice', text: 'users: 1\nseed: 2\nusers: 3\n', fault: /:3:1: this key stands/ },
    { name: 'two documents', text: 'users: 1\n---\nusers: 2\n', fault: /:2:1: a second document/ },
    {
      name: 'a foreign tag',
      text: 'users: !!js/function x\n',
      fault: /:1:8: not YAML: Unresolved/,
    },
    { name: 'lists in lists without end', text: '- '.repeat(400_000), fault: /nested too deeply/ },
    { name: 'a capture', text: '\xd4\xc3\xb2\xa1\x02\x00\x04\x00', fault: /gryphon: .*run\.yaml/ },
    { name: 'brackets without end', text: '['.repeat(1_000_000), fault: /nested too deeply/ },
    {
      name: 'more than can be one',
      text: `x: ${'y'.repeat(10_000_000)}`,
      fault: /it is too large/,
    },
  ])('$name', async ({ text, fault }) => {
    const path = join(folder, 'run.yaml');
    writeFileSync(path, text);
    const context = fakeContext({
      args: ['replay', '--config', path],
      files: { read: kernelFiles.read },
    });
    expect(await main(context)).toBe(ExitCode.USAGE);
    expect(context.err).toHaveLength(1);
    expect(context.err[0]).toMatch(/^gryphon: [^\n]{1,400}\n$/);
    expect(context.err[0]).toMatch(fault);
  });

  test('aliases do not grow', async () => {
    const names = ['users', 'seed', 'accel', 'iterations', 'threads', 'mss', 'window', 'close'];
    const levels = names.map((name, i) => {
      const before = names[i - 1];
      return `${name}: &${name} [${before === undefined ? 'x' : `*${before}, `.repeat(9)}]`;
    });
    const faults = await faultsOf(`${levels.join('\n')}\nthreshold: *close\n`);
    expect(faults).toHaveLength(9);
    expect(faults.at(-1)).toMatch(
      /^runs\/run\.yaml:10:1: threshold takes a value and not a list in/,
    );
  });

  test.each([
    { name: 'a folder', path: () => folder, fault: 'it is a folder' },
    { name: 'none', path: () => join(folder, 'none.yaml'), fault: 'it does not exist' },
    { name: 'what never ends', path: () => '/dev/zero', fault: 'it is too large' },
  ])('$name', async ({ path, fault }) => {
    const args = ['replay', '--config', path()];
    const context = fakeContext({ args, files: { read: kernelFiles.read } });
    expect(await main(context)).toBe(ExitCode.USAGE);
    expect(context.err).toEqual([expect.stringMatching(`^gryphon: --config: .*${fault}`)]);
  });

  test('the limit is far above any real one', () => expect(CONFIG_BYTES_MAX).toBe(1_048_576));
});

test('the environment may name the file; a command without it does not look', async () => {
  const context = fakeContext({
    args: ['replay', '--dry-run'],
    env: { GRYPHON_CONFIG: 'none.yaml' },
  });
  expect(await main(context)).toBe(ExitCode.USAGE);
  expect(context.err).toEqual(['gryphon: GRYPHON_CONFIG: none.yaml is not there\n']);
  const report = fakeContext({ args: ['report'], env: { GRYPHON_CONFIG: 'none.yaml' } });
  await main(report);
  expect(report.err).toEqual([expect.stringContaining('no result given')]);
});

test('--dry-run says where each option comes from', async () => {
  const capture = new URL('../../fixtures/http-short.pcap', import.meta.url).pathname;
  const context = fakeContext({
    args: ['replay', capture, '--dry-run', '--config', 'run.yaml', '--accel', '2'],
    env: { GRYPHON_SEED: '7' },
  });
  context.written.set('run.yaml', 'users: 20\naccel: 1\n');
  expect(await main(context)).toBe(0);
  const [, options = ''] = context.out.join('').split('\noptions\n');
  expect(options.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))).toEqual([
    'users 20 run.yaml:1:8',
    'seed 7 GRYPHON_SEED',
    'accel 2 command line',
    'config run.yaml command line',
    'dry-run true command line',
    '',
  ]);
});
