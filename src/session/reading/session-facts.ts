/** What the records say of each session: who spoke with whom, when, and which end is the server. */
import { formatAddress, type IpAddress } from '../../base/address.ts';
import type { AddressBook } from './address-book.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SESSION_WORDS,
  SessionFlag,
  SessionFloat,
  type SessionRecords,
  SessionWord,
} from './session-records.ts';
import { type EndpointPattern, matchesEndpoint } from './session-selection.ts';
import type { SessionTracker } from './session-tracker.ts';

/** A recorded server: its address in text form, and its port. */
export interface RecordedEndpoint {
  /** Text form of an IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

const LISTED_0 = 1;
const LISTED_1 = 2;

/** A session is its row in the records; a direction is 0 or 1, by the order of its two addresses there. */
export class SessionFacts {
  readonly records: SessionRecords;
  /** Sessions, in the order of their first packets. */
  readonly total: number;
  readonly #addresses: AddressBook;
  readonly #servers: readonly EndpointPattern[] | undefined;

  /** @param servers ends that are servers whoever sent the SYN, where they are listed */
  constructor(tracker: SessionTracker, servers: readonly EndpointPattern[] | undefined) {
    this.records = tracker.records;
    this.total = tracker.records.sessions.count;
    this.#addresses = tracker.addresses;
    this.#servers = servers;
  }

  /** Direction of what the server sends: 0 or 1. */
  serverSideOf(session: number): 0 | 1 {
    const listed = this.listedSides(session);
    if (listed === LISTED_0) return 0;
    if (listed === LISTED_1) return 1;
    const flags = this.flagsOf(session);
    if ((flags & SessionFlag.SERVER_KNOWN) !== 0) return (flags & SessionFlag.SERVER) !== 0 ? 1 : 0;
    const ports = this.word(session, SessionWord.PORTS);
    return ports >>> 16 < (ports & 0xffff) ? 0 : 1;
  }

  /** Address and port of whoever sends in a direction. */
  endpoint(session: number, direction: number): RecordedEndpoint {
    const address = formatAddress(this.addressOf(session, direction));
    return { address, port: this.portOf(session, direction) };
  }

  /** Packets of both directions. */
  packetsOf(session: number): number {
    return this.word(session, SessionWord.PACKETS);
  }

  /** Changes of speaker towards a direction. */
  turnsOf(session: number, direction: number): number {
    const detail = this.word(session, SessionWord.DETAIL);
    if (detail === 0) return 0;
    return this.records.details.u32[(detail - 1) * DETAIL_WORDS + DetailWord.TURNS + direction];
  }

  /** Direction of the first payload, or null when there was none. */
  firstSpeakerOf(session: number): 0 | 1 | null {
    const flags = this.flagsOf(session);
    if ((flags & SessionFlag.SPOKE) === 0) return null;
    return (flags & SessionFlag.FIRST_SPEAKER) !== 0 ? 1 : 0;
  }

  /** First packet as recorded, in nanoseconds from the capture's first. */
  startRawNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.FIRST_RAW_NS];
  }

  /** First packet on the mended clock. */
  startNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.FIRST_NS];
  }

  /** Last packet on the mended clock. */
  lastNsOf(session: number): number {
    return this.records.sessions.f64[(session * SESSION_WORDS) / 2 + SessionFloat.LAST_NS];
  }

  /** @param flag one or several of `SessionFlag`: whether any of them is set */
  hasFlag(session: number, flag: number): boolean {
    return (this.flagsOf(session) & flag) !== 0;
  }

  /** Word where its detail begins; negative without one. */
  detailOf(session: number): number {
    return (this.word(session, SessionWord.DETAIL) - 1) * DETAIL_WORDS;
  }

  /** @param mark one of `DetailMark` */
  hasMark(session: number, mark: number): boolean {
    const detail = this.detailOf(session);
    return detail >= 0 && (this.records.details.u32[detail + DetailWord.MARKS] & mark) !== 0;
  }

  /** Which sides the selection lists as servers: bits. */
  listedSides(session: number): number {
    const servers = this.#servers;
    if (servers === undefined) return 0;
    let listed = 0;
    for (const side of [0, 1]) {
      const address = this.addressOf(session, side);
      const port = this.portOf(session, side);
      if (servers.some((pattern) => matchesEndpoint(pattern, address, port))) listed |= 1 << side;
    }
    return listed;
  }

  /** Address of whoever sends in a direction. */
  addressOf(session: number, direction: number): IpAddress {
    const number = this.word(session, SessionWord.ADDRESS + direction);
    return this.#addresses.addressOf(number, this.hasFlag(session, SessionFlag.IPV6));
  }

  /** Port of whoever sends in a direction. */
  portOf(session: number, direction: number): number {
    const ports = this.word(session, SessionWord.PORTS);
    return direction === 0 ? ports >>> 16 : ports & 0xffff;
  }

  /** Bits of `SessionFlag`. */
  flagsOf(session: number): number {
    return this.word(session, SessionWord.FLAGS);
  }

  /** One of `SessionWord` of a session's record. */
  word(session: number, word: number): number {
    return this.records.sessions.u32[session * SESSION_WORDS + word];
  }

  /** A hash of the address of whoever sends in a direction: the same for every copy of a capture. */
  addressHashOf(session: number, direction: number): number {
    const number = this.word(session, SessionWord.ADDRESS + direction);
    return this.#addresses.hashOf(number, this.hasFlag(session, SessionFlag.IPV6));
  }
}
