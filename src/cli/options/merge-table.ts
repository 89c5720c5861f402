/** The options of `gryphon merge`, a row each. */
import { COMMON_ROWS, SUMMARY_ROWS } from './common-rows.ts';
import { onOff, optionTable } from './option.ts';
import { REPLAY_TABLE } from './replay-table.ts';

const { threshold, baseline, out, json, html, csv } = REPLAY_TABLE;

/** By key, in the order of `--help`. */
export const MERGE_TABLE = optionTable({
  threshold: { ...threshold, group: 'The sum' },
  baseline: { ...baseline, group: 'The sum' },
  allowMissing: onOff({
    group: 'The sum',
    help: 'Add what is there, though shares are missing; the verdict is bad then',
  }),
  out,
  json,
  html,
  csv,
  ...SUMMARY_ROWS,
  ...COMMON_ROWS,
});
