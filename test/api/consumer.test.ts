/** A project that has the packed tarball installed: in plain JavaScript and in strict TypeScript. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { must, run } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CAPTURE = join(ROOT, 'fixtures/http-short.pcap');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

let project: string;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'gryphon-consumer-'));
  const pack = ['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', project];
  const tarball = (await must(pack, { cwd: ROOT })).trim();
  const installed = join(project, 'node_modules/gryphon');
  mkdirSync(installed, { recursive: true });
  await must(['tar', '-xzf', join(project, tarball), '-C', installed, '--strip-components=1']);
  // What npm would install beside it, without asking a registry.
  for (const name of packagesIn(join(ROOT, 'node_modules'))) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "type": "module" }');
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

function packagesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    if (name.startsWith('.')) return [];
    if (!name.startsWith('@')) return [name];
    return readdirSync(join(folder, name)).map((inner) => `${name}/${inner}`);
  });
}

const node = (file: string) => run([process.execPath, file], { cwd: project });

test('plain JavaScript replays, hears of progress, and inspects', async () => {
  writeFileSync(
    join(project, 'plain.mjs'),
    `import { inspect, replay } from 'gryphon';
     let snapshots = 0;
     const run = replay({ captures: '${CAPTURE}', users: 50, accel: 10, seed: 1, realTime: true,
       threshold: ['response:p(99)<1s', 'errors:rate<0.1%'] });
     run.on('progress', ({ users }) => { if (users.planned === 50) snapshots++; });
     const { result, code } = await run;
     const { sessions, sessionList } = await inspect({ captures: ['${CAPTURE}'], sessions: true });
     console.log(JSON.stringify({ code, schema: result.schema, completed: result.users.completed,
       command: result.command.slice(0, 2), held: result.thresholds.every(({ ok }) => ok),
       total: sessions.total, listed: sessionList.length, heard: snapshots > 0 }));`,
  );
  const { code, stdout, stderr } = await node('plain.mjs');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    code: 0,
    schema: 'gryphon.result/1',
    completed: 50,
    command: ['replay', '--users=50'],
    held: true,
    total: 10,
    listed: 10,
    heard: true,
  });
});

test('options and captures may stand in a file, and its faults have their places', async () => {
  writeFileSync(join(project, 'run.yaml'), `captures: ${CAPTURE}\nusers: 30\nseed: 1\n`);
  writeFileSync(join(project, 'wrong.yaml'), 'captures: x.pcap\nusres: 30\n');
  writeFileSync(
    join(project, 'config.mjs'),
    `import { readFile } from 'node:fs/promises';
     import { createRequire } from 'node:module';
     import { inspect, replay } from 'gryphon';
     const { result } = await replay({ config: 'run.yaml', users: 20 });
     const schema = createRequire(import.meta.url).resolve('gryphon/schema/replay.config.json');
     const { properties } = JSON.parse(await readFile(schema, 'utf8'));
     const fault = await inspect({ config: 'wrong.yaml' }).catch(({ message }) => message);
     console.log(JSON.stringify([result.users.completed, result.plan.seed, 'users' in properties, fault]));`,
  );
  const { stdout, stderr } = await node('config.mjs');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual([20, 1, true, "wrong.yaml:2:1: unknown key 'usres'"]);
});

test('a failed threshold, a wrong option and a missing file are told apart', async () => {
  writeFileSync(
    join(project, 'faults.mjs'),
    `import { replay, ReplayError } from 'gryphon';
     const said = [(await replay({ captures: '${CAPTURE}', threshold: 'response:max<1ns' })).code];
     for (const options of [{ captures: '${CAPTURE}', usres: 5 }, { captures: '${CAPTURE}', users: 0 },
       { captures: 'none.pcap' }]) {
       try { await replay(options); } catch (fault) {
         said.push(fault instanceof ReplayError && fault.kind + ': ' + fault.message);
       }
     }
     console.log(JSON.stringify(said));`,
  );
  const { stdout, stderr } = await node('faults.mjs');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual([
    99,
    'usage: unknown option --usres',
    expect.stringMatching(/^usage: --users: '0' is not/),
    expect.stringMatching(/^capture: none\.pcap does not exist/),
  ]);
});

test("the documents' module writes requests anew, and fits the types of a module", async () => {
  const document = readFileSync(join(ROOT, 'docs/modules.md'), 'utf8');
  const [, source = ''] = /^```js\n([\s\S]*?)^```/m.exec(document) ?? [];
  writeFileSync(join(project, 'stamp.js'), source);
  writeFileSync(
    join(project, 'modules.mjs'),
    `import { replay } from 'gryphon';
     const { result } = await replay({ captures: '${CAPTURE}', users: 50, seed: 1,
       module: './stamp.js', moduleOptions: '{"run":"b7"}' });
     const { users, rewriting, exchanges, faults } = result;
     console.log(JSON.stringify([users.completed, rewriting.messages === exchanges.sent, faults]));`,
  );
  const { stdout, stderr } = await node('modules.mjs');
  expect({ stdout, stderr }).toEqual({ stdout: '[50,true,[]]\n', stderr: '' });
}, 60_000);

test('an AbortSignal is the first Ctrl-C: there is a result, and it says so', async () => {
  writeFileSync(
    join(project, 'abort.mjs'),
    `import { replay } from 'gryphon';
     const abort = new AbortController();
     const run = replay({ captures: '${CAPTURE}', users: 2000, rate: '10/s', realTime: true,
       signal: abort.signal });
     run.on('progress', ({ users }) => { if (users.completed > 0) abort.abort(); });
     const { result, code } = await run;
     console.log(JSON.stringify([code, result.users.waiting > 1000, result.users.live]));`,
  );
  const { stdout } = await node('abort.mjs');
  expect(JSON.parse(stdout)).toEqual([130, true, 0]);
});

test('strict TypeScript finds the types, and what does not fit them', async () => {
  const options = {
    strict: true,
    allowJs: true,
    checkJs: true,
    module: 'NodeNext',
    target: 'ES2023',
    noEmit: true,
  };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { ...options, types: ['node'] },
      files: ['fits.ts', 'does-not.ts'],
    }),
  );
  const typed = (file: string, users: string) =>
    writeFileSync(
      join(project, file),
      `import { inspect, replay, type InspectDocument, type ReplayOptions, type RunResult } from 'gryphon';
       import stamp from './stamp.js';
       import type { ProtocolModule } from 'gryphon/module';
       export const made: ProtocolModule<null> = stamp({ run: 'b7' });
       const options: ReplayOptions = { captures: 'x.pcap', users: ${users}, pace: 'think' };
       const run = replay(options);
       run.on('progress', ({ users }) => { const live: number = users.live; void live; });
       const { result, code } = await run;
       const p99: number | null = result.latency.response.p99;
       const document: InspectDocument = await inspect({ captures: ['x.pcap'] });
       const total: number = document.sessions.total;
       export const all: [RunResult, number | null, number, 0 | 1 | 2 | 3 | 4 | 5 | 99 | 130] =
         [result, p99, total, code];\n`,
    );
  typed('fits.ts', '100');
  typed('does-not.ts', 'true');
  // One start of the compiler for both: it says what is wrong with one of them, and nothing else.
  const { code, stdout } = await run([process.execPath, TSC], { cwd: project });
  expect(code).not.toBe(0);
  expect(stdout).toMatch(
    /^does-not\.ts\(5,[^\n]+Type 'true' is not assignable to type 'OptionValue/,
  );
  expect(stdout.match(/error TS/g)).toHaveLength(1);
}, 180_000);
