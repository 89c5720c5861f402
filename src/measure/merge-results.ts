/** The result of a whole run from the results of its shares. */
import { ReplayError } from '../base/errors.ts';
import type { Measured } from './figures.ts';
import { recordOfResult } from './record-reader.ts';
import { missingText, resultOf } from './record-result.ts';
import type { RunResult } from './result.ts';
import { mergeRecords, type RunIdentity, type RunRecord } from './run-record.ts';
import type { Threshold } from './thresholds.ts';

/** A result and where it came from, for messages. */
export interface NamedResult {
  readonly source: string;
  readonly result: RunResult;
}

/** Shares that began further apart than this did not play at the same time, in ms. */
const APART_MS_MAX = 1_000;

/**
 * Adds the results of shares exactly.
 * @param results at least one
 * @param allowMissing whether shares may be missing; then the sum counts as cut off
 * @param baseline what relative thresholds count from; none: there is nothing
 * @throws ReplayError ERR_MEASURE_MERGE, ERR_MEASURE_RECORD (usage): results of other plans, the same
 * share twice, shares that are missing
 */
export function mergeResults(
  results: readonly NamedResult[],
  thresholds: readonly Threshold[],
  allowMissing: boolean,
  baseline: readonly Measured[] = [],
): RunResult {
  const named = results.map(({ source, result }) => ({
    source,
    record: readFrom(source, () => recordOfResult(result)),
  }));
  const [first, ...others] = named;
  for (const { source, record } of others) {
    const difference = differenceOf(first.record.identity, record.identity);
    if (difference !== null) {
      throw cannotMerge(`${first.source} and ${source} are not of one run: ${difference}`);
    }
  }
  const owners = new Map<number, string>();
  for (const { source, record } of named) {
    for (const { share } of record.shares) {
      const owner = owners.get(share);
      if (owner !== undefined) {
        throw cannotMerge(`${owner} and ${source} both are share ${share + 1}`);
      }
      owners.set(share, source);
    }
  }
  refuseMissing(first.record.identity.shares, owners, allowMissing);
  const whole = named.map(({ record }) => record).reduce(mergeRecords);
  const result = resultOf(whole, thresholds, baseline, true);
  const warnings = [...result.generator.warnings, ...warnOfStarts(whole)];
  return { ...result, generator: { ...result.generator, warnings } };
}

/** What `read` gives; its failure names the result. */
export function readFrom<T>(source: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof ReplayError)) throw cause;
    const { code, kind, message, hint } = cause;
    const more = hint === null ? {} : { hint };
    throw new ReplayError({ code, kind, message: `${source}: ${message}`, ...more, cause });
  }
}

/** What of two runs differs, in words; null where nothing does. */
function differenceOf(one: RunIdentity, other: RunIdentity): string | null {
  if (one.version !== other.version) return `gryphon ${one.version} and ${other.version}`;
  if (one.captureDigest !== other.captureDigest) return 'they played other captures';
  if (one.planDigest !== other.planDigest) return 'their plans differ (options, seed)';
  if (one.shares !== other.shares) return `they are of ${one.shares} and of ${other.shares} shares`;
  return null;
}

function refuseMissing(of: number, owners: ReadonlyMap<number, string>, allow: boolean): void {
  const missing = Array.from({ length: of }, (_, share) => share).filter((i) => !owners.has(i));
  if (missing.length === 0 || allow) return;
  throw cannotMerge(
    missingText(missing, of),
    'give all of them, or --allow-missing: what is there is added, and the verdict is bad',
  );
}

function warnOfStarts({ shares, identity }: RunRecord): string[] {
  const starts = shares.map(({ startedAt }) => Date.parse(startedAt));
  const apartMs = Math.max(...starts) - Math.min(...starts);
  if (identity.clock === 'virtual' || apartMs <= APART_MS_MAX) return [];
  return [
    `the shares began ${(apartMs / 1_000).toFixed(1)} s apart: the target never saw the whole load at once, ` +
      'and what is shown over time is over the time since the start of each',
  ];
}

const cannotMerge = (
  message: string,
  hint = 'give the results of one run: the same captures, options and --seed, each --share once',
): ReplayError => new ReplayError({ code: 'ERR_MEASURE_MERGE', kind: 'usage', message, hint });
