/** The scripts of examples/ that need no privilege, run as a newcomer runs them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { run } from './helpers/process.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const CAPTURE = join(ROOT, 'fixtures/http-short.pcap');
const SCRIPTS = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.sh'),
);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-examples-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const example = (name: string, ...args: string[]) =>
  run(['bash', join(ROOT, 'examples', name), ...args], {
    cwd: folder,
    env: { ...process.env, GRYPHON: `${process.execPath} ${join(ROOT, 'bin/gryphon.js')}` },
  });

test('every script has its row', () => {
  const rows = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
  for (const name of SCRIPTS) expect(rows).toContain(`\`${name} `);
});

test.each(SCRIPTS)('%s without arguments says how it is called', async (name) => {
  const { code, stderr } = await example(name);
  expect(code).not.toBe(0);
  expect(stderr).toContain(`usage: ${basename(name)} `);
});

test('inspect.sh prints the table and leaves the document', async () => {
  const { code, stdout } = await example('inspect.sh', CAPTURE);
  expect(code).toBe(0);
  expect(stdout).toContain('10.77.0.1:80');
  const document = JSON.parse(readFileSync(join(folder, 'http-short.pcap.json'), 'utf8'));
  expect(document.sessionList).toHaveLength(10);
});

test('embedded.sh plays as many users as asked', async () => {
  const { code, stdout } = await example('embedded.sh', CAPTURE, '50');
  expect({ code, first: stdout.split('\n')[0] }).toEqual({
    code: 0,
    first: '✓ the threshold held',
  });
});

test('config.sh plays what the file says, from any folder, options first', async () => {
  const file = join(ROOT, 'examples/run.yaml');
  const { code, stdout } = await example('config.sh', file, '--users', '50');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ +users 50 +command line$/m);
  expect(stdout).toMatch(/^ +max-gap 1s +\S*examples\/run\.yaml:6:10$/m);
  expect(stdout).toContain('✓ all 2 thresholds held');
});

test('own-server.sh shows the plan first', async () => {
  const { code, stdout } = await example('own-server.sh', CAPTURE, 'embedded', '10');
  expect(code).toBe(0);
  expect(stdout.indexOf('nothing was sent')).toBeGreaterThan(0);
  expect(stdout.indexOf('all 10 users')).toBeGreaterThan(stdout.indexOf('nothing was sent'));
});

test('each pod of the Kubernetes job plays a share of its own of one plan', async () => {
  const text = readFileSync(join(ROOT, 'examples/kubernetes/indexed-job.yaml'), 'utf8');
  const { completions, completionMode, parallelism, template } = parse(text).spec;
  const [{ command, args, env }] = template.spec.containers;
  expect({ completionMode, parallelism }).toEqual({
    completionMode: 'Indexed',
    parallelism: completions,
  });
  expect(env.map(({ name }: { name: string }) => name)).toEqual(['TARGET', 'START_AT']);
  const bin = join(folder, 'gryphon');
  const line = `exec ${process.execPath} ${join(ROOT, 'bin/gryphon.js')}`;
  writeFileSync(bin, `#!/bin/sh\n${line} "$@" --dry-run\n`, { mode: 0o755 });
  const [script] = args.map((each: string) =>
    each.replace('/data/app.pcap', CAPTURE).replace('/data/results', folder),
  );
  const podEnv = { TARGET: '127.0.0.1:8080', START_AT: '2099-01-01T00:00:00Z' };
  for (const pod of [0, completions - 1]) {
    const { code, stdout, stderr } = await run([...command, script], {
      env: {
        ...process.env,
        ...podEnv,
        PATH: `${folder}:${process.env.PATH}`,
        JOB_COMPLETION_INDEX: String(pod),
      },
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^share +${pod + 1} of ${completions}, of 5,000 users in all$`, 'm'),
    );
  }
});

test.each([
  { options: [], code: 0 },
  { options: ['--threshold', 'response:max<1ns'], code: 99 },
])('ci/stage.sh $options ends with $code and leaves the reports', async ({ options, code }) => {
  expect((await example('ci/stage.sh', CAPTURE, 'embedded', ...options)).code).toBe(code);
  for (const name of ['junit.xml', 'summary.md', 'result.json']) {
    expect(existsSync(join(folder, 'report', name))).toBe(true);
  }
});
