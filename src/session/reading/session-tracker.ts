/**
 * Sorts TCP segments into sessions as they come out of the capture.
 *
 * A session is one TCP connection. A SYN with a new sequence number on a used 4-tuple begins
 * another; the same SYN again does not. What is kept of a segment is a record of 40 octets when it
 * has payload, and otherwise only what it changes in its session (session-records.ts): pure ACKs
 * leave no record. Everything here is done once a packet, so there is no allocation.
 */
import type { Records } from '../../base/records.ts';
import { seqDiff } from '../../base/seq.ts';
import { NS_PER_US } from '../../base/time.ts';
import type { SegmentDecoder } from '../../capture/segment-decoder.ts';
import { ACK, FIN, RST, SYN } from '../../wire/tcp.ts';
import { AddressBook } from './address-book.ts';
import { ConnectionState, Moment } from './connection-state.ts';
import { FlowTable, NO_SESSION } from './flow-table.ts';
import { PayloadLog } from './payload-log.ts';
import { PortReuse } from './port-reuse.ts';
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
  OFFERED_SACK,
  OFFERED_TIMESTAMPS,
  SESSION_WORDS,
  SessionFlag,
  SessionFloat,
  SessionRecords,
  SessionWord,
} from './session-records.ts';

/** Where one of them was seen, so should be the other side's. */
const ANY_SYN =
  SessionFlag.SYN_0 |
  (SessionFlag.SYN_0 << 1) |
  SessionFlag.SYN_ACK_0 |
  (SessionFlag.SYN_ACK_0 << 1);

/** Takes segments in the order of the capture and keeps records of their sessions. */
export class SessionTracker {
  readonly records: SessionRecords;
  readonly addresses: AddressBook;
  readonly #flows: FlowTable;
  /** The tables of `records`, one step nearer. */
  readonly #sessions: Records;
  readonly #details: Records;
  readonly #reuse: PortReuse;
  /** Whether any ports were used again: else nothing needs to be told apart. */
  #hasReuse = false;
  /** Lane of the packets to come. */
  #lane = 0;
  readonly #moment = new Moment();
  readonly #state: ConnectionState;
  readonly #payload: PayloadLog;

  /**
   * @param seed of the hash tables: anything, different from run to run
   * @param packets about how many are to come
   */
  constructor(seed: number, packets = 0) {
    this.records = new SessionRecords(packets);
    this.addresses = new AddressBook(seed);
    const { sessions, details, expectedSessions } = this.records;
    this.#sessions = sessions;
    this.#details = details;
    this.#flows = new FlowTable(sessions, seed, expectedSessions);
    this.#reuse = new PortReuse(this.records);
    this.#state = new ConnectionState(this.records, this.#moment);
    this.#payload = new PayloadLog(this.records, this.#moment, this.#state);
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
    const moment = this.#moment;
    moment.ns = at.ns;
    moment.base = base;
    moment.fileBase = fileBase;
    const session = this.#sessionOf(segment, at);
    const direction = this.#flows.direction;
    const words = this.#sessions.u32;
    const row = session * SESSION_WORDS;
    words[row + SessionWord.PACKETS]++;
    this.#sessions.f64[(row >>> 1) + SessionFloat.LAST_NS] = this.#moment.ns;
    const { flags } = segment;
    if ((flags & (SYN | ACK)) === SYN) this.#spreadSyn(row);
    const isLoneSyn = (flags & (SYN | ACK | FIN | RST)) === SYN && segment.payloadBytes === 0;
    if (isLoneSyn && words[row + SessionWord.DETAIL] === 0) {
      this.#onLoneSyn(row, direction, segment);
      return;
    }
    const detail = this.#detailOf(row);
    const isSynAck = (flags & (SYN | ACK)) === (SYN | ACK);
    if (isSynAck && !this.#state.answersSyn(row, direction, segment)) return;
    this.#learnBaseSeq(row, direction, segment);
    const hasNxt = (words[row + SessionWord.FLAGS] & (SessionFlag.HAS_NXT_0 << direction)) !== 0;
    if (!hasNxt) this.#learnLane(detail, direction, this.#lane);
    if ((flags & SYN) !== 0) this.#onSyn(row, detail, direction, segment);
    if ((flags & ACK) !== 0) this.#onAck(row, detail, direction, segment);
    if ((flags & RST) !== 0) this.#state.onEnd(row, detail, direction, segment);
    else {
      if (segment.payloadBytes > 0) {
        this.#payload.onPayload(row, detail, direction, segment);
      }
      if ((flags & FIN) !== 0) this.#state.onEnd(row, detail, direction, segment);
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
    const us =
      (this.#moment.ns - this.#sessions.f64[(row >>> 1) + SessionFloat.FIRST_NS]) / NS_PER_US;
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
    this.#state.setIsn(row, detail, direction, isn);
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
    const ns = this.#moment.ns;
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
    this.#state.learnIsn(row, detail, direction, segment.seq >>> 0);
    this.#state.revive(row, detail, direction, segment.seq);
  }

  /** The segment acknowledges what the other direction sent. */
  #onAck(row: number, detail: number, direction: number, { ack, flags }: SegmentDecoder): void {
    const ns = this.#moment.ns;
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
        this.#state.decideIsn(row, detail, other, (ack - 1) >>> 0);
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
}

const offerOf = (segment: SegmentDecoder): number =>
  segment.mss |
  (segment.hasTimestamps ? OFFERED_TIMESTAMPS : 0) |
  (segment.isSackPermitted ? OFFERED_SACK : 0);
