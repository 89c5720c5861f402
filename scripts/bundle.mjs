/**
 * Puts the program together in lib/, as rolldown.config.ts says; on machines that rolldown has no binary for lib/
 * is dist/ as it is, with the same entries in the same places.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** Machines that gryphon runs on and rolldown does not. */
const UNBUNDLED = ['riscv64', 'loong64'];

if (UNBUNDLED.includes(process.arch)) {
  rmSync(`${ROOT}lib`, { recursive: true, force: true });
  cpSync(`${ROOT}dist`, `${ROOT}lib`, {
    recursive: true,
    filter: (path) => !/\.(?:d\.ts|map|tsbuildinfo)$/.test(path),
  });
} else {
  const argv = ['--config', 'rolldown.config.ts'];
  // Its list of chunks is of no interest; what went wrong goes to stderr.
  const stdio = ['ignore', 'ignore', 'inherit'];
  const { status, error } = spawnSync('rolldown', argv, { cwd: ROOT, stdio });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}
