/**
 * The rules of ARCHITECTURE.md about who may import whom, as a function of source texts, so that
 * the rules can themselves be tested.
 */
import ts from 'typescript';

interface FolderRule {
  /** Folders of src/, or single files (`transport/ports`), that files of this folder may import. */
  readonly imports: readonly string[];
  /** Packages besides node's own. */
  readonly packages?: readonly string[];
  /** Modules of node's of which only what calculates is used: digests, not random octets. */
  readonly calculations?: readonly string[];
  /** Files that import what a user names: modules of their own. */
  readonly computedImports?: readonly string[];
  /** Who may use `node:` modules, the clock, chance and the process: nobody, one file, or all. */
  readonly outsideWorld?: 'all' | readonly string[];
}

const BELOW_IO = [
  'base',
  'wire',
  'capture',
  'tcp',
  'schedule',
  'measure',
  'protocol',
  'session',
  'rewrite',
  'transport',
  'replay',
  'embedded',
  'intercept',
  'doctor',
];

export const FOLDER_RULES: ReadonlyMap<string, FolderRule> = new Map<string, FolderRule>([
  ['base', { imports: [] }],
  ['wire', { imports: ['base'] }],
  ['capture', { imports: ['base', 'wire'], packages: ['fzstd'] }],
  ['tcp', { imports: ['base', 'wire'] }],
  ['schedule', { imports: ['base'] }],
  ['protocol', { imports: ['base'] }],
  ['measure', { imports: ['base'], packages: ['hdr-histogram-js'], calculations: ['node:zlib'] }],
  ['session', { imports: ['base', 'wire', 'capture', 'protocol'] }],
  [
    'rewrite',
    {
      imports: ['base', 'protocol'],
      packages: ['@noble/curves', 'fzstd'],
      calculations: ['node:crypto', 'node:zlib'],
    },
  ],
  ['transport', { imports: ['base', 'wire', 'tcp', 'schedule', 'measure', 'session'] }],
  [
    'replay',
    {
      imports: ['base', 'schedule', 'measure', 'protocol', 'session', 'rewrite', 'transport'],
    },
  ],
  ['embedded', { imports: ['base', 'wire', 'schedule', 'measure', 'session', 'transport/ports'] }],
  ['intercept', { imports: ['base', 'wire', 'measure'] }],
  ['doctor', { imports: ['base', 'wire'] }],
  [
    'io',
    {
      imports: ['base', 'wire', 'transport/ports', 'intercept/ports'],
      packages: ['koffi', 'raw-socket'],
      outsideWorld: 'all',
    },
  ],
  ['report', { imports: ['base', 'measure', 'doctor'], packages: ['zod'] }],
  [
    'run',
    {
      imports: [...BELOW_IO, 'io', 'report'],
      packages: ['pino', 'prom-client'],
      computedImports: ['run/plan/modules.ts'],
      outsideWorld: 'all',
    },
  ],
  [
    'cli',
    {
      imports: [...BELOW_IO, 'io', 'report', 'run'],
      packages: ['yargs', 'cli-progress', 'yaml', 'csv-parse'],
      outsideWorld: ['cli/context.ts', 'cli/files.ts'],
    },
  ],
  [
    'api',
    {
      imports: [...BELOW_IO, 'io', 'report', 'run', 'cli'],
      outsideWorld: ['api/library.ts'],
    },
  ],
]);

/**
 * Rooms within a folder: which of them each room may import, besides itself. What lies in the folder
 * itself is above its rooms and may import them all; a room may import a file of it by name (`./job`).
 */
