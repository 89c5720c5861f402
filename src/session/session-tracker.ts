/**
 * Sorts TCP segments into sessions as they come out of the capture.
 *
 * A session is one TCP connection. A SYN with a new sequence number on a used 4-tuple begins
 * another; the same SYN again does not. What is kept of a segment is a record of 40 octets when it
 * has payload, and otherwise only what it changes in its session (session-records.ts): pure ACKs
 * leave no record. Everything here is done once a packet, so there is no allocation.
 */
import type { Records } from '../base/records.ts';
import { seqAdd, seqDiff } from '../base/seq.ts';
import { NS_PER_MS, NS_PER_US } from '../base/time.ts';
import type { SegmentDecoder } from '../capture/segment-decoder.ts';
import { ACK, FIN, RST, SYN } from '../wire/tcp.ts';
import { AddressBook } from './address-book.ts';
import { FlowTable, NO_SESSION } from './flow-table.ts';
import { isSshBanner, isTlsHello, mayBePadding, PADDING_BYTES_MAX } from './payload-kind.ts';
import { PortReuse } from './port-reuse.ts';
import { fullSegmentBytes } from './segment-size.ts';
import {
  DETAIL_WORDS,
  DetailFloat,
  DetailMark,
  DetailWord,
  LANE_BITS,
  LANE_MAX,
  LANE_SHIFT_0,
  LANE_WORDS,
  LaneFloat,
  LaneWord,
  OFFER_BITS,
  OFFERED_TIMESTAMPS,
  SEGMENT_WORDS,
  SESSION_WORDS,
  SegmentFlag,
  SegmentFloat,
  SegmentWord,
  SessionFlag,
  SessionFloat,
  SessionRecords,
  SessionWord,
} from './session-records.ts';

/** A pause longer than two round trips and this was not the network's doing. */
const PAUSE_NS_MIN = 10 * NS_PER_MS;
/** Where one of them was seen, so should be the other side's. */
const ANY_SYN =
  SessionFlag.SYN_0 |
  (SessionFlag.SYN_0 << 1) |
  SessionFlag.SYN_ACK_0 |
  (SessionFlag.SYN_ACK_0 << 1);
/** Data that a SYN may carry, and its SYN-ACK acknowledge. */
const SYN_OCTETS_MAX = 0xffff;
/** What was captured behind a RST, but sent before it, lies not further than a window before it. */
const RST_AHEAD_MAX = 1 << 24;

export class SessionTracker {
  readonly records: SessionRecords;
  readonly addresses: AddressBook;
  readonly #flows: FlowTable;
  /** The tables of `records`, one step nearer. */
  readonly #sessions: Records;
  readonly #details: Records;
  readonly #segments: Records;
  readonly #reuse: PortReuse;
  /** Whether any ports were used again: else nothing needs to be told apart. */
  #hasReuse = false;
  /** Lane of the packets to come. */
  #lane = 0;
  /**
   * Of the segment at hand: when it was captured, and where position 0 of its data and its file lie
   * in the joined capture. Fields, since a float that is an argument is put on the heap.
   */
  #ns = 0;
  #base = 0;
  #fileBase = 0;

  /**
   * @param seed of the hash tables: anything, different from run to run
   * @param packets about how many are to come
   */
  constructor(seed: number, packets = 0) {
    this.records = new SessionRecords(packets);
    this.addresses = new AddressBook(seed);
    const { sessions, details, segments, expectedSessions } = this.records;
    this.#sessions = sessions;
    this.#details = details;
    this.#segments = segments;
    this.#flows = new FlowTable(sessions, seed, expectedSessions);
    this.#reuse = new PortReuse(this.records);
  }

  /**
   * A number for an interface of a capture file.
   * @param fileBase where the file begins in the joined capture
   */
  addLane(fileBase: number, interfaceIndex: number): number {
    const { lanes } = this.records;
    const lane = lanes.append();
    lanes.f64[(lane * LANE_WORDS) / 2 + LaneFloat.FILE_BASE] = fileBase;
    lanes.u32[lane * LANE_WORDS + LaneWord.INTERFACE] = interfaceIndex;
    return lane;
  }

  /** The segments to come were captured in this lane. */
  enterLane(lane: number): void {
    this.#lane = Math.min(lane, LANE_MAX);
  }

