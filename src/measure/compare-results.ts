/** Results side by side: what differs between two groups of runs, and whether that is more than noise. */
import { ReplayError } from '../base/errors.ts';
import { irregularityOf, unlikeOf } from './comparable.ts';
import type { ComparedAnswers } from './compare-answers.ts';
import { type Figure, figureOf, type Measured } from './figures.ts';
import { measuredOf } from './measured.ts';
import { type NamedResult, readFrom } from './merge-results.ts';
import { CHANCE_MAX, differenceOf, medianOf } from './noise.ts';
import type { ThresholdOutcome, ThresholdUnit } from './result.ts';
import { evaluateThresholds, type Threshold } from './thresholds.ts';

/** Names the document's form. */
const COMPARISON_SCHEMA = 'gryphon.comparison/1';

/** What is known of a figure's change. `unknown`: there are too few runs to tell noise from change. */
export type Change = 'better' | 'worse' | 'noise' | 'unknown';

/** A figure of both sides: medians of their runs. */
export interface ComparedFigure {
  /** `response:p(99)`. */
  readonly name: string;
  readonly unit: ThresholdUnit;
  readonly better: 'less' | 'more';
  /** null: some run of that side measured nothing. */
  readonly base: number | null;
  readonly next: number | null;
  /** Between which values the difference of the medians lies; null where it cannot be told. */
  readonly low: number | null;
  readonly high: number | null;
  /** How often chance alone sets the sides as far apart, 0..1. */
  readonly chance: number | null;
  readonly change: Change;
}

/** One side of a comparison. */
export interface ComparedSide {
  readonly sources: readonly string[];
  readonly target: string;
  readonly version: string;
}

/** `gryphon.comparison/1`: times in milliseconds, rates per second, shares as fractions. */
export interface Comparison {
  readonly schema: typeof COMPARISON_SCHEMA;
  readonly base: ComparedSide;
  readonly next: ComparedSide;
  readonly figures: readonly ComparedFigure[];
  readonly thresholds: readonly ThresholdOutcome[];
  /** What both sides answered, request by request; null where runs did not keep that. */
  readonly answers: ComparedAnswers | null;
  /** What should be known: one line each. */
  readonly notes: readonly string[];
}

/** Any number does; the same one always, so that a comparison can be repeated. */
const SEED = 1;

const FIGURES: readonly (readonly [metric: string, aggregate: string, unit: ThresholdUnit])[] = [
  ['response', 'p(50)', 'ms'],
  ['response', 'p(90)', 'ms'],
  ['response', 'p(99)', 'ms'],
  ['response', 'p(99.9)', 'ms'],
  ['service', 'p(50)', 'ms'],
  ['service', 'p(99)', 'ms'],
  ['firstByte', 'p(50)', 'ms'],
  ['firstByte', 'p(99)', 'ms'],
  ['connect', 'p(50)', 'ms'],
  ['connect', 'p(99)', 'ms'],
  ['lag', 'p(99)', 'ms'],
  ['exchanges', 'rate', 'per second'],
  ['errors', 'rate', 'fraction'],
  ['failures', 'rate', 'fraction'],
  ['mismatches', 'rate', 'fraction'],
  ['retransmits', 'rate', 'fraction'],
];

/** Of each class of requests the response times that people set limits for. */
const CLASS_AGGREGATES = ['p(50)', 'p(99)'] as const;

/**
 * Compares two groups of runs of the same load.
 * @param base at least one
 * @param next at least one
 * @param force whether runs of different loads are compared all the same
 * @throws ReplayError ERR_MEASURE_COMPARE (usage): they are not of the same load;
 *   ERR_MEASURE_HISTOGRAM, ERR_MEASURE_RECORD (usage)
 */
export function compareResults(
  base: readonly NamedResult[],
  next: readonly NamedResult[],
  thresholds: readonly Threshold[],
  force: boolean,
): Comparison {
  const notes = notesOf([...base, ...next], force);
  const [before, after] = [base, next].map((side) =>
    side.map(({ source, result }) => readFrom(source, () => measuredOf(result))),
  );
  return {
    schema: COMPARISON_SCHEMA,
    base: sideOf(base),
    next: sideOf(next),
    figures: figuresOf(before, after),
    thresholds: evaluateThresholds(thresholds, after, before),
    answers: null,
    notes,
  };
}

