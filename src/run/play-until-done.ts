/** A run while it plays: told of, watched, and ended before its time where it has to be. */
import { ReplayError } from '../base/errors.ts';
import { interfaceState } from '../io/sys/interface-state.ts';
import { Counter, sumCounters } from '../measure/counters.ts';
import type { ShareFacts } from '../measure/run-record.ts';
import type { EarlyStop } from './early-stop.ts';
import type { NetworkWay } from './plan/network-way.ts';
import type { RunHost } from './plan/options.ts';
import { InterfaceWatch } from './threads/interface-watch.ts';
import type { LocalWay } from './threads/local-way.ts';
import type { ProgressMeter } from './threads/progress-meter.ts';
import type { ReplayThreads } from './threads/replay-threads.ts';

/** How often progress is reported. */
const PROGRESS_EVERY_MS = 200;

/**
 * Why nothing could be sent or no more replies could come, for the run's first line: what was measured until then is
 * reported.
 * @throws the reason itself where it is a fault of gryphon
 */
export function failureOf(
  gone: AbortSignal | null,
  ofDevice: string | null,
): Pick<ShareFacts, 'failure' | 'failureKind'> {
  if (ofDevice !== null) return { failure: ofDevice, failureKind: 'environment' };
  if (gone === null || !gone.aborted) return { failure: null, failureKind: null };
  if (!(gone.reason instanceof ReplayError) || gone.reason.kind === 'internal') throw gone.reason;
  return { failure: gone.reason.message, failureKind: 'unreachable' };
}

/**
 * Plays until every user has ended, and tells meanwhile: of progress, of silence, of an interface that
 * is down. What ends a run before its time only drains it.
 * @returns whether it was interrupted
 */
export async function playUntilDone(
  crew: ReplayThreads,
  meter: ProgressMeter,
  host: RunHost,
  way: {
    readonly gone: AbortSignal | null;
    readonly local: LocalWay | null;
    readonly device: InterfaceWatch | null;
    readonly stop: EarlyStop;
  },
): Promise<boolean> {
  const { gone, local, device, stop } = way;
  const drain = (): void => {
    meter.onDraining();
    crew.drain();
  };
  const lost = [gone, device?.lost ?? null].filter((signal) => signal !== null);
  const signals = [host.interrupted, stop.signal, ...lost];
  const ends = AbortSignal.any(signals);
  if (ends.aborted) drain();
  ends.addEventListener('abort', drain, { once: true });
  const timer = setInterval(() => {
    meter.report();
    crew.watch(performance.now());
    const counters = sumCounters(crew.state.counters);
    device?.watch(counters[Counter.CLOCK_NS]);
    // Where nothing is sent, it is no wonder that nobody answers.
    if (device?.isUp !== false) local?.watch(counters);
    stop.watch(crew.state);
  }, PROGRESS_EVERY_MS);
  try {
    await crew.play();
  } finally {
    clearInterval(timer);
    ends.removeEventListener('abort', drain);
  }
  meter.report();
  host.onPlayed?.();
  return host.interrupted.aborted;
}

/** What watches the interface of this way; null where no frame leaves this process. */
export function watchOf(
  network: NetworkWay | null,
  onWarning: (text: string) => void,
): InterfaceWatch | null {
  if (network === null) return null;
  const { name, index } = network.path.device;
  return new InterfaceWatch({ name, look: () => interfaceState(index), onWarning });
}
