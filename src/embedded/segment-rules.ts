/** What the embedded server agrees on with a client, and which of its segments are acceptable. */
import { type Seq, seqBefore, seqDiff } from '../base/seq.ts';
import { RST } from '../wire/tcp.ts';
import { MSS_DEFAULT, PADDED_TIMESTAMPS_BYTES, type TcpOptions } from '../wire/tcp-options.ts';
import { type ConnectionTable, Flag, ServerState, U8, U16, U32 } from './connection-table.ts';

const MSS_MIN = 48;

/**
 * Takes over what a SYN offers.
 * @param mss the largest segment that the server itself sends, without options
 */
export function agreeOptions(
  table: ConnectionTable,
  user: number,
  options: TcpOptions,
  mss: number,
): void {
  const offered = options.mss === 0 ? MSS_DEFAULT[4] : Math.max(options.mss, MSS_MIN);
  let sendMss = Math.min(offered, mss);
  table.sndWndShift[user * U8] = 0;
  if (options.windowScale >= 0) {
    table.flags[user * U16] |= Flag.SCALED;
    table.sndWndShift[user * U8] = options.windowScale;
  }
  if (options.hasTimestamps) {
    table.flags[user * U16] |= Flag.TIMESTAMPS;
    table.tsRecent[user * U32] = options.tsVal;
    sendMss -= PADDED_TIMESTAMPS_BYTES;
  }
  if (options.sackPermitted) table.flags[user * U16] |= Flag.SACK;
  table.sendMss[user * U16] = sendMss;
}

/** Whether a segment's timestamp is older than one that was seen (PAWS: RFC 7323, section 5.3). */
export function isTooOld(
  table: ConnectionTable,
  user: number,
  options: TcpOptions,
  flags: number,
): boolean {
  if (!options.hasTimestamps || (table.flags[user * U16] & Flag.TIMESTAMPS) === 0) return false;
  return !(flags & RST) && seqBefore(options.tsVal, table.tsRecent[user * U32]);
}

/** Whether some of a segment lies in the receive window (RFC 9293, section 3.4). */
export function isInWindow(rcvNxt: Seq, windowBytes: number, seq: Seq, segLen: number): boolean {
  const before = seqDiff(seq, rcvNxt);
  if (segLen === 0) return before >= 0 && before < windowBytes;
  return before < windowBytes && before + segLen > 0;
}

/** The state that follows when the server's FIN has been acknowledged (RFC 9293, section 3.10.7.4). */
export function stateAfterFin(state: number): number {
  switch (state) {
    case ServerState.FIN_WAIT_1:
      return ServerState.FIN_WAIT_2;
    case ServerState.CLOSING:
      // The 2 MSL are not counted: the slot is free for the user's next connection at once.
      return ServerState.TIME_WAIT;
    case ServerState.LAST_ACK:
      return ServerState.CLOSED;
    default:
      return state;
  }
}
