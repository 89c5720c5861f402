/** What leaves: data within the windows, the FIN after it, acknowledgements, probes; and the timer. */
import { type Seq, seqAdd, seqAfter } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import { ACK, FIN, PSH } from '../wire/tcp.ts';
import { DELAYED_ACK_NS } from './ack-policy.ts';
import { CWND_UNIT } from './congestion.ts';
import type { SegmentOutput, StreamSource } from './ports.ts';
import { rtoNs } from './round-trip.ts';
import { State, UserFlag, type UserTable } from './user-table.ts';

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
    let sent = false;
    if (state !== State.TIME_WAIT && state !== State.FIN_WAIT_2)
      sent = this.#emitStream(user, nowNs);
    if (!sent && users.flags[user] & UserFlag.ACK_NOW) {
      this.#emitAck(user, nowNs);
    }
    this.#setTimer(user, wasOutstanding, nowNs);
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
    const sendMss = users.sendMss[user];
    const cwndBytes = Math.floor((users.cwnd[user] * sendMss) / CWND_UNIT);
    const usableBytes = Math.min(users.sndWnd[user], Math.max(cwndBytes, sendMss));
    const firstOffset = this.offsetOf(user, users.sndUna[user]);
    let offset = this.offsetOf(user, users.sndNxt[user]);
    let sent = false;
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
    if (offset === limit && this.#mayEmitFin(user)) {
      this.#emitFin(user, users.sndNxt[user], nowNs);
      sent = true;
    }
    return sent;
  }

  #mayEmitFin(user: number): boolean {
    const users = this.#users;
    if (!(users.flags[user] & UserFlag.FIN_QUEUED)) return false;
    const state = users.state[user];
    if (state === State.ESTABLISHED || state === State.CLOSE_WAIT) return true;
    // Sent before: only again when a timeout has put sndNxt back in front of it.
    return users.sndNxt[user] !== users.sndMax[user];
  }

  #emitData(user: number, offset: number, end: number, nowNs: number): void {
    const users = this.#users;
    const seq = seqAdd(users.iss[user], offset + 1);
    const flags = end === this.#source.streamLimit(user) ? ACK | PSH : ACK;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], flags, offset, end - offset, nowNs);
    this.#advanceSndNxt(user, seq, end - offset);
  }

  #emitFin(user: number, seq: Seq, nowNs: number): void {
    const users = this.#users;
    users.flags[user] &= ~(UserFlag.ACK_NOW | UserFlag.ACK_OWED);
    this.#output.emitSegment(user, seq, users.rcvNxt[user], FIN | ACK, 0, 0, nowNs);
    this.#advanceSndNxt(user, seq, 1);
    if (users.state[user] === State.ESTABLISHED) users.state[user] = State.FIN_WAIT_1;
    else if (users.state[user] === State.CLOSE_WAIT) users.state[user] = State.LAST_ACK;
  }

  /** Sequence space `[seq, seq + octets)` has been sent. */
  #advanceSndNxt(user: number, seq: Seq, octets: number): void {
    const users = this.#users;
    const end = seqAdd(seq, octets);
    if (seq === users.sndNxt[user]) users.sndNxt[user] = end;
    if (seqAfter(end, users.sndMax[user])) users.sndMax[user] = end;
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
      this.#emitData(
        user,
        offset,
        this.#source.segmentEnd(user, offset, users.sendMss[user]),
        nowNs,
      );
    }
    users.dueNs[user] = nowNs + rtoNs(users, user);
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
