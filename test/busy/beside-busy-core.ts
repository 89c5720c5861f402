/**
 * Runs test files again and again beside programs that never rest, and says which of their tests do
 * not always pass: a bound of the wall clock that only a quiet machine keeps shows here.
 *
 *   npm run test:busy -- test/privileged/replay-stall.test.ts
 *   npm run test:busy -- --times 10 --loops 4 test/privileged/replay-*.test.ts
 *
 * `--loops` programs (one a core by default) run beside them. It ends with 1 when anything failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
/** A loop that nobody ended ends by itself. */
const LOOP_SECONDS_MAX = 3600;
const LOOP = `const end = Date.now() + ${LOOP_SECONDS_MAX}e3; while (Date.now() < end);`;

/** What is read of vitest's JSON report. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    /** Why the file itself failed (a hook, an import). */
    readonly message: string;
    readonly status: 'passed' | 'failed';
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo';
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** How often each test failed, and what it said the first time; by file and name. */
type Failures = Map<string, { count: number; readonly said: string }>;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string', default: '3' },
    loops: { type: 'string', default: String(availableParallelism()) },
  },
});
const times = atLeastOne('--times', values.times);
const loops = atLeastOne('--loops', values.loops);
if (positionals.length === 0) {
  console.error('name the test files to run, as vitest takes them');
  process.exit(2);
}

const busy = Array.from({ length: loops }, () =>
  spawn(process.execPath, ['-e', LOOP], { stdio: 'ignore' }),
);
process.once('exit', () => {
  for (const loop of busy) loop.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const failures: Failures = new Map();
let ran = 0;
for (let time = 1; time <= times; time++) {
  const startedMs = performance.now();
  const report = await runTests(positionals);
  const failed = note(report, failures);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.log(`run ${time} of ${times} beside ${loops} loops: ${failed} failed (${seconds} s)`);
}
for (const [name, { count, said }] of failures) {
  console.log(`\nfailed ${count} of ${times} times: ${name}\n${said}`);
}
if (ran === 0) console.error('no test has run: are they skipped here?');
process.exit(failures.size > 0 || ran === 0 ? 1 : 0);

async function runTests(files: readonly string[]): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-busy-'));
  const path = join(folder, 'report.json');
  try {
    const argv = [VITEST, 'run', '--reporter=json', `--outputFile=${path}`, ...files];
    const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
    const said = saidBy(child);
    await once(child, 'close');
    if (!existsSync(path)) throw new Error(`vitest wrote no report:\n${said()}`);
    return JSON.parse(readFileSync(path, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function saidBy(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text;
}

/** @returns how many failed in this run */
function note(report: Report, into: Failures): number {
  let failed = 0;
  const add = (name: string, said: string): void => {
    failed++;
    const before = into.get(name);
    into.set(name, { count: (before?.count ?? 0) + 1, said: before?.said ?? said });
  };
  for (const { name, message, status, assertionResults } of report.testResults) {
    const file = name.replace(ROOT, '');
    const broken = assertionResults.filter((test) => test.status === 'failed');
    ran += assertionResults.filter((test) => test.status === 'passed').length + broken.length;
    for (const { fullName, failureMessages } of broken) {
      add(`${file}: ${fullName}`, failureMessages.join('\n'));
    }
    if (status === 'failed' && broken.length === 0) add(file, message);
  }
  return failed;
}

function atLeastOne(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  console.error(`${option} ${text}: expected a whole number from 1 on`);
  process.exit(2);
}
