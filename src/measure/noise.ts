/**
 * Whether two groups of repeated runs differ by more than runs of one group differ among themselves.
 *
 * A group is told by its median, which one run that went astray does not move. How far apart the medians
 * are is given with an interval: runs are drawn again and again from each group, with replacement (the
 * percentile bootstrap of Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13).
 * With a handful of runs such an interval is too narrow, so it does not decide. What decides is the
 * Wilcoxon rank-sum test, exact: of all ways to deal the same figures to two groups, how many set them
 * at least as far apart. It takes nothing for granted of how figures are distributed, and says by itself
 * when there are too few runs to tell anything.
 */
import { Prng } from '../base/prng.ts';

/** A difference is beyond noise when chance alone makes one as large less often than this. */
export const CHANCE_MAX = 0.05;

/** Times that runs are drawn for the interval. */
const RESAMPLES = 1_000;
/** Of the differences drawn so many lie in the interval. */
const INTERVAL_SHARE = 0.95;
/** Up to so many ways to deal are all tried (10 + 10 runs: 184,756); of more, as many are drawn. */
const DEALS_MAX = 200_000;

/** How two groups of figures differ. */
export interface Difference {
  /** Median of the second less median of the first. */
  readonly median: number;
  /** Where that lies in 95 of 100 draws of the same runs; as `median` with one run on each side. */
  readonly low: number;
  readonly high: number;
  /** How often chance alone deals the figures at least as far apart, 0..1. */
  readonly chance: number;
  /** The least that `chance` can be with so many runs: above CHANCE_MAX nothing can be told. */
  readonly chanceMin: number;
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Compares two groups, each of at least one figure. The same figures and seed give the same answer.
 * @param seed of the draws
 * @param isOfFirst whether the difference is to be told as a share of the first median: then the interval is that
 *   of the quotient of medians drawn together, times the first median. Of what is never negative nothing falls by
 *   more than all of it, which a difference of draws does where the first group is far apart. It needs a first
 *   group above 0, and is that of the difference elsewhere.
 */
export function differenceOf(
  first: readonly number[],
  second: readonly number[],
  seed: number,
  isOfFirst = false,
): Difference {
  const [before, after] = [medianOf(first), medianOf(second)];
  const isQuotient = isOfFirst && first.every((value) => value > 0);
  const apart = isQuotient
    ? (one: number, other: number) => (other / one - 1) * before
    : (one: number, other: number) => other - one;
  const interval = intervalOf(first, second, seed, apart);
  return { median: after - before, ...interval, ...chancesOf(first, second, seed) };
}

function intervalOf(
  first: readonly number[],
  second: readonly number[],
  seed: number,
  apart: (first: number, second: number) => number,
): Pick<Difference, 'low' | 'high'> {
  const prng = new Prng(seed);
  const draw = (values: readonly number[]): number =>
    medianOf(values.map(() => values[Math.floor(prng.nextUnit() * values.length)]));
  const drawn = Float64Array.from({ length: RESAMPLES }, () => {
    const other = draw(second);
    return apart(draw(first), other);
  }).sort();
  const outside = Math.floor((RESAMPLES * (1 - INTERVAL_SHARE)) / 2);
  return { low: drawn[outside], high: drawn[RESAMPLES - 1 - outside] };
}

function chancesOf(
  first: readonly number[],
  second: readonly number[],
  seed: number,
): Pick<Difference, 'chance' | 'chanceMin'> {
  const ranks = ranksOf([...first, ...second]);
  const found = sumOf(ranks.slice(0, first.length));
  const mean = (first.length * (ranks.length + 1)) / 2;
  const distance = Math.abs(found - mean);
  const deals = choose(ranks.length, first.length);
  let asFar = 0;
  let all = 0;
  const count = (sum: number): void => {
    all++;
    if (Math.abs(sum - mean) >= distance - RANK_ERROR) asFar++;
  };
  if (deals <= DEALS_MAX) everyDeal(ranks, first.length, count);
  else someDeals(ranks, first.length, seed, count);
  return { chance: asFar / all, chanceMin: Math.min(1, 2 / deals) };
}

/** Ranks are halves at most, so that sums which are equal are equal but for this. */
const RANK_ERROR = 1e-6;

/** The rank of each value from 1; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((each) => each < value).length;
    const equal = values.filter((each) => each === value).length;
    return below + (equal + 1) / 2;
  });
}

/** The sum of each choice of `size` of the ranks. */
function everyDeal(ranks: readonly number[], size: number, each: (sum: number) => void): void {
  const deal = (from: number, left: number, sum: number): void => {
    if (left === 0) {
      each(sum);
      return;
    }
    for (let i = from; i <= ranks.length - left; i++) deal(i + 1, left - 1, sum + ranks[i]);
  };
  deal(0, size, 0);
}

function someDeals(
  ranks: readonly number[],
  size: number,
  seed: number,
  each: (sum: number) => void,
): void {
  const prng = new Prng(seed);
  const cards = [...ranks];
  // What was found is one of the deals, so that the chance is never 0.
  each(sumOf(ranks.slice(0, size)));
  for (let i = 1; i < DEALS_MAX; i++) {
    let sum = 0;
    for (let at = 0; at < size; at++) {
      const from = at + Math.floor(prng.nextUnit() * (cards.length - at));
      [cards[at], cards[from]] = [cards[from], cards[at]];
      sum += cards[at];
    }
    each(sum);
  }
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0);

/** Ways to choose `size` of `all`. */
function choose(all: number, size: number): number {
  let ways = 1;
  for (let i = 1; i <= size; i++) ways = (ways * (all - size + i)) / i;
  return Math.round(ways);
}
