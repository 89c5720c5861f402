/**
 * Puts the program into fewer files: reading and linking one costs a start about half a millisecond, and each
 * thread of a replay reads its own again. What commands load when they need it stays apart.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defineConfig, type Plugin } from 'rolldown';

const ROOT = import.meta.dirname;

/** What `bin/`, the package's exports and `new Worker` name; the rest is nobody's to import. */
const ENTRIES = [
  'api/library',
  'cli/context',
  'cli/main',
  'rewrite/module',
  'run/channel/channel-worker',
  'run/intercept/intercept-worker',
  'run/lab/server-worker',
  'run/plan/trial-worker',
  'run/plan/watch-worker',
  'run/threads/worker',
];

/** Stands for the folder of the output until it is known how deep a chunk lies in it. */
const OUTPUT = 'gryphon-output:';

/** Modules find files beside them as if each still lay where it does in src/ (or in node_modules/). */
const ownPlaces: Plugin = {
  name: 'own-places',
  transform(code, id) {
    if (!code.includes('import.meta.url')) return null;
    const path = relative(ROOT, id).replace(/^src\//, '');
    return code.replaceAll(
      'import.meta.url',
      `new URL(${JSON.stringify(`${OUTPUT}${path}`)}, import.meta.url).href`,
    );
  },
  renderChunk(code, { fileName }) {
    const up = '../'.repeat(fileName.split('/').length - 1) || './';
    return code.replaceAll(OUTPUT, up);
  },
};

const WIDTH = 'string-width';

/**
 * In help each character has one column. What the package knows besides (emoji, East Asian ones) is read by its
 * patterns at every start, and takes longer than all else of yargs.
 */
const plainWidth: Plugin = {
  name: 'plain-width',
  resolveId: (source) => (source === WIDTH ? `\0${WIDTH}` : null),
  load: (id) =>
    id === `\0${WIDTH}`
      ? `import { stripVTControlCharacters } from 'node:util';
         export default (text) => [...stripVTControlCharacters(text)].length;`
      : null,
};

/** The licences of what is taken into the program, as they ask for. */
const licences: Plugin = {
  name: 'licences',
  generateBundle(_, bundle) {
    const ids = Object.values(bundle).flatMap((each) =>
      each.type === 'chunk' ? each.moduleIds : [],
    );
    const folders = ids.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []);
    const texts = [...new Set(folders)].sort().map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      if (file === undefined) throw new Error(`${folder} has no licence`);
      return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    });
    this.emitFile({
      type: 'asset',
      fileName: 'LICENSES',
      source: texts.join(`\n${'-'.repeat(80)}\n\n`),
    });
  },
};

/**
 * Every command needs yargs, and of the curves one is needed, by few. Where `lib/` is a copy of `dist/`
 * (scripts/bundle.mjs) they are imported as they are.
 */
const TAKEN_IN = ['yargs', '@noble/curves'];
/** Other packages that `npm install` brings along are imported as they are. */
const { dependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
);
const INSTALLED = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
  (name) => !TAKEN_IN.includes(name),
);

export default defineConfig({
  input: Object.fromEntries(ENTRIES.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  external: INSTALLED.map((name) => new RegExp(`^${name}(?:/|$)`)),
  plugins: [ownPlaces, plainWidth, licences],
  output: {
    dir: 'lib',
    cleanDir: true,
    chunkFileNames: 'chunks/[name]-[hash].js',
    comments: { legal: true, annotation: false, jsdoc: false },
  },
});
