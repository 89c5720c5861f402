/** What is said of captures whose clocks do not agree. */
import { formatDuration } from '../../base/units.ts';
import type { ClockSkew } from '../../session/reading/clock-skew.ts';
import {
  LANE_WORDS,
  LaneFloat,
  LaneWord,
  type SessionRecords,
} from '../../session/reading/session-records.ts';
import type { Source } from './capture-sources.ts';

/** More pairs of taps than this are summed up. */
const NAMED_MAX = 3;

/** One line a pair of taps, of the first few. */
export function skewWarnings(
  skews: readonly ClockSkew[],
  { lanes }: SessionRecords,
  sources: readonly Source[],
): string[] {
  const interfaces = new Map<number, number>();
  const baseOf = (lane: number) => lanes.f64[(lane * LANE_WORDS) / 2 + LaneFloat.FILE_BASE];
  for (let lane = 0; lane < lanes.count; lane++) {
    interfaces.set(baseOf(lane), (interfaces.get(baseOf(lane)) ?? 0) + 1);
  }
  const nameOf = (lane: number): string => {
    const base = baseOf(lane);
    const file = sources.find((source) => source.base === base)?.name ?? 'a capture';
    const number = lanes.u32[lane * LANE_WORDS + LaneWord.INTERFACE];
    return (interfaces.get(base) ?? 0) > 1 ? `${file} (interface ${number})` : file;
  };
  const lines = skews.slice(0, NAMED_MAX).map((skew) => warningOf(skew, nameOf));
  const more = skews.length - lines.length;
  if (more > 0) lines.push(`the clocks of ${more} more pairs of captures differ, too`);
  return lines;
}

function warningOf(skew: ClockSkew, nameOf: (lane: number) => string): string {
  const { clientLane, serverLane, skewNs, errorNs } = skew;
  const error = Number.isFinite(errorNs) ? ` (± ${formatDuration(errorNs)})` : '';
  const amount = `${formatDuration(Math.abs(skewNs))}${error}`;
  const way = skewNs > 0 ? 'ahead of' : 'behind';
  const clocks =
    clientLane === serverLane
      ? `in ${nameOf(serverLane)} the clock of what servers sent is ${amount} ${way} that of what clients sent`
      : `the clock of ${nameOf(serverLane)} is ${amount} ${way} that of ${nameOf(clientLane)}`;
  return `${clocks}, as acknowledgments tell; that is taken out of think and server times`;
}
