/** The command as the shell sees it: the built program, started as a process. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { parseResult } from '../../src/report/json.ts';
import { type RunOptions, run, until } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CAPTURE = join(ROOT, 'fixtures/http-keepalive.pcap');

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-bin-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const gryphon = (args: readonly string[], options: RunOptions = {}) =>
  run([process.execPath, join(ROOT, 'bin/gryphon.js'), ...args], { cwd: folder, ...options });

/** A line of bash in which `gryphon` is the program; paths may hold that word, too. */
const shell = (line: string, options: RunOptions = {}) =>
  run(['bash', '-c', `gryphon() { "$NODE" "$PROGRAM" "$@"; }; ${line}`], {
    cwd: folder,
    env: { ...process.env, NODE: process.execPath, PROGRAM: join(ROOT, 'bin/gryphon.js') },
    ...options,
  });

test('--version says the version of the package, on stdout', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(await gryphon(['--version'])).toMatchObject({
    code: 0,
    stdout: `${version}\n`,
    stderr: '',
  });
});

test('--help goes to stdout and ends with 0', async () => {
  const { code, stdout, stderr } = await gryphon(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('gryphon replay x.pcap');
});

// The program measures widths by characters alone, sources by yargs' own package: rolldown.config.ts.
test.each(['--help', 'replay --help', 'lab --explain --help'])(
  'help is laid out as yargs does: %s',
  async (typed) => {
    const args = typed.split(' ');
    const context = { args, env: {}, columns: null, version: '' };
    const line = parseCommandLine(await loadCommands(args), context);
    expect((await gryphon(args)).stdout).toBe('output' in line ? line.output : '');
  },
);

test('what moves the cursor is shown, and not done', async () => {
  const { code, stderr } = await gryphon(['inspect', 'a\x1b[31m\tb.pcap']);
  expect({ code, stderr }).toEqual({
    code: 3,
    stderr: 'gryphon: a?[31m\tb.pcap does not exist; check the spelling of the path\n',
  });
});

describe('where Node is too old', () => {
  /** The program beside a build that no version of Node can read. */
  const startIn = (node: string) => {
    const place = join(folder, `node-${node}`);
    mkdirSync(join(place, 'bin'), { recursive: true });
    mkdirSync(join(place, 'lib/cli'), { recursive: true });
    copyFileSync(join(ROOT, 'bin/gryphon.js'), join(place, 'bin/gryphon.js'));
    writeFileSync(join(place, 'package.json'), '{ "type": "module" }');
    for (const name of ['main', 'context']) {
      writeFileSync(join(place, `lib/cli/${name}.js`), 'this is no program');
    }
    const versions = `{ value: { ...process.versions, node: '${node}' } }`;
    const pretend = `data:text/javascript,Object.defineProperty(process, 'versions', ${versions})`;
    return run([process.execPath, '--import', pretend, join(place, 'bin/gryphon.js'), '--help']);
  };

  test.each(['12.22.12', '18.20.8', '20.18.3'])('%s is told so in one line', async (node) => {
    const { code, stdout, stderr } = await startIn(node);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/^gryphon: it needs Node 20\.19 or newer, and [^\n]*\n$/);
    expect(stderr).toContain(`is ${node}`);
  });

  test.each(['20.19.0', '22.0.0', '100.0.0'])('%s is new enough to go on', async (node) => {
    const { code, stderr } = await startIn(node);
    expect(code).not.toBe(0);
    expect(stderr).toContain('SyntaxError');
  });

  test('what says so is read by Node 12: nothing younger is in it', () => {
    const source = readFileSync(join(ROOT, 'bin/gryphon.js'), 'utf8');
    const code = source.replace(/^\s*\/\/.*$|\/\*[\s\S]*?\*\/|'[^'\n]*'/gm, '');
    expect(code).not.toMatch(/^\s*import\b(?!\()|\bawait\b|\?\.|\?\?|#\w|\|\|=|&&=|\d_\d/m);
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const least = /NODE_MIN = \[(\d+), (\d+)\]/.exec(source)?.slice(1).join('.');
    expect(engines.node).toBe(`>=${least}`);
  });
});

describe('a replay', () => {
  test('of a fixture plays every user and leaves a result that the ledger agrees with', async () => {
    const args = ['replay', CAPTURE, '--users', '200', '--accel', '10', '--seed', '1'];
    const { code, stdout, stderr } = await gryphon([
      ...args,
      '--json',
      'r.json',
      '--out',
      'reports',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('all 200 users completed');
    const result = JSON.parse(readFileSync(join(folder, 'r.json'), 'utf8'));
    expect(result).toMatchObject({
      schema: 'gryphon.result/1',
      command: [...args, '--json', 'r.json', '--out', 'reports'],
      plan: { seed: 1, accel: 10 },
      users: { planned: 200, completed: 200, waiting: 0, live: 0 },
    });
    expect(readFileSync(join(folder, 'reports/junit.xml'), 'utf8')).toContain('<testsuites');
  });

  test('with --json - leaves stdout to the document', async () => {
    const { code, stdout, stderr } = await gryphon(['replay', CAPTURE, '--json', '-']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'gryphon.result/1' });
    expect(stderr).toContain('p99');
  });

  test('takes its options from the environment, too', async () => {
    const env = { ...process.env, GRYPHON_USERS: '3', GRYPHON_JSON: '-', GRYPHON_QUIET: '1' };
    const { stdout, stderr } = await gryphon(['replay', CAPTURE], { env });
    expect(JSON.parse(stdout)).toMatchObject({ users: { planned: 3 } });
    expect(stderr).toBe('');
  });

  test('with --dry-run says what it would do and sends nothing', async () => {
    const { code, stdout } = await gryphon(['replay', CAPTURE, '-u', '7', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toContain('nothing was sent');
  });
});

describe('completion in bash', () => {
  /** What TAB offers behind a line, and what it writes into the prompt. */
  async function offered(line: string) {
    const words = line.split(' ').map((word) => `'${word}'`);
    return await shell(
      `source <(gryphon completion bash) && COMP_WORDS=(${words.join(' ')}) &&
      COMP_CWORD=${words.length - 1} && _gryphon_completion && printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
  }

  test.each([
    { line: 'gryphon replay x.pcap --pace ', words: 'think\nschedule\nnone\n' },
    { line: 'gryphon intercept --mode s', words: 'sink\n' },
    { line: 'gryphon ins', words: 'inspect\n' },
    // Nothing: the shell goes on with names of files.
    { line: `gryphon replay ${CAPTURE.slice(0, -3)}`, words: '\n' },
    { line: 'gryphon replay it’s "odd" $(false) ', words: '\n' },
  ])('$line', async ({ line, words }) => {
    expect(await offered(line)).toMatchObject({ code: 0, stdout: words, stderr: '' });
  });

  test('leaves names of files to the shell', async () => {
    const { stdout } = await shell('source <(gryphon completion bash) && complete -p gryphon');
    expect(stdout).toBe('complete -o bashdefault -o default -F _gryphon_completion gryphon\n');
  });
});

describe('exit codes', () => {
  test.each([
    { args: ['replay', CAPTURE, '-u', '0'], code: 2, says: /^gryphon: --users: '0' is not/ },
    { args: ['replay', CAPTURE, '--frobnicate'], code: 2, says: /^gryphon: unknown option/ },
    { args: ['repaly', CAPTURE], code: 2, says: /did you mean gryphon replay\?/ },
    { args: [], code: 2, says: /no command given/ },
    { args: ['replay', CAPTURE, '-c', '10.0.0.1', '--ports', '1-9'], code: 2, says: /10\.0\.0\.1/ },
    { args: ['replay', CAPTURE, '--json', 'none/r.json'], code: 2, says: /folder does not exist/ },
    { args: ['replay', CAPTURE, '--target', '8.8.8.8:80'], code: 2, says: /public address/ },
    { args: ['replay', 'no-such.pcap'], code: 3, says: /no-such\.pcap does not exist/ },
    {
      args: ['intercept', '--token-file', 'nofile'],
      code: 2,
      says: /^gryphon: --token-file: nofile cannot be read: it does not exist/,
    },
    { args: ['replay', '.'], code: 3, says: /folder/ },
    { args: ['replay', 'empty.pcap'], code: 3, says: /empty/ },
    { args: ['replay', 'text.pcap'], code: 3, says: /not a capture/ },
    { args: ['inspect', 'text.pcap'], code: 3, says: /not a capture/ },
    { args: ['replay', CAPTURE, '--threshold', 'response:max<1ns'], code: 99, says: /^$/ },
    { args: ['replay', CAPTURE, '--json', '/dev/full'], code: 4, says: /no space left/ },
  ])('$code with one line that matches $says', async ({ args, code, says }) => {
    writeFileSync(join(folder, 'empty.pcap'), '');
    writeFileSync(join(folder, 'text.pcap'), 'this is a text that is long enough to be a header\n');
    const finished = await gryphon(args);
    expect(finished).toMatchObject({ code, stderr: expect.stringMatching(says) });
    expect(finished.stderr.split('\n').length).toBeLessThanOrEqual(2);
    if (code === 2 || code === 3) expect(finished.stdout).toBe('');
  });

  test('a capture can come from standard input', async () => {
    const { code, stdout } = await shell(`gryphon inspect - --json < '${CAPTURE}'`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).sessions.total).toBe(16);
  });

  test('a terminal is no capture, and is not waited for', async () => {
    const line = 'script -qec "$NODE $PROGRAM inspect -" /dev/null';
    const { code, stdout, elapsedMs } = await shell(line);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^gryphon: standard input is a terminal and no capture; pipe one in/);
    expect(elapsedMs).toBeLessThan(20_000);
  });

  test('a reader that leaves early is no fault', async () => {
    const { stdout, stderr } = await shell(
      `gryphon replay '${CAPTURE}' --json - --quiet | head -c 1; echo " \${PIPESTATUS[0]}"`,
    );
    expect({ stdout, stderr }).toEqual({ stdout: '{ 0\n', stderr: '' });
  });

  test('a result that stdout does not take is one', async () => {
    const { code, stderr } = await shell(`gryphon replay '${CAPTURE}' > /dev/full`);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^gryphon: the result cannot be written to stdout/);
  });
});

test('a report that there is no room for leaves nothing behind, and what was there as it was', async () => {
  mkdirSync(join(folder, 'low'));
  writeFileSync(join(folder, 'low/result.json'), 'of yesterday');
  // No file may be longer than 4 kB: the smallest reports fit.
  const line = `ulimit -f 4; gryphon replay ${CAPTURE} --out low --json r-low.json > /dev/null`;
  const { code, stderr } = await shell(line);
  expect({ code, stderr }).toEqual({
    code: 4,
    stderr: expect.stringMatching(
      /^gryphon: [^ ]+ cannot be written: it would be larger than files may be here; [^\n]+\n$/,
    ),
  });
  expect(existsSync(join(folder, 'r-low.json'))).toBe(false);
  expect(readFileSync(join(folder, 'low/result.json'), 'utf8')).toBe('of yesterday');
  const left = readdirSync(join(folder, 'low'));
  expect(left).toEqual(expect.arrayContaining(['junit.xml', 'summary.txt']));
  expect(left.filter((name) => name.includes('.part'))).toEqual([]);
  for (const name of left) expect(statSync(join(folder, 'low', name)).size).toBeGreaterThan(0);
});

describe('signals', () => {
  /** Long enough to be interrupted: 16 sessions of about a second, a twentieth as fast. */
  const LONG = ['replay', CAPTURE, '--users', '2000', '--real-time', '--accel', '0.05'];

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    'the first %s drains, reports, and ends with 130',
    async (signal) => {
      const out = join(folder, signal);
      const { code, stdout, stderr } = await gryphon([...LONG, '--out', out], {
        onStart: async (child) => {
          // The folder is made after the signals are watched; its users start a moment later, which
          // nothing outside shows. Earlier there is nothing to report yet.
          await until('the folder for the reports', () => existsSync(out));
          const startedMs = Date.now();
          await until('users at work', () => Date.now() - startedMs > 2_000);
          child.kill(signal);
          // As when what started it passes the same one on: not a second one.
          child.kill(signal);
        },
      });
      expect(code).toBe(130);
      expect(stdout).toContain('interrupted');
      expect(stderr).toContain('once more to leave at once');
      const { users } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
      const { planned, waiting, live, completed, refused, reset, timedOut, aborted } = users;
      expect(planned).toBe(2000);
      expect(live).toBe(0);
      expect(waiting + completed + refused + reset + timedOut + aborted).toBe(planned);
    },
  );

  test('ends by itself with 99 when a threshold does not hold, after the stated delay', async () => {
    const json = join(folder, 'stopped.json');
    const { code, stdout, elapsedMs } = await gryphon([
      ...LONG,
      ...['--threshold', 'response:p(99)<1ns', '--abort-on-fail', '2s', '--json', json],
    ]);
    expect(code).toBe(99);
    expect(stdout).toMatch(/^✗ stopped after 2\.\d+ s: response:p\(99\)<1ns did not hold, found /);
    const { stopped, users, durationSeconds } = await parseResult(readFileSync(json, 'utf8'), json);
    expect(stopped).toContain('response:p(99)<1ns');
    expect(users.waiting).toBeGreaterThan(0);
    expect(durationSeconds).toBeGreaterThanOrEqual(2);
    // The whole run takes half a minute.
    expect(elapsedMs).toBeLessThan(20_000);

    const again = ['replay', CAPTURE, '--threshold', 'response:p(99)<+10%', '--baseline'];
    expect((await gryphon([...again, json])).code).toBe(0);
    expect(await gryphon([...again, CAPTURE])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is no result of a replay: it is not JSON'),
    });
  });

  test.each(['- <&9', 'silent'])(
    'the first one ends the reading of a pipe that says nothing: replay %s',
    async (capture) => {
      // The shell holds a writing end, so that the reader waits; then it becomes gryphon.
      const line = `rm -f silent; mkfifo silent; exec 9<>silent; exec "$NODE" "$PROGRAM" replay ${capture}`;
      const finished = await shell(line, {
        onStart: async (child) => {
          await until('the signals to be watched', () => catchesSighup(child.pid ?? 0));
          // It reads a moment later, which nothing outside shows.
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          child.kill('SIGINT');
        },
      });
      expect(finished).toMatchObject({ code: 130, stdout: '' });
      expect(finished.stderr).toContain('interrupted before anything was sent');
      expect(finished.elapsedMs).toBeLessThan(20_000);
    },
  );

  test('the second one ends the process whatever it waits for', async () => {
    // A read that never returns, in a thread for which process.exit waits.
    const program = `
      import { read } from 'node:fs';
      import { processContext } from ${JSON.stringify(join(ROOT, 'dist/cli/context.js'))};
      const context = processContext();
      let signals = 0;
      read(9, Buffer.alloc(1), 0, 1, null, () => undefined);
      process.on('exit', () => console.log('listeners of the end are called'));
      context.onInterrupt(() => {
        signals++;
        console.log(signals);
        if (signals === 2) context.exitNow(130);
      });`;
    writeFileSync(join(folder, 'waits.mjs'), program);
    const line = 'mkfifo waits; exec 9<>waits; exec "$NODE" waits.mjs';
    const { signal, stdout } = await shell(line, {
      onStart: async (child) => {
        await until('the signals to be watched', () => catchesSighup(child.pid ?? 0));
        while (child.exitCode === null && child.signalCode === null) {
          child.kill('SIGINT');
          // Two signals closer together than half a second are one.
          await new Promise((resolve) => setTimeout(resolve, 600));
        }
      },
    });
    // As a shell has it: 130.
    expect({ signal, stdout }).toEqual({
      signal: 'SIGINT',
      stdout: '1\n2\nlisteners of the end are called\n',
    });
  });
});

/** Whether a process has a handler of its own for SIGHUP (bit 0 of the mask: proc(5)). */
function catchesSighup(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return (BigInt(`0x${mask}`) & 1n) === 1n && !status.startsWith('Name:\tbash');
}

test('an intercept whose log is on stderr writes nothing but JSON there, its failure included', async () => {
  const { code, stderr } = await gryphon(['intercept', '--listen', '192.0.2.1:1']);
  const records = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(code).toBe(2);
  expect(records.at(-1)).toMatchObject({
    level: 50,
    code: 'ERR_INTERCEPT_TOKEN',
    msg: expect.stringContaining('192.0.2.1'),
    mend: expect.stringContaining('--token-file'),
  });
});
