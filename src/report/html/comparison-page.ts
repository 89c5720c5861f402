/** A comparison as one HTML file, built as the report of a run is. */
import { formatCount, formatNumber } from '../../base/units.ts';
import type { Comparison } from '../../measure/compare-results.ts';
import { decodeHistogram } from '../../measure/histogram-reader.ts';
import { Latency, LatencyTable, type SparseCounts } from '../../measure/histograms.ts';
import type { RunResult } from '../../measure/result.ts';
import {
  ANSWERS_HEAD,
  answerRows,
  answersText,
  COMPARISON_HEAD,
  comparisonRows,
  comparisonVerdict,
  NOISE_NOTE,
  sideRows,
  tooFewNote,
} from '../comparison-words.ts';
import { paceText } from '../format.ts';
import { spectrumOf } from './chart-data.ts';
import { captureFact, commandFact, headCard, thresholdTable, timeMarkup } from './head-card.ts';
import { html, type Markup, table } from './markup.ts';
import { chartFigures, type HtmlAssets, htmlPage } from './page.ts';

/** The verdict, in a word or two. */
const WORDS = { good: 'Compared', mixed: 'Look at it', bad: 'Failed' } as const;

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
${thresholdTable(comparison.thresholds)}
<div id="changes">${table('Medians of each side', HEAD, changeCells(comparison))}</div>
<p class="note">${sentence(tooFewNote(comparison) ?? NOISE_NOTE)}</p>
</section>
${answersSection(comparison)}
<section aria-labelledby="charts-title"><h2 id="charts-title">Charts</h2>
${chartFigures(charts)}
</section>`;
  return htmlPage(
    { headline, header: header(comparison, base, next), main, charts, version },
    assets,
  );
}

function header(
  comparison: Comparison,
  base: readonly RunResult[],
  next: readonly RunResult[],
): Markup {
  const { level, headline } = comparisonVerdict(comparison);
  const all = [...base, ...next];
  const starts = all.map(({ startedAt }) => startedAt).sort();
  const last = starts.length - 1;
  const [{ capture, plan }] = all;
  const sides = sideRows(comparison).map(
    ([name, text]) => [name === 'base' ? 'Base' : 'New', text] as const,
  );
  return headCard({
    level,
    word: WORDS[level],
    headline,
    caveat: null,
    facts: [
      ...sides,
      captureFact(capture.files),
      [
        'Load',
        `${formatCount(plan.users)} users, pace ${paceText(plan.pace)}, accel ${formatNumber(plan.accel)}; ${plan.arrivals}`,
      ],
      [
        'Started',
        starts[0] === starts[last]
          ? timeMarkup(starts[0])
          : html`from ${timeMarkup(starts[0])} to ${timeMarkup(starts[last])}`,
      ],
      commandFact((next.at(0) ?? all[0]).command),
    ],
    notes: comparison.notes,
    notesName: 'Notes',
  });
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The answers of both, request by request, where runs kept them. */
function answersSection(comparison: Comparison): Markup | readonly [] {
  const text = answersText(comparison);
  if (text === null) return [];
  // A row is named by its request.
  const named = ([kind, request, base, next]: readonly string[]) => [request, kind, base, next];
  const rows = answerRows(comparison).map(named);
  const head = named(ANSWERS_HEAD);
  return html`<section id="answers" class="words" aria-labelledby="answers-title">
<h2 id="answers-title">Answers</h2>
<p>${sentence(text)}</p>
${rows.length === 0 ? [] : table('Requests answered unlike each other', head, rows, head)}
</section>`;
}

const COLORS = { better: 'good', worse: 'bad', noise: 'note', unknown: 'note' } as const;

/** What is known of a change stands before the noise band: on a phone that is out of sight. */
const HEAD = [...COMPARISON_HEAD.slice(0, -2), 'known', ...COMPARISON_HEAD.slice(-2, -1)];

/** The rows in that order, with what is known in its colour. */
const changeCells = (comparison: Comparison) =>
  comparisonRows(comparison).map(([name, ...cells], i) => [
    breakable(name),
    ...cells.slice(0, -2),
    html`<span class="${COLORS[comparison.figures[i].change]}">${cells.at(-1) ?? ''}</span>`,
    ...cells.slice(-2, -1),
  ]);

/** `response{GET /}:p(99)`, which narrow columns may break behind brace and colon, and within words where they must. */
const breakable = (name: string): Markup =>
  html`${name.split(/(?<=^\w+\{|:(?=[^:]*$))/).map((part, i) => (i === 0 ? part : html`<wbr>${part}`))}`;

function responsesOf(runs: readonly RunResult[]): SparseCounts {
  const table = new LatencyTable();
  for (const { histograms } of runs) {
    table.addSparse(Latency.RESPONSE, decodeHistogram(histograms.response));
  }
  return table.sparse(Latency.RESPONSE);
}
