/** Segments that are too large for the path: RFC 1191, 4821, 5927, 8201. */
import { type Seq, seqBefore } from '../base/seq.ts';
import { PADDED_TIMESTAMPS_BYTES } from '../wire/tcp-options.ts';
import type { StreamSource } from './ports.ts';
import { rtoNs } from './round-trip.ts';
import type { SackRecovery } from './sack-recovery.ts';
import type { Transmitter } from './transmitter.ts';
import { BURST_MAX, Count, State, UserFlag, type UserTable } from './user-table.ts';

/** A smaller MSS is taken for nonsense: headers would outweigh payload (Linux' TCP_MIN_SND_MSS). */
export const MIN_SEND_MSS = 48;
/** Timeouts in a row of a full-sized segment after which its size is suspected. */
const BLACK_HOLE_RETRIES = 2;
/** Payload octets that get through where anything does (Linux' tcp_base_mss), and below it. */
const PROBED_MSS = 1024;
/** What 576 octets leave with all headers and options (Linux' floor for IPv4); IPv6 has 1280. */
const MSS_FLOOR = 512;

/** Segment sizes that are lowered: by a router's message, or where large segments get lost. */
export class PathMtu {
  readonly #users: UserTable;
  readonly #source: StreamSource;
  readonly #transmitter: Transmitter;
  readonly #sackRecovery: SackRecovery;
  readonly #mssFloor: number;

  constructor(
    users: UserTable,
    source: StreamSource,
    transmitter: Transmitter,
    sackRecovery: SackRecovery,
    family: 4 | 6,
  ) {
    this.#users = users;
    this.#source = source;
    this.#transmitter = transmitter;
    this.#sackRecovery = sackRecovery;
    this.#mssFloor = family === 4 ? MSS_FLOOR : PROBED_MSS;
  }

  /**
   * A router says that a packet of ours was too large (ICMP "fragmentation needed", ICMPv6 "packet
   * too big"): send smaller segments from now on, and at once again what was lost. That is no sign
   * of congestion. Set the user's timer anew afterwards: `dueNs` may have changed.
   * @param seq the sequence number that the message quotes; unless it is of octets that are in
   *   flight the message is not believed (RFC 5927, section 4)
   * @param mss octets that a packet may have less those of IP and TCP headers without options, as
   *   in the MSS option (RFC 6691); the caller sees to it that it is not below what 576 or 1280 leave
   * @returns whether segments are smaller now; false for a size that is no news
   */
  onMessage(user: number, seq: Seq, mss: number): boolean {
    const users = this.#users;
    if (!this.isInFlight(user, seq) || !this.limit(user, mss)) return false;
    // As after a timeout, but with the window as it is: duplicates say nothing until all is repaired.
    this.#sackRecovery.end(user);
    const others = UserFlag.RECOVERY | UserFlag.TIMED;
    users.flags[user] = (users.flags[user] & ~others) | UserFlag.LOSS;
    users.setCount(user, Count.DUPLICATE_ACKS, 0);
    users.mark[user] = users.sndMax[user];
    users.sndNxt[user] = users.sndUna[user];
    users.burst[user] = BURST_MAX;
    users.dueNs[user] = users.now.ns + rtoNs(users, user);
    this.#transmitter.emit(user);
    return true;
  }

  /** Whether `seq` is of octets that were sent and are not acknowledged yet. */
  isInFlight(user: number, seq: Seq): boolean {
    const { state, sndUna, sndMax } = this.#users;
    if (state[user] === State.CLOSED || state[user] === State.SYN_SENT) return false;
    return !seqBefore(seq, sndUna[user]) && seqBefore(seq, sndMax[user]);
  }

  /**
   * No segment that leaves from now on is larger.
   * @param mss as for `onMessage`
   * @returns whether segments are smaller now
   */
  limit(user: number, mss: number): boolean {
    const users = this.#users;
    const hasTimestamps = (users.flags[user] & UserFlag.TIMESTAMPS) !== 0;
    const payloadMss = hasTimestamps ? mss - PADDED_TIMESTAMPS_BYTES : mss;
    if (payloadMss >= users.sendMss[user]) return false;
    users.sendMss[user] = Math.max(payloadMss, MIN_SEND_MSS);
    return true;
  }

  /**
   * RFC 4821, section 7.7, in the form of Linux' tcp_mtu_probing = 1: a full-sized segment that is
   * lost twice in a row may be too large for the path, and the message that would say so filtered.
   * @returns whether segments are smaller now
   */
  suspectBlackHole(user: number, offset: number): boolean {
    const users = this.#users;
    const sendMss = users.sendMss[user];
    const lowered = sendMss > PROBED_MSS ? PROBED_MSS : this.#mssFloor;
    if (users.count(user, Count.RETRIES) < BLACK_HOLE_RETRIES || lowered >= sendMss) return false;
    if (offset >= this.#source.streamLimit(user)) return false;
    if (this.#source.segmentEnd(user, offset, sendMss) - offset <= lowered) return false;
    users.sendMss[user] = lowered;
    return true;
  }
}
