/** What leaves: data within the windows, the FIN after it, acknowledgements, probes; and the timer. */
import { type Seq, seqAdd, seqAfter } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import { ACK, FIN, PSH } from '../wire/tcp.ts';
import { DELAYED_ACK_NS } from './ack-policy.ts';
import { cwndBytes, restartAfterIdle } from './congestion.ts';
import type { SegmentOutput, StreamSource } from './ports.ts';
import { rtoNs, startTiming } from './round-trip.ts';
import { Count, State, UserFlag, type UserTable } from './user-table.ts';

export class Transmitter {
  readonly #users: UserTable;
  readonly #source: StreamSource;
  readonly #output: SegmentOutput;

  constructor(users: UserTable, source: StreamSource, output: SegmentOutput) {
    this.#users = users;
    this.#source = source;
    this.#output = output;
  }

  /** Send what may be sent now: data within the windows, the FIN after it, an owed acknowledgement. */
  emit(user: number, nowNs: number): void {
    const users = this.#users;
    const state = users.state[user];
    if (state === State.CLOSED || state === State.SYN_SENT) return;
    const wasOutstanding = this.isOutstanding(user);
    const sent = this.#hasUnsentStream(user, state) && this.#emitStream(user, nowNs);
    if (!sent && users.flags[user] & UserFlag.ACK_NOW) {
      this.#emitAck(user, nowNs);
    }
    this.#setTimer(user, wasOutstanding, nowNs);
  }

  /** Not so when our FIN has left, unless a timeout has put sndNxt back. */
  #hasUnsentStream(user: number, state: number): boolean {
    if (state === State.ESTABLISHED || state === State.CLOSE_WAIT) return true;
    if (state === State.TIME_WAIT || state === State.FIN_WAIT_2) return false;
    return this.#users.sndNxt[user] !== this.#users.sndMax[user];
  }

  #setTimer(user: number, wasOutstanding: boolean, nowNs: number): void {
    const users = this.#users;
    if (this.isOutstanding(user)) {
      if (!wasOutstanding) users.dueNs[user] = nowNs + rtoNs(users, user);
      // One timer serves all: while it counts for retransmission nothing waits for an ACK.
      if (users.flags[user] & UserFlag.ACK_OWED) this.#emitAck(user, nowNs);
      return;
    }
    if (users.flags[user] & UserFlag.ACK_OWED) {
      if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = nowNs + DELAYED_ACK_NS;
      return;
    }
    if (!this.isBlockedByWindow(user)) users.dueNs[user] = NEVER_NS;
    else if (users.dueNs[user] === NEVER_NS) users.dueNs[user] = nowNs + rtoNs(users, user);
  }

  /** @returns whether a segment left, which carries the acknowledgement too */
  #emitStream(user: number, nowNs: number): boolean {
    const users = this.#users;
    const limit = this.#source.streamLimit(user);
    const firstOffset = this.offsetOf(user, users.sndUna[user]);
    let offset = this.offsetOf(user, users.sndNxt[user]);
    let sent = false;
    if (offset < limit && !this.isOutstanding(user)) restartAfterIdle(users, user, nowNs);
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
      this.#emitData(user, offset, end, nowNs);
      offset = end;
      sent = true;
    }
    if (offset === limit && users.flags[user] & UserFlag.FIN_QUEUED) {
      this.#emitFin(user, users.sndNxt[user], nowNs);
      sent = true;
    }
    return sent;
  }

  /** Octets from sndUna on that the windows admit. */
  #usableBytes(user: number, sendMss: number): number {
    const users = this.#users;
    const admitted = Math.min(users.sndWnd[user], Math.max(cwndBytes(users, user), sendMss));
    const repairing = users.flags[user] & (UserFlag.RECOVERY | UserFlag.LOSS);
    if (repairing & UserFlag.LOSS) return Math.min(admitted, users.burst[user] * sendMss);
    if (repairing) return admitted;
    // Limited transmit (RFC 3042): each of the first two says that a segment has arrived.
    const duplicates = users.count(user, Count.DUPLICATE_ACKS);
    return Math.min(users.sndWnd[user], admitted + duplicates * sendMss);
  }

  #emitData(user: number, offset: number, end: number, nowNs: number): void {
    const users = this.#users;
    const seq = seqAdd(users.iss[user], offset + 1);
    const flags = end === this.#source.streamLimit(user) ? ACK | PSH : ACK;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], flags, offset, end - offset, nowNs);
    this.#advanceSndNxt(user, seq, end - offset, nowNs);
  }

  #emitFin(user: number, seq: Seq, nowNs: number): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], FIN | ACK, 0, 0, nowNs);
    this.#advanceSndNxt(user, seq, 1, nowNs);
    if (users.state[user] === State.ESTABLISHED) users.state[user] = State.FIN_WAIT_1;
    else if (users.state[user] === State.CLOSE_WAIT) users.state[user] = State.LAST_ACK;
  }

  /** Sequence space `[seq, seq + octets)` has been sent. */
  #advanceSndNxt(user: number, seq: Seq, octets: number, nowNs: number): void {
    const users = this.#users;
    const end = seqAdd(seq, octets);
    if (!seqAfter(seq, users.sndNxt[user]) && seqAfter(end, users.sndNxt[user])) {
      users.sndNxt[user] = end;
    }
    if (!seqAfter(end, users.sndMax[user])) return;
    if (seq === users.sndMax[user]) startTiming(users, user, end, nowNs);
    users.sndMax[user] = end;
  }

  #emitAck(user: number, nowNs: number): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, users.sndMax[user], users.rcvNxt[user], ACK, 0, 0, nowNs);
  }

  /** Send again what the peer waits for, whatever `sndNxt` is. */
  retransmitFirst(user: number, nowNs: number): void {
    const users = this.#users;
    const offset = this.offsetOf(user, users.sndUna[user]);
    if (offset >= this.#source.streamLimit(user)) {
      this.#emitFin(user, users.sndUna[user], nowNs);
    } else {
      const planned = this.#source.segmentEnd(user, offset, users.sendMss[user]);
      const isBeyond = seqAfter(seqAdd(users.iss[user], planned + 1), users.sndMax[user]);
      const end = isBeyond ? this.offsetOf(user, users.sndMax[user]) : planned;
      this.#emitData(user, offset, end, nowNs);
    }
    users.dueNs[user] = nowNs + rtoNs(users, user);
  }

  /** A shut window has opened: the probe's octet was not taken, begin with it, and wait as usual. */
  onWindowOpened(user: number, nowNs: number): void {
    const users = this.#users;
    users.sndNxt[user] = users.sndUna[user];
    users.flags[user] &= ~UserFlag.TIMED;
    users.setCount(user, Count.RETRIES, 0);
    users.setCount(user, Count.BACKOFF, 0);
    if (this.isOutstanding(user)) users.dueNs[user] = nowNs + rtoNs(users, user);
  }

  /** One octet into a window that does not admit it: its acknowledgement tells the window now. */
  probe(user: number, nowNs: number): void {
    const users = this.#users;
    const offset = this.offsetOf(user, users.sndNxt[user]);
    this.#emitData(user, offset, offset + 1, nowNs);
    users.dueNs[user] = nowNs + rtoNs(users, user);
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
    return seqAdd(seq, -this.#users.iss[user] - 1);
  }
}
