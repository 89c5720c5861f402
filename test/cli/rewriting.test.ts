/** `--rules`, `--set-header`, `--cookies`: what they say, and where what is wrong with them stands. */
import { expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { REPLAY_TABLE } from '../../src/cli/options/replay-table.ts';
import { readReplayOptions } from '../../src/cli/replay-options.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import type { HttpSettings } from '../../src/rewrite/http/http-module.ts';
import { fakeContext } from './fake-context.ts';

const COMMANDS = await loadCommands();

const ACCOUNTS = '\u{feff}login,password\r\nann,"a,b ""c"""\r\nbob,x\r\n';

async function read(
  args: readonly string[],
  files: Readonly<Record<string, string>> = {},
  env: Record<string, string> = {},
): Promise<HttpSettings | null> {
  const context = fakeContext({ args: ['replay', 'x.pcap', ...args], env });
  for (const [path, text] of Object.entries(files)) context.written.set(path, text);
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  const values = line.given.read(REPLAY_TABLE);
  const { modules } = await readReplayOptions({ ...line, values, context });
  const spec = modules?.find(({ kind }) => kind === 'http');
  return spec?.kind === 'http' ? spec.settings : null;
}

/** What is wrong with `rules/r.yaml`, as lines. */
async function faultsOf(yaml: string, args: readonly string[] = []): Promise<readonly string[]> {
  const files = { 'rules/r.yaml': yaml, 'rules/accounts.csv': ACCOUNTS };
  const error = await read(['--rules', 'rules/r.yaml', ...args], files).catch(
    (fault: unknown) => fault,
  );
  if (!(error instanceof UsageError)) return [(error as Error | null)?.message ?? 'accepted'];
  return error.faults.map(({ what, hint }) => `${what}${hint === null ? '' : `; ${hint}`}`);
}

test('without any of them requests stay as they were recorded', async () => {
  expect(await read([])).toBeNull();
});

test('a rules file, its feeds and the short forms are one set of rules', async () => {
  const yaml = `
cookies: off
feeds:
  account: { csv: accounts.csv, pick: once }
send:
  - when: { path: /login }
    form: { user: '{{account.login}}', key: '{{env KEY}}', port: 8080 }
`;
  const args = ['--rules', 'rules/r.yaml', '--cookies', 'auto'];
  const headers = ['--set-header', 'Host: a, b', '--http-set-header', 'X-Run:{{uuid client}} '];
  const files = { 'rules/r.yaml': yaml, 'rules/accounts.csv': ACCOUNTS };
  expect(await read([...args, ...headers], files, { KEY: 'secret', OTHER: 'x' })).toEqual({
    rules: {
      cookies: 'auto',
      feeds: { account: { csv: 'accounts.csv', pick: 'once' } },
      send: [
        {
          when: { path: '/login' },
          form: { user: '{{account.login}}', key: '{{env KEY}}', port: 8080 },
        },
        { headers: { Host: 'a, b' } },
        { headers: { 'X-Run': '{{uuid client}}' } },
      ],
    },
    feeds: {
      account: {
        pick: 'once',
        columns: ['login', 'password'],
        rows: [
          ['ann', 'a,b "c"'],
          ['bob', 'x'],
        ],
      },
    },
    environment: { KEY: 'secret' },
    perClient: false,
  });
});

test('numbers that stay what they are need no quotes', async () => {
  const form =
    '{ a: 0, b: 9007199254740991, c: -1.5, d: 0.25, e: 123456789.123456, f: 007x, g: "0042" }';
  await expect(
    read(['--rules', 'r.yaml'], { 'r.yaml': `send: [{ form: ${form} }]\n` }),
  ).resolves.toBeDefined();
});

test('in JSON a number may be written as one likes, and what is not sent anywhere', async () => {
  const rules = `
learn: [{ name: a, from: { json: $.a } }]
send: [{ when: { status: 0xC8 }, json: { $.a: 1.50, $.b: 1e3, $.c: 0.0000001, $.d: True } }]
`;
  await expect(read(['--rules', 'r.yaml'], { 'r.yaml': rules })).resolves.toBeDefined();
});

test('an empty rules file says nothing', async () => {
  expect(await read(['--rules', 'r.yaml'], { 'r.yaml': '# nothing yet\n' })).toEqual({
    ...{ rules: { send: [] }, feeds: {}, environment: {}, perClient: false },
  });
});

test.each([
  ['cookie: auto\n', ['rules/r.yaml:1:1: cookie unknown key; did you mean cookies?']],
  [
    'learn:\n  - name: a\n    from: { jsno: $.a }\n',
    ['rules/r.yaml:3:13: learn[0].from.jsno unknown key; did you mean json?'],
  ],
  [
    'cookies: atuo\n',
    ["rules/r.yaml:1:10: cookies takes off or auto, not 'atuo'; did you mean auto?"],
  ],
  [
    "values: { a: 'x{{b}}', b: 'y{{c}}', c: '{{a}}' }\n",
    [
      'rules/r.yaml:1:14: values.a needs itself: b -> c -> a -> b',
      'rules/r.yaml:1:27: values.b needs itself: c -> a -> b -> c',
      'rules/r.yaml:1:40: values.c needs itself: a -> b -> c -> a',
    ],
  ],
  [
    "learn: [{ name: token, from: { regex: 'x' } }]\nsend:\n  - headers: { A: '{{tokn}}' }\n",
    [
      'rules/r.yaml:3:19: send[0].headers.A {{tokn}} is neither learnt nor a value nor built in; did you mean token?',
    ],
  ],
  [
    "feeds: { f: { csv: accounts.csv } }\nsend: [{ path: '/{{f.logn}}' }]\n",
    [
      'rules/r.yaml:2:16: send[0].path {{f.logn}}: the feed f has no column logn; did you mean login?',
    ],
  ],
  [
    "send: [{ path: '/{{env NOWHERE}}' }]\n",
    ['rules/r.yaml:1:16: send[0].path the environment has no NOWHERE'],
  ],
  [
    "send: [{ path: '/{{date 3 YYYY}}{{random 0}}' }]\n",
    ['rules/r.yaml:1:16: send[0].path {{date 3 YYYY}}: write {{date +3d YYYY-MM-DD}}'],
  ],
  [
    "learn: [{ name: a, from: { regex: '^(\\w+\\s?)*$' } }]\n",
    [
      'rules/r.yaml:1:35: learn[0].from.regex can take forever: something that is repeated stands in something that is repeated',
    ],
  ],
  [
    'send:\n  - form: { id: 12345678901234567890, pin: 0042 }\n  - json: { $.a: [.nan, 1e500, -.inf] }\n',
    [
      "rules/r.yaml:2:17: 12345678901234567890 is a number, which would be sent as 12345678901234567000; in quotes it stays as it is: '12345678901234567890'",
      "rules/r.yaml:2:44: 0042 is a number, which would be sent as 42; in quotes it stays as it is: '0042'",
      "rules/r.yaml:3:19: .nan is a number, which would be sent as NaN; in quotes it is sent as a string: '.nan'",
      "rules/r.yaml:3:25: 1e500 is a number, which would be sent as Infinity; in quotes it is sent as a string: '1e500'",
      "rules/r.yaml:3:32: -.inf is a number, which would be sent as -Infinity; in quotes it is sent as a string: '-.inf'",
      'rules/r.yaml:3:18: send[1].json["$.a"] takes a value, or null to remove it, not a list',
    ],
  ],
  [
    'send: [{ query: { a: 0.1234567890123456789 } }]\n',
    [
      "rules/r.yaml:1:22: 0.1234567890123456789 is a number, which would be sent as 0.12345678901234568; in quotes it stays as it is: '0.1234567890123456789'",
    ],
  ],
  [
    'send:\n  - form: { a: 0x1F, b: 0o17, c: 1.50, d: +5, e: 1e3, f: True }\n  - headers: { 0x1F: 0.0000001 }\n    json: { $.a: 0x1F }\n',
    [
      "rules/r.yaml:2:16: 0x1F is a number, which would be sent as 31; in quotes it stays as it is: '0x1F'",
      "rules/r.yaml:2:25: 0o17 is a number, which would be sent as 15; in quotes it stays as it is: '0o17'",
      "rules/r.yaml:2:34: 1.50 is a number, which would be sent as 1.5; in quotes it stays as it is: '1.50'",
      "rules/r.yaml:2:43: +5 is a number, which would be sent as 5; in quotes it stays as it is: '+5'",
      "rules/r.yaml:2:50: 1e3 is a number, which would be sent as 1000; in quotes it stays as it is: '1e3'",
      "rules/r.yaml:2:58: True is a truth value, which would be sent as true; in quotes it stays as it is: 'True'",
      "rules/r.yaml:3:22: 0.0000001 is a number, which would be sent as 1e-7; in quotes it stays as it is: '0.0000001'",
      "rules/r.yaml:4:18: 0x1F is a number, which would be sent as 31; in quotes it is sent as a string: '0x1F'",
    ],
  ],
  [
    'a: [\n',
    [
      'rules/r.yaml:2:1: not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  ],
  ['- a\n', ['rules/r.yaml:1:1: the file takes keys with values, not a list']],
  [`send: ${'['.repeat(100)}${']'.repeat(100)}\n`, ['rules/r.yaml is nested too deeply']],
])('%j is refused, with line and column', async (yaml, faults) => {
  expect(await faultsOf(yaml)).toEqual(faults);
});

test.each([
  ['', 'rules/f.csv has no line that names columns'],
  ['a,b\n', 'rules/f.csv has no rows below the names of its columns'],
  ['a,a\n1,2\n', 'rules/f.csv:1: columns 1 and 2 have the same name'],
  ['a,b\n1,2\n3\n', 'rules/f.csv:3: not CSV: Invalid Record Length: expect 2, got 1 on line 3'],
])('a feed of %j is refused', async (csv, message) => {
  const files = { 'rules/r.yaml': 'feeds: { f: { csv: f.csv } }\n', 'rules/f.csv': csv };
  await expect(read(['--rules', 'rules/r.yaml'], files)).rejects.toThrow(message);
});

test.each([
  ['Host', "--set-header: 'Host' has no colon; write 'Host: shop.test'"],
  ['Content-Length: 3', "--set-header: 'Content-Length' follows from the body by itself"],
  ['A b: 3', "--set-header: 'A b' is no name of a header field"],
  ['A: {{nix}}', '--set-header: {{nix}} is neither learnt nor a value nor built in'],
])('--set-header %j is refused', async (text, wanted) => {
  const error = await read(['--set-header', text]).catch((fault: unknown) => fault);
  const lines = (error as UsageError).faults.map(({ what, hint }) =>
    hint === null ? what : `${what}; ${hint}`,
  );
  expect(lines).toEqual([wanted]);
});

test.each([
  ['--http-rewrite-url', 'a:b', 'send: [{ replace: /v1/, with: /v2/ }]'],
  ['--http-disallow-url', '/x', 'skip: [{ when: { path: /admin* } }]'],
])('%s of another tool is pointed to the rule', async (option, text, wanted) => {
  await expect(read([option, text])).rejects.toThrow(wanted);
});

test('--no-rules prints the firewall rule, beside the rules for requests', async () => {
  const read = (...args: string[]) => {
    const context = fakeContext({ args: ['replay', 'x.pcap', ...args] });
    const line = parseCommandLine(COMMANDS, context);
    if ('output' in line) throw new Error('no command');
    line.faults.throwIfAny();
    const { firewallRules, rules } = line.given.read(REPLAY_TABLE);
    return { firewallRules, rules };
  };
  expect(read('--no-rules', '--rules', 'r.yaml')).toEqual({
    firewallRules: false,
    rules: 'r.yaml',
  });
  expect(read('--rules', 'r.yaml')).toEqual({ firewallRules: true, rules: 'r.yaml' });
  expect(read('--no-firewall-rules')).toEqual({ firewallRules: false, rules: null });
});
