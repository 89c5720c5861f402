/** The image is built from files only: each path that it copies is there, and gets through. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

/** What the image itself holds: the last stage. */
const [inImage = ''] = read('Dockerfile')
  .split(/^FROM /m)
  .slice(-1);
const held = [...inImage.matchAll(/^COPY (?:--from=build )?(.+) \S+$/gm)].flatMap(
  ([, sources = '']) => sources.split(' ').map((path) => path.replace('/gryphon/', '')),
);

/** Files of the project that the program reads, by the sources that name them. */
const wanted = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .flatMap((path) =>
    [...read(join('src', path)).matchAll(/new URL\(\s*['`]((?:\.\.\/)+[^'`$]+)/g)].map(
      // From lib/, where a file of src/ is as deep (rolldown.config.ts).
      ([, relative = '']) => join('lib', path, '..', relative),
    ),
  );

test('the program reads some files of its own', () => {
  expect(wanted).toEqual(expect.arrayContaining(['package.json', 'assets/']));
});

test.each([...new Set(wanted)])('the image holds %s, which the program reads', (path) => {
  expect(held.some((each) => path === each || path.startsWith(`${each}/`))).toBe(true);
});

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
