/** How well clocks are kept and known, and what hangs on it. */
import { NS_PER_MS } from '../base/time.ts';
import { formatDuration } from '../base/units.ts';
import type { ChannelClock, Finding, MachineFacts } from './observations.ts';

/** Known no better than this an intercept's clock makes latencies of a quick server worthless. */
const UNCERTAIN_NS = NS_PER_MS;

const SEE = 'chronyc tracking, or timedatectl timesync-status';

/** A machine's own clock, as its kernel says: no latency needs it, so it is never a fault. */
export function kernelClockFindings({ clock, place }: MachineFacts): Finding[] {
  const what = 'clock';
  if (clock === undefined) return [];
  if (clock === null) {
    const text = 'the kernel does not say how well it is kept; no latency needs it';
    return [{ state: 'unknown', what, text, mend: SEE }];
  }
  const { isSynchronised, maxErrorNs, estimatedErrorNs } = clock;
  const harmed =
    place === 'load' ? 'times in results and --start-at of shares do' : 'times in its logs do';
  if (!isSynchronised) {
    const text =
      `is synchronised with nothing (NTP), and may be off by ${formatDuration(maxErrorNs)} and more, ` +
      `as the kernel counts it; no latency needs it, ${harmed}`;
    return [{ state: 'good', what, text, mend: SEE }];
  }
  const text =
    `is synchronised (NTP), to ${formatDuration(maxErrorNs)} at most and ` +
    `${formatDuration(estimatedErrorNs)} by estimate; no latency needs it, ${harmed}`;
  return [{ state: 'good', what, text, mend: null }];
}

/** Clocks of intercepts, as the channel has measured them: they stamp the replies. */
export const channelClockFindings = (clocks: readonly ChannelClock[]): Finding[] =>
  clocks.map(channelClockFinding);

function channelClockFinding({ intercept, known }: ChannelClock): Finding {
  const what = "intercept's clock";
  if (known === 'same') {
    const text = `${intercept}: it is this machine's, so latencies need no correction`;
    return { state: 'good', what, text, mend: null };
  }
  const { offsetNs, uncertaintyNs } = known;
  const way = offsetNs < 0 ? 'behind' : 'ahead';
  const figure = `${intercept}: ${formatDuration(Math.abs(offsetNs))} ${way}, known to ±${formatDuration(uncertaintyNs)}`;
  if (uncertaintyNs < UNCERTAIN_NS) {
    const text = `${figure}; it is taken off, so latencies err by no more than the latter`;
    return { state: 'good', what, text, mend: null };
  }
  return {
    state: 'bad',
    what,
    text: `${figure}; it is taken off, but each latency may err by the latter: round trips of the channel take twice that`,
    mend: `ping ${intercept.replace(/:\d+$/, '')}; give the channel a quicker or quieter link (--intercept with another address of that machine)`,
  };
}
