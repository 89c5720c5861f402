/** How long a server may be silent: until an answer counts as over, and before it is given up. */
import { NEVER_NS, NS_PER_MS, NS_PER_US } from '../base/time.ts';
import type { Transport } from '../transport/transport.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/**
 * An answer that is not as long as recorded is over when nothing has come for this long after a
 * push (or for two round trips, or for twice the longest pause of the recorded answer, where those
 * are longer). Less would cut answers in two that the server writes in pieces, or of which a packet
 * was lost: its repetition takes a server 200 ms. An answer's time is that of its last octet, so
 * this delays what comes next, but no figure.
 */
const QUIET_NS = 300 * NS_PER_MS;
/** And where the same answer has ended with just as many octets before. */
const QUIET_LEARNED_NS = 10 * NS_PER_MS;

/** Times of quiet, by the recording and by what the user has heard. */
export class Silences {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #transport: Transport;

  constructor(plays: PlayTable, stages: Stages, transport: Transport) {
    this.#plays = plays;
    this.#stages = stages;
    this.#transport = transport;
  }

  /** When the open stage counts as complete because nothing more has come. */
  quietDueNs(user: number): number {
    const plays = this.#plays;
    if (!(plays.flags[user] & PlayFlag.QUIET) || this.#transport.hasHole(user)) return NEVER_NS;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    const isLearned = this.#stages.isLearned(session, stage, plays.stageBytes[user]);
    const quietNs = Math.max(
      isLearned ? QUIET_LEARNED_NS : QUIET_NS,
      2 * this.#transport.roundTripUs(user) * NS_PER_US,
      isLearned ? 0 : 2 * this.#stages.pauseNs(session, stage),
    );
    return plays.progressNs[user] + quietNs;
  }

  /** How long the recorded server was silent where the user waits for it now; not accelerated. */
  recordedWaitNs(user: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    if (!(plays.flags[user] & PlayFlag.CONNECTED)) return this.#stages.connectNs(session);
    const stage = plays.openStage[user];
    const end = this.#stages.end(session);
    const waitNs = stage > end + 1 ? 0 : this.#stages.waitNs(session, stage);
    return plays.flags[user] & PlayFlag.ENDED && stage > end
      ? Math.max(waitNs, this.#stages.closeNs(session))
      : waitNs;
  }
}
