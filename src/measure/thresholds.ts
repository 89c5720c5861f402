/**
 * Thresholds: `response:p(99)<20ms`, `errors:rate<0.1%`, `users:timedOut==0`,
 * `exchanges:rate>-5%` (against a baseline).
 *
 * What was not measured does not pass: a threshold on an empty histogram, or on a share of nothing,
 * fails whatever it says.
 */
import { ReplayError } from '../base/errors.ts';
import { type Figure, type FoundFigure, figureOf, type Measured } from './figures.ts';
import { medianOf } from './noise.ts';
import type { ThresholdOutcome } from './result.ts';

/** How a figure is compared with a limit. */
export type ThresholdOperator = '<' | '<=' | '>' | '>=' | '==';

/** A condition that a run has to meet, parsed. */
export interface Threshold extends Figure {
  /** As it was written. */
  readonly expression: string;
  readonly operator: ThresholdOperator;
  /** In `unit`; of a relative threshold the change against the baseline as a fraction. */
  readonly value: number;
  readonly isRelative: boolean;
}

/**
 * Holds thresholds against what was measured; of repeated runs against the median of theirs.
 * @param measured one run at least
 * @param baseline runs that relative thresholds count from; none: there is no baseline
 * @throws ReplayError ERR_THRESHOLD (usage) when one is relative and there is no baseline
 */
export function evaluateThresholds(
  thresholds: readonly Threshold[],
  measured: readonly Measured[],
  baseline: readonly Measured[] = [],
): readonly ThresholdOutcome[] {
  refuseWithoutBaseline(thresholds, baseline.length > 0);
  return thresholds.map((threshold) => {
    const { value: actual, note } = medianFigure(threshold, measured);
    const before = threshold.isRelative ? medianFigure(threshold, baseline) : null;
    const limit = before === null ? threshold.value : limitOf(threshold, before.value);
    const ok = actual !== null && limit !== null && holds(actual, threshold.operator, limit);
    return {
      expression: threshold.expression,
      ok,
      actual,
      limit,
      unit: threshold.unit,
      note: note ?? (limit === null && before?.note ? `baseline: ${before.note}` : null),
    };
  });
}

/**
 * Said before a run, so that nobody waits for its end.
 * @throws ReplayError ERR_THRESHOLD (usage) when one is relative and there is no baseline
 */
export function refuseWithoutBaseline(
  thresholds: readonly Threshold[],
  hasBaseline: boolean,
): void {
  const relative = thresholds.find(({ isRelative }) => isRelative);
  if (relative === undefined || hasBaseline) return;
  throw new ReplayError({
    code: 'ERR_THRESHOLD',
    kind: 'usage',
    message: `threshold '${relative.expression}' is relative and there is no baseline`,
    hint: 'give an earlier result with --baseline FILE, or an absolute value',
  });
}

/** The median of a figure over repeated runs; nothing where one of them measured nothing. */
function medianFigure(figure: Figure, runs: readonly Measured[]): FoundFigure {
  const found = runs.map((run) => figureOf(figure, run));
  const values = found.flatMap(({ value }) => (value === null ? [] : [value]));
  const note = found.find((each) => each.note !== null)?.note ?? null;
  return { value: values.length < found.length ? null : medianOf(values), note };
}

const limitOf = ({ value }: Threshold, before: number | null): number | null =>
  before === null ? null : before * (1 + value);

function holds(actual: number, operator: ThresholdOperator, limit: number): boolean {
  if (operator === '<') return actual < limit;
  if (operator === '<=') return actual <= limit;
  if (operator === '>') return actual > limit;
  if (operator === '>=') return actual >= limit;
  return actual === limit;
}
