/** What leaves: data within the windows, the FIN after it, acknowledgements, probes; and the timer. */
import { type Seq, seqAdd, seqAfter, seqBefore, seqDiff, seqOffset } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import { ACK, FIN, PSH } from '../wire/tcp.ts';
import { SACK_BLOCKS_MAX, SackBlocks } from '../wire/tcp-options.ts';
import { DELAYED_ACK_NS } from './ack-policy.ts';
import { cwndBytes, restartAfterIdle } from './congestion.ts';
import type { SegmentOutput, StreamSource } from './ports.ts';
import type { Reassembly } from './reassembly.ts';
import { rtoNs, startTiming, waitNs } from './round-trip.ts';
import type { Scoreboard } from './scoreboard.ts';
import { Count, State, UserFlag, type UserTable } from './user-table.ts';

/** Segments with payload have no room for blocks: holes are reported by segments of their own. */
const SACK_DUE = UserFlag.ACK_NOW | UserFlag.SACK | UserFlag.HOLE;

/** Decides what the windows admit and hands segments to the output. */
export class Transmitter {
  readonly #users: UserTable;
  readonly #source: StreamSource;
  readonly #output: SegmentOutput;
  readonly #reassembly: Reassembly;
  readonly #scoreboard: Scoreboard;
  readonly #sack = new SackBlocks();

  constructor(
    users: UserTable,
    source: StreamSource,
    output: SegmentOutput,
    reassembly: Reassembly,
    scoreboard: Scoreboard,
  ) {
    this.#users = users;
    this.#source = source;
    this.#output = output;
    this.#reassembly = reassembly;
    this.#scoreboard = scoreboard;
  }

  /** Send what may be sent now: data within the windows, the FIN after it, an owed acknowledgement. */
  emit(user: number): void {
    const users = this.#users;
    const state = users.state[user];
    if (state === State.CLOSED || state === State.SYN_SENT) return;
    const wasOutstanding = this.isOutstanding(user);
    if (users.flags[user] & UserFlag.SACK) this.#emitForSack(user);
    const sent = this.#hasUnsentStream(user, state) && this.#emitStream(user);
    if (!sent && users.flags[user] & UserFlag.ACK_NOW) {
      this.#emitAck(user);
    }
    this.#setTimer(user, wasOutstanding);
    // A tail probe waits from when the last segment left.
    if (sent && wasOutstanding && users.flags[user] & UserFlag.SACK) this.#putOff(user);
  }

  /** Reports and repetitions, before anything new. */
  #emitForSack(user: number): void {
    const flags = this.#users.flags[user];
    if ((flags & SACK_DUE) === SACK_DUE) this.#emitAck(user);
    if (!(flags & UserFlag.SCOREBOARD) || this.#users.sndWnd[user] === 0) return;
    while (this.#roomBytes(user) > 0 && this.repeatFirstLost(user));
  }

  #putOff(user: number): void {
    const users = this.#users;
    if (users.flags[user] & UserFlag.SCOREBOARD) return;
    const nextNs = waitNs(users, user);
    // The retransmission timer runs from the first octet on (RFC 6298, section 5.1).
    if (nextNs < rtoNs(users, user)) users.dueNs[user] = users.now.ns + nextNs;
  }