  /**
   * Takes the segment that `segment` has just decoded.
   * @param base where position 0 of its data lies in the joined capture (not for reassembled ones)
   * @param fileBase where its file begins in the joined capture
   * @param at when it was captured: on the mended clock, and as recorded
   */
  onSegment(
    segment: SegmentDecoder,
    base: number,
    fileBase: number,
    at: { readonly ns: number; readonly rawNs: number },
  ): void {
    this.#ns = at.ns;
    this.#base = base;
    this.#fileBase = fileBase;
    const session = this.#sessionOf(segment, at);
    const direction = this.#flows.direction;
    const words = this.#sessions.u32;
    const row = session * SESSION_WORDS;
    words[row + SessionWord.PACKETS]++;
    this.#sessions.f64[(row >>> 1) + SessionFloat.LAST_NS] = this.#ns;
    const { flags } = segment;
    if ((flags & (SYN | ACK)) === SYN) this.#spreadSyn(row);
    const isLoneSyn = (flags & (SYN | ACK | FIN | RST)) === SYN && segment.payloadBytes === 0;
    if (isLoneSyn && words[row + SessionWord.DETAIL] === 0) {
      this.#onLoneSyn(row, direction, segment);
      return;
    }
    const detail = this.#detailOf(row);
    const isSynAck = (flags & (SYN | ACK)) === (SYN | ACK);
    if (isSynAck && !this.#answersSyn(row, direction, segment)) return;
    this.#learnBaseSeq(row, direction, segment);
    const hasNxt = (words[row + SessionWord.FLAGS] & (SessionFlag.HAS_NXT_0 << direction)) !== 0;
    if (!hasNxt) this.#learnLane(detail, direction, this.#lane);
    if ((flags & SYN) !== 0) this.#onSyn(row, detail, direction, segment);
    if ((flags & ACK) !== 0) this.#onAck(row, detail, direction, segment);
    if ((flags & RST) !== 0) this.#onEnd(row, detail, direction, segment);
    else {
      if (segment.payloadBytes > 0) {
        this.#onPayload(row, detail, direction, segment);
      }
      if ((flags & FIN) !== 0) this.#onEnd(row, detail, direction, segment);
    }
  }

  #sessionOf(segment: SegmentDecoder, at: { readonly ns: number; readonly rawNs: number }): number {
    const { data } = segment;
    const ports = ((segment.sourcePort << 16) | segment.destinationPort) >>> 0;
    let source: number;
    let destination: number;
    if (segment.isIpv6) {
      source = this.addresses.numberOf(data, segment.sourceAt);
      destination = this.addresses.numberOf(data, segment.destinationAt);
    } else {
      source = data.getUint32(segment.sourceAt);
      destination = data.getUint32(segment.destinationAt);
    }
    const family = segment.isIpv6 ? SessionFlag.IPV6 : 0;
    const found = this.#flows.find(source, destination, ports, family);
    if (found !== NO_SESSION) {
      if ((segment.flags & SYN) === 0 && !this.#hasReuse) return found;
      const owner = this.#ownerOf(found, segment);
      if (owner !== NO_SESSION) return owner;
    }
    const session = this.#sessions.append();
    const row = session * SESSION_WORDS;
    const words = this.#sessions.u32;
    words[row + SessionWord.ADDRESS] = source;
    words[row + SessionWord.ADDRESS + 1] = destination;
    words[row + SessionWord.PORTS] = ports;
    words[row + SessionWord.FLAGS] = family;
    const floats = this.#sessions.f64;
    floats[(row >>> 1) + SessionFloat.FIRST_NS] = at.ns;
    floats[(row >>> 1) + SessionFloat.FIRST_RAW_NS] = at.rawNs;
    this.#flows.direction = 0;
    if (found === NO_SESSION) this.#flows.enter(session);
    else {
      this.#flows.replace(session);
      this.#hasReuse = true;
      const detail = this.#detailOf(row);
      this.#details.u32[detail + DetailWord.PREVIOUS] = found + 1;
    }
    return session;
  }

  /**
   * Of the sessions that used these ports, the last of which is `latest`: the one that a segment
   * belongs to; `NO_SESSION` where it begins another. Sets the direction, too.
   */
  #ownerOf(latest: number, segment: SegmentDecoder): number {
    const reuse = this.#reuse;
    const { direction } = this.#flows;
    const isSyn = (segment.flags & SYN) !== 0;
    if (!isSyn && !this.#isReused(latest)) return latest;
    let owner: number;
    if (!isSyn) owner = reuse.ownerOf(latest, direction, segment);
    else if ((segment.flags & ACK) !== 0) {
      owner = reuse.ownerOfSynAck(latest, direction, segment.ack);
    } else if (this.#isNewSyn(latest * SESSION_WORDS, direction, segment)) {
      owner = reuse.ownerOfSyn(latest, direction, segment.seq);
    } else return latest;
    if (owner !== NO_SESSION) this.#flows.direction = reuse.direction;
    return owner;
  }

  #isReused(session: number): boolean {
    const detail = this.#sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
    if (detail === 0) return false;
    return this.#details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.PREVIOUS] !== 0;
  }

