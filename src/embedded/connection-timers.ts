/** The embedded target's clock hand: two timers a connection, of which the wheel knows the earlier. */
import { Instant } from '../base/instant.ts';
import { NEVER_NS, NS_PER_SECOND } from '../base/time.ts';
import { type DueSink, TimingWheel } from '../schedule/timing-wheel.ts';
import { type ConnectionTable, F64, Flag, ServerState, U8, U16 } from './connection-table.ts';

/** RFC 6298, section 2: at least a second, doubling up to a minute. */
const RTO_NS_MIN = NS_PER_SECOND;
const RTO_NS_MAX = 60 * NS_PER_SECOND;

/** One timer a connection: the earliest of when its script and its retransmission are due. */
export class ConnectionTimers {
  /** The time of what is going on now, in ns since the start of the run. */
  nowNs = 0;
  readonly #table: ConnectionTable;
  readonly #wheel: TimingWheel;
  readonly #due = new Instant();
  readonly #now = new Instant();

  constructor(users: number, table: ConnectionTable) {
    this.#table = table;
    this.#wheel = new TimingWheel(users);
  }

  nextDueNs(): number {
    return this.#wheel.nextDueNs();
  }

  /** Reports at most `limit` connections of which a timer is due. */
  advance(nowNs: number, limit: number, sink: DueSink): void {
    this.nowNs = nowNs;
    this.#now.ns = nowNs;
    this.#wheel.advance(this.#now, limit, sink);
  }

  /** Call when `scriptDueNs` or `retransmitDueNs` has been set. */
  arm(user: number): void {
    const { scriptDueNs, retransmitDueNs } = this.#table;
    this.#due.ns = Math.min(scriptDueNs[user * F64], retransmitDueNs[user * F64]);
    this.#wheel.arm(user, this.#due);
  }

  /** Starts the retransmission timer where it is off. */
  startRetransmit(user: number): void {
    if (this.#table.retransmitDueNs[user * F64] !== NEVER_NS) return;
    this.restartRetransmit(user);
    this.arm(user);
  }

  /** Sets the retransmission timer anew; `arm` follows. */
  restartRetransmit(user: number): void {
    const { retransmitDueNs, retries } = this.#table;
    retransmitDueNs[user * F64] =
      this.nowNs + Math.min(RTO_NS_MIN * 2 ** retries[user * U8], RTO_NS_MAX);
  }

  /** The connection is gone: CLOSED, with no timer. */
  close(user: number): void {
    const table = this.#table;
    table.state[user * U8] = ServerState.CLOSED;
    table.flags[user * U16] &= Flag.QUEUED;
    table.scriptDueNs[user * F64] = NEVER_NS;
    table.retransmitDueNs[user * F64] = NEVER_NS;
    this.#wheel.cancel(user);
  }
}
