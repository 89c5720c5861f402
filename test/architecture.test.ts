import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { architectureFaults, FOLDER_RULES, ROOM_RULES } from './helpers/architecture.ts';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(SRC, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(SRC, path), readFileSync(path, 'utf8'));
  }
  return files;
}

/** Rooms that reach themselves by what a table allows. */
function cyclesOf(rules: ReadonlyMap<string, readonly string[]>): string[] {
  const reached = (room: string, seen: Set<string>): Set<string> => {
    for (const to of rules.get(room) ?? []) {
      if (!seen.has(to)) reached(to, seen.add(to));
    }
    return seen;
  };
  return [...rules.keys()].filter((room) => reached(room, new Set()).has(room));
}

/** Faults of a tree of one file. */
const faultsOf = (path: string, text: string) => architectureFaults(new Map([[path, text]]));

test('src/ keeps to its floors', () => {
  const files = sources();
  expect(files.size).toBeGreaterThan(0);
  expect(architectureFaults(files)).toEqual([]);
});

describe('the checker itself', () => {
  test('the table of floors has no cycle and names folders of its own only', () => {
    const folders = [...FOLDER_RULES.keys()];
    for (const [folder, { imports }] of FOLDER_RULES) {
      for (const to of imports) {
        const [toFolder = '', file] = to.split('/');
        expect(folders).toContain(toFolder);
        // A single file (`transport/ports`) may be imported from beside; a whole folder from above only.
        if (file === undefined) {
          expect(folders.indexOf(toFolder), `${folder} -> ${to}`).toBeLessThan(
            folders.indexOf(folder),
          );
        }
      }
    }
  });

  test('the tables of rooms name rooms of their own only, and no room reaches itself', () => {
    for (const [folder, rules] of ROOM_RULES) {
      const rooms = [...rules.keys()];
      for (const [room, imports] of rules) {
        const inRooms = imports.filter((to) => !to.startsWith('./'));
        for (const to of inRooms) expect(rooms, `${folder}/${room}`).toContain(to);
      }
      expect(cyclesOf(rules), folder).toEqual([]);
    }
  });

  test.each([
    { name: 'an upward import', path: 'base/a.ts', text: `import { b } from '../wire/b.ts';` },
    { name: 'a sideways import', path: 'tcp/a.ts', text: `import { b } from '../capture/b.ts';` },
    { name: 'an upward type', path: 'wire/a.ts', text: `import type { B } from '../io/b.ts';` },
    { name: 'an upward import()', path: 'tcp/a.ts', text: `await import('../run/b.ts');` },
    { name: 'an import() of what is computed', path: 'tcp/a.ts', text: 'await import(name);' },
    { name: 'an upward re-export', path: 'base/a.ts', text: `export { b } from '../wire/b.ts';` },
    { name: 'an import type', path: 'base/a.ts', text: `let b: import('../wire/b.ts').B;` },
    {
      name: 'the engine from io',
      path: 'io/a.ts',
      text: `import { e } from '../replay/engine.ts';`,
    },
    { name: 'the clock of rewrite', path: 'rewrite/a.ts', text: `import 'node:timers';` },
    { name: 'digests below', path: 'tcp/a.ts', text: `import 'node:crypto';` },
    { name: 'the core from embedded', path: 'embedded/a.ts', text: `import '../replay/core.ts';` },
    { name: 'the command line from a run', path: 'run/a.ts', text: `import '../cli/main.ts';` },
    { name: 'a file outside src', path: 'base/a.ts', text: `import '../../package.json';` },
    { name: 'an import without .ts', path: 'wire/a.ts', text: `import '../base/seq.js';` },
    {
      name: 'a node: module',
      path: 'session/a.ts',
      text: `import { readFileSync } from 'node:fs';`,
    },
    { name: 'a node: module in report', path: 'report/a.ts', text: `import 'node:os';` },
    { name: 'a package', path: 'replay/a.ts', text: `import koffi from 'koffi';` },
    { name: 'another of a scope', path: 'rewrite/a.ts', text: `import '@noble/hashes/sha2.js';` },
    { name: 'process', path: 'replay/a.ts', text: 'export const a = process.hrtime();' },
    { name: 'console', path: 'tcp/a.ts', text: 'console.log(1);' },
    { name: 'Date.now', path: 'measure/a.ts', text: 'export const at = Date.now();' },
    { name: 'new Date', path: 'report/a.ts', text: 'export const at = new Date();' },
    { name: 'performance', path: 'replay/a.ts', text: 'performance.now();' },
    { name: 'Math.random', path: 'schedule/a.ts', text: 'Math.random();' },
    { name: 'setTimeout', path: 'replay/a.ts', text: 'setTimeout(() => {}, 1);' },
    { name: 'a global by way of globalThis', path: 'tcp/a.ts', text: 'globalThis.setTimeout;' },
    { name: 'a shorthand global', path: 'tcp/a.ts', text: 'export const a = { process };' },
    { name: 'process in a command', path: 'cli/replay.ts', text: 'process.exit(1);' },
    { name: 'a default export', path: 'base/a.ts', text: 'export default function a() {}' },
    {
      name: 'a default export by name',
      path: 'base/a.ts',
      text: 'const a = 1; export { a as default };',
    },
    { name: 'a default expression', path: 'base/a.ts', text: 'export default 1;' },
    { name: 'a barrel', path: 'base/index.ts', text: 'export const a = 1;' },
    {
      name: 'a room that may not be imported from there',
      path: 'session/reading/a.ts',
      text: `import type { B } from '../script/b.ts';`,
    },
    {
      name: 'the folder itself from a room',
      path: 'io/send/a.ts',
      text: `import '../open-local.ts';`,
    },
    { name: 'a room without a rule', path: 'io/utils/a.ts', text: `import '../sys/b.ts';` },
    { name: 'a folder without a floor', path: 'utils/a.ts', text: 'export const a = 1;' },
    { name: 'a file without a folder', path: 'main.ts', text: 'export const a = 1;' },
  ])('$name is a fault', ({ path, text }) => {
    expect(faultsOf(path, text)).toHaveLength(1);
    expect(faultsOf(path, text)[0]).toMatch(new RegExp(`^${path}:1: `));
  });

  test.each([
    { name: 'a downward import', path: 'tcp/a.ts', text: `import '../wire/b.ts';` },
    { name: 'its own folder', path: 'tcp/a.ts', text: `import './b.ts';` },
    { name: 'its own room', path: 'io/sys/a.ts', text: `import './b.ts';` },
    {
      name: 'a room that the table allows',
      path: 'session/script/a.ts',
      text: `import '../reading/b.ts';`,
    },
    { name: 'a room from the folder itself', path: 'io/a.ts', text: `import './send/b.ts';` },
    {
      name: 'the ports from io',
      path: 'io/a.ts',
      text: `import type { S } from '../transport/ports.ts';`,
    },
    {
      name: 'the ports from embedded',
      path: 'embedded/a.ts',
      text: `import '../transport/ports.ts';`,
    },
    { name: 'node: in io', path: 'io/a.ts', text: `import 'node:os'; process.pid;` },
    { name: 'the process in context.ts', path: 'cli/context.ts', text: 'process.exit(1);' },
    { name: 'a Date of a given time', path: 'report/a.ts', text: 'new Date(1);' },
    {
      name: 'a property of that name',
      path: 'tcp/a.ts',
      text: 'export const a = (b: B) => b.process;',
    },
    { name: 'a key of that name', path: 'tcp/a.ts', text: 'export const a = { process: 1 };' },
    {
      name: 'a parameter of that name',
      path: 'tcp/a.ts',
      text: 'const a = (fetch: () => void) => fetch();',
    },
    {
      name: 'a package that the table allows',
      path: 'measure/a.ts',
      text: `import 'hdr-histogram-js';`,
    },
  ])('$name is allowed', ({ path, text }) => {
    expect(faultsOf(path, text)).toEqual([]);
  });

  test('a cycle between folders is a fault of its own', () => {
    const files = new Map([
      ['replay/engine.ts', `import '../embedded/target.ts';`],
      ['embedded/target.ts', `import '../replay/ports.ts';`],
    ]);
    expect(architectureFaults(files)).toContain('cycle: replay -> embedded -> replay');
  });
});
