import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { kernelFiles } from '../../src/cli/files.ts';
import { checkOutputs, type Outputs, writeOutputs } from '../../src/cli/outputs.ts';
import { sampleResult } from '../measure/sample-run.ts';
import { fakeContext } from './fake-context.ts';

const NOWHERE: Outputs = {
  folder: null,
  html: null,
  csv: null,
  json: null,
  isQuiet: false,
  isShown: true,
  summary: { color: false },
};
const RESULT = sampleResult(['response:max<1h']);

describe('what is written where', () => {
  test('the summary goes to stdout', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, NOWHERE, context);
    expect(context.out.join('')).toContain('p99');
    expect(context.err).toEqual([]);
    expect(context.written.size).toBe(0);
  });

  test('--json FILE writes the document beside it', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, json: 'r.json' }, context);
    expect(JSON.parse(context.written.get('r.json') ?? '')).toMatchObject({
      schema: 'gryphon.result/1',
    });
    expect(context.out.join('')).toContain('p99');
  });

  test('--json - leaves stdout to the document alone', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, json: '-' }, context);
    expect(JSON.parse(context.out.join(''))).toMatchObject({ users: { planned: 1000 } });
    expect(context.err.join('')).toContain('p99');
  });

  test('--html FILE writes the page beside the summary, with all that it needs', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, html: 'r.html' }, context);
    const page = context.written.get('r.html') ?? '';
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain('var uPlot=');
    expect(page).toContain('new uPlot(');
    expect(context.out.join('')).toContain('p99');
  });

  test('--html - leaves stdout to the page alone', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, html: '-', json: 'r.json' }, context);
    expect(context.out.join('')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(context.err.join('')).toContain('p99');
    expect(context.written.has('r.json')).toBe(true);
  });

  test('--csv FILE writes the table of intervals; --csv - leaves stdout to it alone', async () => {
    const [file, stdout] = [fakeContext(), fakeContext()];
    await writeOutputs(RESULT, { ...NOWHERE, csv: 'r.csv' }, file);
    expect(file.written.get('r.csv')).toMatch(/^start_seconds,end_seconds,started,/);
    await writeOutputs(RESULT, { ...NOWHERE, csv: '-' }, stdout);
    expect(stdout.out).toEqual([file.written.get('r.csv')]);
    expect(stdout.err.join('')).toContain('p99');
  });

  test('where the page cannot be made, everything else is written and the fault is told', async () => {
    const fault = new ReplayError({ code: 'ERR_T', kind: 'environment', message: 'gone' });
    const context = fakeContext({
      files: {
        readHtmlAssets: async () => {
          throw fault;
        },
      },
    });
    const outputs = { ...NOWHERE, html: 'r.html', json: 'r.json' };
    await expect(writeOutputs(RESULT, outputs, context)).rejects.toBe(fault);
    expect(context.out.join('')).toContain('p99');
    expect([...context.written.keys()]).toEqual(['r.json']);
  });

  test('--json - --quiet writes nothing else', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, json: '-', isQuiet: true }, context);
    expect(context.out).toHaveLength(1);
    expect(context.err).toEqual([]);
  });

  test('--out writes every report into its folder', async () => {
    const context = fakeContext();
    await writeOutputs(RESULT, { ...NOWHERE, folder: 'o' }, context);
    expect([...context.written.keys()]).toEqual(
      expect.arrayContaining(['o/result.json', 'o/summary.txt', 'o/junit.xml', 'o/run.hlog']),
    );
  });

  test('a report that cannot be written keeps no other from being written', async () => {
    const context = fakeContext();
    const files: typeof context.files = {
      ...context.files,
      write: async (path, content) => {
        if (path.endsWith('result.json')) {
          throw new ReplayError({ code: 'ERR_T', kind: 'environment', message: 'disk full' });
        }
        await context.files.write(path, content);
      },
    };
    const outputs = { ...NOWHERE, folder: 'o', json: 'r.json' };
    await expect(writeOutputs(RESULT, outputs, { ...context, files })).rejects.toThrow('disk full');
    expect(context.out).toHaveLength(1);
    expect([...context.written.keys()]).toEqual(expect.arrayContaining(['r.json', 'o/junit.xml']));
  });
});

describe('checking beforehand', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-cli-'));
    writeFileSync(join(folder, 'file'), 'as it was');
    mkdirSync(join(folder, 'sub'));
  });
  afterEach(() => {
    chmodSync(folder, 0o755);
    rmSync(folder, { recursive: true });
  });

  const check = (part: Partial<Outputs>) => checkOutputs({ ...NOWHERE, ...part }, kernelFiles);

  test('a folder is made, with those above it', async () => {
    await check({ folder: join(folder, 'a/b') });
    await kernelFiles.write(join(folder, 'a/b/c'), 'text');
    expect(readFileSync(join(folder, 'a/b/c'), 'utf8')).toBe('text');
  });

  test('a file is left as it is until there is something to write', async () => {
    await check({ json: join(folder, 'file') });
    await check({ json: join(folder, 'new') });
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('as it was');
    expect(() => readFileSync(join(folder, 'new'))).toThrow('ENOENT');
  });

  test('what is replaced stays what it was: a link to a file, with its mode', async () => {
    const [file, link] = [join(folder, 'file'), join(folder, 'link')];
    chmodSync(file, 0o666);
    symlinkSync('file', link);
    await kernelFiles.write(link, 'new');
    expect(readlinkSync(link)).toBe('file');
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(statSync(file).mode & 0o777).toBe(0o666);
    expect(readdirSync(folder).sort()).toEqual(['file', 'link', 'sub']);
  });

  test('what is open under another name is written to, and not replaced', async () => {
    const fd = openSync(join(folder, 'file'), 'r');
    await kernelFiles.write(`/dev/fd/${fd}`, 'new');
    expect(readFileSync(fd, 'utf8')).toBe('new');
    closeSync(fd);
  });

  test('stdout needs no check', async () => {
    await expect(check({ json: '-' })).resolves.toBeUndefined();
  });

  test.each([
    { part: { json: 'none/x.json' }, reason: 'its folder does not exist' },
    { part: { json: 'file/x.json' }, reason: 'a part of the path is not a folder' },
    { part: { json: 'sub' }, reason: 'it is a folder' },
    { part: { folder: 'file' }, reason: 'it is there and not a folder' },
    { part: { folder: 'file/x' }, reason: 'a part of the path is not a folder' },
    { part: { json: 'x'.repeat(300) }, reason: 'the name is too long' },
  ])('$part is wrong use: $reason', async ({ part, reason }) => {
    const here = Object.fromEntries(
      Object.entries(part).map(([name, path]) => [name, join(folder, path)]),
    );
    await expect(check(here)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(reason),
    });
  });

  test('a place where nobody may write is a fault of the machine', async () => {
    await expect(check({ json: '/proc/none/x' })).rejects.toMatchObject({ kind: 'usage' });
    await expect(check({ folder: '/proc/none' })).rejects.toThrow('/proc/none cannot be made');
    await expect(kernelFiles.write('/dev/full', 'x')).rejects.toMatchObject({
      kind: 'environment',
      message: '/dev/full cannot be written: no space left on the device',
    });
  });
});
