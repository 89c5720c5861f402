/** Plays hand-made sessions against the embedded target in virtual time. */

import { expect } from 'vitest';
import { NEVER_NS } from '../../src/base/time.ts';
import { EmbeddedTarget } from '../../src/embedded/embedded-target.ts';
import { COUNTERS, Counter, createCounters } from '../../src/measure/counters.ts';
import type { Differences } from '../../src/measure/differences.ts';
import { createExchangeFigures } from '../../src/measure/exchange-figures.ts';
import { LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { IntervalRecorder, peakEstablished } from '../../src/measure/intervals.ts';
import type { RequestClasses } from '../../src/measure/request-classes.ts';
import { sumFigures } from '../../src/replay/difference-texts.ts';
import { type PreparedSessions, prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { Replay } from '../../src/replay/replay.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { rowsOf } from '../../src/run/plan/run-plan.ts';
import { embeddedTurns } from '../../src/run/threads/embedded-loop.ts';
import { clientDirectory } from '../../src/run/threads/embedded-thread.ts';
import { CONTROL_WORDS } from '../../src/run/threads/thread-job.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { DEFAULT_CLIENTS } from '../../src/schedule/client-addresses.ts';
import type { Scripts } from '../../src/session/script/scripts.ts';
import type { ReadOctets } from '../../src/session/script/stream-view.ts';
import { type CaptureBytes, withArena } from '../../src/transport/ports.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade, type SessionSpec } from '../helpers/scripts.ts';
import type { WireTimes } from './wire-times.ts';

export const OPTIONS: ReplayOptions = {
  command: [],
  captures: ['hand-made'],
  target: { kind: 'embedded' },
  users: null,
  clients: DEFAULT_CLIENTS[4],
  ports: { first: 1024, last: 65_535 },
  order: 'ip',
  seed: 1,
  accel: 1,
  ratePerSecond: null,
  ramp: null,
  iterations: null,
  durationNs: null,
  pace: 'think',
  maxGapNs: null,
  timeoutNs: 30e9,
  close: 'recorded',
  check: 'status',
  mss: null,
  sack: null,
  timestamps: true,
  windowBytes: 1 << 20,
  interfaceName: null,
  nextHop: null,
  sourceMac: null,
  sender: 'packet',
  arp: null,
  makesRules: true,
  threads: null,
  realTime: false,
  intercepts: [],
  token: null,
  thresholds: [],
};

export interface Played {
  readonly counters: Float64Array;
  readonly latency: LatencyTable;
  readonly classes: RequestClasses;
  readonly differences: Differences;
  readonly endMs: number;
  readonly replay: Replay;
  readonly prepared: PreparedSessions;
  /** The most connections that were established at once. */
  readonly peak: number;
}

export interface PlayOptions extends Partial<ReplayOptions> {
  /** What the target plays, where it does not behave as recorded. */
  readonly server?: readonly SessionSpec[];
  readonly extentBytesMax?: number;
  /** Of a packet's payload so many octets are handed over. */
  readonly prefixBytes?: number;
  /** Whether the sessions are played as if nothing of the server had been captured. */
  readonly unheard?: boolean;
  /** Notes when frames leave. */
  readonly wire?: WireTimes;
}

export function play(specs: readonly SessionSpec[], options: PlayOptions = {}): Played {
  const memory: number[] = [];
  const server = options.server && handMade(options.server, 1448, memory).scripts;
  const { scripts: heard, capture } = handMade(specs, options.extentBytesMax, memory);
  const areAnswersUnheard = new Uint8Array(heard.sessions).fill(1);
  const scripts = options.unheard === true ? { ...heard, areAnswersUnheard } : heard;
  return playScripts(scripts, capture, options, server ?? null);
}

/** @param server what the target plays, where it does not behave as recorded */
export function playScripts(
  scripts: Scripts,
  capture: CaptureBytes,
  options: PlayOptions,
  server: Scripts | null = null,
): Played {
  const plan = planOf(scripts, { ...OPTIONS, ...options });
  const counters = createCounters();
  const latency = new LatencyRecorder();
  const arena = new Uint8Array(1 << 16);
  const target = new EmbeddedTarget({
    scripts: server === null ? plan.scripts : { ...server, files: scripts.files },
    capture: withArena(capture, arena),
    clients: clientDirectory(plan),
    users: rowsOf(plan),
    accel: plan.accel,
    seed: 1,
    counters,
    ...(options.prefixBytes === undefined ? {} : { prefixBytes: options.prefixBytes }),
  });
  const links = plan.targets.map(() => new Uint8Array(0));
  const saysRecorded = server === null && options.unheard !== true;
  const engine = { ...enginePlan(plan, 0, 1, links), saysRecorded };
  const prepared = prepareSessions(engine, capture);
  const { classNames: names } = prepared.exchanges;
  const figures = createExchangeFigures(names.length);
  const sender = options.wire === undefined ? target : options.wire.on(target, counters);
  const modules =
    prepared.exchanges.pushed === undefined ? null : { modules: [], arena, nowMs: () => 0 };
  const replay = new Replay(
    ...([engine, sender, target, capture, latency, counters, prepared, figures, modules] as const),
  );
  if (replay.rewriting !== null) target.followTexts(replay.rewriting.stream);
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const intervals = new IntervalRecorder(latency, counters);
  const endNs = playThrough(embeddedTurns({ replay, target, intervals, control, nowNs: null }));
  // A run that ends by its time leaves users out.
  const plays =
    plan.stopStartingNs === NEVER_NS && plan.perClient === undefined
      ? plan.users * plan.iterations
      : counters[Counter.STARTED];
  const read: ReadOctets = (offset, into) => capture.read(offset, into);
  const { exchanges } = prepared;
  const { classes, differences } = sumFigures(scripts, exchanges, read, [figures]);
  expect(ledgerFaults(counters, plays, classes)).toEqual([]);
  const peak = peakEstablished(intervals.finish(endNs));
  const table = LatencyTable.of([latency.columns]);
  const figured = { counters, latency: table, classes, differences, peak };
  return { ...figured, endMs: endNs / 1e6, replay, prepared };
}

/** The counters that are not 0, by name. */
export function named(counters: Float64Array): Record<string, number> {
  const names = Object.entries(Counter).filter(([, index]) => index < COUNTERS);
  return Object.fromEntries(
    names
      .filter(([, index]) => counters[index] !== 0)
      .map(([name, index]) => [name, counters[index]]),
  );
}
