/** Modules that do not return: the built program says which, and an interrupt still ends it with a summary. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parseResult } from '../../src/report/json.ts';
import { type RunOptions, run, until } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CAPTURE = join(ROOT, 'fixtures/http-keepalive.pcap');
/** A module counts as stuck after ten seconds; the rest is for a machine with much to do. */
const LIMIT_MS = 90_000;
/** Each spends most of its time waiting for those ten seconds. */
const together = test.concurrent;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** @param members of the module, besides those that it must have @param before what its file does when it is loaded */
async function replay(members: string, options: RunOptions = {}, before = '') {
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-stuck-'));
  folders.push(folder);
  const module = `export default { name: 'stuck', client: () => 0, connection: () => 0, ${members} }`;
  writeFileSync(join(folder, 'stuck.mjs'), before + module);
  const asked = ['--users', '40', '--threads', '2', '--json', 'result.json'];
  const argv = ['replay', CAPTURE, '--module', './stuck.mjs', ...asked];
  const program = [process.execPath, join(ROOT, 'bin/gryphon.js')];
  return { folder, ...(await run([...program, ...argv], { cwd: folder, ...options })) };
}

/** Interrupts the program when it has said something on stderr. */
const interruptWhen =
  (said: RegExp): NonNullable<RunOptions['onStart']> =>
  async (child) => {
    let heard = '';
    child.stderr?.on('data', (data: Buffer) => {
      heard += data.toString();
    });
    await until(`it says ${said}`, () => said.test(heard), LIMIT_MS / 2);
    child.kill('SIGINT');
  };

together(
  'in a run: an interrupt ends it, and what was measured is told',
  async () => {
    const { folder, code, stdout, stderr } = await replay(
      `plan: () => ({ plan: 0, rewrites: [0], reads: [] }),
       rewrite(_, message, out) {
         if ((this.calls = (this.calls ?? 0) + 1) > 10) for (;;);
         out.copy(0, out.recorded.length);
         return 'ready';
       }`,
      {
        onStart: interruptWhen(/not moved for 10 s, in module .\/stuck.mjs:/),
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

together(
  'when it is asked about the sessions: that ends it',
  async () => {
    const { code, stderr } = await replay('plan() { for (;;); }');
    expect(stderr).toContain('module stuck has not returned for 10 s when it was asked about');
    expect(code).toBe(2);
  },
  LIMIT_MS,
);

const WRITES = `plan: () => ({ plan: 0, rewrites: [0], reads: [] }),
  rewrite(_, message, out) { out.copy(0, out.recorded.length); return 'ready'; }`;

together.each([
  [
    'by nobody',
    '',
    /module .\/stuck.mjs has not been loaded for 10 s: interrupt the run/,
    /interrupted before/,
  ],
  [
    'but in threads that play',
    "import { workerData } from 'node:worker_threads'; if (workerData?.shard !== undefined) ",
    /threads? [01, ]+ha(s|ve) not moved for 10 s, in module .\/stuck.mjs: interrupt/,
    /interrupted while a thread loaded the module .\/stuck.mjs, which does not return/,
  ],
])(
  'when it is loaded, %s: it is named, and an interrupt ends it',
  async (_, where, named, ended) => {
    const options = { onStart: interruptWhen(named) };
    const { code, stdout, stderr } = await replay(WRITES, options, `${where}for (;;);\n`);
    expect(stderr).toMatch(named);
    expect(stderr).toMatch(ended);
    expect(stdout).toBe('');
    expect(code).toBe(130);
  },
  LIMIT_MS,
);

const IN_MAIN = "import { isMainThread } from 'node:worker_threads'; if (isMainThread)";

together(
  'when it is loaded, but in the main thread: that ends it',
  async () => {
    const { code, stdout, stderr } = await replay(WRITES, {}, `${IN_MAIN} for (;;);\n`);
    expect(stderr).toMatch(
      /--module .\/stuck.mjs cannot be loaded: it does not return in the main thread/,
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  },
  LIMIT_MS,
);

together(
  'when it waits, but in the main thread: it is named, and an interrupt ends it',
  async () => {
    const options = { onStart: interruptWhen(/module .\/stuck.mjs has not been loaded for 10 s:/) };
    const waits = `${IN_MAIN} await new Promise(() => {});\n`;
    const { code, stdout, stderr } = await replay(WRITES, options, waits);
    expect(stderr).toContain('interrupted before');
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  },
  LIMIT_MS,
);

together.each([
  ['await new Promise(() => {});', 'it waits for something that never comes'],
  ['await import("./stuck.mjs");', 'it waits for something that never comes'],
  ['process.exit(0);', 'it ends the process'],
])(
  'what is never loaded is refused: %s',
  async (before, why) => {
    const { code, stdout, stderr } = await replay(WRITES, {}, `${before}\n`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`--module ./stuck.mjs cannot be loaded: ${why}`);
  },
  LIMIT_MS,
);

test('a module that takes a while to be loaded is waited for, and prints what it prints', async () => {
  const before = `console.log('loaded'); await new Promise((resolve) => setTimeout(resolve, 300));\n`;
  const { code, stdout, stderr } = await replay(WRITES, {}, before);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^loaded\n/);
  // Here and in both threads.
  expect(stdout.match(/loaded/g)).toHaveLength(3);
});
