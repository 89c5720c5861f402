/** What privileged tests need, and what happens where it is not there. */
import { findTool } from './process.ts';

/** @returns what is missing, in a phrase, or null when everything is there */
export function missingFor(tools: readonly string[]): string | null {
  if (process.getuid?.() !== 0) return 'root';
  const missing = tools.filter((tool) => findTool(tool) === null);
  return missing.length === 0 ? null : missing.join(', ');
}

/** Throws when a tool is missing or the process is not root's. */
export function requireTools(tools: readonly string[]): void {
  const missing = missingFor(tools);
  if (missing === null) return;
  throw new Error(`needs ${missing}; the Debian packages are in test/privileged/packages.txt`);
}

/**
 * Whether a privileged suite can run: `describe.runIf(canRun('replay against nginx', [...]))`.
 * Where it cannot, a line on stderr says why; under `CI` that is an error instead, so that a suite
 * cannot go missing there.
 */
export function canRun(suite: string, tools: readonly string[]): boolean {
  if (process.env.CI) requireTools(tools);
  const missing = missingFor(tools);
  if (missing !== null) process.stderr.write(`${suite}: not run, it needs ${missing}\n`);
  return missing === null;
}