const sideOf = (side: readonly NamedResult[]): ComparedSide => ({
  sources: side.map(({ source }) => source),
  target: unique(side.map(({ result }) => result.plan.target)).join(', '),
  version: unique(side.map(({ result }) => result.version)).join(', '),
});

function notesOf(all: readonly NamedResult[], force: boolean): string[] {
  const [first, ...others] = all;
  const notes: string[] = [];
  const said = new Set<string>();
  for (const other of others) {
    const { hindrances, notes: known } = unlikeOf(first, other);
    const names = `${first.source} and ${other.source}`;
    if (hindrances.length > 0 && !force) throw cannotCompare(names, hindrances);
    for (const text of [...hindrances, ...known]) {
      // Of four runs a side the same would be said four times.
      if (!said.has(text)) notes.push(`${names}: ${text}`);
      said.add(text);
    }
  }
  const starts = all.map(({ result }) => `${result.startedAt} ${result.command.join(' ')}`);
  for (const [irregularity, sources] of irregularitiesOf(all)) {
    notes.push(`${listText(sources)} ${irregularity}`);
  }
  for (const [i, { source }] of all.entries()) {
    const twin = starts.indexOf(starts[i]);
    if (twin < i) notes.push(`${all[twin].source} and ${source} are the same run`);
  }
  return notes;
}

/** What is the matter with some of the runs, and with which. */
function irregularitiesOf(all: readonly NamedResult[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { source, result } of all) {
    const irregularity = irregularityOf(result);
    if (irregularity === null) continue;
    found.set(irregularity, [...(found.get(irregularity) ?? []), source]);
  }
  return found;
}

/** `a`, or `each of a, b and c`. */
const listText = (names: readonly string[]): string =>
  names.length === 1
    ? names[0]
    : `each of ${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;

function figuresOf(base: readonly Measured[], next: readonly Measured[]): ComparedFigure[] {
  const whole = FIGURES.map(
    ([metric, aggregate, unit]): Figure => ({
      ...{ metric, aggregate, unit },
      requestClass: null,
      window: null,
    }),
  );
  const names = unique([...base, ...next].flatMap(({ classes }) => classes.names));
  const ofClasses = names.flatMap((requestClass) =>
    CLASS_AGGREGATES.map(
      (aggregate): Figure => ({
        ...{ metric: 'response', aggregate, unit: 'ms', requestClass },
        window: null,
      }),
    ),
  );
  return [...whole, ...ofClasses]
    .map((figure) => compared(figure, base, next))
    .filter((figure) => figure.base !== null || figure.next !== null);
}

function compared(
  figure: Figure,
  base: readonly Measured[],
  next: readonly Measured[],
): ComparedFigure {
  const { metric, aggregate, unit, requestClass } = figure;
  const name = `${metric}${requestClass === null ? '' : `{${requestClass}}`}:${aggregate}`;
  const better = metric === 'exchanges' ? 'more' : 'less';
  const [before, after] = [base, next].map((side) => valuesOf(figure, side));
  const known = { name, unit, better } as const;
  if (before === null || after === null) {
    const [one, other] = [before, after].map((side) => side && medianOf(side));
    return {
      ...known,
      base: one,
      next: other,
      low: null,
      high: null,
      chance: null,
      change: 'unknown',
    };
  }
  // Shares are told as differences, all else in percent of the base.
  const isOfBase = unit !== 'fraction';
  const found = differenceOf(before, after, SEED, isOfBase);
  const { median, low, high, chance, chanceMin } = found;
  const medians = { base: medianOf(before), next: medianOf(after) };
  if (chanceMin > CHANCE_MAX) {
    return { ...known, ...medians, low: null, high: null, chance: null, change: 'unknown' };
  }
  const isBetter = better === 'less' ? median < 0 : median > 0;
  const change = chance > CHANCE_MAX || median === 0 ? 'noise' : isBetter ? 'better' : 'worse';
  return { ...known, ...medians, low, high, chance, change };
}

function valuesOf(figure: Figure, runs: readonly Measured[]): number[] | null {
  const values = runs.flatMap((run) => figureOf(figure, run).value ?? []);
  return values.length < runs.length ? null : values;
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

const cannotCompare = (names: string, hindrances: readonly string[]): ReplayError =>
  new ReplayError({
    code: 'ERR_MEASURE_COMPARE',
    kind: 'usage',
    message: `${names} cannot be compared: ${hindrances.join('; ')}`,
    hint: 'compare runs of the same capture and options, or give --force',
  });
