import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { shapeFaults, unusedMembers } from './helpers/house-rules.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SRC = join(ROOT, 'src/');
/** A whole program is checked by its types, on a machine that may be busy. */
const PROGRAM_TIMEOUT_MS = 240_000;

function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(SRC, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(SRC, path), readFileSync(path, 'utf8'));
  }
  return files;
}

function wholeProgram(): ts.Program {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  return ts.createProgram(fileNames, options);
}

/** Members that the benches name, which are JavaScript: the program knows nothing of them. */
function namedInBenches(): Set<string> {
  const bench = join(ROOT, 'bench');
  const names = new Set<string>();
  for (const entry of readdirSync(bench, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.mjs')) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    for (const [, name] of text.matchAll(/\.(\w+)/g)) names.add(name);
  }
  return names;
}

/** A program of one file in memory, without a library. */
function programOf(path: string, text: string): ts.Program {
  const options: ts.CompilerOptions = { noLib: true, noResolve: true };
  const host = ts.createCompilerHost(options);
  host.getSourceFile = (name, target) =>
    name === path ? ts.createSourceFile(name, text, target, true) : undefined;
  return ts.createProgram([path], options, host);
}

test('files and functions of src/ are short, and what they export is documented', () => {
  const files = sources();
  expect(files.size).toBeGreaterThan(0);
  expect(shapeFaults(files)).toEqual([]);
});

test(
  'no public member of src/ is there for nobody',
  () => {
    const surface = join(SRC, 'api/library.ts');
    expect(unusedMembers(wholeProgram(), SRC, surface, namedInBenches())).toEqual([]);
  },
  PROGRAM_TIMEOUT_MS,
);

test('what runs some tests names their projects: vitest leaves nothing out of a project for --exclude', () => {
  const texts = ['package.json', '.ci/run'].map((path) => readFileSync(join(ROOT, path), 'utf8'));
  expect(texts.join('\n')).not.toMatch(/vitest.*--exclude/);
});

describe('the checker itself', () => {
  const DOC = '/** What it is. */\n';
  const faultsOf = (text: string) => shapeFaults(new Map([['base/a.ts', text]]));
  const lines = (count: number) => Array.from({ length: count }, () => '  a();\n').join('');

  test.each([
    { name: 'any', text: `${DOC}export const a: any = 1;` },
    { name: 'an assertion that something is there', text: 'const a = b!;' },
    { name: 'a field that is said to be set', text: 'class A { a!: number; }' },
    { name: 'an enum', text: 'enum A { B }' },
    { name: 'a barrel', text: `export { a } from './a.ts';` },
    { name: 'a file of 401 lines', text: 'a();\n'.repeat(401) },
    { name: 'a function of 71 lines', text: `function a() {\n${lines(69)}}\n` },
    { name: 'a method of 71 lines', text: `class A {\n  a() {\n${lines(69)}  }\n}\n` },
    {
      name: 'a constructor of 71 lines',
      text: `class A {\n  constructor() {\n${lines(69)}  }\n}\n`,
    },
    { name: 'an arrow function of 71 lines', text: `const a = () => {\n${lines(69)}};\n` },
    { name: 'a function without a docstring', text: 'export function a() {}' },
    { name: 'a class without a docstring', text: 'export class A {}' },
    { name: 'an interface without a docstring', text: 'export interface A {}' },
    { name: 'a type without a docstring', text: 'export type A = 1;' },
    { name: 'a constant without a docstring', text: 'export const a = 1;' },
    { name: 'a name that is exported later', text: 'const a = 1;\nexport { a };' },
    { name: 'a comment that is no docstring', text: '// What it is.\nexport const a = 1;' },
    {
      name: 'a constant behind an empty line',
      text: `${DOC}export const a = 1;\n\nexport const b = 1;`,
    },
  ])('$name is a fault', ({ text }) => {
    expect(faultsOf(text)).toHaveLength(1);
  });

  test.each([
    { name: 'a file of 400 lines', text: 'a();\n'.repeat(400) },
    { name: 'a function of 70 lines', text: `function a() {\n${lines(68)}}\n` },
    { name: 'what is not exported', text: 'function a() {}\nclass A {}' },
    {
      name: 'a type of the same name as a documented constant',
      text: `${DOC}export const A = 1;\nexport type A = 1;`,
    },
    { name: 'constants in a row', text: `${DOC}export const a = 1;\nexport const b = 1;` },
    { name: 'an export beside others', text: `export { a } from './a.ts';\nb();` },
  ])('$name is allowed', ({ text }) => {
    expect(faultsOf(text)).toEqual([]);
  });

  const ROW = `export class Row {
    value = 1;
    #hidden = 2;
    own(): number { return this.#hidden; }
    twice(): number { return this.own() * 2; }
  }
  export interface Port { readonly named: number; read(): number }
  `;
  const leftBy = (use: string) =>
    unusedMembers(programOf('/src/a/row.ts', ROW + use), '/src/', '/src/api/library.ts')
      .map((line) => line.replace(/^a\/row\.ts:\d+: | is used by nobody$/g, ''))
      .sort();
  const ALL = ['Port.named', 'Port.read', 'Row.own', 'Row.twice', 'Row.value'];
  const without = (...used: string[]) => ALL.filter((name) => !used.includes(name));

  test.each([
    { name: 'nothing', use: '', left: ALL },
    { name: 'an access', use: 'new Row().value;', left: without('Row.value') },
    { name: 'a call', use: 'new Row().twice();', left: without('Row.twice') },
    { name: 'a pattern', use: 'const { value } = new Row();', left: without('Row.value') },
    {
      name: 'a parameter',
      use: 'const f = ({ named }: Port) => named;',
      left: without('Port.named'),
    },
    { name: 'a name in brackets', use: `new Row()['value'];`, left: without('Row.value') },
    {
      name: 'a spread',
      use: 'const f = (p: Port) => ({ ...p });',
      left: without('Port.named', 'Port.read'),
    },
    {
      name: 'a type that it can stand for',
      use: 'interface Valued { value: number }\nconst f = (v: Valued) => v.value;\nf(new Row());',
      left: without('Row.value'),
    },
    {
      name: 'a port that is implemented',
      use: 'class A implements Port { named = 1; read() { return 1; } }\nconst f = (p: Port) => p.read();',
      left: without('Port.read'),
    },
  ])('members that are left by $name', ({ use, left }) => {
    expect(leftBy(use)).toEqual(left);
  });
});
