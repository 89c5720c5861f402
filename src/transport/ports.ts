/** What the engine needs from outside: implemented by io/ (the kernel) and embedded/ (no kernel). */
import type { Instant } from '../base/instant.ts';
import { ARENA_BASE, type FrameBatch } from '../wire/frame-batch.ts';

/** Frames that leave. */
export interface Sender {
  /** Frames written here leave with the next `flush`. */
  readonly batch: FrameBatch;
  /**
   * Sends every frame of the batch and empties it, and says in `batch.firstNs` and `batch.laterNs` when each was handed
   * over. What the kernel would not take is counted by the sender under a reason and is not an exception: TCP sends
   * it again.
   */
  flush(): void;
}

/** Takes the packets that a receiver hands over. */
export interface PacketSink {
  /**
   * An IP packet has arrived; it is only valid during the call.
   * @param start where its IP header begins in the receiver's `data`
   * @param capturedBytes octets present from there; the packet itself may be longer
   * @param arrived when the kernel saw it; the receiver writes there again for the next one
   */
  onPacket(start: number, capturedBytes: number, arrived: Instant): void;
}

/** Packets that arrive for the clients. */
export interface Receiver {
  /** The memory that packets are handed over in: one view for the receiver's whole life. */
  readonly data: DataView;
  /** Hands over at most `limit` packets, oldest first, and returns how many. */
  receive(limit: number, sink: PacketSink): number;
}

/** A receiver whose packets wait in a queue while nobody takes them. */
export interface QueueingReceiver extends Receiver {
  /** When the packet that was handed over last had arrived. */
  readonly arrived: Instant;
  /** Whether nobody has taken the next packet yet: no system call, so to be asked before each wait. */
  readonly isWaiting: boolean;
  /** Whether a quarter of the queue's room is taken. */
  readonly isCrowded: boolean;
}

/** Reads octets of the joined capture: for checksums and for the embedded target, not for sending. */
export interface CaptureBytes {
  /** Fills `into` from `offset`; throws a ReplayError where the capture is shorter than it was. */
  read(offset: number, into: Uint8Array): void;
}

/** What clients say where it is not what was recorded: for a target in the same process. */
export interface ClientTexts {
  /** Whether users that play the session say something else. */
  isRewritten(session: number): boolean;
  /** Whether the octet at `offset` of what a user says is none of the recording's. */
  isWritten(user: number, offset: number): boolean;
  /** How far the recorded client had got where a user has said so many octets. */
  recordedOffset(user: number, offset: number): number;
}

/** The octets of a capture, and behind ARENA_BASE those of an arena: for who has to copy extents. */
export const withArena = (capture: CaptureBytes, arena: Uint8Array): CaptureBytes => ({
  read(offset, into) {
    if (offset < ARENA_BASE) capture.read(offset, into);
    else into.set(arena.subarray(offset - ARENA_BASE, offset - ARENA_BASE + into.length));
  },
});
