/** The options of `gryphon inspect`, a row each. */
import { CAPTURE_ROWS } from './capture-table.ts';
import { COMMON_ROWS, CONFIG_ROWS } from './common-rows.ts';
import { FILE } from './kinds.ts';
import { onOff, optionTable, value } from './option.ts';
import { REWRITE_ROWS } from './rewrite-rows.ts';

const group = 'Output';

/** By key, in the order of `--help`. */
export const INSPECT_TABLE = optionTable({
  json: onOff({
    group,
    help: 'One JSON document instead of a table',
    more: 'one JSON document (`gryphon.inspect/1`) instead of a table',
    isCommandOnly: true,
  }),
  sessions: onOff({
    group,
    help: 'Each session, too',
    more: 'each session, too; in JSON with the SHA-256 of what each side sent',
  }),
  rules: {
    ...REWRITE_ROWS.rules,
    group,
    help: 'What these rules would write anew, and what they leave out',
    more: 'what these rules ([rewriting](rewriting.md)) would write anew, and which sessions a replay with them leaves out',
  },
  correlate: onOff({
    group,
    help: 'Which values of HTTP requests came from answers: cookies, tokens, order numbers',
    more: 'which values of HTTP requests came from answers: cookies, tokens, order numbers ([correlation](rewriting.md#correlation-by-itself))',
  }),
  writeRules: value(
    { ...FILE, example: 'rules.yaml' },
    {
      group,
      help: 'Write rules for replay --rules that learn these values; implies --correlate',
      more: 'write a rules file, for `replay --rules`, that learns these values; implies `--correlate`',
      isCommandOnly: true,
    },
  ),
  ...CAPTURE_ROWS,
  config: { ...CONFIG_ROWS.config, group },
  ...COMMON_ROWS,
});
