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

/** Thousands of seeds for the simulator: what they find is the engine's, and the same on every Node. */
const SEEDS = 'test/simulate/seeds-*.test.ts';

/**
 * Privileged files that count and compare what arrives, and set no time against another: they wait most of
 * their time (for starts of programs, time-outs, servers), so more of them have room side by side.
 */
const WAITING = [
  'examples',
  'html-report',
  'intercept-access',
  'intercept-channel',
  'intercept-cleanup',
  'intercept-losses',
  'intercept-options',
  'intercept-sharing',
  'lab',
  'replay-against',
  'replay-correlated',
  'replay-live-answers',
  'replay-log-ins',
  'replay-loss',
  'replay-memcached',
  'replay-modules',
  'replay-mqtt',
  'replay-mysql',
  'replay-neighbours',
  'replay-next-hop',
  'replay-nginx',
  'replay-options',
  'replay-own-signals',
  'replay-per-client',
  'replay-php',
  'replay-postgres',
  'replay-redis',
  'replay-rules',
  'replay-server-first',
  'replay-tracking',
  'replay-websocket',
  'rough-path',
  'stacks-lwip',
  'stacks-protocols',
  'stacks-user-space',
].map((name) => `test/privileged/${name}.test.ts`);

/** Every core: one fewer, as is usual, is half of two. */
const WORKERS = availableParallelism();

const UNIT = {
  setupFiles: ['test/helpers/property-seed.ts'],
  maxWorkers: WORKERS,
  // A busy machine may keep a test from its core for long.
  testTimeout: 30_000,
};

/** Real servers in network namespaces of each file's own. */
const PRIVILEGED = { testTimeout: 120_000, hookTimeout: 120_000 };

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
          exclude: ['test/privileged/**', SEEDS, ...SOURCES, ...MOCKING],
          // Files share a worker's modules: a quarter of the processor's time went into loading them anew.
          isolate: false,
        },
      },
      { test: { ...UNIT, name: 'unit-mocking', include: MOCKING } },
      { test: { ...UNIT, name: 'seeds', include: [SEEDS], isolate: false } },
      {
        // Three files at a time: more would share too few cores where times are judged.
        test: {
          ...PRIVILEGED,
          name: 'privileged',
          include: ['test/privileged/**/*.test.ts'],
          exclude: WAITING,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...PRIVILEGED,
          name: 'privileged-waiting',
          include: WAITING,
          maxWorkers: 4,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
