/** What TCP needs from outside: where segments go, what there is to say, how it shall behave. */
import type { Instant } from '../base/instant.ts';
import type { Seq } from '../base/seq.ts';
import type { SackBlocks } from '../wire/tcp-options.ts';

/** Where segments go. */
export interface SegmentOutput {
  /**
   * Send one segment now.
   * @param offset stream offset of its payload (of no meaning when `payloadBytes` is 0)
   */
  emitSegment(
    user: number,
    seq: Seq,
    ack: Seq,
    flags: number,
    offset: number,
    payloadBytes: number,
  ): void;
  /**
   * Send an acknowledgement without payload that reports what lies behind holes.
   * @param sack its blocks, at least one; they hold until the call returns
   */
  emitSack(user: number, seq: Seq, ack: Seq, sack: SackBlocks): void;
  /** The timestamp (TSval) that a segment of the user's bears when it leaves at `at`, or now; in ms. */
  timestampOf(user: number, at?: Instant): number;
}

/** What each user has to say. */
export interface StreamSource {
  /** Stream offset up to which the user may send now. */
  streamLimit(user: number): number;
  /**
   * Stream offset at which the segment that begins at or contains `offset` ends: the planned cut,
   * so that its checksum is known. Above `offset`, not above the limit, at most `mss` octets on.
   */
  segmentEnd(user: number, offset: number, mss: number): number;
}

/** How TCP's client half is set, the same for all users of a run. */
export interface TcpSettings {
  /** First SYN retransmission; doubles with each. */
  readonly synRtoNs: number;
  /** SYN retransmissions before giving up. */
  readonly synRetriesMax: number;
  /** Retransmissions of the same octets before giving up (Linux' tcp_retries2). */
  readonly dataRetriesMax: number;
  /** Our receive window in octets. */
  readonly windowBytes: number;
  /** Payload octets a segment may have by our own choice (`--mss`, the route's MTU). */
  readonly mss: number;
  readonly timestamps: boolean;
}
