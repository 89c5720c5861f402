/** What `npm pack` hands out: what a user needs, and no more. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { must } from './helpers/process.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

interface Packed {
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: Packed;
let paths: readonly string[];

beforeAll(async () => {
  const argv = ['npm', 'pack', '--dry-run', '--json', '--ignore-scripts'];
  [packed] = JSON.parse(await must(argv, { cwd: ROOT })) as [Packed];
  paths = packed.files.map(({ path }) => path);
  // npm takes long to begin on a machine that is busy.
}, 60_000);

describe('the package', () => {
  test('has the program, its documents, the examples and the captures that they play', () => {
    expect(paths).toEqual(
      expect.arrayContaining([
        'bin/gryphon.js',
        'lib/cli/main.js',
        'README.md',
        'LICENSE',
        'SECURITY.md',
        'CHANGELOG.md',
        'docs/summary.svg',
        'examples/ci/stage.sh',
        'examples/run.yaml',
        'schema/replay.config.json',
        'fixtures/http-keepalive.pcap',
      ]),
    );
  });

  test('has no captures that are made to break readers, no recorder, no tests', () => {
    const unwanted =
      /^(fixtures\/(malformed|conformance|public|record)|test|src|bench\/(?!README))/;
    expect(paths.filter((path) => unwanted.test(path))).toEqual([]);
    // The same packets in other spellings are there for readers' tests.
    expect(
      paths.filter((path) => /-(be|be-ns|gso|raw|sll|null|loop|vlan)\.pcap$/.test(path)),
    ).toEqual([]);
    expect(packed.unpackedSize).toBeLessThan(4_000_000);
  });

  test('has the types of what it exports, and of everything that those name', () => {
    const isIn = new Set(paths);
    const reached = new Set<string>();
    const follow = (file: string) => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const [, name = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(
        /(?:from|import\()\s*'(\.[^']+)'/g,
      )) {
        follow(join(dirname(file), name).replace(/\.[jt]s$/, '.d.ts'));
      }
    };
    follow('dist/api/library.d.ts');
    follow('dist/rewrite/module.d.ts');
    expect(reached.size).toBeGreaterThan(20);
    expect([...reached].filter((file) => !isIn.has(file))).toEqual([]);
  });

  test('has the files that its threads are started from', () => {
    const started = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) =>
        [...readFileSync(join(ROOT, 'src', path), 'utf8').matchAll(/new URL\('(\.\/[^']+)'/g)].map(
          ([, beside = '']) => join('lib', dirname(path), beside),
        ),
      );
    expect(started).toContain('lib/run/threads/worker.js');
    expect(paths).toEqual(expect.arrayContaining(started));
  });

  test('has the licences of what is taken into the program', () => {
    const licences = readFileSync(join(ROOT, 'lib/LICENSES'), 'utf8');
    expect(paths).toContain('lib/LICENSES');
    for (const name of [
      'yargs',
      'yargs-parser',
      'y18n',
      'cliui',
      '@noble/curves',
      '@noble/hashes',
    ]) {
      expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'));
    }
  });

  test('is built of modules on machines that rolldown has no binary for', async () => {
    const place = mkdtempSync(join(tmpdir(), 'gryphon-modules-'));
    try {
      mkdirSync(join(place, 'scripts'));
      mkdirSync(join(place, 'dist/cli'), { recursive: true });
      copyFileSync(join(ROOT, 'scripts/bundle.mjs'), join(place, 'scripts/bundle.mjs'));
      for (const name of ['main.js', 'main.d.ts', 'main.js.map']) {
        writeFileSync(join(place, 'dist/cli', name), name);
      }
      const pretend =
        'data:text/javascript,Object.defineProperty(process, "arch", { value: "riscv64" })';
      await must([process.execPath, '--import', pretend, join(place, 'scripts/bundle.mjs')]);
      expect(readdirSync(join(place, 'lib'), { recursive: true })).toEqual(['cli', 'cli/main.js']);
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  test('has everything that its README shows or leads to', () => {
    const text = readFileSync(join(ROOT, 'README.md'), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    const links = [...text.matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)]
      .map(([, link = '']) => normalize(join(dirname('README.md'), link)))
      .filter((link) => existsSync(join(ROOT, link)));
    expect(links.length).toBeGreaterThan(5);
    const isIn = (link: string) =>
      paths.some((path) => path === link || path.startsWith(`${link}/`));
    expect(links.filter((link) => !isIn(link))).toEqual([]);
  });
});
