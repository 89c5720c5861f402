/** What privileged tests need, and what happens where it is not there. */
import { noteSkipped } from './closing-lines.ts';
import { findTool } from './process.ts';

/** What a suite lacks here: root's rights, or tools. */
export interface Missing {
  readonly root: boolean;
  readonly tools: readonly string[];
}

/** @returns what is missing, or null when everything is there */
export function missingFor(tools: readonly string[]): Missing | null {
  const missing = {
    root: process.getuid?.() !== 0,
    tools: tools.filter((tool) => findTool(tool) === null),
  };
  return missing.root || missing.tools.length > 0 ? missing : null;
}

/** Throws when a tool is missing or the process is not root's. */
export function requireTools(tools: readonly string[]): void {
  const missing = missingFor(tools);
  if (missing === null) return;
  const needs = [...(missing.root ? ['root'] : []), ...missing.tools].join(', ');
  throw new Error(`needs ${needs}; test/privileged/install.sh installs the packages`);
}

/**
 * Whether a privileged suite can run: `describe.runIf(canRun('replay against nginx', [...]))`.
 * Where it cannot, the closing lines of the run say why and how to change it; under `CI` that is an
 * error instead, so that a suite cannot go missing there.
 */
export function canRun(suite: string, tools: readonly string[]): boolean {
  if (process.env.CI) requireTools(tools);
  const missing = missingFor(tools);
  if (missing === null) return true;
  noteSkipped({ suite, ...missing });
  return false;
}
