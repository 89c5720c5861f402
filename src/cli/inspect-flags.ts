/** The options of `gryphon inspect`, as `--help` shows them. */
import { CAPTURE_FLAGS } from './capture-flags.ts';
import type { OptionSpec } from './given-options.ts';
import { COMMON_FLAGS } from './replay-flags.ts';

const OUTPUT = 'Output:';

export const INSPECT_FLAGS: readonly OptionSpec[] = [
  {
    name: 'json',
    takes: 'switch',
    group: OUTPUT,
    describe: 'One JSON document instead of a table',
  },
  { name: 'sessions', takes: 'switch', group: OUTPUT, describe: 'Each session, too' },
  ...CAPTURE_FLAGS,
  ...COMMON_FLAGS,
];
