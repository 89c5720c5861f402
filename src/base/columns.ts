/**
 * Columns of typed arrays that grow as they are written, in memory that threads share: what was
 * written is handed on as it is. Pages that nothing has been written to take no memory.
 */

const CAPACITY_MIN = 256;

/** A growing column of 64-bit floats. */
export class Float64Column {
  #values = floats(CAPACITY_MIN);
  /** So many values had been written when they were forgotten: behind them nothing ever was. */
  #written = 0;
  count = 0;

  push(value: number): void {
    if (this.count === this.#values.length) this.reserve(this.count * 2);
    this.#values[this.count++] = value;
  }

  /** Adds zeros until there are so many values, without writing to memory that has them already. */
  skipTo(values: number): void {
    if (values > this.#values.length) this.reserve(Math.max(values, this.count * 2));
    this.#values.fill(0, this.count, Math.min(values, this.#written));
    this.count = values;
  }

  /** Takes over values that are there; they are not copied. */
  adopt(values: Float64Array<SharedArrayBuffer>): void {
    this.#values = values;
    this.#written = values.length;
    this.count = values.length;
  }

  /** Makes room for so many values in all, so that the column is not copied on the way there. */
  reserve(values: number): void {
    if (values <= this.#values.length) return;
    const grown = floats(values);
    grown.set(this.#values.subarray(0, this.count));
    this.#values = grown;
  }

  /** Forgets what was pushed; the next values take its place, also in what `toShared` returned. */
  clear(): void {
    this.#written = Math.max(this.#written, this.count);
    this.count = 0;
  }

  /** What was pushed, in shared memory: it is not copied. */
  toShared(): Float64Array<SharedArrayBuffer> {
    return this.#values.subarray(0, this.count);
  }
}

/** A growing column of unsigned 32-bit integers. */
export class Uint32Column {
  #values = words(CAPACITY_MIN);
  #written = 0;
  /** Zeros that were skipped last: from here, to there. */
  #zerosFrom = 0;
  #zerosTo = 0;
  count = 0;

  push(value: number): void {
    if (this.count === this.#values.length) this.reserve(this.count * 2);
    this.#values[this.count++] = value;
  }

  /** As Float64Column's. */
  adopt(values: Uint32Array<SharedArrayBuffer>): void {
    this.#values = values;
    this.#written = values.length;
    this.#zerosTo = 0;
    this.count = values.length;
  }

  /** As Float64Column's, with this value in the place of zeros. */
  skipTo(values: number, value = 0): void {
    if (values > this.#values.length) this.reserve(Math.max(values, this.count * 2));
    const end = value === 0 ? Math.min(values, this.#written) : values;
    this.#values.fill(value, this.count, end);
    this.#zerosFrom = value === 0 ? this.count : values;
    this.#zerosTo = values;
    this.count = values;
  }

  /** As Float64Column's. */
  reserve(values: number): void {
    if (values <= this.#values.length) return;
    const grown = words(values);
    grown.set(this.#values.subarray(0, this.count));
    this.#values = grown;
  }

  /** As Float64Column's. */
  clear(): void {
    this.#written = Math.max(this.#written, this.count);
    this.#zerosTo = 0;
    this.count = 0;
  }

  /** As Float64Column's. */
  toShared(): Uint32Array<SharedArrayBuffer> {
    return this.#values.subarray(0, this.count);
  }

  /** A copy of what was pushed, one octet a value. */
  toSharedOctets(): Uint8Array<SharedArrayBuffer> {
    const shared = new Uint8Array(new SharedArrayBuffer(this.count));
    shared.set(
      this.#values.subarray(0, this.#zerosTo === this.count ? this.#zerosFrom : this.count),
    );
    return shared;
  }

  /** A copy of what was pushed, two octets a value. */
  toSharedUint16(): Uint16Array<SharedArrayBuffer> {
    const bytes = this.count * Uint16Array.BYTES_PER_ELEMENT;
    const shared = new Uint16Array(new SharedArrayBuffer(bytes));
    shared.set(this.#values.subarray(0, this.count));
    return shared;
  }
}

const floats = (count: number): Float64Array<SharedArrayBuffer> =>
  new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));

const words = (count: number): Uint32Array<SharedArrayBuffer> =>
  new Uint32Array(new SharedArrayBuffer(count * Uint32Array.BYTES_PER_ELEMENT));
