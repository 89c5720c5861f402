/** The options of `gryphon report`, as `--help` shows them. */
import { LATENCY_NAMES } from '../measure/histograms.ts';
import type { OptionSpec } from './given-options.ts';
import { COMMON_FLAGS, SUMMARY_FLAGS } from './replay-flags.ts';

const FORMAT = 'Instead of the summary (FILE, or - for stdout):';

const format = (name: string, describe: string): OptionSpec => ({
  name,
  takes: 'value',
  group: FORMAT,
  describe: `FILE ${describe}`,
});

export const REPORT_FLAGS: readonly OptionSpec[] = [
  format('html', 'to look at: one page with charts that opens without a network'),
  format('markdown', 'for a pull request or a job summary'),
  format('junit', 'for the test tab of a CI stage'),
  format('hgrm', "with the distribution of one latency, for HdrHistogram's plotter"),
  format('hlog', "with all latencies over time, for HdrHistogram's log tools"),
  {
    name: 'latency',
    choices: LATENCY_NAMES,
    takes: 'value',
    group: FORMAT,
    describe: 'NAME of the latency for --hgrm',
    fallback: 'response',
  },
  { name: 'out', takes: 'value', group: 'Output:', describe: 'DIR for all of them' },
  ...SUMMARY_FLAGS,
  ...COMMON_FLAGS,
];

const LATER = 'is not available in this version';

/** Formats that later versions have. */
export const REPORT_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['csv', `${LATER}: write --hlog, or read the result itself, which is JSON`],
]);
