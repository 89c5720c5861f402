/**
 * What is kept of the sessions of a capture while it is read: three tables.
 *
 * `sessions` has one record a connection, one cache line long: a flood of SYNs costs no more than
 * that. `details` has one record for each connection of which more than its SYN was seen.
 * `segments` has one record for each piece of payload: where it lies in the file, never the octets
 * themselves. A direction is 0 (whoever sent the first packet) or 1 (the other).
 */
import { Records } from '../../base/records.ts';

/** Words of a session's record; the 64-bit floats stand first. */
export const SESSION_WORDS = 16;
export const SessionFloat = {
  /** First and last packet, on the capture's mended clock. */
  FIRST_NS: 0,
  LAST_NS: 1,
  /** First packet as recorded, in nanoseconds from the capture's first. */
  FIRST_RAW_NS: 2,
} as const;
export const SessionWord = {
  /** Of direction 0's sender, then of the other: numbers of the address book. */
  ADDRESS: 6,
  /** Source port of direction 0 in the high half, of direction 1 in the low half. */
  PORTS: 8,
  PACKETS: 9,
  FLAGS: 10,
  /** First sequence number of each direction, as Wireshark keeps it: less one without a SYN. */
  BASE_SEQ: 11,
  /** Row in `details` + 1, or 0. */
  DETAIL: 13,
  /**
   * What the first SYN offered, while there is no detail: MSS, `OFFERED_TIMESTAMPS` and
   * `OFFERED_SACK`; above them its lane.
   */
  OFFER: 14,
  /** From the first SYN to the last, in microseconds. */
  SYN_SPREAD_US: 15,
} as const;

/** Words of a detail's record: one of every session that has been connected or had payload. */
export const DETAIL_WORDS = 40;
/** Which 64-bit floats of a detail's record. */
export const DetailFloat = {
  /** First SYN, first SYN-ACK, the client's first ACK after that; NaN: not seen. */
  SYN_NS: 0,
  SYN_ACK_NS: 1,
  ACK_NS: 2,
  /** Round trip of the handshake. */
  RTT_NS: 3,
  /** From here on a pair: a value for each direction. Last segment sent, or acknowledged. */
  ACTIVE_NS: 4,
  /** First FIN or RST. */
  END_NS: 6,
  /** Payload of a stream that came in order. */
  UNIQUE_BYTES: 8,
} as const;
/** Which 32-bit words of a detail's record. */
export const DetailWord = {
  /** Pairs throughout. Changes of speaker towards this one. */
  TURNS: 20,
  /** Initial sequence number, when HAS_ISN. */
  ISN: 22,
  /** The highest end of what was sent, and the highest acknowledgment of it. */
  NXT: 24,
  UNA: 26,
  /** No pair: `DetailMark` bits, and the lane of each direction's first packet. */
  MARKS: 28,
  /** No pair: the session before it of the same addresses and ports, + 1, or 0. */
  PREVIOUS: 29,
  /** Rows in `segments` + 1, or 0. */
  FIRST_SEGMENT: 30,
  LAST_SEGMENT: 32,
  /** Of the first FIN or RST: sequence number just before it, and its acknowledgment. */
  END_SEQ: 34,
  END_ACK: 36,
  /** What the SYN offered: MSS in the low half, `OFFERED_TIMESTAMPS` and `OFFERED_SACK`. */
  OFFER: 38,
} as const;

/** What few sessions have: bits of `DetailWord.MARKS`; those with a `_0` have a twin as above. */
export const DetailMark = {
  /** A side began with SSH's banner. */
  SSH: 1 << 0,
  /** Who spoke when is not told by the order of capture: its turns are counted at the end. */
  UNSORTED: 1 << 1,
  /** SYN-ACKs of several sequence numbers came, and none has been acknowledged so far. */
  SEVERAL_ISNS_0: 1 << 2,
  /** Some segments may be padding. */
  PADDED_0: 1 << 4,
  /** `LANE` of this direction is known. */
  HAS_LANE_0: 1 << 6,
} as const;

/** Lanes of both directions lie above the marks, so many bits each; further lanes share the last. */
export const LANE_SHIFT_0 = 8;
export const LANE_BITS = 12;
export const LANE_MAX = (1 << LANE_BITS) - 1;

/** Words of a lane: an interface of a capture file, which has a clock of its own. */
export const LANE_WORDS = 4;
export const LaneFloat = {
  /** Where the file begins in the joined capture. */
  FILE_BASE: 0,
} as const;
export const LaneWord = { INTERFACE: 2 } as const;

