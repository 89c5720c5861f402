/** The options of `gryphon report`, a row each. */
import { LATENCY_NAMES } from '../../measure/histograms.ts';
import { COMMON_ROWS, SUMMARY_ROWS } from './common-rows.ts';
import { FILE, FOLDER, oneOf } from './kinds.ts';
import { optionTable, value } from './option.ts';

const FORMAT = 'Instead of the summary (FILE, or - for stdout)';

/** By key, in the order of `--help`. */
export const REPORT_TABLE = optionTable({
  html: value(FILE, {
    group: FORMAT,
    help: 'to look at: one page with charts that opens without a network',
  }),
  markdown: value(FILE, {
    group: FORMAT,
    help: 'for a pull request or a job summary',
    more: 'for a pull request or a job summary; `-` for stdout, as with all of these',
  }),
  junit: value(FILE, { group: FORMAT, help: 'for the test tab of a CI stage' }),
  hgrm: value(FILE, {
    group: FORMAT,
    help: "with the distribution of one latency, for HdrHistogram's plotter",
    more: "the distribution of one latency, for HdrHistogram's plotter",
  }),
  hlog: value(FILE, {
    group: FORMAT,
    help: "with all latencies over time, for HdrHistogram's log tools",
    more: "all latencies over time, for HdrHistogram's log tools",
  }),
  csv: value(FILE, {
    group: FORMAT,
    help: 'with a row an interval, for spreadsheets and data frames',
    more: 'a row an interval, for spreadsheets and data frames',
  }),
  latency: value(oneOf(LATENCY_NAMES), {
    group: FORMAT,
    form: 'NAME',
    help: 'of the latency for --hgrm',
    default: 'response',
  }),
  out: value(FOLDER, { group: 'Output', help: 'for all of them' }),
  ...SUMMARY_ROWS,
  ...COMMON_ROWS,
});
