/** `--redis-user` and its like: who logs in, and that no password is seen. */
import { expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { describeFailure } from '../../src/cli/failure.ts';
import { REPLAY_TABLE } from '../../src/cli/options/replay-table.ts';
import { readReplayOptions } from '../../src/cli/replay-options.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { moduleText } from '../../src/run/plan/modules.ts';
import { fakeContext } from './fake-context.ts';

const COMMANDS = await loadCommands();
const TARGET = ['--target', '10.0.0.5:6379'];

async function read(
  value: string,
  files: Readonly<Record<string, string>> = {},
  env: Record<string, string> = {},
) {
  const args = ['replay', 'x.pcap', ...TARGET, '--redis-user', value];
  const context = fakeContext({ args, env });
  for (const [path, text] of Object.entries(files)) context.written.set(path, text);
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  const values = line.given.read(REPLAY_TABLE);
  const options = await readReplayOptions({ ...line, values, context });
  const [spec] = options.modules ?? [];
  if (spec?.kind !== 'log-in') throw new Error('no log-in');
  return { options, spec };
}

const faultOf = async (...given: Parameters<typeof read>): Promise<string> => {
  const error: unknown = await read(...given).catch((fault: unknown) => fault);
  if (error instanceof UsageError) return error.faults.map(({ what }) => what).join('; ');
  return (error as Error).message;
};

test.each<[string, string, Record<string, string>, readonly [string | null, string]]>([
  ['a password from the environment', 'al:env:PW', {}, ['al', 'from env']],
  ['one from a file, whose last line end is not part of it', 'al:@pw', {}, ['al', ' a\nb ']],
  ['the recorded name', ':env:PW', {}, [null, 'from env']],
  ['nobody asks for one', 'al', {}, ['al', '']],
])('%s', async (_, value, __, [user, password]) => {
  const { spec } = await read(value, { pw: ' a\nb \n' }, { PW: 'from env' });
  expect(spec.protocol).toBe('redis');
  expect(spec.accounts).toEqual([{ recorded: null, user, password }]);
});

test('a table of accounts', async () => {
  const table = 'password,user,recorded\r\n"a,""b""",u1,\r\np2,,root\r\n';
  const { spec } = await read('@dir/accounts.csv', { 'dir/accounts.csv': table });
  expect(spec.accounts).toEqual([
    { recorded: null, user: 'u1', password: 'a,"b"' },
    { recorded: 'root', user: null, password: 'p2' },
  ]);
});

test('a password on the command line is refused, and not repeated', async () => {
  for (const value of ['al:s3cret', 'al:', 'al:env:s3cret s3cret', 'al:pass@s3cret']) {
    const fault = await faultOf(value);
    expect(fault).toMatch(/^--redis-user: a password does not stand in the command/);
    expect(fault).not.toContain('s3cret');
  }
});

test.each<[string, string, Record<string, string>, RegExp]>([
  ['a variable that is not set', 'al:env:NONE', {}, /^--redis-user: the environment has no NONE$/],
  ['no such file', 'al:@none', {}, /none/],
  ['no file', '@', {}, /^--redis-user: @ without a file$/],
  [
    'no column of passwords',
    '@t',
    { t: 'user\nal\n' },
    /^--redis-user: t has no column 'password'/,
  ],
  ['another column', '@t', { t: 'usr,password\na,b\n' }, /^--redis-user: t: no column 'usr'$/],
  [
    'no line of names',
    '@t',
    { t: 'bob,s3cret\nal,p4ss\n' },
    /^--redis-user: t:1 names none of the columns user, password, recorded$/,
  ],
  ['no rows', '@t', { t: 'user,password\n' }, /^t has no rows/],
])('%s', async (_, value, files, reason) => {
  expect(await faultOf(value, files)).toMatch(reason);
});

test.each([
  [
    'a quote within a word',
    'user,password\nal,s3"cret\n',
    /^gryphon: t:2: not CSV: Invalid Opening Quote/,
  ],
  [
    'something behind a quote',
    'user,password\nal,"s3"cret\n',
    /^gryphon: t:2: not CSV: Invalid Closing/,
  ],
  [
    'no quote at the end',
    'user,password\nal,"s3cret\n',
    /^gryphon: t:2: not CSV: Quote Not Closed/,
  ],
  [
    'a word too many',
    'user,password\nal,s3,cret\n',
    /^gryphon: t:2: not CSV: Invalid Record Length/,
  ],
  [
    'no line of names',
    's3cret,s3cret\n',
    /^gryphon: t:1: columns 1 and 2 have the same name; .*user,pass/,
  ],
])('a table with %s does not have its passwords told', async (_, table, reason) => {
  const fault = await read('@t', { t: table }).then(
    () => null,
    (error: unknown) => error,
  );
  const told = describeFailure(fault, true).text;
  expect(told).toMatch(reason);
  expect(told).not.toMatch(/s3|cret/);
});

test('it means nothing to the embedded target', async () => {
  const args = ['replay', 'x.pcap', '--redis-user', 'al'];
  const context = fakeContext({ args });
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  const values = line.given.read(REPLAY_TABLE);
  await expect(readReplayOptions({ ...line, values, context })).rejects.toThrow(
    '--redis-user means nothing to the embedded target',
  );
});

test('what a result holds of it has no password', async () => {
  const { options, spec } = await read('al:env:PW', {}, { PW: 's3cret' });
  expect(JSON.stringify(options.command)).not.toContain('s3cret');
  const text = moduleText(spec);
  expect(text).toMatch(/^log-in redis [0-9a-f]{16}$/);
  const other = await read('al:env:PW', {}, { PW: 'another' });
  expect(moduleText(other.spec)).toBe(text);
  expect(moduleText((await read('bo:env:PW', {}, { PW: 's3cret' })).spec)).not.toBe(text);
});