  #isNewSyn(row: number, direction: number, segment: SegmentDecoder): boolean {
    const words = this.#sessions.u32;
    const hasBase =
      (words[row + SessionWord.FLAGS] & (SessionFlag.HAS_BASE_SEQ_0 << direction)) !== 0;
    return hasBase && words[row + SessionWord.BASE_SEQ + direction] !== segment.seq >>> 0;
  }

  /** A retransmitted SYN: the handshake's round trip counts from the last. */
  #spreadSyn(row: number): void {
    const us = (this.#ns - this.#sessions.f64[(row >>> 1) + SessionFloat.FIRST_NS]) / NS_PER_US;
    this.#sessions.u32[row + SessionWord.SYN_SPREAD_US] = Math.max(0, us);
  }

  /** A SYN and nothing else of a connection needs no detail. */
  #onLoneSyn(row: number, direction: number, segment: SegmentDecoder): void {
    this.#learnBaseSeq(row, direction, segment);
    this.#learnServer(row, direction, segment.flags);
    const words = this.#sessions.u32;
    const seen = SessionFlag.SYN_0 << direction;
    // The offer of the first counts; a retransmitted SYN may leave options out.
    if ((words[row + SessionWord.FLAGS] & seen) === 0) {
      words[row + SessionWord.OFFER] = offerOf(segment) | (this.#lane << OFFER_BITS);
    }
    words[row + SessionWord.FLAGS] |= seen;
  }

  /** A direction was captured in the lane of its first packet. */
  #learnLane(detail: number, direction: number, lane: number): void {
    const marks = this.#details.u32[detail + DetailWord.MARKS];
    const has = DetailMark.HAS_LANE_0 << direction;
    if ((marks & has) !== 0) return;
    const shift = LANE_SHIFT_0 + direction * LANE_BITS;
    this.#details.u32[detail + DetailWord.MARKS] = marks | has | (lane << shift);
  }

  /** Word where the session's detail begins. */
  #detailOf(row: number): number {
    const known = this.#sessions.u32[row + SessionWord.DETAIL];
    if (known !== 0) return (known - 1) * DETAIL_WORDS;
    const sessions = this.#sessions;
    const details = this.#details;
    const index = details.append();
    sessions.u32[row + SessionWord.DETAIL] = index + 1;
    const detail = index * DETAIL_WORDS;
    const floats = details.f64;
    const half = detail >>> 1;
    floats[half + DetailFloat.SYN_NS] = Number.NaN;
    floats[half + DetailFloat.SYN_ACK_NS] = Number.NaN;
    floats[half + DetailFloat.ACK_NS] = Number.NaN;
    const flags = sessions.u32[row + SessionWord.FLAGS];
    if ((flags & SessionFlag.SYN_0) !== 0) this.#adoptSyn(row, detail, 0);
    if ((flags & (SessionFlag.SYN_0 << 1)) !== 0) this.#adoptSyn(row, detail, 1);
    return detail;
  }

  /** Moves what a lone SYN left in the session's record into its new detail. */
  #adoptSyn(row: number, detail: number, direction: number): void {
    const sessions = this.#sessions;
    const details = this.#details;
    const isn = sessions.u32[row + SessionWord.BASE_SEQ + direction];
    details.f64[(detail >>> 1) + DetailFloat.SYN_NS] =
      sessions.f64[(row >>> 1) + SessionFloat.FIRST_NS];
    const offer = sessions.u32[row + SessionWord.OFFER];
    details.u32[detail + DetailWord.OFFER + direction] = offer & ((1 << OFFER_BITS) - 1);
    this.#learnLane(detail, direction, offer >>> OFFER_BITS);
    this.#setIsn(row, detail, direction, isn);
  }

  /** As Wireshark: the first number of a direction, or what the other acknowledges of it. */
  #learnBaseSeq(row: number, direction: number, segment: SegmentDecoder): void {
    const words = this.#sessions.u32;
    const own = SessionFlag.HAS_BASE_SEQ_0 << direction;
    const others = SessionFlag.HAS_BASE_SEQ_0 << (1 - direction);
    if ((words[row + SessionWord.FLAGS] & own) === 0) {
      const isSyn = (segment.flags & SYN) !== 0;
      words[row + SessionWord.BASE_SEQ + direction] = segment.seq - (isSyn ? 0 : 1);
      words[row + SessionWord.FLAGS] |= own;
    }
    if ((words[row + SessionWord.FLAGS] & others) === 0 && (segment.flags & ACK) !== 0) {
      words[row + SessionWord.BASE_SEQ + 1 - direction] = segment.ack - 1;
      words[row + SessionWord.FLAGS] |= others;
    }
  }

  /** The first SYN's destination is the server; until there is one, the first SYN-ACK's source. */
  #learnServer(row: number, direction: number, flags: number): void {
    const words = this.#sessions.u32;
    const known = words[row + SessionWord.FLAGS];
    const synSeen = SessionFlag.SYN_0 | (SessionFlag.SYN_0 << 1);
    const isSyn = (flags & ACK) === 0;
    const isFirst = isSyn ? (known & synSeen) === 0 : (known & SessionFlag.SERVER_KNOWN) === 0;
    if (!isFirst) return;
    const server = isSyn ? 1 - direction : direction;
    const cleared = words[row + SessionWord.FLAGS] & ~SessionFlag.SERVER;
    const side = server === 1 ? SessionFlag.SERVER : 0;
    words[row + SessionWord.FLAGS] = cleared | side | SessionFlag.SERVER_KNOWN;
  }

  #onSyn(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    this.#learnServer(row, direction, segment.flags);
    const ns = this.#ns;
    const details = this.#details;
    const sessions = this.#sessions;
    const floats = details.f64;
    const half = detail >>> 1;
    const isSynAck = (segment.flags & ACK) !== 0;
    const seen = (isSynAck ? SessionFlag.SYN_ACK_0 : SessionFlag.SYN_0) << direction;
    const words = sessions.u32;
    if ((words[row + SessionWord.FLAGS] & seen) === 0) {
      const float = isSynAck ? DetailFloat.SYN_ACK_NS : DetailFloat.SYN_NS;
      if (Number.isNaN(floats[half + float])) floats[half + float] = ns;
      details.u32[detail + DetailWord.OFFER + direction] = offerOf(segment);
    }
    words[row + SessionWord.FLAGS] |= seen;
    this.#learnIsn(row, detail, direction, segment.seq >>> 0);
    this.#revive(row, detail, direction, segment.seq);
  }

  /** Whether a SYN-ACK acknowledges the SYN, as far as that was seen. */
  #answersSyn(row: number, direction: number, { ack }: SegmentDecoder): boolean {
    const words = this.#sessions.u32;
    const other = 1 - direction;
    if ((words[row + SessionWord.FLAGS] & (SessionFlag.SYN_0 << other)) === 0) return true;
    // A SYN may carry data, which may be acknowledged or not.
    const beyond = seqDiff(ack, words[row + SessionWord.BASE_SEQ + other]) - 1;
    return beyond >= 0 && beyond <= SYN_OCTETS_MAX;
  }

  /**
   * A SYN repeated may be answered with another number. The one that the client goes on with counts:
   * that which lies next before what it acknowledges, or before what the server goes on with.
   */
  #learnIsn(row: number, detail: number, direction: number, isn: number): void {
    const flags = this.#sessions.u32[row + SessionWord.FLAGS];
    const details = this.#details.u32;
    const known = details[detail + DetailWord.ISN + direction];
    if ((flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0 && known !== isn) {
      const first = details[detail + DetailWord.FIRST_SEGMENT + direction];
      const isAcked = (flags & (SessionFlag.HAS_UNA_0 << direction)) !== 0;
      if (isAcked || first !== 0) {
        const next = isAcked
          ? details[detail + DetailWord.UNA + direction]
          : this.#segments.u32[(first - 1) * SEGMENT_WORDS + SegmentWord.SEQ];
        if ((next - 1 - known) >>> 0 <= (next - 1 - isn) >>> 0) return;
      } else details[detail + DetailWord.MARKS] |= DetailMark.SEVERAL_ISNS_0 << direction;
    }
    this.#setIsn(row, detail, direction, isn);
  }

  /** Of several SYN-ACKs the one with this number has turned out to count. */
  #decideIsn(row: number, detail: number, direction: number, isn: number): void {
    this.#details.u32[detail + DetailWord.MARKS] &= ~(DetailMark.SEVERAL_ISNS_0 << direction);
    this.#setIsn(row, detail, direction, isn);
  }

  #setIsn(row: number, detail: number, direction: number, isn: number): void {
    const words = this.#sessions.u32;
    const details = this.#details.u32;
    const flags = words[row + SessionWord.FLAGS];
    const has = SessionFlag.HAS_ISN_0 << direction;
    if ((flags & has) !== 0 && details[detail + DetailWord.ISN + direction] === isn) return;
    details[detail + DetailWord.ISN + direction] = isn;
    words[row + SessionWord.BASE_SEQ + direction] = isn;
    words[row + SessionWord.FLAGS] |= has;
    if (details[detail + DetailWord.FIRST_SEGMENT + direction] === 0) {
      details[detail + DetailWord.NXT + direction] = seqAdd(isn, 1);
      words[row + SessionWord.FLAGS] |= SessionFlag.HAS_NXT_0 << direction;
    } else {
      // Payload came before its SYN: where the stream begins was not known yet.
      words[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    }
  }

  /** The segment acknowledges what the other direction sent. */
  #onAck(row: number, detail: number, direction: number, { ack, flags }: SegmentDecoder): void {
    const ns = this.#ns;
    const words = this.#sessions.u32;
    const details = this.#details.u32;
    const floats = this.#details.f64;
    const half = detail >>> 1;
    const other = 1 - direction;
    const has = SessionFlag.HAS_UNA_0 << other;
    const una = detail + DetailWord.UNA + other;
    if ((words[row + SessionWord.FLAGS] & has) === 0 || seqDiff(ack, details[una]) > 0) {
      const isSeveral = DetailMark.SEVERAL_ISNS_0 << other;
      if ((details[detail + DetailWord.MARKS] & isSeveral) !== 0 && (flags & RST) === 0) {
        this.#decideIsn(row, detail, other, (ack - 1) >>> 0);
      }
      details[una] = ack;
      words[row + SessionWord.FLAGS] |= has;
      floats[half + DetailFloat.ACTIVE_NS + other] = ns;
      this.#lookAhead(row, detail, other, ack);
    }
    if (!Number.isNaN(floats[half + DetailFloat.ACK_NS])) return;
    // The handshake's end: the first ACK of the side that sent the SYN.
    const isOfClient = (words[row + SessionWord.FLAGS] & (SessionFlag.SYN_0 << direction)) !== 0;
    if (!isOfClient || (flags & (SYN | RST)) !== 0) return;
    floats[half + DetailFloat.ACK_NS] = ns;
    const lastSynNs =
      this.#sessions.f64[(row >>> 1) + SessionFloat.FIRST_NS] +
      words[row + SessionWord.SYN_SPREAD_US] * NS_PER_US;
    floats[half + DetailFloat.RTT_NS] = Math.max(0, ns - lastSynNs);
  }

  /** What is acknowledged was sent before: where it has not been seen, the capture's order is wrong. */
  #lookAhead(row: number, detail: number, direction: number, ack: number): void {
    const details = this.#details.u32;
    const flags = this.#sessions.u32[row + SessionWord.FLAGS];
    if ((flags & (SessionFlag.HAS_NXT_0 << direction)) !== 0) {
      const beyond = seqDiff(ack, details[detail + DetailWord.NXT + direction]);
      if (beyond <= ((flags & (SessionFlag.FIN_0 << direction)) !== 0 ? 1 : 0)) return;
    } else if ((flags & ANY_SYN) === 0) return;
    details[detail + DetailWord.MARKS] |= DetailMark.UNSORTED;
    this.records.mayHaveMarks = true;
  }

  #onPayload(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    const bytes = segment.payloadBytes;
    const seq = (segment.seq + ((segment.flags & SYN) !== 0 ? 1 : 0)) >>> 0;
    const marks = this.#details.u32[detail + DetailWord.MARKS];
    if ((marks & (DetailMark.SEVERAL_ISNS_0 << direction)) !== 0) {
      const isn = (seq - 1) >>> 0;
      // A single octet may be a keep-alive probe's, which lies before the first one.
      if (bytes === 1 && isn !== this.#details.u32[detail + DetailWord.ISN + direction]) return;
      this.#decideIsn(row, detail, direction, isn);
    }
    const known = this.#sessions.u32[row + SessionWord.FLAGS];
    const hasFin = (known & (SessionFlag.FIN_0 << direction)) !== 0;
    const isNext = !hasFin && seq === this.#details.u32[detail + DetailWord.NXT + direction];
    if (!isNext && this.#isNothingNew(row, detail, direction, seq, bytes)) return;
    if (segment.payloadCaptured < bytes) {
      this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.TRUNCATED_0 << direction;
    }
    this.#recognise(row, detail, direction, segment);
    let flags = this.#segmentFlags(row, detail, direction, segment);
    if (bytes <= PADDING_BYTES_MAX && mayBePadding(segment)) {
      flags |= SegmentFlag.MAY_BE_PADDING;
      this.#onPadding(row, detail, direction);
    } else if (this.#advance(row, detail, direction, seq, bytes)) {
      this.#onSpeaker(row, detail, direction);
      this.#details.f64[(detail >>> 1) + DetailFloat.ACTIVE_NS + direction] = this.#ns;
      this.#revive(row, detail, direction, seqAdd(seq, bytes));
    }
    if (segment.pieces === null) {
      const added = this.#append(detail, direction, seq, bytes);
      this.#place(added, this.#base + segment.payloadStart);
      this.#describe(added, segment.ack, segment.payloadCaptured, flags);
      return;
    }
    this.#appendPieces(detail, direction, segment, seq, flags);
  }

  /** What came before, or lies behind a FIN: a probe's octet, or padding. */
  #isNothingNew(
    row: number,
    detail: number,
    direction: number,
    seq: number,
    bytes: number,
  ): boolean {
    const ends = this.#sessions.u32[row + SessionWord.FLAGS] >>> direction;
    const byFin = (ends & (SessionFlag.FIN_0 | SessionFlag.ENDED_BY_RST_0)) === SessionFlag.FIN_0;
    const endSeq = this.#details.u32[detail + DetailWord.END_SEQ + direction];
    if (byFin && seqDiff(seq, endSeq) >= 0) return true;
    return this.#isRepeated(row, detail, direction, seq, bytes);
  }

  /**
   * Whether all of it has come before: a retransmission in a stream without holes, or a keep-alive
   * probe, which has the octet before those to come, with whatever in it.
   */
  #isRepeated(row: number, detail: number, direction: number, seq: number, bytes: number): boolean {
    const flags = this.#sessions.u32[row + SessionWord.FLAGS];
    const details = this.#details.u32;
    if ((flags & (SessionFlag.HAS_NXT_0 << direction)) === 0) return false;
    const beyond = seqDiff(seqAdd(seq, bytes), details[detail + DetailWord.NXT + direction]);
    if (beyond > 0) return false;
    const isPadded =
      (details[detail + DetailWord.MARKS] & (DetailMark.PADDED_0 << direction)) !== 0;
    if (bytes === 1 && beyond === 0 && !isPadded) return true;
    const notPlain = SessionFlag.DISORDERED_0 | SessionFlag.TRUNCATED_0;
    if ((flags & (notPlain << direction)) !== 0) return false;
    // Without its SYN a stream may begin before what was seen of it first.
    if ((flags & (SessionFlag.HAS_ISN_0 << direction)) !== 0) return true;
    const first = details[detail + DetailWord.FIRST_SEGMENT + direction] - 1;
    if (first < 0) return false;
    return seqDiff(seq, this.#segments.u32[first * SEGMENT_WORDS + SegmentWord.SEQ]) >= 0;
  }

  #recognise(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    if (isTlsHello(segment)) {
      this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.TLS_0 << direction;
    }
    const isFirst = this.#details.u32[detail + DetailWord.FIRST_SEGMENT + direction] === 0;
    if (isFirst && isSshBanner(segment)) {
      this.#details.u32[detail + DetailWord.MARKS] |= DetailMark.SSH;
      this.records.mayHaveMarks = true;
    }
  }

  /** What may be padding moves nothing on; what follows tells whether it is. */
  #onPadding(row: number, detail: number, direction: number): void {
    this.#sessions.u32[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    this.#details.u32[detail + DetailWord.MARKS] |=
      (DetailMark.PADDED_0 << direction) | DetailMark.UNSORTED;
    this.records.mayHaveMarks = true;
    const has = SessionFlag.HAS_NXT_0 << direction;
    if ((this.#sessions.u32[row + SessionWord.FLAGS] & has) !== 0) return;
    const base = this.#sessions.u32[row + SessionWord.BASE_SEQ + direction];
    this.#details.u32[detail + DetailWord.NXT + direction] = seqAdd(base, 1);
    this.#sessions.u32[row + SessionWord.FLAGS] |= has;
  }

  /** A change of speaker begins a turn of the one who speaks now. */
  #onSpeaker(row: number, detail: number, direction: number): void {
    const words = this.#sessions.u32;
    let flags = words[row + SessionWord.FLAGS];
    const last = (flags & SessionFlag.LAST_SPEAKER) !== 0 ? 1 : 0;
    if ((flags & SessionFlag.SPOKE) !== 0 && last === direction) return;
    if ((flags & SessionFlag.SPOKE) === 0) {
      flags |= SessionFlag.SPOKE;
      if (direction === 1) flags |= SessionFlag.FIRST_SPEAKER;
    }
    flags = direction === 1 ? flags | SessionFlag.LAST_SPEAKER : flags & ~SessionFlag.LAST_SPEAKER;
    words[row + SessionWord.FLAGS] = flags;
    this.#details.u32[detail + DetailWord.TURNS + direction]++;
  }

  #segmentFlags(row: number, detail: number, direction: number, segment: SegmentDecoder): number {
    const words = this.#details.u32;
    const floats = this.#details.f64;
    const half = detail >>> 1;
    let flags = (segment.flags & ACK) !== 0 ? SegmentFlag.HAS_ACK : 0;
    const { OFFER } = DetailWord;
    const isIpv6 = (this.#sessions.u32[row + SessionWord.FLAGS] & SessionFlag.IPV6) !== 0;
    const full = fullSegmentBytes(words[detail + OFFER], words[detail + OFFER + 1], isIpv6);
    if (segment.payloadBytes % full !== 0) flags |= SegmentFlag.ENDS_WRITE;
    const nxt = words[detail + DetailWord.NXT + direction];
    const isAllAcked = seqDiff(words[detail + DetailWord.UNA + direction], nxt) >= 0;
    const pauseNs = this.#ns - floats[half + DetailFloat.ACTIVE_NS + direction];
    const longNs = 2 * floats[half + DetailFloat.RTT_NS] + PAUSE_NS_MIN;
    if (isAllAcked && pauseNs > longNs) flags |= SegmentFlag.AFTER_PAUSE;
    return flags;
  }

  /** Counts the octets and moves the stream's end. @returns whether it moved */
  #advance(row: number, detail: number, direction: number, seq: number, bytes: number): boolean {
    const words = this.#sessions.u32;
    const details = this.#details.u32;
    const has = SessionFlag.HAS_NXT_0 << direction;
    const nxt = detail + DetailWord.NXT + direction;
    if ((words[row + SessionWord.FLAGS] & has) === 0) {
      words[row + SessionWord.FLAGS] |= has;
      details[nxt] = seq;
    }
    const end = seqAdd(seq, bytes);
    if (details[nxt] === seq) {
      this.#details.f64[(detail >>> 1) + DetailFloat.UNIQUE_BYTES + direction] += bytes;
      details[nxt] = end;
      return true;
    }
    words[row + SessionWord.FLAGS] |= SessionFlag.DISORDERED_0 << direction;
    if (seqDiff(end, details[nxt]) <= 0) return false;
    details[nxt] = end;
    return true;
  }

  /** Adds a segment's record and returns the word where it begins. */
  #append(detail: number, direction: number, seq: number, bytes: number): number {
    const segments = this.#segments;
    const index = segments.append();
    const at = index * SEGMENT_WORDS;
    const words = segments.u32;
    segments.f64[(at >>> 1) + SegmentFloat.NS] = this.#ns;
    words[at + SegmentWord.SEQ] = seq;
    words[at + SegmentWord.BYTES] = bytes;
    const details = this.#details.u32;
    const last = details[detail + DetailWord.LAST_SEGMENT + direction];
    if (last === 0) details[detail + DetailWord.FIRST_SEGMENT + direction] = index + 1;
    else words[(last - 1) * SEGMENT_WORDS + SegmentWord.NEXT] = index + 1;
    details[detail + DetailWord.LAST_SEGMENT + direction] = index + 1;
    return at;
  }

  /** Where its first octet lies in the joined capture. */
  #place(at: number, offset: number): void {
    this.#segments.f64[(at >>> 1) + SegmentFloat.OFFSET] = offset;
  }

  #describe(at: number, ack: number, captured: number, flags: number): void {
    const segments = this.#segments;
    segments.u32[at + SegmentWord.ACK] = ack;
    segments.u32[at + SegmentWord.CAPTURED] = captured;
    segments.u32[at + SegmentWord.FLAGS] = flags;
  }

  /** The payload of a reassembled packet lies in several places. */
  #appendPieces(
    detail: number,
    direction: number,
    segment: SegmentDecoder,
    seq: number,
    flags: number,
  ): void {
    const start = segment.payloadStart;
    const end = start + segment.payloadCaptured;
    let isFirst = true;
    for (const piece of segment.pieces ?? []) {
      const from = Math.max(piece.start, start);
      const to = Math.min(piece.start + piece.bytes, end);
      if (to <= from) continue;
      const added = this.#append(detail, direction, seqAdd(seq, from - start), to - from);
      this.#place(added, this.#fileBase + piece.offset + from - piece.start);
      const first = isFirst ? flags & ~SegmentFlag.ENDS_WRITE : SegmentFlag.CONTINUES;
      const last = to === end ? flags & SegmentFlag.ENDS_WRITE : 0;
      this.#describe(added, segment.ack, to - from, first | last | (flags & SegmentFlag.HAS_ACK));
      isFirst = false;
    }
    const missing = segment.payloadBytes - segment.payloadCaptured;
    if (missing <= 0) return;
    const rest = this.#append(detail, direction, seqAdd(seq, segment.payloadCaptured), missing);
    this.#describe(rest, segment.ack, 0, flags);
  }

  /**
   * The first FIN or RST of a direction ends it. A RST after a FIN changes nothing, nor does one
   * after which its sender went on: it was for another connection, or for a SYN-ACK come twice.
   */
  #onEnd(row: number, detail: number, direction: number, segment: SegmentDecoder): void {
    const words = this.#sessions.u32;
    const isRst = (segment.flags & RST) !== 0;
    if (!isRst) this.#revive(row, detail, direction, seqAdd(segment.seq, segment.payloadBytes + 1));
    const ended = (SessionFlag.FIN_0 | SessionFlag.RST_0) << direction;
    const isFirst = (words[row + SessionWord.FLAGS] & ended) === 0;
    words[row + SessionWord.FLAGS] |= (isRst ? SessionFlag.RST_0 : SessionFlag.FIN_0) << direction;
    if (!isFirst) return;
    const details = this.#details.u32;
    const payload = isRst ? 0 : segment.payloadBytes;
    this.#details.f64[(detail >>> 1) + DetailFloat.END_NS + direction] = this.#ns;
    details[detail + DetailWord.END_SEQ + direction] = seqAdd(segment.seq, payload);
    details[detail + DetailWord.END_ACK + direction] = segment.ack;
    if (isRst) words[row + SessionWord.FLAGS] |= SessionFlag.ENDED_BY_RST_0 << direction;
    if ((segment.flags & ACK) !== 0) {
      words[row + SessionWord.FLAGS] |= SessionFlag.END_HAS_ACK_0 << direction;
    }
  }

  /** The direction has sent up to `end`: a RST that lies before that, or far off, has not ended it. */
  #revive(row: number, detail: number, direction: number, end: number): void {
    const words = this.#sessions.u32;
    if ((words[row + SessionWord.FLAGS] & (SessionFlag.ENDED_BY_RST_0 << direction)) === 0) return;
    const rstSeq = this.#details.u32[detail + DetailWord.END_SEQ + direction];
    const ahead = seqDiff(rstSeq, end);
    if (ahead >= 0 && ahead <= RST_AHEAD_MAX) return;
    const ends = SessionFlag.RST_0 | SessionFlag.ENDED_BY_RST_0 | SessionFlag.END_HAS_ACK_0;
    words[row + SessionWord.FLAGS] &= ~(ends << direction);
  }
}

const offerOf = (segment: SegmentDecoder): number =>
  segment.mss | (segment.hasTimestamps ? OFFERED_TIMESTAMPS : 0);
