/**
 * The last lines of a test run: which suites did not run here, why, and the command that changes it.
 * The workers that skip a suite note it in a file; the reporter reads it when all is done.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reporter } from 'vitest/node';

/** Where the notes are, for the workers: they inherit the environment. */
const NOTES = 'TESTS_NOT_RUN_NOTES';

/** A suite that could not run, and what it lacks. */
export interface SkippedSuite {
  readonly suite: string;
  readonly root: boolean;
  readonly tools: readonly string[];
}

/** Notes a suite that is skipped; without a reporter it is said at once. */
export function noteSkipped(skipped: SkippedSuite): void {
  const path = process.env[NOTES];
  if (path === undefined) process.stderr.write(`${closingLines([skipped], 0)}\n`);
  else appendFileSync(path, `${JSON.stringify(skipped)}\n`);
}

/**
 * What is said of suites that did not run.
 * @param tests how many tests they have; 0 when that is not known
 */
export function closingLines(skipped: readonly SkippedSuite[], tests: number): string {
  const needsRoot = skipped.some(({ root }) => root);
  const tools = [...new Set(skipped.flatMap((one) => one.tools))].sort();
  const reasons = [
    ...(needsRoot ? ['they need root, for network namespaces'] : []),
    ...(tools.length > 0 ? [`these tools are not installed: ${tools.join(', ')}`] : []),
  ];
  const sudo = needsRoot ? 'sudo ' : '';
  const commands = [
    ...(tools.length > 0 ? [`${sudo}bash test/privileged/install.sh`] : []),
    needsRoot ? 'sudo env "PATH=$PATH" npm test' : 'npm test',
  ];
  const count = tests > 0 ? `${tests} tests of ` : '';
  return [
    `Not run: ${count}${skipped.length} suites with real servers (${reasons.join('; ')}).`,
    `To run them: ${commands.join(' && ')}`,
  ].join('\n');
}

/** The reporter that writes the closing lines. */
export class ClosingLines implements Reporter {
  #folder = '';

  /** Only where tests are run: who looks at the settings alone leaves nothing behind. */
  onInit(): void {
    this.#folder = mkdtempSync(join(tmpdir(), 'gryphon-test-notes-'));
    process.env[NOTES] = join(this.#folder, 'skipped');
  }

  onTestRunEnd(modules: Parameters<NonNullable<Reporter['onTestRunEnd']>>[0]): void {
    const path = join(this.#folder, 'skipped');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    rmSync(this.#folder, { recursive: true, force: true });
    const lines = text.split('\n').filter((line) => line !== '');
    if (lines.length === 0) return;
    const skipped = lines.map((line): SkippedSuite => JSON.parse(line));
    let tests = 0;
    for (const module of modules) {
      for (const _ of module.children.allTests('skipped')) tests += 1;
    }
    process.stdout.write(`${closingLines(skipped, tests)}\n\n`);
  }
}
