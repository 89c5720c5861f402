/** What the charts of the HTML report draw: columns of numbers, one a line. */
import { NS_PER_MS } from '../../base/time.ts';
import { decodeHistogram } from '../../measure/histogram-reader.ts';
import {
  type LatencyName,
  type SparseCounts,
  sparseCount,
  sparseValueAtPercentileNs,
} from '../../measure/histograms.ts';
import type { RunResult } from '../../measure/result.ts';
import { words } from '../format.ts';
import { type DrawnRow, drawnIntervals } from './drawn-intervals.ts';

/** A line of a chart; `null` where nothing was measured. */
export interface ChartLine {
  readonly name: string;
  /** Of the palette of the page: a name that its stylesheet knows. */
  readonly color: 'first' | 'second' | 'third' | 'fourth' | 'fifth';
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
}

/** A chart: lines over one column of the horizontal axis. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  /** What it shows, for those who do not see it and those who do not know it. */
  readonly summary: string;
  readonly x: readonly number[];
  /** `seconds` since the start of the run; `percentile`: 1 ÷ (1 − percentile ÷ 100), on a log axis. */
  readonly axis: 'seconds' | 'percentile';
  /** Of the vertical axis. */
  readonly unit: string;
  readonly lines: readonly ChartLine[];
}

/** Fewer intervals than this are a table's matter. */
const INTERVALS_MIN = 2;

/** The charts that a result has data for; over time there are none of a run within one interval. */
export function chartsOf(result: RunResult): readonly Chart[] {
  const intervals = drawnIntervals(result.timeline);
  const overTime =
    intervals.length < INTERVALS_MIN
      ? []
      : [
          latencyChart(intervals),
          rateChart(intervals, result.rates.recorded),
          workChart(intervals),
          connectionChart(intervals),
          endChart(intervals),
          ...lossCharts(intervals),
        ];
  return [...overTime, ...spectrumCharts(result)];
}

const endsOf = (intervals: readonly DrawnRow[]): number[] =>
  intervals.map(({ endSeconds }) => endSeconds);

function latencyChart(intervals: readonly DrawnRow[]): Chart {
  const column = (name: LatencyName, figure: 'p50' | 'p99' | 'max') =>
    intervals.map(({ latency }) => latency[name]?.[figure] ?? null);
  return {
    id: 'latency',
    title: 'Response time',
    summary:
      'From the intended time of a request to the end of its answer, of the answers in each interval; ' +
      'the dashed line counts from when the request was sent',
    x: endsOf(intervals),
    axis: 'seconds',
    unit: 'ms',
    lines: [
      { name: 'p50', color: 'first', values: column('response', 'p50') },
      { name: 'p99', color: 'second', values: column('response', 'p99') },
      { name: 'maximum', color: 'third', values: column('response', 'max') },
      { name: 'service p99', color: 'fourth', values: column('service', 'p99'), isDashed: true },
    ],
  };
}

/** A counter that only rises, as its growth per second in each interval. */
const perSecond = (
  intervals: readonly DrawnRow[],
  total: (row: DrawnRow) => number | null,
): (number | null)[] =>
  intervals.map((row, i) => {
    const [before, after] = [i === 0 ? 0 : total(intervals[i - 1]), total(row)];
    const seconds = row.endSeconds - row.startSeconds;
    return seconds > 0 && before !== null && after !== null ? (after - before) / seconds : null;
  });

function rateChart(intervals: readonly DrawnRow[], recorded: number): Chart {
  return {
    id: 'rates',
    title: 'Rates',
    summary:
      'Requests that came due (offered), were sent, and were answered (achieved) per second; the dashed ' +
      'line is the mean rate of the recording, accelerated as asked',
    x: endsOf(intervals),
    axis: 'seconds',
    unit: '/s',
    lines: [
      { name: 'due', color: 'third', values: perSecond(intervals, ({ due }) => due) },
      { name: 'sent', color: 'first', values: perSecond(intervals, ({ sent }) => sent) },
      { name: 'answered', color: 'second', values: perSecond(intervals, (row) => row.answered) },
      {
        name: 'recorded',
        color: 'fourth',
        values: intervals.map(() => recorded),
        isDashed: true,
      },
    ],
  };
}

const workChart = (intervals: readonly DrawnRow[]): Chart => ({
  id: 'users',
  title: 'Users at work',
  summary: 'Users that have started and not ended, and how many of them have a connection',
  x: endsOf(intervals),
  axis: 'seconds',
  unit: 'users',
  lines: [
    { name: 'live', color: 'first', values: intervals.map(({ live }) => live) },
    {
      name: 'connected',
      color: 'second',
      values: intervals.map((row) => row.established),
      isDashed: true,
    },
  ],
});

