import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { ClosingLines } from './test/helpers/closing-lines.ts';

const SOURCES = ['architecture', 'house-rules', 'generated'].map((name) => `test/${name}.test.ts`);

/** Files that put other modules in the place of some, which others must not get to see. */
const MOCKING = readdirSync(join(import.meta.dirname, 'test'), { recursive: true })
  .map((path) => `test/${path}`)
  .filter((path) => path.endsWith('.test.ts') && !path.startsWith('test/privileged/'))
  .filter((path) => /\bvi\.mock\(/.test(readFileSync(join(import.meta.dirname, path), 'utf8')));

/** Every core: one fewer, as is usual, is half of two. */
const WORKERS = availableParallelism();

const UNIT = {
  setupFiles: ['test/helpers/property-seed.ts'],
  maxWorkers: WORKERS,
  // A busy machine may keep a test from its core for long.
  testTimeout: 30_000,
};

export default defineConfig({
  test: {
    reporters: ['default', new ClosingLines()],
    projects: [
      {
        // What reads the sources alone, and says the same on every Node.
        test: { name: 'sources', include: SOURCES, maxWorkers: WORKERS, testTimeout: 60_000 },
      },
      {
        test: {
          ...UNIT,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/privileged/**', ...SOURCES, ...MOCKING],
          // Files share a worker's modules: a quarter of the processor's time went into loading them anew.
          isolate: false,
        },
      },
      { test: { ...UNIT, name: 'unit-mocking', include: MOCKING } },
      {
        // Real servers in network namespaces of each file's own. Three files at a time: most of their
        // time they wait (for time-outs, servers, stalls), and more would share too few cores.
        test: {
          name: 'privileged',
          include: ['test/privileged/**/*.test.ts'],
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
