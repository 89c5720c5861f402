/**
 * The rows of one thread where a user is a client with several connections: a row a connection that a
 * client may have at a time.
 *
 * Recorded clients are played in turn: play `p` of the run, `iteration × clients + client`, is recorded
 * client `p % G`. Recorded clients have differing numbers of connections. So a client has as many rows
 * as the largest of those that it comes to has connections: with one play that one's, with several
 * those that lie a multiple of gcd(clients, G) apart. Either way the numbers of rows repeat after at
 * most G clients, and where a client's rows begin is arithmetic over the sums of one such period.
 */
import { commonDivisor } from './target-ranks.ts';

/** The clients of one thread among those of the run. */
export interface ClientRange {
  /** How many the thread has. */
  readonly clients: number;
  /** The number in the run of the thread's first client, and how far apart the others are. */
  readonly first: number;
  readonly step: number;
  /** Clients of the whole run. */
  readonly runClients: number;
  /** Whether clients play more than once. */
  readonly repeats: boolean;
}

/** Which rows each client of a thread has, and which recorded client it is. */
export class ClientRows {
  /** How many rows there are. */
  readonly count: number;
  readonly clients: number;
  /** Connections of recorded client `g` are `firstOf[g] .. firstOf[g + 1]` of all of them. */
  readonly #firstOf: Uint32Array;
  readonly #range: ClientRange;
  /** After so many clients the numbers of their rows repeat. */
  readonly #period: number;
  /** Rows before each client of the period, and at its end all of them. */
  readonly #before: Float64Array;
  /** Which client of the period each of its rows belongs to. */
  readonly #clientAt: Uint32Array;

  /** @param firstOf where each recorded client's connections begin, and where the last one's end */
  constructor(firstOf: Uint32Array, range: ClientRange) {
    this.#firstOf = firstOf;
    this.#range = range;
    this.clients = range.clients;
    const recorded = firstOf.length - 1;
    const apart = range.repeats ? commonDivisor(range.runClients, recorded) : recorded;
    const period = apart / commonDivisor(range.step, apart);
    const largest = largestOf(firstOf, apart);
    this.#period = period;
    this.#before = new Float64Array(period + 1);
    for (let i = 0; i < period; i++) {
      const rows = largest[(range.first + i * range.step) % apart];
      this.#before[i + 1] = this.#before[i] + rows;
    }
    const periodRows = this.#before[period];
    this.#clientAt = new Uint32Array(periodRows);
    for (let i = 0; i < period; i++) {
      this.#clientAt.fill(i, this.#before[i], this.#before[i + 1]);
    }
    this.count = this.firstRowOf(range.clients);
  }

  /** The first row of a client of this thread; of one past the last: how many rows there are. */
  firstRowOf(client: number): number {
    const within = client % this.#period;
    return ((client - within) / this.#period) * this.#before[this.#period] + this.#before[within];
  }

  /** How many rows a client of this thread has. */
  rowsOf(client: number): number {
    const within = client % this.#period;
    return this.#before[within + 1] - this.#before[within];
  }

  /** The client of this thread that has the row. */
  clientOf(row: number): number {
    const periodRows = this.#clientAt.length;
    const within = row % periodRows;
    return ((row - within) / periodRows) * this.#period + this.#clientAt[within];
  }

  /** The recorded client that a client of this thread plays in its `iteration`th play, from 0. */
  recordedOf(client: number, iteration: number): number {
    const { first, step, runClients } = this.#range;
    return (iteration * runClients + first + client * step) % (this.#firstOf.length - 1);
  }
}

/** The most connections of the recorded clients that lie `apart` from each other, for each first one. */
function largestOf(firstOf: Uint32Array, apart: number): Uint32Array {
  const largest = new Uint32Array(apart);
  for (let each = 0; each < firstOf.length - 1; each++) {
    const connections = firstOf[each + 1] - firstOf[each];
    if (connections > largest[each % apart]) largest[each % apart] = connections;
  }
  return largest;
}
