/** The image is built from files only: each path that it copies is there, and gets through. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

/** Paths of the repository that the Dockerfile copies, not those of an earlier stage. */
const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
  ([, sources = '']) => sources.split(' '),
);
const allowed = read('.dockerignore')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));

test('the Dockerfile copies something', () => expect(copied).toContain('package.json'));

test.each(copied)('%s exists, and .dockerignore lets it through', (path) => {
  expect(existsSync(join(ROOT, path))).toBe(true);
  expect(allowed).toContain(path);
});

test('everything that .dockerignore lets through is copied', () => {
  expect(copied).toEqual(expect.arrayContaining(allowed));
});

test('the capture that the documents play in a container is in the image', () => {
  const [, fixture = ''] = /\/gryphon\/(fixtures\/\S+)/.exec(read('docs/docker.md')) ?? [];
  expect(copied).toContain(fixture);
});
