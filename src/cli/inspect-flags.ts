/** The options of `gryphon inspect`, as `--help` shows them. */
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
  ...COMMON_FLAGS,
];
