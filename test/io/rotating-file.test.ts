import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RotatingFile } from '../../src/io/files/rotating-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('a file that would grow beyond its limit is put aside, and three of those are kept', () => {
  const file = new RotatingFile(join(folder, 'log'), 10);
  for (const text of [
    'aaaa\n',
    'bbbb\n',
    'cccc\n',
    'dddd\n',
    'eeee\n',
    'ffff\n',
    'g'.repeat(30),
    'h\n',
    'i\n',
  ]) {
    file.write(text);
  }
  file.close();
  expect(read('log')).toBe('h\ni\n');
  expect(read('log.1')).toBe('g'.repeat(30));
  expect(read('log.2')).toBe('eeee\nffff\n');
  expect(read('log.3')).toBe('cccc\ndddd\n');
  expect(existsSync(join(folder, 'log.4'))).toBe(false);
});

test('what is there already is gone on with', () => {
  for (const text of ['one\n', 'two\n']) {
    const file = new RotatingFile(join(folder, 'log'));
    file.write(text);
    file.close();
  }
  expect(read('log')).toBe('one\ntwo\n');
});

test('a file that cannot be written is said at once', () => {
  expect(() => new RotatingFile(join(folder, 'none', 'log'))).toThrow(/cannot be written: ENOENT/);
});
