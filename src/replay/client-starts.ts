/**
 * Starts where a user is a client with all of its connections, in their recorded order and overlap.
 *
 * A client's connections start in the order in which they began. In a closed loop a connection that
 * began after its client had left others waits until all of these have been left, and starts as long
 * after the last of them as recorded: how late (or early) each was left moves it, and the largest of
 * these counts. One that overlapped all before it starts at its recorded offset from the client's
 * start. So no two connections overlap that did not when they were recorded. Without pauses (`none`)
 * the same is waited for, and offsets are nothing. In an open loop (`schedule`) all start at their
 * recorded offsets, whatever the server does. All times are divided by the acceleration.
 *
 * A client has left a connection when it has ended its stream; whatever comes after that is between
 * the two ends' TCP. Where it never comes to that, the connection's own end counts.
 */
import { NEVER_NS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import type { ClientConnections, ClientPlan } from '../schedule/client-connections.ts';
import type { ClientRows } from '../schedule/client-rows.ts';
import type { PlayTable } from './play-table.ts';
import { Pace, type ReplayPlan } from './replay-plan.ts';
import { type StartParts, Starts } from './starts.ts';
import type { UserTimers } from './user-timers.ts';

/** Octets that one client takes here, and each of its rows besides. */
export const CLIENT_BYTES = 43;
export const CLIENT_ROW_BYTES = 8;

/** `leftNs` of a row whose connection has a time to start at. */
const TO_START = -1;
/** `leftNs` of a row for which there was no room: it ends when its timer is due. */
const NO_ROOM = -2;

/** Starts clients, and their connections when those before them have been left. */
export class ClientStarts extends Starts {
  readonly #plan: ReplayPlan;
  readonly #recorded: ClientPlan;
  readonly #connections: ClientConnections;
  readonly #rows: ClientRows;
  readonly #plays: PlayTable;
  readonly #timers: UserTimers;
  readonly #counters: Float64Array;
  /** A row: when its client had left it in its present play; NEVER_NS before, TO_START before its start. */
  readonly #leftNs: Float64Array;
  /** A client: what its recorded offsets count from, as those that it has left have moved it. */
  readonly #baseNs: Float64Array;
  /** When the play began, and the intended start of its latest connection that has one. */
  readonly #beganNs: Float64Array;
  readonly #latestNs: Float64Array;
  /** Connections of the present play: those that have a time; 0 where nothing is played. */
  readonly #timed: Uint32Array;
  /** Those left that `#baseNs` knows, by their recorded order. */
  readonly #known: Uint32Array;
  /** Those that are started and have not ended, and those that have. */
  readonly #open: Uint32Array;
  readonly #ended: Uint32Array;
  readonly #iteration: Uint16Array;
  /** The counter of how the first connection ended that was not completed, or 0. */
  readonly #failure: Uint8Array;
  /** Clients of which a connection found no room: they do not play again. */
  readonly #roomless = new Set<number>();
  readonly #onClientEnd: ((client: number) => void) | undefined;
  readonly #onRoomless: ((row: number) => void) | undefined;
  /** Clients that are started and have not ended. */
  #liveClients = 0;

  constructor(
    plan: ReplayPlan,
    recorded: ClientPlan,
    connections: ClientConnections,
    parts: StartParts,
  ) {
    super(plan, parts, (client) => {
      return plan.played[recorded.firstOf[connections.rows.recordedOf(client, 0)]];
    });
    const { count, rows } = connections;
    this.#onClientEnd = parts.onClientEnd;
    this.#onRoomless = parts.onRoomless;
    this.#plan = plan;
    this.#recorded = recorded;
    this.#connections = connections;
    this.#rows = rows;
    this.#plays = parts.plays;
    this.#timers = parts.timers;
    this.#counters = parts.counters;
    this.#leftNs = new Float64Array(count).fill(NEVER_NS);
    this.#baseNs = new Float64Array(rows.clients);
    this.#beganNs = new Float64Array(rows.clients);
    this.#latestNs = new Float64Array(rows.clients);
    this.#timed = new Uint32Array(rows.clients);
    this.#known = new Uint32Array(rows.clients);
    this.#open = new Uint32Array(rows.clients);
    this.#ended = new Uint32Array(rows.clients);
    this.#iteration = new Uint16Array(rows.clients);
    this.#failure = new Uint8Array(rows.clients);
  }

  get rowsBegun(): number {
    return this.#rows.firstRowOf(this.begun);
  }

  override get isDone(): boolean {
    return this.#liveClients === 0 && this.nextDueNs() === NEVER_NS;
  }

  /** What has not started never will: clients that wait for it alone have ended. */
  override stop(): void {
    if (this.isStopped) return;
    super.stop();
    for (let client = 0; client < this.begun; client++) {
      if (this.#timed[client] > 0 && this.#open[client] === 0) this.#end(client);
    }
  }

  protected begin(client: number, startNs: number): void {
    this.#baseNs[client] = startNs;
    this.#beganNs[client] = startNs;
    this.#latestNs[client] = startNs;
    this.#timed[client] = 0;
    this.#known[client] = 0;
    this.#open[client] = 0;
    this.#ended[client] = 0;
    this.#failure[client] = 0;
    const firstRow = this.#rows.firstRowOf(client);
    this.#leftNs.fill(NEVER_NS, firstRow, firstRow + this.#rows.rowsOf(client));
    this.#liveClients++;
    this.#counters[Counter.CLIENTS_STARTED]++;
    this.#schedule(client);
  }

  onDue(row: number): void {
    if (this.#leftNs[row] === NO_ROOM) {
      this.#leftNs[row] = NEVER_NS;
      this.#onRoomless?.(row);
      this.onEnded(row, Counter.ABORTED);
      return;
    }
    if (this.#leftNs[row] !== TO_START || this.isStopped) return;
    this.#startRow(row, this.#rows.clientOf(row));
  }

  onLeft(row: number): void {
    if (this.#leftNs[row] !== NEVER_NS) return;
    this.#leftNs[row] = this.#plays.now.ns;
    if (!this.isStopped) this.#schedule(this.#rows.clientOf(row));
  }

  override isStuck(row: number, waiting: number): boolean {
    const client = this.#rows.clientOf(row);
    const begun = this.#open[client] + this.#ended[client];
    return waiting === this.#open[client] && this.#timed[client] === begun;
  }

  onEnded(row: number, end: Counter): void {
    const client = this.#rows.clientOf(row);
    this.live--;
    this.#open[client]--;
    this.#ended[client]++;
    if (end !== Counter.COMPLETED && this.#failure[client] === 0) this.#failure[client] = end;
    this.onLeft(row);
    const isAll = this.#ended[client] === this.#connectionsOf(client);
    if (isAll || (this.isStopped && this.#open[client] === 0)) this.#end(client);
  }

  /** Connections of the recorded client that is being played: rows of the plan's columns. */
  #firstOf(client: number): number {
    const { firstOf } = this.#recorded;
    return firstOf[this.#rows.recordedOf(client, this.#iteration[client])];
  }

  #connectionsOf(client: number): number {
    const { firstOf } = this.#recorded;
    const recorded = this.#rows.recordedOf(client, this.#iteration[client]);
    return firstOf[recorded + 1] - firstOf[recorded];
  }

  /** Gives a time to every connection that waits for no other any more. */
  #schedule(client: number): void {
    const first = this.#firstOf(client);
    const firstRow = this.#rows.firstRowOf(client);
    const connections = this.#connectionsOf(client);
    while (this.#timed[client] < connections) {
      const index = this.#timed[client];
      if (!this.#hasLeft(client, first, this.#recorded.leftBefore[first + index])) return;
      const { pace, accel } = this.#plan;
      const offsetNs = pace === Pace.NONE ? 0 : this.#recorded.beginNs[first + index] / accel;
      // Connections start in their order, whichever of them are late.
      const startNs = Math.max(this.#latestNs[client], this.#baseNs[client] + offsetNs);
      this.#latestNs[client] = startNs;
      this.#timed[client] = index + 1;
      this.#plays.intendedNs[firstRow + index] = startNs;
      this.#leftNs[firstRow + index] = TO_START;
      // The others by their timers, so that a turn stays short.
      if (index === 0) this.#startRow(firstRow, client);
      else this.#timers.wake(firstRow + index, Math.max(startNs, this.#plays.now.ns));
    }
  }

  /** Whether the first `count` connections in the recorded order of leaving have been left. */
  #hasLeft(client: number, first: number, count: number): boolean {
    const { pace, accel } = this.#plan;
    if (pace === Pace.SCHEDULE) return true;
    const { leaveOrder, leaveNs } = this.#recorded;
    const firstRow = this.#rows.firstRowOf(client);
    while (this.#known[client] < count) {
      const index = leaveOrder[first + this.#known[client]];
      const leftNs = this.#leftNs[firstRow + index];
      if (leftNs === NEVER_NS || leftNs === TO_START || leftNs === NO_ROOM) return false;
      const baseNs = pace === Pace.NONE ? leftNs : leftNs - leaveNs[first + index] / accel;
      const isFirst = this.#known[client] === 0;
      if (isFirst || baseNs > this.#baseNs[client]) this.#baseNs[client] = baseNs;
      this.#known[client]++;
    }
    return true;
  }

  #startRow(row: number, client: number): void {
    const index = row - this.#rows.firstRowOf(client);
    const session = this.#plan.played[this.#firstOf(client) + index];
    this.#leftNs[row] = NEVER_NS;
    this.#open[client]++;
    this.#connections.connect(row, client, this.#iteration[client]);
    if (this.start(row, session, this.#plays.intendedNs[row])) return;
    this.#roomless.add(client);
    this.#leftNs[row] = NO_ROOM;
    this.live++;
    this.#timers.wake(row, this.#plays.now.ns);
  }

  /** A client has ended: by its first failure; it plays again where iterations are left. */
  #end(client: number): void {
    const isWhole = this.#ended[client] === this.#connectionsOf(client);
    const whole = isWhole ? Counter.COMPLETED : Counter.ABORTED;
    const end = this.#failure[client] || whole;
    this.#counters[CLIENT_ENDS[end]]++;
    this.#onClientEnd?.(client);
    this.#liveClients--;
    this.#timed[client] = 0;
    if (this.#roomless.has(client)) return;
    const next = this.#iteration[client] + 1;
    if (next >= this.#plan.iterations || this.isStopped) return;
    if (this.#plays.now.ns > this.#plan.stopStartingNs) return;
    this.#iteration[client] = next;
    this.begin(client, this.#plays.now.ns);
  }
}

/** The counter of clients that ended as a connection of theirs did, by that one's counter. */
const CLIENT_ENDS: readonly Counter[] = Array.from({ length: Counter.ABORTED + 1 }, (_, end) => {
  if (end === Counter.REFUSED) return Counter.CLIENTS_REFUSED;
  if (end === Counter.RESET) return Counter.CLIENTS_RESET;
  if (end === Counter.TIMED_OUT) return Counter.CLIENTS_TIMED_OUT;
  return end === Counter.ABORTED ? Counter.CLIENTS_ABORTED : Counter.CLIENTS_COMPLETED;
});
