/** HdrHistogram's log of interval histograms, format 1.3, as its log analysers read it. */
import { LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';

/** One line per interval and tag; starts and lengths in seconds, maxima in milliseconds. */
export function hlogReport(result: RunResult): string {
  const epochSeconds = Date.parse(result.startedAt) / 1000;
  const lines = [
    '#[Logged by gryphon]',
    '#[Histogram log format version 1.3]',
    `#[StartTime: ${epochSeconds.toFixed(3)} (seconds since epoch), ${result.startedAt}]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
  ];
  for (const { startSeconds, endSeconds, latency, histograms } of result.timeline.intervals) {
    const length = endSeconds - startSeconds;
    for (const name of LATENCY_NAMES) {
      const encoded = histograms[name];
      if (encoded === undefined) continue;
      const max = (latency[name]?.max ?? 0).toFixed(3);
      lines.push(`Tag=${name},${startSeconds.toFixed(3)},${length.toFixed(3)},${max},${encoded}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
