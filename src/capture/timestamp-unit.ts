/**
 * What a pcapng interface counts time in: if_tsresol and if_tsoffset (draft-ietf-opsawg-pcapng,
 * section 4.2).
 *
 * A timestamp is 64 bits of units, more than a `number` holds exactly. Its high half changes only
 * every few seconds, so it is converted (by BigInt) once and kept; the low half is added to that.
 */

/** How much of an interface's options is looked at; what stands beyond is not about time. */
export const INTERFACE_OPTIONS_MAX_BYTES = 65_536;

const OPTION_END = 0;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;

const NANOS_PER_SECOND = 1_000_000_000;
const RESOLUTION_DEFAULT = 6;
const POWER_OF_TWO = 0x80;
/** Finer than this no 64-bit count reaches a second. */
const DECIMAL_EXPONENT_MAX = 19;
const BINARY_EXPONENT_MAX = 63;

/**
 * Converts timestamps of one unit (pcapng's if_tsresol and if_tsoffset) to seconds and nanoseconds.
 */
export class TimestampUnit {
  /** Of the timestamp last converted: since 1970, and 0..999,999,999. */
  seconds = 0;
  nanoseconds = 0;
  /** Units in a second. */
  readonly #perSecond: bigint;
  /** The same where units are few enough to count with numbers; else 0. */
  readonly #smallPerSecond: number;
  readonly #offsetSeconds: number;
  /** The high half last seen: whole seconds in it, and the units that are left. */
  #high = -1;
  #highSeconds = 0;
  #highUnits = 0;

  /** Reads the options in `[start, end)`; what is malformed among them is left out. */
  constructor(data: DataView, start: number, end: number, isLittleEndian: boolean) {
    let resolution = RESOLUTION_DEFAULT;
    let offset = 0n;
    for (let at = start; at + 4 <= end; ) {
      const code = data.getUint16(at, isLittleEndian);
      const bytes = data.getUint16(at + 2, isLittleEndian);
      if (code === OPTION_END || at + 4 + bytes > end) break;
      if (code === OPTION_RESOLUTION && bytes === 1) resolution = data.getUint8(at + 4);
      if (code === OPTION_OFFSET && bytes === 8) offset = data.getBigInt64(at + 4, isLittleEndian);
      at += 4 + ((bytes + 3) & ~3);
    }
    this.#perSecond = unitsPerSecond(resolution);
    // Below this, units and nanoseconds of a second multiply to less than 2^53.
    this.#smallPerSecond = this.#perSecond <= 1_000_000n ? Number(this.#perSecond) : 0;
    this.#offsetSeconds = Number(offset);
  }

  /** Converts a timestamp of two unsigned 32-bit halves into the fields. */
  convert(high: number, low: number): void {
    if (high !== this.#high) this.#takeHigh(high);
    const units = this.#highUnits + low;
    const small = this.#smallPerSecond;
    if (small > 0) {
      const seconds = Math.floor(units / small);
      this.seconds = this.#highSeconds + seconds;
      this.nanoseconds = Math.floor(((units - seconds * small) * NANOS_PER_SECOND) / small);
      return;
    }
    this.#convertLarge(units);
  }

  #takeHigh(high: number): void {
    const units = BigInt(high) << 32n;
    this.#high = high;
    this.#highSeconds = Number(units / this.#perSecond) + this.#offsetSeconds;
    this.#highUnits = Number(units % this.#perSecond);
  }

  #convertLarge(units: number): void {
    if (this.#perSecond === BigInt(NANOS_PER_SECOND)) {
      const seconds = Math.floor(units / NANOS_PER_SECOND);
      this.seconds = this.#highSeconds + seconds;
      this.nanoseconds = units - seconds * NANOS_PER_SECOND;
      return;
    }
    // Remainders of exotic units can exceed 2^53, so these take the slow way.
    const exact = (BigInt(this.#high) << 32n) % this.#perSecond;
    const total = exact + BigInt(units - this.#highUnits);
    const rest = total % this.#perSecond;
    this.seconds = this.#highSeconds + Number(total / this.#perSecond);
    this.nanoseconds = Number((rest * BigInt(NANOS_PER_SECOND)) / this.#perSecond);
  }
}

function unitsPerSecond(resolution: number): bigint {
  const exponent = resolution & ~POWER_OF_TWO;
  if ((resolution & POWER_OF_TWO) !== 0) {
    return 1n << BigInt(Math.min(exponent, BINARY_EXPONENT_MAX));
  }
  return 10n ** BigInt(Math.min(exponent, DECIMAL_EXPONENT_MAX));
}