const connectionChart = (intervals: readonly DrawnRow[]): Chart => ({
  id: 'connections',
  title: 'Connections',
  summary: 'Users that started, and connections that were established, per second',
  x: endsOf(intervals),
  axis: 'seconds',
  unit: '/s',
  lines: [
    { name: 'users started', color: 'first', values: perSecond(intervals, (row) => row.started) },
    {
      name: 'connected',
      color: 'second',
      values: perSecond(intervals, ({ connected }) => connected),
      isDashed: true,
    },
  ],
});

const FAILED_STATES = [
  ['refused', 'second'],
  ['reset', 'third'],
  ['timedOut', 'fourth'],
  ['aborted', 'fifth'],
] as const;

const endChart = (intervals: readonly DrawnRow[]): Chart => ({
  id: 'ended',
  title: 'Users that ended',
  summary: 'Since the start of the run, by how they ended',
  x: endsOf(intervals),
  axis: 'seconds',
  unit: 'users',
  lines: [
    { name: 'completed', color: 'first', values: intervals.map(({ completed }) => completed) },
    ...failureLines(intervals),
  ],
});

/** One for each state that there was; of an older version's result their sum. */
function failureLines(intervals: readonly DrawnRow[]): ChartLine[] {
  const lines = FAILED_STATES.map(([state, color]): ChartLine => {
    const values = intervals.map((row) => row[state]);
    return { name: words(state), color, values };
  }).filter(({ values }) => values.some((value) => (value ?? 0) > 0));
  if (lines.length > 0) return lines;
  return [{ name: 'failed', color: 'third', values: intervals.map(({ failed }) => failed) }];
}

const LOSSES = [
  ['retransmitted', 'sent again', 'first'],
  ['unsent', 'not sent', 'second'],
  ['ringFull', 'dropped here', 'third'],
] as const;

/** None where nothing was lost. */
function lossCharts(intervals: readonly DrawnRow[]): Chart[] {
  const lines = LOSSES.map(
    ([loss, name, color]): ChartLine => ({
      name,
      color,
      values: perSecond(intervals, (row) => row[loss]),
    }),
  ).filter(({ values }) => values.some((value) => (value ?? 0) > 0));
  if (lines.length === 0) return [];
  return [
    {
      id: 'losses',
      title: 'Packets lost',
      summary:
        'Packets that were sent again, that the kernel did not take, and replies that were dropped on ' +
        'this machine, per second',
      x: endsOf(intervals),
      axis: 'seconds',
      unit: '/s',
      lines,
    },
  ];
}

/** HdrHistogram's plotter takes five steps for each half of what is left; ten draw a smooth line. */
const STEPS_PER_HALF = 10;

function spectrumCharts({ histograms }: RunResult): Chart[] {
  return spectrumOf(
    'How long the slowest answers took: each mark to the right leaves a tenth of the answers. ' +
      'Where response lies above service, requests went out later than intended',
    [
      { name: 'response', color: 'first', sparse: decodeHistogram(histograms.response) },
      { name: 'service', color: 'second', sparse: decodeHistogram(histograms.service) },
    ],
  );
}

/** A histogram that is drawn as a percentile spectrum. */
export interface SpectrumLine extends Pick<ChartLine, 'name' | 'color'> {
  readonly sparse: SparseCounts;
}

/** Their spectra in one chart, the second one dashed; none where there is nothing in the first. */
export function spectrumOf(summary: string, lines: readonly SpectrumLine[]): Chart[] {
  const count = sparseCount(lines[0].sparse);
  if (count === 0) return [];
  const percentiles = percentileSteps(count);
  const column = (sparse: SparseCounts): (number | null)[] =>
    sparseCount(sparse) === 0
      ? percentiles.map(() => null)
      : percentiles.map((percentile) => sparseValueAtPercentileNs(sparse, percentile) / NS_PER_MS);
  return [
    {
      id: 'spectrum',
      title: 'Percentile spectrum',
      summary,
      x: percentiles.map((percentile) => 100 / (100 - percentile)),
      axis: 'percentile',
      unit: 'ms',
      lines: lines.map(({ name, color, sparse }, i) => {
        const line = { name, color, values: column(sparse) };
        return i === 1 ? { ...line, isDashed: true } : line;
      }),
    },
  ];
}

/** From the 0th up to where one value of so many is left, by halves of what is left. */
function percentileSteps(count: number): number[] {
  const halves = Math.max(1, Math.log2(count));
  const steps = Math.ceil(halves * STEPS_PER_HALF);
  return Array.from({ length: steps + 1 }, (_, i) => 100 - 100 / 2 ** (i / STEPS_PER_HALF));
}
