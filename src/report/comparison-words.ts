/** What a comparison says, in the words that all its reports share. */
import { formatCount, formatPercentage } from '../base/units.ts';
import type { AnswerSaid, ComparedAnswers } from '../measure/compare-answers.ts';
import type { Change, ComparedFigure, Comparison } from '../measure/compare-results.ts';
import { formatMeasured, nonZero } from './format.ts';

/** A comparison in one line, and its mark; `bad` exactly when a threshold did not hold. */
export interface ComparisonVerdict {
  readonly level: 'good' | 'mixed' | 'bad';
  readonly headline: string;
}

const CHANGE_WORDS: Readonly<Record<Change, string>> = {
  better: 'better',
  worse: 'worse',
  noise: 'within noise',
  unknown: 'noise unknown',
};

/** The head of `comparisonRows`. */
export const COMPARISON_HEAD = ['figure', 'base', 'new', 'change', 'noise band', ''] as const;

/** Whether something is worse, and whether that can be told at all. */
export function comparisonVerdict(comparison: Comparison): ComparisonVerdict {
  const { thresholds, figures } = comparison;
  const named = (change: Change): string[] =>
    figures.filter((each) => each.change === change).map(({ name }) => name);
  const [worse, better] = [named('worse'), named('better')];
  const beyond = [
    ...(worse.length > 0 ? [`worse beyond noise: ${listed(worse)}`] : []),
    ...(better.length > 0 ? [`better beyond noise: ${listed(better)}`] : []),
  ];
  const isTold = figures.some(({ change }) => change !== 'unknown');
  const ofFigures = isTold
    ? beyond.length > 0
      ? beyond.join('; ')
      : 'no figure differs by more than noise'
    : `whether changes are noise cannot be told from ${runsText(comparison)}`;
  const { answers } = comparison;
  const isUnlike = answers !== null && answers.unlike > 0;
  const told = isUnlike ? `${unlikeText(answers)}; ${ofFigures}` : ofFigures;
  if (thresholds.length === 0) {
    return { level: worse.length > 0 || !isTold || isUnlike ? 'mixed' : 'good', headline: told };
  }
  const failed = thresholds.filter(({ ok }) => !ok);
  const count =
    failed.length > 0
      ? `${failed.length} of ${thresholds.length} thresholds did not hold`
      : thresholds.length === 1
        ? 'the threshold held'
        : `all ${thresholds.length} thresholds held`;
  return { level: failed.length > 0 ? 'bad' : 'good', headline: `${count}; ${told}` };
}

/** More names than this are for the table. */
const LISTED_MAX = 3;

const listed = (names: readonly string[]): string =>
  names.length <= LISTED_MAX
    ? names.join(', ')
    : `${names.slice(0, LISTED_MAX).join(', ')} and ${names.length - LISTED_MAX} more`;

/** `5 and 5 runs`. */
export const runsText = ({ base, next }: Comparison): string =>
  `${formatCount(base.sources.length)} and ${formatCount(next.sources.length)} runs`;

const unlikeText = ({ unlike, requests }: ComparedAnswers): string =>
  `${formatCount(unlike)} of ${formatCount(requests)} requests answered unlike each other`;

/** What came of the answers, in a sentence; null where they were not compared. */
export function answersText({ answers }: Comparison): string | null {
  if (answers === null) return null;
  const { requests, unlike, unlikeBy, varying, left } = answers;
  const kinds = nonZero(unlikeBy).map(([kind, count]) => `${formatCount(count)} ${kind}`);
  const parts = [
    unlike === 0
      ? `${requestsText(requests)} answered alike`
      : `${unlikeText(answers)} (${kinds.join(', ')})`,
    ...(varying === 0
      ? []
      : [`of ${formatCount(varying)} something varies from play to play at both targets`]),
    ...(left === 0 ? [] : [`${requestsText(left, 'more ')} not compared`]),
  ];
  return parts.join('; ');
}

const requestsText = (count: number, more = ''): string =>
  `${formatCount(count)} ${more}${count === 1 ? 'request' : 'requests'}`;

/** The head of `answerRows`. */
export const ANSWERS_HEAD = ['unlike', 'request', 'base', 'new'] as const;

/** Requests that are answered unlike each other: what is unlike, which request, what both said. */
export const answerRows = ({ answers }: Comparison): readonly (readonly string[])[] =>
  (answers?.examples ?? []).map(({ kind, request, session, number, base, next }) => [
    kind,
    `${request} (session ${session}, request ${number})`,
    saidText(base),
    saidText(next),
  ]);

/** How often is told where it was not always. */
const saidText = ({ text, count, of }: AnswerSaid): string =>
  count === of ? text : `${text} (${formatCount(count)} of ${formatCount(of)})`;

/** What the two sides are: a name and what stands behind it. */
export const sideRows = ({ base, next }: Comparison): readonly (readonly [string, string])[] =>
  (
    [
      ['base', base],
      ['new', next],
    ] as const
  ).map(([name, { sources, target, version }]) => [
    name,
    `${sources.join(', ')}: ${target}, gryphon ${version}`,
  ]);

/** A row a figure: name, both values, the change, between which values it lies, and what is known of it. */
export const comparisonRows = ({ figures }: Comparison): readonly (readonly string[])[] =>
  figures.map((figure) => [
    figure.name,
    formatMeasured(figure.base, figure.unit),
    formatMeasured(figure.next, figure.unit),
    changeText(figure),
    bandText(figure),
    CHANGE_WORDS[figure.change],
  ]);

function changeText({ base, next, unit }: ComparedFigure): string {
  if (base === null || next === null) return '-';
  return differenceText(next - base, base, unit);
}

function bandText({ base, low, high, unit }: ComparedFigure): string {
  if (base === null || low === null || high === null) return '-';
  const [from, to] = [low, high].map((each) => differenceText(each, base, unit));
  return `${from} to ${to}`;
}

/** In percent of the base; of nothing, and of shares, as it is. */
function differenceText(difference: number, base: number, unit: ComparedFigure['unit']): string {
  const sign = difference < 0 ? '-' : '+';
  const size = Math.abs(difference);
  if (difference === 0) return '0%';
  if (unit === 'fraction') return `${sign}${formatPercentage(size)} pts`;
  if (base === 0) return `${sign}${formatMeasured(size, unit)}`;
  return `${sign}${formatPercentage(size / base)}`;
}

/** What is to be known before the figures are believed. */
export const NOISE_NOTE =
  'a figure is the median of its runs; the noise band is where the change of the medians lies in 95 of 100 ' +
  'draws of the same runs; "better" and "worse": chance alone sets the runs so far apart less than 5 times in 100, ' +
  'so that of 20 figures that did not change about one is called so';

/** What is said where there are too few runs; null where there are enough. */
export const tooFewNote = (comparison: Comparison): string | null =>
  comparison.figures.some(({ change }) => change !== 'unknown')
    ? null
    : 'repeat the runs and give all of them: from 4 on each side on a change can be told from noise';
