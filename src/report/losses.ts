/** Packets that were lost, sent again or of no use, as rows of the summary. */
import { formatCount } from '../base/units.ts';
import type { RunResult } from '../measure/result.ts';
import { nonZero, words } from './format.ts';
import { row, whole } from './layout.ts';

/** What is lost, or cost somebody a second packet. */
const LOSSES: ReadonlyMap<string, string> = new Map([
  ['retransmitted', 'data or FIN sent again'],
  ['synRetransmitted', 'SYN sent again'],
  ['outOfOrder', 'received with a gap before them and not kept'],
  ['malformed', 'received malformed'],
  ['ringFull', "lost, no room in the kernel's ring (not read in time)"],
  ['unsentNoBuffers', 'not sent, the kernel had no buffers'],
  ['unsentNotPermitted', 'not sent, not permitted'],
  ['unsentTooLong', 'not sent, longer than the interface allows'],
  ['unsentInterfaceDown', 'not sent, the interface was down or gone'],
  ['unsentOther', 'not sent, other errors'],
]);

/** What came in and changed nothing, which is no loss. */
const IGNORED: ReadonlyMap<string, string> = new Map([
  ['stale', 'for connections that were over'],
  ['outOfWindow', 'outside the window (repeated, mostly)'],
  ['notOurs', "for nobody's connection"],
  ['pathMessages', 'that say a packet was too big, of none that is under way'],
]);

/** The rows `losses` and, where there is something to say, `ignored` and `path`. */
export function lossRows({ packets }: RunResult, columns: number): string[] {
  const counts = nonZero({
    retransmitted: packets.retransmitted,
    synRetransmitted: packets.synRetransmitted,
    ...packets.dropped,
  });
  const ignored = counts.filter(([reason]) => IGNORED.has(reason));
  const losses = counts.filter(([reason]) => !IGNORED.has(reason));
  const lost = losses.length === 0 ? 'no packet was sent again, unsent or lost' : listed(losses);
  return [
    ...row('losses', lost, columns),
    ...(ignored.length === 0 ? [] : row('ignored', `received ${listed(ignored)}`, columns)),
    ...pathTexts(packets).flatMap((text, i) => row(i === 0 ? 'path' : '', text, columns)),
  ];
}

/** What was learnt of how large packets may be, if anything. */
function pathTexts({ path, dropped }: RunResult['packets']): string[] {
  const { mtu, smallerTried } = path;
  const told = mtu === null ? [] : [`path MTU ${formatCount(mtu)} learnt from ICMP`];
  if (smallerTried === 0) return told;
  const times = `${formatCount(smallerTried)} times full-sized segments vanished and smaller ones`;
  const why =
    dropped.ringFull > 0
      ? 'what acknowledged them may have been lost here, or ICMP is filtered on the way'
      : 'ICMP seems to be filtered on the way';
  return [...told, `${times} were tried: ${why}`];
}

const listed = (counts: readonly (readonly [string, number])[]): string =>
  counts.map(([reason, count]) => whole(`${formatCount(count)} ${meaningOf(reason)}`)).join('; ');

const meaningOf = (reason: string): string =>
  LOSSES.get(reason) ?? IGNORED.get(reason) ?? words(reason);
