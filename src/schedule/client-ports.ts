/** Which port each of an address's connections has, and which of them a port belongs to. */
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';
import {
  countPorts,
  type PortRange,
  type PortSpan,
  portAt,
  portIndexOf,
  portSpans,
} from '../base/port-range.ts';
import { hash32 } from '../base/prng.ts';
import { lastNotAfter } from './sorted.ts';

/** Tells this use of the seed from others. */
const FIRST_PORT_SALT = 0x706f_7274;

/**
 * Reads a span of ports, `1024-65535`, or one port.
 * @throws ReplayError ERR_POOL_PORTS (usage)
 */
export function parsePorts(text: string): PortSpan {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  if (match !== null) {
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first >= 1 && last <= 65_535 && first <= last) return { first, last };
  }
  throw new ReplayError({
    code: 'ERR_POOL_PORTS',
    kind: 'usage',
    message: `'${text}' is not a span of ports`,
    hint: 'write two ports from 1 to 65535, the lower one first: 1024-65535',
  });
}

/** The port of the range that a run with this seed begins with. */
export const firstPortOf = (ports: PortRange, seed: number): number =>
  portAt(ports, hash32(seed, FIRST_PORT_SALT) % countPorts(ports));

/**
 * The ports of a range in the order in which connections take them: from the first port on, and
 * behind the range's last one its lowest. Both ways are arithmetic over the spans between the holes.
 */
export class ClientPorts {
  /** Ports that each address has. */
  readonly count: number;
  readonly #range: PortRange;
  /** The index of the port that connections begin with. */
  readonly #shift: number;
  readonly #hasHoles: boolean;
  /** Where there are holes: the spans by ascending port, and the index of each one's first. */
  readonly #spanFirst: Float64Array;
  readonly #spanLast: Float64Array;
  readonly #spanIndex: Float64Array;

  /** @param firstPort a port of the range */
  constructor(range: PortRange, firstPort: number) {
    const spans = portSpans(range);
    this.count = countPorts(range);
    this.#range = range;
    this.#shift = portIndexOf(range, firstPort);
    assert(this.#shift >= 0, 'connections begin with a port of the range');
    this.#hasHoles = this.count !== range.last - range.first + 1;
    this.#spanFirst = Float64Array.from(spans, (span) => span.first);
    this.#spanLast = Float64Array.from(spans, (span) => span.last);
    this.#spanIndex = Float64Array.from(spans, (span) => span.index);
  }

  /** @param turn which of an address's ports, 0..count - 1 */
  portOf(turn: number): number {
    const index = (turn + this.#shift) % this.count;
    if (!this.#hasHoles) return this.#range.first + index;
    const span = lastNotAfter(this.#spanIndex, index);
    return this.#spanFirst[span] + (index - this.#spanIndex[span]);
  }

  /** The opposite of `portOf`; -1 for a port that the range does not hold. */
  turnOf(port: number): number {
    const index = this.#indexOf(port);
    if (index < 0) return -1;
    const turn = index - this.#shift;
    return turn < 0 ? turn + this.count : turn;
  }

  #indexOf(port: number): number {
    const { first, last } = this.#range;
    if (port < first || port > last) return -1;
    if (!this.#hasHoles) return port - first;
    const span = lastNotAfter(this.#spanFirst, port);
    if (span < 0 || port > this.#spanLast[span]) return -1;
    return this.#spanIndex[span] + (port - this.#spanFirst[span]);
  }
}