/** Bit of `DetailWord.OFFER`: the SYN offered timestamps. */
export const OFFERED_TIMESTAMPS = 0x1_0000;
export const OFFERED_SACK = 0x2_0000;
/** So many bits an offer takes. */
export const OFFER_BITS = 18;

/**
 * Flags of a session. Those with a `_0` have a twin for direction 1, one bit to the left: shift
 * them by the direction.
 */
export const SessionFlag = {
  IPV6: 1 << 0,
  SYN_0: 1 << 1,
  SYN_ACK_0: 1 << 3,
  FIN_0: 1 << 5,
  RST_0: 1 << 7,
  /** The stream ended by this RST, not by a FIN before it. */
  ENDED_BY_RST_0: 1 << 9,
  HAS_BASE_SEQ_0: 1 << 11,
  HAS_ISN_0: 1 << 13,
  HAS_NXT_0: 1 << 15,
  HAS_UNA_0: 1 << 17,
  /** Some segment did not begin where the one before it ended. */
  DISORDERED_0: 1 << 19,
  /** The snap length cut some segment. */
  TRUNCATED_0: 1 << 21,
  /** The end's segment carried an ACK. */
  END_HAS_ACK_0: 1 << 23,
  /** A segment began with a TLS ClientHello or ServerHello. */
  TLS_0: 1 << 25,
  /** Who spoke first and last: meaningful with SPOKE. */
  SPOKE: 1 << 27,
  FIRST_SPEAKER: 1 << 28,
  LAST_SPEAKER: 1 << 29,
  /** Which side is the server was decided by a SYN (else by a SYN-ACK or the ports). */
  SERVER_KNOWN: 1 << 30,
  SERVER: 1 << 31,
} as const;

/** Words of a segment's record: one of every segment with payload. */
export const SEGMENT_WORDS = 10;
/** Which 64-bit floats of a segment's record: place in the joined capture, time. */
export const SegmentFloat = { OFFSET: 0, NS: 1 } as const;
/** Which 32-bit words of a segment's record. */
export const SegmentWord = {
  SEQ: 4,
  ACK: 5,
  /** As the IP header declares it, and how much of it is in the file. */
  BYTES: 6,
  CAPTURED: 7,
  /** Row of the direction's next segment + 1, or 0. */
  NEXT: 8,
  FLAGS: 9,
} as const;

/** Bits of `SegmentWord.FLAGS`. */
export const SegmentFlag = {
  /** Its ACK field counts. */
  HAS_ACK: 1,
  /** It ended what the application wrote: shorter than the sender's full segments. */
  ENDS_WRITE: 2,
  /** It came after a pause with nothing in flight. */
  AFTER_PAUSE: 4,
  /** A further piece of the segment before it, which lay in several fragments. */
  CONTINUES: 8,
  /** A bare acknowledgement whose octets may be a short frame's padding. */
  MAY_BE_PADDING: 16,
} as const;

/** Few sessions are shorter, and about half of all packets carry payload. */
const PACKETS_PER_SESSION = 10;
const PACKETS_PER_SEGMENT = 2;
/** Beyond this the tables grow as they are filled: even memory that is not used must be granted. */
const PACKETS_EXPECTED_MAX = 20_000_000;

/** What was kept of all sessions: tables that refer to each other by row. */
export class SessionRecords {
  readonly sessions: Records;
  readonly details: Records;
  readonly segments: Records;
  /** One record for each interface of each file, in the order in which they were met. */
  readonly lanes = new Records(LANE_WORDS);
  /** About how many sessions are to come. */
  readonly expectedSessions: number;
  /** Whether some detail may bear marks (but for lanes); not known of tables that were taken over. */
  mayHaveMarks = false;

  /** @param packets about how many are to come: sizes the tables, so that they seldom grow */
  constructor(packets = 0) {
    const expected = Math.min(packets, PACKETS_EXPECTED_MAX);
    this.expectedSessions = Math.ceil(expected / PACKETS_PER_SESSION);
    this.sessions = new Records(SESSION_WORDS, this.expectedSessions);
    this.details = new Records(DETAIL_WORDS, this.expectedSessions);
    this.segments = new Records(SEGMENT_WORDS, expected / PACKETS_PER_SEGMENT);
  }

  /** Octets of memory in use. */
  get bytes(): number {
    return this.sessions.bytes + this.details.bytes + this.segments.bytes;
  }
}
