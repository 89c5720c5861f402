/** A result's figures as OpenMetrics text, for GitLab's metrics report: what changed is shown in a merge request. */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';
import { LATENCY_NAMES } from '../measure/histograms.ts';
import { failedUsers } from '../measure/ledger.ts';
import type { RunResult } from '../measure/result.ts';

const FIGURES = ['p50', 'p90', 'p99', 'max'] as const;

/**
 * A metric a line. They are gauges, named as those of `--metrics` are: seconds, rates per second, counts.
 * What was not measured is left out.
 */
export function openMetricsReport({
  latency,
  users,
  exchanges,
  rates,
  packets,
}: RunResult): string {
  const figures: (readonly [string, number | null])[] = [
    ...LATENCY_NAMES.flatMap((name) =>
      FIGURES.map((figure) => {
        const ms = latency[name][figure];
        return [
          `gryphon_${snake(name)}_${figure}_seconds`,
          ms === null ? null : secondsOf(ms),
        ] as const;
      }),
    ),
    ['gryphon_due_per_second', rates.due],
    ['gryphon_answered_per_second', rates.achieved],
    ['gryphon_connections_per_second', rates.connections],
    ['gryphon_users_completed', users.completed],
    ['gryphon_users_failed', failedUsers(users)],
    ['gryphon_exchanges_unanswered', exchanges.unanswered],
    ['gryphon_answers_failed', exchanges.failed],
    ['gryphon_packets_retransmitted', packets.retransmitted + packets.synRetransmitted],
  ];
  const lines = figures.flatMap(([name, value]) =>
    value === null ? [] : [`# TYPE ${name} gauge`, `${name} ${value}`],
  );
  return `${[...lines, '# EOF'].join('\n')}\n`;
}

/** Whole nanoseconds, so that 0.03 ms are 0.00003 s and not 0.000029999999999999997. */
const secondsOf = (ms: number): number => Math.round(ms * NS_PER_MS) / NS_PER_SECOND;

const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
