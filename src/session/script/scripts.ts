/**
 * What every session says, and when: columns, so that threads share them without a copy.
 *
 * Each direction of a session is a stream of octets from 0 (the octet after the SYN's) upwards. A
 * stream is cut into messages. A message is what its side wrote in one go; it waits until its side
 * has received `await` octets of the other stream, then for its think time, and is then sent.
 *
 * Times are recorded times (not accelerated), in nanoseconds.
 */
import type { JoinedFile } from '../../base/joined-file.ts';
import type { RecordedEndpoint } from '../reading/session-facts.ts';

/** How a side ended its stream in the capture. */
export const StreamEnd = { OPEN: 0, FIN: 1, RST: 2 } as const;
export type StreamEnd = (typeof StreamEnd)[keyof typeof StreamEnd];

/** What the payload was recognised as; decides how the end of an answer is found. */
export const Protocol = { UNKNOWN: 0, HTTP1: 1 } as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

/** One direction (client to server, or server to client) of all sessions. */
export interface StreamColumns {
  /** Messages of session `s` are rows `firstMessage[s] .. firstMessage[s + 1]` (length sessions + 1). */
  readonly firstMessage: Uint32Array;
  /** Stream offset just past the message; it begins where the one before it ends. */
  readonly messageEnd: Uint32Array;
  /** Octets of the other stream that this side had received (acknowledged) when it sent this. */
  readonly messageAwait: Uint32Array;
  /** From the session's first SYN to the message's first segment. */
  readonly messageOffsetNs: Float64Array;
  /**
   * From what the message waited for to its first segment, never negative. What it waited for is
   * the later of: the first segment of this side's message before it (for the first message: the
   * handshake's end), and the arrival of the awaited octet of the other stream.
   */
  readonly messageThinkNs: Float64Array;

  /** Extents of session `s`, in stream order without gap or overlap (length sessions + 1). */
  readonly firstExtent: Uint32Array;
  /** Stream offset of the extent's first octet. */
  readonly extentStart: Uint32Array;
  readonly extentBytes: Uint32Array;
  /** Where the octets lie, from the start of the joined capture. */
  readonly extentOffset: Float64Array;

  /** One row a session: how the stream ended. */
  readonly end: Uint8Array;
  /** As `messageAwait`, for the FIN or RST. */
  readonly endAwait: Uint32Array;
  /** 1 when the other side's FIN had arrived before this side ended its stream. */
  readonly endAfterPeer: Uint8Array;
  /** As `messageOffsetNs` and `messageThinkNs`; the peer's FIN counts as something waited for. */
  readonly endOffsetNs: Float64Array;
  readonly endThinkNs: Float64Array;
}

/** All replayable sessions, in capture order (by the time of their first packet). */
export interface Scripts {
  readonly sessions: number;
  readonly files: readonly JoinedFile[];
  /** First SYN, from the first session's. */
  readonly startNs: Float64Array;
  /** First SYN to SYN-ACK: the recorded server's delay in accepting. */
  readonly connectNs: Float64Array;
  /** Last packet of the session, from its start. */
  readonly durationNs: Float64Array;
  /** Row in `endpoints`: the recorded server. */
  readonly endpoint: Uint16Array;
  readonly endpoints: readonly RecordedEndpoint[];
  readonly protocol: Uint8Array;
  /** The recorded client's address as a number: the same for all of its sessions, and for no other's. */
  readonly clientAddress: Uint32Array;
  /** Four words a number of `clientAddress`: the address itself (`clientAddressText`). */
  readonly clientAddressWords?: Uint32Array;
  /**
   * 1 where the server was not captured: then the lengths of its answers are only what the client
   * acknowledged, and their octets are made up. Absent when there is no such session.
   */
  readonly areAnswersUnheard?: Uint8Array;
  /** 1 where the client's SYN was captured and did not offer SACK; absent when there is none. */
  readonly isSackLeftOut?: Uint8Array;
  readonly client: StreamColumns;
  readonly server: StreamColumns;
}
