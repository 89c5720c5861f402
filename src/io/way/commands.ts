/** Running the machine's own tools. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** What a command said: its output, or why it failed. */
export type Answer =
  | { readonly failure: null; readonly stdout: string }
  | {
      /** What it wrote to stderr, in one line, or why it did not run. */
      readonly failure: string;
      readonly isMissing: boolean;
    };

/** A tool that takes longer hangs. */
const COMMAND_MS_MAX = 20_000;

/** Runs a tool to its end, in this thread's network namespace. */
export function runCommand(tool: string, argv: readonly string[], input = ''): Answer {
  try {
    const options = {
      encoding: 'utf8' as const,
      input,
      stdio: 'pipe' as const,
      timeout: COMMAND_MS_MAX,
      // Some tools take SIGTERM for a moment to tidy up in; ours has waited long enough.
      killSignal: 'SIGKILL' as const,
      maxBuffer: 64 << 20,
      // In a session of its own: Ctrl-C is sent to a whole group, and must not cut a change in two.
      // Node takes it for synchronous commands, too; its types do not know.
      detached: true,
    };
    const stdout = execFileSync(tool, argv, options);
    return { failure: null, stdout };
  } catch (cause) {
    const { stderr, message, code } = cause as {
      readonly stderr?: string | null;
      readonly message: string;
      readonly code?: string;
    };
    // A tool that is not there has no stderr either, and one that hangs may have written some.
    const hung = code === 'ETIMEDOUT' ? `no end within ${COMMAND_MS_MAX / 1_000} s` : '';
    const text = [hung, stderr || (hung === '' ? message : '')]
      .filter((part) => part !== '')
      .join(': ');
    return {
      failure: text.trim().split('\n').join('; '),
      isMissing: code === 'ENOENT' || (code === 'EACCES' && !isOnPath(tool)),
    };
  }
}

/**
 * Whether PATH leads to the tool: a folder of it that cannot be read makes the kernel answer EACCES
 * for a tool that is nowhere, as for one that must not be run.
 */
function isOnPath(tool: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, tool), constants.F_OK);
      return true;
    } catch {
      return false;
    }
  });
}
