/**
 * Where each virtual user stands in its session's script: columns beside the UserTable's.
 *
 * A session's client side is a row of steps: its messages, then the end of its stream. Before a step
 * lies a stage: the octets of the server's stream that the recorded client had received by then and
 * not yet by the step before (none, for most messages within a turn). Stage `n` lies before step
 * `n`; one more stage, behind the last step, is what the server sent after our end.
 */

import { Instant } from '../base/instant.ts';
import { type NarrowColumn, narrowBytes, narrowColumn } from '../base/narrow-column.ts';
import type { Scripts } from '../session/script/scripts.ts';

/** Bits of the `flags` column. */
export const PlayFlag = {
  /** The user is started and has no end state yet. */
  LIVE: 0x0001,
  /** The handshake was completed. */
  CONNECTED: 0x0002,
  /** The first octet of the open answer, or stage, has come. */
  FIRST_BYTE: 0x0004,
  /** The server may have said all: the stage is done when it stays quiet. */
  QUIET: 0x0008,
  /** The server has ended its stream. */
  PEER_FIN: 0x0010,
  /** Our end (the last step) has been played. */
  ENDED: 0x0020,
  /** The server ended before the script did: the user ends as aborted. */
  CLOSED_EARLY: 0x0040,
  /** We closed because the run was interrupted: the user ends as aborted. */
  INTERRUPTED: 0x0080,
  /** The next SYN, or a turn's last message, has not left yet: its first frame gets a time. */
  STAMP: 0x0100,
  /** The protocol has told where the open answer ends: `stageBytes` are those still to come. */
  FRAMED: 0x0200,
  /** An answer had a status of another class than the recorded one. */
  FAILED: 0x0400,
  /** The open answer's body comes in chunks: a push says nothing of its end. */
  CHUNKED: 0x0800,
  /** A turn's last message was to be sent, and a full window holds it: `sentNs` is since when. */
  HELD: 0x1000,
  /** The server has spoken unasked since the last answer: that is counted once. */
  UNASKED: 0x2000,
  /** The open stage's answers cannot be followed: lengths, pushes and quiet tell where they end. */
  UNFOLLOWED: 0x4000,
  /** A module talks to the server; the recording has not been taken up yet. */
  DIALOGUE: 0x8000,
} as const;

/** Flags that speak of the open answer alone. */
export const OF_OPEN_ANSWER =
  PlayFlag.FIRST_BYTE | PlayFlag.QUIET | PlayFlag.FRAMED | PlayFlag.CHUNKED | PlayFlag.UNASKED;
/** Flags that speak of the open stage alone. */
export const OF_OPEN_STAGE = OF_OPEN_ANSWER | PlayFlag.UNFOLLOWED;

/** Octets that one user takes in this table. */
export const playBytesOf = (of: PlayedScripts): number =>
  38 + narrowBytes(of.sessions) + 2 * narrowBytes(stepsOf(of));

/** What there is to play. */
export type PlayedScripts = Pick<Scripts, 'sessions'> & {
  readonly client: Pick<Scripts['client'], 'messageEnd'>;
};

/** Above any step and stage: a session's last message is followed by its end, a last stage, and none. */
const stepsOf = ({ client }: PlayedScripts): number => client.messageEnd.length + 4;

/** Columns of what each user plays and how far it is: a row a user. */
export class PlayTable {
  /** When what is brought about happens: set before. */
  readonly now = new Instant();
  /** Row in Scripts. */
  readonly session: NarrowColumn;
  /** The next step to play: a message row, or one past the session's last for its end, then one more. */
  readonly nextStep: NarrowColumn;
  /** The first stage that is not complete. */
  readonly openStage: NarrowColumn;
  /** Octets that have come of the open answer, or stage; with FRAMED those that have not. */
  readonly stageBytes: Uint32Array;
  /** When the plan wants the next step (its intended time); NEVER_NS while a stage must end first. */
  readonly stepDueNs: Float64Array;
  /** Intended time of the turn whose answer is awaited. */
  readonly intendedNs: Float64Array;
  /** When the first octet of that turn's last message was handed to the kernel; or, first, the SYN. */
  readonly sentNs: Float64Array;
  /** When the peer last brought us on; while an answer may be over, when its last octet came. */
  readonly progressNs: Float64Array;
  readonly flags: Uint16Array;
  /** Exchanges of the open stage that are answered; only users amid several, others have none. */
  readonly answered = new Map<number, number>();

  constructor(users: number, scripts: PlayedScripts) {
    this.session = narrowColumn(users, scripts.sessions);
    this.nextStep = narrowColumn(users, stepsOf(scripts));
    this.openStage = narrowColumn(users, stepsOf(scripts));
    this.stageBytes = new Uint32Array(users);
    this.stepDueNs = new Float64Array(users);
    this.intendedNs = new Float64Array(users);
    this.sentNs = new Float64Array(users);
    this.progressNs = new Float64Array(users);
    this.flags = new Uint16Array(users);
  }
}