export const ROOM_RULES: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> = new Map([
  [
    'session',
    new Map([
      ['reading', []],
      ['script', ['reading']],
    ]),
  ],
  [
    'rewrite',
    new Map([
      ['http', ['./module', './octet-text']],
      ['correlate', ['http', './module', './octet-text']],
      ['databases', ['./module', './octet-text']],
    ]),
  ],
  [
    'io',
    new Map([
      ['sys', []],
      ['filter', ['sys']],
      ['receive', ['filter', 'sys']],
      ['files', ['sys']],
      ['way', ['receive', 'filter', 'sys']],
      ['send', ['files', 'receive', 'sys']],
      ['channel', ['way', 'receive', 'sys']],
      ['rules', ['way', 'sys']],
      ['intercept', ['rules', 'way', 'receive', 'filter', 'sys']],
      ['lab', ['rules', 'way', 'sys']],
      ['doctor', ['way', 'filter', 'sys']],
    ]),
  ],
  [
    'run',
    new Map([
      ['captures', []],
      ['plan', ['captures']],
      ['channel', ['plan']],
      ['threads', ['channel', 'plan']],
      ['metrics', ['threads']],
      ['intercept', ['metrics', 'channel']],
      ['lab', ['captures']],
      ['recorder', []],
      ['doctor', ['threads', 'plan', './plans', './replay-run']],
    ]),
  ],
  [
    'cli',
    new Map([
      ['values', []],
      ['options', ['values', './choices']],
      [
        'config',
        [
          'options',
          'values',
          './command-line',
          './files',
          './given-options',
          './intercept-addresses',
          './usage-error',
        ],
      ],
    ]),
  ],
]);

/** Globals by which a clock, chance or the process gets in. */
const OUTSIDE_GLOBALS = new Set([
  'process',
  'console',
  'performance',
  'crypto',
  'fetch',
  'globalThis',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
]);

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/**
 * Faults of a source tree, one line each (`folder/file.ts:3: what is wrong`), sorted; none: [].
 * @param files texts by path below src/ (`tcp/tcp-client.ts`)
 */
export function architectureFaults(files: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const edges = new Map<string, Set<string>>();
  for (const [path, text] of files) {
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
    const folder = path.split('/')[0] ?? '';
    const rule = path.includes('/') ? FOLDER_RULES.get(folder) : undefined;
    if (rule === undefined) {
      faults.push(`${path}:1: lies in no folder that the table of floors knows`);
      continue;
    }
    if (/(^|\/)index\.ts$/.test(path)) faults.push(`${path}:1: barrel file`);
    const mayGoOutside = rule.outsideWorld === 'all' || (rule.outsideWorld ?? []).includes(path);
    for (const found of importsOf(source)) {
      const { specifier } = found;
      const fault =
        importFault({ path, folder, rule, mayGoOutside, specifier }) ??
        roomFault(path, targetPath(path, specifier));
      if (fault !== null) faults.push(`${path}:${found.line}: ${fault}`);
      const to = targetPath(path, found.specifier)?.split('/')[0];
      if (to !== undefined && to !== folder) {
        edges.set(folder, (edges.get(folder) ?? new Set()).add(to));
      }
    }
    faults.push(...sourceFaults(source, path, mayGoOutside));
  }
  return [...faults.sort(), ...cycleFaults(edges)];
}

function importFault(at: {
  path: string;
  folder: string;
  rule: FolderRule;
  mayGoOutside: boolean;
  specifier: string;
}): string | null {
  const { path, folder, rule, specifier } = at;
  const target = targetPath(path, specifier);
  if (target === null) {
    if (specifier.startsWith('node:')) {
      const isAllowed = at.mayGoOutside || (rule.calculations?.includes(specifier) ?? false);
      return isAllowed ? null : `${folder} may not import ${specifier}`;
    }
    if (specifier === '*' && rule.computedImports?.includes(path) === true) return null;
    const allowed = rule.packages?.includes(packageOf(specifier)) ?? false;
    return allowed ? null : `${folder} may not import the package ${specifier}`;
  }
  if (!target.includes('/')) return `imports ${specifier}, which is outside src/`;
  if (!specifier.endsWith('.ts')) return `${specifier} does not end in .ts`;
  const to = target.split('/')[0] ?? '';
  const allowed =
    to === folder ||
    rule.imports.includes(to) ||
    rule.imports.includes(target.replace(/\.ts$/, ''));
  return allowed ? null : `${folder} may not import ${to} (${target})`;
}

