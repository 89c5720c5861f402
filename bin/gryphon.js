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
  Promise.all([import('../dist/cli/context.js'), import('../dist/cli/main.js')]).then(
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
