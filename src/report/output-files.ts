/** Everything that `--out DIR` holds. */
import { LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import { classCsv } from './class-csv.ts';
import { csvReport } from './csv.ts';
import { hgrmReport } from './hgrm.ts';
import { hlogReport } from './hlog.ts';
import { htmlReport } from './html/html-report.ts';
import type { HtmlAssets } from './html/page.ts';
import { jsonReport } from './json.ts';
import { junitReport } from './junit.ts';
import { markdownReport } from './markdown.ts';
import { openMetricsReport } from './open-metrics.ts';
import { textReport } from './text.ts';

/**
 * File names and what is to stand in them (UTF-8).
 * @param assets what the HTML page holds besides its text
 */
export function outputFiles(result: RunResult, assets: HtmlAssets): ReadonlyMap<string, string> {
  const files = new Map([
    ['result.json', jsonReport(result)],
    ['report.html', htmlReport(result, assets)],
    ['summary.txt', textReport(result, { color: false })],
    ['summary.md', markdownReport(result)],
    ['junit.xml', junitReport(result)],
    ['run.hlog', hlogReport(result)],
    ['timeline.csv', csvReport(result)],
    ['metrics.txt', openMetricsReport(result)],
    ['classes.csv', classCsv(result)],
  ]);
  for (const name of LATENCY_NAMES) {
    // What was never measured has no distribution to plot.
    if (result.latency[name].count > 0) files.set(`${name}.hgrm`, hgrmReport(result, name));
  }
  return files;
}
