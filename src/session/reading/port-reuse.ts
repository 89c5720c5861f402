/**
 * Which of the connections of one pair of ports a segment belongs to.
 *
 * A pair of ports may be used again at once, while segments of the connection before are still on
 * their way. Sequence and acknowledgment numbers tell them apart: a segment belongs to the
 * connection whose streams it continues most closely, and one that both could have sent to the later.
 */
import type { Records } from '../../base/records.ts';
import { seqDiff } from '../../base/seq.ts';
import { ACK, SYN } from '../../wire/tcp.ts';
import { NO_SESSION } from './flow-table.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SESSION_WORDS,
  SessionFlag,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';

/** So many connections back are looked at. */
const LOOK_BACK_MAX = 8;
/** What is late lies at most so far from where its connection's stream ended. */
const LATE_OCTETS_MAX = 1 << 20;
/** How far off a number counts of which nothing is known: further than what fits. */
const UNKNOWN_DISTANCE = 2 ** 29;
/** Data that a SYN may carry, and its SYN-ACK acknowledge. */
const SYN_OCTETS_MAX = 0xffff;
const NO_FIT = Number.POSITIVE_INFINITY;

/** What of a segment tells its connection. */
export interface Numbers {
  /** As 32-bit integers, signed or not. */
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
}

/** Tells apart connections that had the same addresses and ports. */
export class PortReuse {
  /** Of the segment last looked at: which direction of its session it went. */
  direction = 0;
  readonly #sessions: Records;
  readonly #details: Records;

  constructor({ sessions, details }: SessionRecords) {
    this.#sessions = sessions;
    this.#details = details;
  }

  /** The session before one of the same ports, or `NO_SESSION`. */
  #before(session: number): number {
    const detail = this.#sessions.u32[session * SESSION_WORDS + SessionWord.DETAIL];
    if (detail === 0) return NO_SESSION;
    return this.#details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.PREVIOUS] - 1;
  }

  /**
   * An earlier session that this SYN began: then it is a late copy.
   * @returns `NO_SESSION` where it begins a connection of its own
   */
  ownerOfSyn(latest: number, direction: number, seq: number): number {
    let session = this.#before(latest);
    for (let i = 0; i < LOOK_BACK_MAX && session !== NO_SESSION; i++) {
      const own = this.#directionIn(session, latest, direction);
      const row = session * SESSION_WORDS;
      const isKnown = this.#has(row, SessionFlag.HAS_BASE_SEQ_0, own);
      if (isKnown && this.#sessions.u32[row + SessionWord.BASE_SEQ + own] === seq >>> 0) {
        this.direction = own;
        return session;
      }
      session = this.#before(session);
    }
    return NO_SESSION;
  }

  /**
   * The session whose SYN this SYN-ACK answers.
   * @returns `NO_SESSION` where there is none: its SYN is still to come
   */
  ownerOfSynAck(latest: number, direction: number, ack: number): number {
    const isn = this.#sessions.u32[latest * SESSION_WORDS + SessionWord.BASE_SEQ + 1 - direction];
    this.direction = direction;
    if (((ack - 1) | 0) === (isn | 0)) return latest;
    let session = latest;
    for (let i = 0; i < LOOK_BACK_MAX && session !== NO_SESSION; i++) {
      const own = this.#directionIn(session, latest, direction);
      const row = session * SESSION_WORDS;
      // Where nothing of the client was seen, nothing speaks against the latest.
      const isKnown = this.#has(row, SessionFlag.HAS_BASE_SEQ_0, 1 - own);
      const base = this.#sessions.u32[row + SessionWord.BASE_SEQ + 1 - own];
      const beyond = seqDiff(ack, base) - 1;
      const isAnswer = isKnown ? beyond >= 0 && beyond <= SYN_OCTETS_MAX : session === latest;
      if (isAnswer) {
        this.direction = own;
        return session;
      }
      session = this.#before(session);
    }
    return NO_SESSION;
  }

  /** The session that a segment which begins none belongs to. */
  ownerOf(latest: number, direction: number, segment: Numbers): number {
    let owner = latest;
    let nearest = this.#distance(latest, direction, segment, NO_FIT);
    this.direction = direction;
    let session = this.#before(latest);
    for (let i = 0; i < LOOK_BACK_MAX && session !== NO_SESSION && nearest > 0; i++) {
      const own = this.#directionIn(session, latest, direction);
      const distance = this.#distance(session, own, segment, LATE_OCTETS_MAX);
      if (distance < nearest) {
        owner = session;
        nearest = distance;
        this.direction = own;
      }
      session = this.#before(session);
    }
    return owner;
  }

  /** How far a segment lies from where a session's streams have got to. */
  #distance(session: number, direction: number, segment: Numbers, limit: number): number {
    const ofSeq = this.#distanceOf(session, direction, segment.seq, limit);
    if ((segment.flags & ACK) === 0 || (segment.flags & SYN) !== 0) return ofSeq;
    return ofSeq + this.#distanceOf(session, 1 - direction, segment.ack, limit);
  }

  /** How far a sequence number of a direction lies from the end of what it has sent. */
  #distanceOf(session: number, direction: number, seq: number, limit: number): number {
    const row = session * SESSION_WORDS;
    const words = this.#sessions.u32;
    const isSyn = this.#has(row, SessionFlag.SYN_0 | SessionFlag.SYN_ACK_0, direction);
    const base = words[row + SessionWord.BASE_SEQ + direction];
    // What lies before its SYN is none of a connection's.
    if (isSyn && seqDiff(seq, base) < 0) return NO_FIT;
    const detail = words[row + SessionWord.DETAIL];
    const isKnown = detail !== 0 && this.#has(row, SessionFlag.HAS_NXT_0, direction);
    if (!isKnown) return isSyn ? Math.abs(seqDiff(seq, base)) : UNKNOWN_DISTANCE;
    const nxt = this.#details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.NXT + direction];
    const distance = Math.abs(seqDiff(seq, nxt));
    return distance > limit ? NO_FIT : distance;
  }

  /** What a direction of the latest session is in an earlier one, whose SYN the other side may have sent. */
  #directionIn(session: number, latest: number, direction: number): number {
    if (session === latest) return direction;
    const words = this.#sessions.u32;
    const a = session * SESSION_WORDS;
    const b = latest * SESSION_WORDS;
    const isSame =
      words[a + SessionWord.ADDRESS] === words[b + SessionWord.ADDRESS] &&
      words[a + SessionWord.PORTS] === words[b + SessionWord.PORTS];
    return isSame ? direction : 1 - direction;
  }

  #has(row: number, flags: number, direction: number): boolean {
    return (this.#sessions.u32[row + SessionWord.FLAGS] & (flags << direction)) !== 0;
  }
}
