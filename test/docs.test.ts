/** The documents: links lead somewhere, and every command that they show is one. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../src/cli/command-line.ts';
import { loadCommands } from '../src/cli/commands.ts';
import { ExitCode } from '../src/cli/exit-codes.ts';
import { readInterceptOptions } from '../src/cli/intercept.ts';
import { REPLAY_TABLE } from '../src/cli/options/replay-table.ts';
import { readReplayOptions } from '../src/cli/replay-options.ts';
import { SESSION_REASON_NAMES } from '../src/session/reading/session-reason.ts';
import { fakeContext } from './cli/fake-context.ts';
import { FOLDER_RULES } from './helpers/architecture.ts';

const COMMANDS = await loadCommands();

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const DOCUMENTS = [
  ...readdirSync(ROOT),
  ...['docs', 'bench', 'examples', 'fixtures', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { encoding: 'utf8', recursive: true }).map((path) =>
      join(folder, path),
    ),
  ),
].filter((path) => path.endsWith('.md'));

const read = (document: string): string => readFileSync(join(ROOT, document), 'utf8');

const withoutCode = (markdown: string): string =>
  markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** Where a document's relative links and pictures lead, as written. */
const linksOf = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link));

/** The anchors that a document's headings have where it is shown (github-slugger's rule). */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );

/** Lines of the shell blocks of a document that run gryphon, without what runs them. */
const commandsOf = (markdown: string): string[] =>
  [...markdown.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = '']) => block.replace(/\\\n\s*/g, ' ').split('\n'))
    .flatMap((line) => /(?:^|[\s(])gryphon (.*)$/.exec(line)?.[1] ?? [])
    .map((args) => args.replace(/\s#.*$/, ''));

/** A command line's words as the shell makes them; quotes are all that is known of it. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:'([^']*)'|"([^"]*)"|([^\s'"]+))+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  );

/** What is wrong with a command line; names are not looked up, secrets are there. */
async function faultOf(args: readonly string[]): Promise<string> {
  const secret = 'a secret that is long enough to be one, or so it looks';
  const table = 'user,password\nalice,secret\n';
  const files = { read: async (path: string) => (path.endsWith('.csv') ? table : secret) };
  const named = args.flatMap((word) => /:env:(\w+)$/.exec(word)?.[1] ?? []);
  const context = fakeContext({
    args,
    files,
    env: Object.fromEntries(named.map((n) => [n, secret])),
  });
  const parsed = parseCommandLine(COMMANDS, context);
  if ('output' in parsed) return '';
  const { command, given, faults } = parsed;
  if (command.name === 'replay') {
    const values = given.read(REPLAY_TABLE);
    await readReplayOptions({ values, given, faults, context });
  } else if (command.name === 'intercept') {
    await readInterceptOptions({ given, faults, context });
  }
  faults.throwIfAny();
  const missing = given
    .positionals(command.positional ?? '')
    .filter((path) => path.startsWith('fixtures/') && !existsSync(join(ROOT, path)));
  return missing.join(', ');
}

test('there are documents to look at', () => {
  expect(DOCUMENTS).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md']));
});

test('the README is read in one go: what is long has a page in docs/', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThanOrEqual(12 * 1_024);
});

describe.each(DOCUMENTS)('%s', (document) => {
  const markdown = read(document);

  test('has only links that lead somewhere', () => {
    const broken = linksOf(markdown).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const to = path === '' ? document : join(dirname(document), path);
      if (!existsSync(join(ROOT, to))) return true;
      return anchor !== undefined && !anchorsOf(read(to)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test.each(commandsOf(markdown))('shows a command that is one: gryphon %s', async (line) => {
    expect(await faultOf(wordsOf(line))).toBe('');
  });
});

test('a command with an unknown option would be found', async () => {
  await expect(faultOf(['replay', 'x.pcap', '--nosuch', '1'])).rejects.toThrow('--nosuch');
});

test('a broken link and a broken anchor would be found', () => {
  expect(linksOf('[a](b.md) `[c](d)` [e](#f "g") [h](https://x)')).toEqual(['b.md']);
  expect(anchorsOf('## `gryphon intercept`\n### A, b & c\n')).toEqual([
    'gryphon-intercept',
    'a-b--c',
  ]);
});

test('exit codes are the same in the documents, in --help and in the program', () => {
  const codes = Object.values(ExitCode).map(String);
  for (const document of ['README.md', 'docs/ci.md']) {
    const listed = [...read(document).matchAll(/^\| (\d+) \|/gm)].map(([, code]) => code);
    expect(listed, document).toEqual(codes);
  }
  const help = parseCommandLine(COMMANDS, fakeContext({ args: ['--help'] }));
  const [, list = ''] =
    /Exit codes: ([\s\S]*?)\.$/m.exec('output' in help ? help.output : '') ?? [];
  expect([...list.matchAll(/\b\d+\b/g)].map(([code]) => code)).toEqual(codes);
});

test('the table of floors in ARCHITECTURE.md is the one that is held', () => {
  const rows = read('ARCHITECTURE.md').matchAll(
    /^\| \d \| `([a-z]+)` \|[^|]*\| ([^|]*) \| ([^|]*)\|[^|]*\|$/gm,
  );
  const listed = new Map(
    [...rows].map(([, folder = '', imports = '', packages = '']) => [
      folder,
      { imports, packages },
    ]),
  );
  const named = (text: string): string[] =>
    text.split(',').flatMap((name) => name.replaceAll('`', '').trim() || []);
  for (const [folder, rule] of FOLDER_RULES) {
    const row = listed.get(folder);
    expect(row, folder).toBeDefined();
    expect(named(row?.packages ?? ''), folder).toEqual([...(rule.packages ?? [])]);
    if (row?.imports === 'all of the above') expect(rule.imports.length).toBeGreaterThan(10);
    else if (row?.imports === 'nothing') expect(rule.imports, folder).toEqual([]);
    else expect(named(row?.imports ?? ''), folder).toEqual([...rule.imports]);
  }
  expect([...listed.keys()].sort()).toEqual([...FOLDER_RULES.keys()].sort());
});

test('every dependency has its place in ARCHITECTURE.md', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'));
  const text = read('ARCHITECTURE.md');
  const all = { ...dependencies, ...devDependencies, ...optionalDependencies };
  const names = Object.keys(all).map((name) => name.replace(/^@types\/.*/, '@types/…'));
  const unnamed = names.filter((name) => !text.includes(`**${name.replace('@biomejs/', '')}**`));
  expect(unnamed).toEqual([]);
});

test('every reason for which a session is not replayed is in docs/captures.md', () => {
  const text = read('docs/captures.md');
  const reasons = SESSION_REASON_NAMES.filter((reason) => reason !== 'none');
  expect(reasons.filter((reason) => !text.includes(`\`${reason}\``))).toEqual([]);
});

test('every bench has its place in bench/README.md', () => {
  const text = read('bench/README.md');
  const benches = readdirSync(join(ROOT, 'bench'), { encoding: 'utf8', recursive: true })
    .filter((path) => path.endsWith('.bench.mjs'))
    .map((path) => path.replace('.bench.mjs', ''));
  expect(benches.filter((name) => !text.includes(name))).toEqual([]);
});
