import { expect, test } from 'vitest';
import { rawSocketFault } from '../../src/io/send/raw-socket-sender.ts';

/** As Node words them. */
const OTHER_NODE = `The module '/x/node_modules/raw-socket/build/Release/raw.node'
was compiled against a different Node.js version using
NODE_MODULE_VERSION 115. This version of Node.js requires
NODE_MODULE_VERSION 127. Please try re-compiling or re-installing
the module (for instance, using \`npm rebuild\` or \`npm install\`).`;

test.each([
  {
    cause: { code: 'ERR_DLOPEN_FAILED', message: OTHER_NODE },
    says: 'was compiled for another Node than v22.1.0',
    hint: /^npm rebuild raw-socket/,
  },
  {
    cause: { code: 'MODULE_NOT_FOUND', message: "Cannot find module './build/Release/raw.node'" },
    says: 'installed without being compiled',
    hint: /^npm rebuild raw-socket/,
  },
  {
    cause: { code: 'MODULE_NOT_FOUND', message: "Cannot find module 'raw-socket'" },
    says: 'is not installed',
    hint: /^npm install raw-socket/,
  },
  {
    cause: { code: 'ERR_DLOPEN_FAILED', message: 'Module did not self-register: raw.node' },
    says: 'cannot be loaded: Module did not self-register',
    hint: /--threads 1/,
  },
])('$says', ({ cause, says, hint }) => {
  const fault = rawSocketFault(cause, 'v22.1.0');
  expect(fault.message).toContain(says);
  expect(fault.hint).toMatch(hint);
  expect(fault.kind).toBe('environment');
});
