import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SRC = new URL('../src/', import.meta.url);

/** What every replay loads: the command, its threads, its result and what is printed of that. */
const OF_A_REPLAY = [
  'cli/context.ts',
  'cli/main.ts',
  'cli/options/replay-table.ts',
  'cli/replay.ts',
  'run/threads/worker.ts',
  'run/threads/embedded-thread.ts',
  'run/threads/network-thread.ts',
  'measure/record-result.ts',
  'report/text.ts',
  'report/json.ts',
];

/** An import or a re-export of more than types. */
const FROM = /^(?:import|export) (?!type )(?:[^;']* from )?'([^']+)';/gm;

/** Packages that files load, and files of `src/`: themselves and those that they import, directly or not. */
function loadedBy(entries: readonly string[]): { packages: string[]; files: string[] } {
  const files = new Set(entries.map((entry) => new URL(entry, SRC).href));
  const packages = new Set<string>();
  for (const file of files) {
    const text = readFileSync(fileURLToPath(file), 'utf8');
    for (const [, specifier] of text.matchAll(FROM)) {
      if (specifier.startsWith('.')) files.add(new URL(specifier, file).href);
      else if (!specifier.startsWith('node:')) packages.add(specifier);
    }
  }
  return {
    packages: [...packages].sort(),
    files: [...files].map((file) => file.slice(SRC.href.length)),
  };
}

// Each takes 20 to 100 ms of CPU to load, and a short run is hardly longer.
test('a replay loads no package that it does not need', () => {
  const { packages, files } = loadedBy(OF_A_REPLAY);
  expect(files.length).toBeGreaterThan(200);
  expect(packages).toEqual(['koffi', 'yargs']);
});

test.each(['run/plan/http-rules.ts', 'run/plan/modules.ts', 'measure/record-reader.ts'])(
  '%s is loaded by those who need it',
  (file) => {
    expect(loadedBy([file]).files).toContain(file);
    expect(loadedBy(OF_A_REPLAY).files).not.toContain(file);
  },
);