/** Of what is imported of a package: its name, with its scope. */
const packageOf = (specifier: string): string =>
  /^(?:@[^/]+\/)?[^/]*/.exec(specifier)?.[0] ?? specifier;

/** The room of a folder in which a file lies; '' in the folder itself. */
const roomOf = (path: string): string => path.split('/').slice(1, -1).join('/');

/** Of an import within a folder that has rooms: why the room may not do it, or `null`. */
function roomFault(path: string, target: string | null): string | null {
  const folder = path.split('/')[0] ?? '';
  const rules = ROOM_RULES.get(folder);
  if (rules === undefined) return null;
  const room = roomOf(path);
  const allowed = room === '' ? [...rules.keys()] : rules.get(room);
  if (allowed === undefined) return `${folder}/${room} is a room that the table does not know`;
  if (target === null || target.split('/')[0] !== folder) return null;
  const to = roomOf(target);
  const name = to === '' ? `./${target.slice(folder.length + 1).replace(/\.ts$/, '')}` : to;
  if (to === room || allowed.includes(name)) return null;
  return `${folder}/${room} may not import ${target}`;
}

/** Where a relative specifier leads, below src/; `null` for packages. */
function targetPath(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier !== null) found.push({ specifier, line: lineOf(source, node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What a static import, a re-export, an `import()` or an import type names; `*` if computed. */
function specifierOf(node: ts.Node): string | null {
  const text = (of: ts.Node | undefined): string | null => {
    if (of === undefined) return null;
    return ts.isStringLiteralLike(of) ? of.text : '*';
  };
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return text(node.moduleSpecifier);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return text(node.arguments[0]);
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return text(node.argument.literal);
  }
  return null;
}

function sourceFaults(source: ts.SourceFile, path: string, mayGoOutside: boolean): string[] {
  const faults: string[] = [];
  const own = declaredNames(source);
  const add = (node: ts.Node, what: string) => {
    faults.push(`${path}:${lineOf(source, node)}: ${what}`);
  };
  const visit = (node: ts.Node): void => {
    if (isDefaultExport(node)) add(node, 'default export');
    const outside = mayGoOutside ? null : outsideUse(node);
    if (outside !== null && !own.has(outside)) add(node, `uses ${outside}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return faults;
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  return modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword);
}

/** The forbidden global that a node uses, or `null`. `new Date(ns)` of a given time is harmless. */
function outsideUse(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node)) {
    const text = `${node.expression.getText()}.${node.name.text}`;
    return text === 'Date.now' || text === 'Math.random' ? text : null;
  }
  const called = ts.isNewExpression(node) || ts.isCallExpression(node);
  if (called && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0) {
    return 'Date()';
  }
  return ts.isIdentifier(node) && OUTSIDE_GLOBALS.has(node.text) && isReference(node)
    ? node.text
    : null;
}

/** Whether an identifier stands for a value, and does not name a property. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  const named = parent as ts.Node & { name?: ts.Node };
  return named.name !== node || ts.isShorthandPropertyAssignment(parent);
}

/** Names that the file itself declares: they hide the globals. */
function declaredNames(source: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    const declares =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isImportSpecifier(node) ||
      ts.isBindingElement(node);
    if (declares && node.name !== undefined && ts.isIdentifier(node.name)) {
      names.add(node.name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

/** Folders that reach themselves, with the way. */
function cycleFaults(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const faults: string[] = [];
  const done = new Set<string>();
  const walk = (folder: string, way: readonly string[]): void => {
    const seenAt = way.indexOf(folder);
    if (seenAt >= 0) {
      faults.push(`cycle: ${[...way.slice(seenAt), folder].join(' -> ')}`);
      return;
    }
    if (done.has(folder)) return;
    for (const to of edges.get(folder) ?? []) walk(to, [...way, folder]);
    done.add(folder);
  };
  for (const folder of edges.keys()) walk(folder, []);
  return faults;
}

const lineOf = (source: ts.SourceFile, node: ts.Node): number =>
  source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
