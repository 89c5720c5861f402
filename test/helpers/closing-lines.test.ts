import { expect, test } from 'vitest';
import { closingLines } from './closing-lines.ts';

const COMMAND = 'bash test/privileged/install.sh';

test.each([
  {
    name: 'an ordinary user with all tools needs root',
    skipped: [{ suite: 'a', root: true, tools: [] }],
    says: [
      'Not run: 7 tests of 1 suites with real servers (they need root, for network namespaces).',
      'To run them: sudo env "PATH=$PATH" npm test',
    ],
  },
  {
    name: 'root without tools is told each of them once, and what installs them',
    skipped: [
      { suite: 'a', root: false, tools: ['nginx', 'arping'] },
      { suite: 'b', root: false, tools: ['nginx'] },
    ],
    says: [
      'Not run: 7 tests of 2 suites with real servers (these tools are not installed: arping, nginx).',
      `To run them: ${COMMAND} && npm test`,
    ],
  },
  {
    name: 'an ordinary user without tools needs both',
    skipped: [{ suite: 'a', root: true, tools: ['nginx'] }],
    says: [
      'Not run: 7 tests of 1 suites with real servers (they need root, for network namespaces; ' +
        'these tools are not installed: nginx).',
      `To run them: sudo ${COMMAND} && sudo env "PATH=$PATH" npm test`,
    ],
  },
])('$name', ({ skipped, says }) => {
  expect(closingLines(skipped, 7)).toBe(says.join('\n'));
});
