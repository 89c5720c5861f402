/** A comparison as one HTML file, built as the report of a run is. */

import type { Comparison } from '../../measure/compare-results.ts';
import { decodeHistogram } from '../../measure/histogram-codec.ts';
import { Latency, LatencyTable, type SparseCounts } from '../../measure/histograms.ts';
import type { RunResult } from '../../measure/result.ts';
import {
  COMPARISON_HEAD,
  comparisonRows,
  comparisonVerdict,
  NOISE_NOTE,
  sideRows,
  tooFewNote,
} from '../comparison-words.ts';
import { outcomeText } from '../format.ts';
import { spectrumOf } from './chart-data.ts';
import { html, type Markup, table } from './markup.ts';
import { chartFigures, type HtmlAssets, htmlPage } from './page.ts';

const LEVELS = {
  good: { mark: '✓', word: 'Compared' },
  mixed: { mark: '!', word: 'Look at it' },
  bad: { mark: '✗', word: 'Failed' },
} as const;

/**
 * The whole page (UTF-8).
 * @param version of gryphon that writes it
 */
export function comparisonPage(
  comparison: Comparison,
  {
    base,
    next,
    version,
  }: {
    readonly base: readonly RunResult[];
    readonly next: readonly RunResult[];
    readonly version: string;
  },
  assets: HtmlAssets,
): string {
  const charts = spectrumOf('How long the slowest answers took, all runs of each side together', [
    { name: 'base', color: 'first', sparse: responsesOf(base) },
    { name: 'new', color: 'second', sparse: responsesOf(next) },
  ]);
  const { headline } = comparisonVerdict(comparison);
  const main = html`<section id="figures" aria-labelledby="figures-title" tabindex="-1">
<h2 id="figures-title">Figures</h2>
${thresholdTable(comparison)}
${table('Medians of each side', COMPARISON_HEAD, changeCells(comparison))}
<p class="note">${tooFewNote(comparison) ?? NOISE_NOTE}.</p>
</section>
<section aria-labelledby="charts-title"><h2 id="charts-title">Charts</h2>
${chartFigures(charts)}
</section>`;
  return htmlPage({ headline, header: header(comparison), main, charts, version }, assets);
}

function header(comparison: Comparison): Markup {
  const { level, headline } = comparisonVerdict(comparison);
  const { mark, word } = LEVELS[level];
  const { notes } = comparison;
  return html`<header class="${level}">
<p class="verdict"><span class="mark" aria-hidden="true">${mark}</span> <span class="word">${word}</span></p>
<h1>${headline}</h1>
<dl>${sideRows(comparison).map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl>
${notes.length === 0 ? [] : html`<ul class="warnings" aria-label="Notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</header>`;
}

function thresholdTable({ thresholds }: Comparison): Markup | readonly [] {
  if (thresholds.length === 0) return [];
  return table(
    'Thresholds',
    ['threshold', 'held', 'found'],
    thresholds.map((outcome) => [
      html`<code>${outcome.expression}</code>`,
      html`<span class="${outcome.ok ? 'good' : 'bad'}">${outcome.ok ? '✓ held' : '✗ did not hold'}</span>`,
      outcomeText(outcome),
    ]),
  );
}

const COLORS = { better: 'good', worse: 'bad', noise: 'note', unknown: 'note' } as const;

/** The rows, with the last cell in its colour. */
const changeCells = (comparison: Comparison) =>
  comparisonRows(comparison).map((cells, i) => [
    ...cells.slice(0, -1),
    html`<span class="${COLORS[comparison.figures[i].change]}">${cells.at(-1) ?? ''}</span>`,
  ]);

function responsesOf(runs: readonly RunResult[]): SparseCounts {
  const table = new LatencyTable();
  for (const { histograms } of runs) {
    table.addSparse(Latency.RESPONSE, decodeHistogram(histograms.response));
  }
  return table.sparse(Latency.RESPONSE);
}
