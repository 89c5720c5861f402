#!/usr/bin/env node
// Older versions of Node read this file, too, so that they can be told: nothing here that Node 12
// does not know, and nothing of the program is imported before the version is known.

/** As package.json's `engines` has it. */
const NODE_MIN = [20, 19];
/** Not permitted, or the machine lacks something: src/cli/exit-codes.ts. */
const EXIT_ENVIRONMENT = 4;

const [major, minor] = process.versions.node.split('.').map(Number);

if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
  refuse(
    `it needs Node ${NODE_MIN.join('.')} or newer, and ${process.execPath} is ${process.versions.node}; ` +
      'install a newer one (https://nodejs.org), or name its path: /path/to/node bin/gryphon.js',
  );
} else {
  keepCompiled();
  Promise.all([import('../lib/cli/context.js'), import('../lib/cli/main.js')]).then(
    ([{ processContext }, { main }]) =>
      // Whatever else is still open (a thread that is ending) is not waited for.
      main(processContext()).then((code) => process.exit(code)),
    (error) => {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
      refuse(`${error.message}; run npm ci in the folder that gryphon is in`);
    },
  );
}

function refuse(what) {
  process.stderr.write(`gryphon: ${what}\n`);
  process.exitCode = EXIT_ENVIRONMENT;
}

/**
 * What was compiled is kept for the next start, where Node can do that (22.8 and newer), beneath the user's
 * own cache: never where somebody else could have put it. NODE_DISABLE_COMPILE_CACHE=1 leaves it out.
 */
function keepCompiled() {
  const { enableCompileCache } = process.getBuiltinModule('module');
  const { XDG_CACHE_HOME, HOME } = process.env;
  const owned = XDG_CACHE_HOME || HOME;
  if (typeof enableCompileCache !== 'function' || !owned) return;
  try {
    if (process.getBuiltinModule('fs').statSync(owned).uid !== process.geteuid()) return;
  } catch (_) {
    return;
  }
  enableCompileCache(`${XDG_CACHE_HOME || `${HOME}/.cache`}/gryphon`);
}
