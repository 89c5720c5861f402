/** Modules that do not return: the built program says which, and an interrupt still ends it with a summary. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseResult } from '../../src/report/json.ts';
import { type RunOptions, run, until } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CAPTURE = join(ROOT, 'fixtures/http-keepalive.pcap');
/** A module counts as stuck after ten seconds; the rest is for a machine with much to do. */
const LIMIT_MS = 90_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-stuck-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** @param members of the module, besides those that it must have */
function replay(members: string, options: RunOptions = {}) {
  const module = `export default { name: 'stuck', client: () => 0, connection: () => 0, ${members} }`;
  writeFileSync(join(folder, 'stuck.mjs'), module);
  const asked = ['--users', '40', '--threads', '2', '--json', 'result.json'];
  const argv = ['replay', CAPTURE, '--module', './stuck.mjs', ...asked];
  return run([process.execPath, join(ROOT, 'bin/gryphon.js'), ...argv], {
    cwd: folder,
    ...options,
  });
}

test(
  'in a run: an interrupt ends it, and what was measured is told',
  async () => {
    const { code, stdout, stderr } = await replay(
      `plan: () => ({ plan: 0, rewrites: [0], reads: [] }),
       rewrite(_, message, out) {
         if ((this.calls = (this.calls ?? 0) + 1) > 10) for (;;);
         out.copy(0, out.recorded.length);
         return 'ready';
       }`,
      {
        onStart: async (child) => {
          let heard = '';
          child.stderr?.on('data', (data: Buffer) => {
            heard += data.toString();
          });
          const isTold = () => /not moved for 10 s, in module .\/stuck.mjs:/.test(heard);
          await until('the threads to be missed', isTold);
          child.kill('SIGINT');
        },
      },
    );
    expect(stderr).toMatch(/module .\/stuck.mjs does not return: its thread was ended /);
    expect(stdout).toContain('by a module, or since it failed');
    expect(code).toBe(130);
    const text = readFileSync(join(folder, 'result.json'), 'utf8');
    const { users, faults } = await parseResult(text, 'result.json');
    expect(users).toMatchObject({ planned: 40, live: 0 });
    expect(users.reasons.aborted.module).toBe(users.aborted);
    expect(users.aborted).toBeGreaterThan(0);
    expect(users.completed + users.aborted + users.waiting).toBe(40);
    expect(faults).toEqual([]);
  },
  LIMIT_MS,
);

test(
  'when it is asked about the sessions: that ends it',
  async () => {
    const { code, stderr } = await replay('plan() { for (;;); }');
    expect(stderr).toContain('module stuck has not returned for 10 s when it was asked about');
    expect(code).toBe(2);
  },
  LIMIT_MS,
);
