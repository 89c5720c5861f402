/**
 * How many packets of the targets may wait for a thread that does not get to read them, so how large its ring
 * has to be. Whoever stands still sends nothing: what comes meanwhile answers what had been sent before. In a
 * closed loop that is a stage for each connection; in an open one it may be all that the server says.
 *
 * A ring of the kernel's is walked round as a whole, so memory that is never needed costs cache misses with
 * every packet, besides being made and cleared.
 */
import { expectedMss } from '../transport/transport-plan.ts';
import { Pace, type ReplayPlan } from './replay-plan.ts';
import type { ScriptSteps } from './script-steps.ts';
import type { SessionStreams } from './session-streams.ts';

/**
 * Of a connection, beside its answer: a SYN-ACK, an acknowledgement, a FIN, and what a server sends again within
 * the first seconds (after 200 ms and twice as long each time, RFC 6298).
 */
const OTHER_PACKETS = 8;
/** Live answers may come in more packets than recorded ones. */
const LIVE_ANSWERS = 2;

/** Packets that may wait at once for a thread with so many connections at a time, as far as recordings tell. */
export const packetsAtOnce = (connections: number, answerPackets: number): number =>
  connections * (LIVE_ANSWERS * answerPackets + OTHER_PACKETS);

/**
 * The most packets in which the session's server may say what it says without hearing from the client.
 * @param streams opened at the session: what was recorded compressed comes without, and may be much more
 */
export function answerPacketsOf(
  { scripts, pace, tcp }: Pick<ReplayPlan, 'scripts' | 'pace' | 'tcp'>,
  steps: ScriptSteps,
  streams: Pick<SessionStreams, 'awaitOf'>,
  session: number,
): number {
  const { firstExtent, extentStart } = scripts.server;
  const mss = expectedMss(tcp);
  const behind = steps.end(session) + 1;
  let extent = firstExtent[session];
  let from = 0;
  let saidFrom = 0;
  let most = 0;
  for (
    let stage = pace === Pace.SCHEDULE ? behind : steps.first(session);
    stage <= behind;
    stage++
  ) {
    const to = steps.awaitOf(session, stage);
    if (to <= from) continue;
    const first = extent;
    // What was recorded in a packet lies in one place of the capture.
    while (extent < firstExtent[session + 1] && extentStart[extent] < to) extent++;
    const saidTo = streams.awaitOf(session, stage);
    most = Math.max(most, extent - first, Math.ceil((saidTo - saidFrom) / mss));
    from = to;
    saidFrom = saidTo;
  }
  return most;
}
