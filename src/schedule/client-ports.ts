/** The ports of clients: where a run begins, and how a range with holes is counted. */
import { countPorts, type PortRange, portAt, portIndexOf, portSpans } from '../base/port-range.ts';
import { hash32 } from '../base/prng.ts';
import { lastNotAfter } from './sorted.ts';

/** Tells this use of the seed from others. */
const FIRST_PORT_SALT = 0x706f_7274;

/** The port of the range that a run with this seed begins with. */
export const firstPortOf = (ports: PortRange, seed: number): number =>
  portAt(ports, hash32(seed, FIRST_PORT_SALT) % countPorts(ports));

/**
 * The ports of a range with holes, in the order in which connections take them: from the first port
 * on, and behind the range's last one its lowest. Both ways are arithmetic over the spans between the
 * holes.
 */
export class HoledPorts {
  readonly #count: number;
  /** The index of the port that connections begin with. */
  readonly #shift: number;
  /** The spans by ascending port: where each begins and ends, and the index of its first port. */
  readonly #first: Float64Array;
  readonly #last: Float64Array;
  readonly #index: Float64Array;

  /** @param firstPort a port of the range */
  constructor(range: PortRange, firstPort: number) {
    const spans = portSpans(range);
    this.#count = countPorts(range);
    this.#shift = portIndexOf(range, firstPort);
    this.#first = Float64Array.from(spans, (span) => span.first);
    this.#last = Float64Array.from(spans, (span) => span.last);
    this.#index = Float64Array.from(spans, (span) => span.index);
  }

  /** @param turn which of an address's ports, from 0 */
  portOf(turn: number): number {
    const index = (turn + this.#shift) % this.#count;
    const span = lastNotAfter(this.#index, index);
    return this.#first[span] + (index - this.#index[span]);
  }

  /** The opposite of `portOf`; -1 for a port that the range does not hold. */
  turnOf(port: number): number {
    const span = lastNotAfter(this.#first, port);
    if (span < 0 || port > this.#last[span]) return -1;
    const turn = this.#index[span] + (port - this.#first[span]) - this.#shift;
    return turn < 0 ? turn + this.#count : turn;
  }
}