  /** Not so when our FIN has left, unless a timeout has put sndNxt back. */
  #hasUnsentStream(user: number, state: number): boolean {
    if (state === State.ESTABLISHED || state === State.CLOSE_WAIT) return true;
    if (state === State.TIME_WAIT || state === State.FIN_WAIT_2) return false;
    return this.#users.sndNxt[user] !== this.#users.sndMax[user];
  }

  #setTimer(user: number, wasOutstanding: boolean): void {
    const users = this.#users;
    if (this.isOutstanding(user)) {
      if (!wasOutstanding) users.dueNs[user] = users.now.ns + waitNs(users, user);
      // One timer serves all: while it counts for retransmission nothing waits for an ACK.
      if (users.flags[user] & UserFlag.ACK_OWED) this.#emitAck(user);
      return;
    }
    if (users.flags[user] & UserFlag.ACK_OWED) {
      if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = users.now.ns + DELAYED_ACK_NS;
      return;
    }
    if (!this.isBlockedByWindow(user)) users.dueNs[user] = NEVER_NS;
    else if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = users.now.ns + rtoNs(users, user);
  }

  /** @returns whether a segment left, which carries the acknowledgement too */
  #emitStream(user: number): boolean {
    const users = this.#users;
    const limit = this.#source.streamLimit(user);
    const firstOffset = this.offsetOf(user, users.sndUna[user]);
    let offset = this.offsetOf(user, users.sndNxt[user]);
    let sent = false;
    if (offset < limit && !this.isOutstanding(user)) restartAfterIdle(users, user);
    const sendMss = users.sendMss[user];
    const usableBytes = this.#usableBytes(user, sendMss);
    while (offset < limit) {
      let end = this.#source.segmentEnd(user, offset, sendMss);
      const room = firstOffset + usableBytes - offset;
      if (end - offset > room) {
        // A piece of a segment is only sent when nothing is in flight (silly window avoidance).
        if (offset !== firstOffset || room <= 0) break;
        end = offset + room;
      }
      this.#emitData(user, offset, end);
      offset = end;
      sent = true;
    }
    // Also where the window ends before it. Linux holds such a FIN back (tcp_snd_wnd_test in tcp_output.c) and
    // asks for the window with an old number; here the FIN itself asks, and comes again with the timer. Who
    // has no room for it acknowledges without it (RFC 9293, section 3.10.7.4), so that no octet is lost.
    if (offset === limit && users.flags[user] & UserFlag.FIN_QUEUED) {
      this.#emitFin(user, users.sndNxt[user]);
      sent = true;
    }
    return sent;
  }

  /** Octets from sndUna on that the windows admit. */
  #usableBytes(user: number, sendMss: number): number {
    const users = this.#users;
    const repairing = users.flags[user] & (UserFlag.RECOVERY | UserFlag.LOSS | UserFlag.SCOREBOARD);
    if (repairing & UserFlag.SCOREBOARD) {
      const flight = seqDiff(users.sndMax[user], users.sndUna[user]);
      return Math.min(users.sndWnd[user], flight + this.#roomBytes(user));
    }
    const admitted = Math.min(users.sndWnd[user], Math.max(cwndBytes(users, user), sendMss));
    if (repairing & UserFlag.LOSS) return Math.min(admitted, users.burst[user] * sendMss);
    if (repairing) return admitted;
    // Limited transmit (RFC 3042): each of the first two says that a segment has arrived.
    const duplicates = users.count(user, Count.DUPLICATE_ACKS);
    return Math.min(users.sndWnd[user], admitted + duplicates * sendMss);
  }

  /** Octets that may enter the network now, by the scoreboard: a whole segment, or none. */
  #roomBytes(user: number): number {
    const { sndUna, sndMax, sendMss } = this.#users;
    const pipe = this.#scoreboard.pipe(user, sndUna[user], sndMax[user]);
    const room = Math.max(cwndBytes(this.#users, user), sendMss[user]) - pipe;
    return room < sendMss[user] ? 0 : room;
  }

  /** Send the first segment of what the scoreboard has lost. @returns whether there was one */
  repeatFirstLost(user: number): boolean {
    const lost = this.#scoreboard.firstLost(user);
    if (lost === null) return false;
    this.#repeat(user, lost.from, lost.to);
    return true;
  }

  /** Send the first segment again that the peer is not known to hold. */
  repeatFirstMissing(user: number): void {
    const { sndUna, sndMax } = this.#users;
    const { from, to } = this.#scoreboard.firstMissing(user, sndUna[user], sndMax[user]);
    this.#repeat(user, from, to);
  }

  /** Send the last segment again: its acknowledgement tells what has come of those before it. */
  repeatLast(user: number): void {
    const { sndUna, sndMax, sendMss } = this.#users;
    const limit = this.#source.streamLimit(user);
    let from = sndUna[user];
    for (;;) {
      const offset = this.offsetOf(user, from);
      if (offset >= limit) break;
      const end = seqAdd(from, this.#source.segmentEnd(user, offset, sendMss[user]) - offset);
      if (!seqBefore(end, sndMax[user])) break;
      from = end;
    }
    this.#repeat(user, from, sndMax[user]);
  }

  /** Send one segment from `from`, at most up to `to`, for the scoreboard. */
  #repeat(user: number, from: Seq, to: Seq): void {
    const users = this.#users;
    const offset = this.offsetOf(user, from);
    let end = seqAdd(from, 1);
    if (offset >= this.#source.streamLimit(user)) this.#emitFin(user, from);
    else {
      const planned = this.#source.segmentEnd(user, offset, users.sendMss[user]);
      const bytes = Math.min(planned - offset, seqDiff(to, from));
      end = seqAdd(from, bytes);
      this.#emitData(user, offset, offset + bytes);
    }
    this.#scoreboard.repeated(user, from, end, users.sndMax[user], users.now.ns);
    if (from === users.sndUna[user]) users.dueNs[user] = users.now.ns + waitNs(users, user);
  }

  #emitData(user: number, offset: number, end: number): void {
    const users = this.#users;
    const seq = seqAdd(users.iss[user], offset + 1);
    const flags = end === this.#source.streamLimit(user) ? ACK | PSH : ACK;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], flags, offset, end - offset);
    this.#advanceSndNxt(user, seq, end - offset);
  }

  #emitFin(user: number, seq: Seq): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], FIN | ACK, 0, 0);
    this.#advanceSndNxt(user, seq, 1);
    if (users.state[user] === State.ESTABLISHED) users.state[user] = State.FIN_WAIT_1;
    else if (users.state[user] === State.CLOSE_WAIT) users.state[user] = State.LAST_ACK;
  }

  /** Sequence space `[seq, seq + octets)` has been sent. */
  #advanceSndNxt(user: number, seq: Seq, octets: number): void {
    const users = this.#users;
    const end = seqAdd(seq, octets);
    if (!seqAfter(seq, users.sndNxt[user]) && seqAfter(end, users.sndNxt[user])) {
      users.sndNxt[user] = end;
    }
    if (!seqAfter(end, users.sndMax[user])) return;
    if (seq === users.sndMax[user]) startTiming(users, user, end);
    users.sndMax[user] = end;
  }

  #emitAck(user: number): void {
    const users = this.#users;
    const flags = users.flags[user];
    users.flags[user] = flags & ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    const { sndMax, rcvNxt } = users;
    if (flags & UserFlag.SACK && this.#reassembly.hasReport(user)) {
      const room = flags & UserFlag.TIMESTAMPS ? SACK_BLOCKS_MAX - 1 : SACK_BLOCKS_MAX;
      this.#reassembly.report(user, room, this.#sack);
      if (this.#sack.count > 0) {
        this.#output.emitSack(user, sndMax[user], rcvNxt[user], this.#sack);
        return;
      }
    }
    this.#output.emitSegment(user, sndMax[user], rcvNxt[user], ACK, 0, 0);
  }

  /** Send again what the peer waits for, whatever `sndNxt` is. */
  retransmitFirst(user: number): void {
    const users = this.#users;
    const offset = this.offsetOf(user, users.sndUna[user]);
    if (offset >= this.#source.streamLimit(user)) {
      this.#emitFin(user, users.sndUna[user]);
    } else {
      const planned = this.#source.segmentEnd(user, offset, users.sendMss[user]);
      const isBeyond = seqAfter(seqAdd(users.iss[user], planned + 1), users.sndMax[user]);
      const end = isBeyond ? this.offsetOf(user, users.sndMax[user]) : planned;
      this.#emitData(user, offset, end);
    }
    users.dueNs[user] = users.now.ns + rtoNs(users, user);
  }

  /** A shut window has opened: the probe's octet was not taken, begin with it, and wait as usual. */
  onWindowOpened(user: number): void {
    const users = this.#users;
    users.sndNxt[user] = users.sndUna[user];
    users.flags[user] &= ~UserFlag.TIMED;
    users.setCount(user, Count.RETRIES, 0);
    users.setCount(user, Count.BACKOFF, 0);
    if (this.isOutstanding(user)) users.dueNs[user] = users.now.ns + rtoNs(users, user);
  }

  /** One octet into a window that does not admit it: its acknowledgement tells the window now. */
  probe(user: number): void {
    const users = this.#users;
    const offset = this.offsetOf(user, users.sndNxt[user]);
    this.#emitData(user, offset, offset + 1);
    users.dueNs[user] = users.now.ns + rtoNs(users, user);
  }

  /** Whether something of ours is not acknowledged yet (data, SYN or FIN). */
  isOutstanding(user: number): boolean {
    return this.#users.sndUna[user] !== this.#users.sndMax[user];
  }

  isBlockedByWindow(user: number): boolean {
    const users = this.#users;
    const state = users.state[user];
    if (state !== State.ESTABLISHED && state !== State.CLOSE_WAIT) return false;
    return this.offsetOf(user, users.sndNxt[user]) < this.#source.streamLimit(user);
  }

  offsetOf(user: number, seq: Seq): number {
    return seqOffset(seq, seqAdd(this.#users.iss[user], 1));
  }
}
