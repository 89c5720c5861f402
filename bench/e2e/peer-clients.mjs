/** Other clients of the page server, beside those of page-clients.mjs: npm's, asked from the registry. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timed } from './page-clients.mjs';

const AUTOCANNON = 'autocannon@8.0.0';
const INSTALL_MS = 60_000;

/**
 * Puts autocannon into a folder of its own: no part of the project, which only compares itself with it.
 * @returns its program and how to remove it; null where no registry can be reached
 */
export function installAutocannon() {
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-peers-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const argv = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', AUTOCANNON];
  try {
    execFileSync('npm', argv, { stdio: 'pipe', timeout: INSTALL_MS });
  } catch {
    remove();
    return null;
  }
  return { program: join(folder, 'node_modules', 'autocannon', 'autocannon.js'), remove };
}

/**
 * autocannon with one thread and as many connections as there are users.
 * @param forSeconds how long it sends; whole seconds, at least one
 * @param more further options
 * @returns as `replayOnce` of page-clients.mjs
 */
export async function autocannonOnce(program, { client, target }, users, forSeconds, page, more) {
  const seconds = Math.max(1, Math.round(forSeconds));
  const load = ['-c', `${users}`, '-d', `${seconds}`, '--json', '--no-progress'];
  const url = `http://${target.ipv4}/${page}`;
  const argv = [process.execPath, program, ...load, ...more, url];
  const { stdout, cpuSeconds } = await timed(client, argv);
  const told = JSON.parse(stdout);
  const requests = told['2xx'];
  return {
    requests,
    seconds,
    perSecond: requests / told.duration,
    cpu: (cpuSeconds / requests) * 1e6,
  };
}
