/** How much room a user needs for what it writes: known before it starts. */
import { blockBytes } from './message-arena.ts';

/** By so many octets a message may be longer than recorded, until longer ones of its session were seen. */
export const GROWTH_BYTES_MIN = 128;
/** What is said before a recording is taken up: log-ins are shorter. */
const DIALOGUE_BYTES = 512;

/** What is planned to be written anew of sessions: columns, a row a session. */
export interface PlannedRewrites {
  /** Not 0 where messages are written anew, or answers read. */
  readonly module: Uint8Array;
  /** Not 0 where something is said before the recording is taken up. */
  readonly dialogue: Uint8Array;
  /** Octets of the messages that one turn writes at most, as far as the recording tells, and how many those are. */
  readonly turnBytes: Uint32Array;
  readonly turnMessages: Uint32Array;
  /** Not 0 where messages are planned as what they hold, and not as long as recorded. */
  readonly inflatedFrom?: Uint32Array;
}

/**
 * Octets of the block that a user of the session may fill in one turn; 0 where nothing is written.
 * @param growthBytes by how much a message may be longer than recorded
 */
export function roomBytes(
  { dialogue, turnBytes, turnMessages }: PlannedRewrites,
  session: number,
  growthBytes: number = GROWTH_BYTES_MIN,
): number {
  const messages = turnMessages[session];
  const said = dialogue[session] === 0 ? 0 : DIALOGUE_BYTES;
  const written = messages === 0 ? 0 : turnBytes[session] + messages * growthBytes;
  const bytes = Math.max(said, written);
  return bytes === 0 ? 0 : blockBytes(bytes);
}
