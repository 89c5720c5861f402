/** The options of `gryphon compare`, a row each. */
import { COMMON_ROWS } from './common-rows.ts';
import { FILE } from './kinds.ts';
import { list, onOff, optionTable, value } from './option.ts';
import { REPLAY_TABLE } from './replay-table.ts';

const COMPARISON = 'The comparison';
const OUTPUT = 'Output';

/** By key, in the order of `--help`. */
export const COMPARE_TABLE = optionTable({
  base: list(FILE, {
    group: COMPARISON,
    help: 'with runs of the base; all others are of what is new',
    more: 'with the runs of the base, where there are several; all other results are runs of what is new',
    otherwise: 'the first result',
  }),
  threshold: {
    ...REPLAY_TABLE.threshold,
    group: COMPARISON,
    help: 'that must hold, else exit 99: response:p(99)<+10%, errors:rate<0.1%',
    more: 'that must hold for the medians of what is new, else exit 99: `response:p(99)<+10%` counts from the base ([CI](ci.md))',
  },
  force: onOff({
    group: COMPARISON,
    help: 'Compare runs of different captures or plans, too',
  }),
  json: value(FILE, { group: OUTPUT, help: 'for the comparison as a document, or - for stdout' }),
  html: value(FILE, { group: OUTPUT, help: 'for a page, or - for stdout' }),
  markdown: value(FILE, {
    group: OUTPUT,
    help: 'for a pull request or a job summary, or - for stdout',
  }),
  ...COMMON_ROWS,
});
