/** Columns of typed arrays that grow as they are written, and end in memory that threads share. */

const CAPACITY_MIN = 256;

/** A growing column of 64-bit floats. */
export class Float64Column {
  #values = new Float64Array(CAPACITY_MIN);
  count = 0;

  push(value: number): void {
    if (this.count === this.#values.length) {
      const grown = new Float64Array(this.count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.count++] = value;
  }

  /** A copy of what was pushed, in shared memory. */
  toShared(): Float64Array<SharedArrayBuffer> {
    const bytes = this.count * Float64Array.BYTES_PER_ELEMENT;
    const shared = new Float64Array(new SharedArrayBuffer(bytes));
    shared.set(this.#values.subarray(0, this.count));
    return shared;
  }
}

/** A growing column of unsigned 32-bit integers. */
export class Uint32Column {
  #values = new Uint32Array(CAPACITY_MIN);
  count = 0;

  push(value: number): void {
    if (this.count === this.#values.length) {
      const grown = new Uint32Array(this.count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.count++] = value;
  }

  /** A copy of what was pushed, in shared memory. */
  toShared(): Uint32Array<SharedArrayBuffer> {
    const bytes = this.count * Uint32Array.BYTES_PER_ELEMENT;
    const shared = new Uint32Array(new SharedArrayBuffer(bytes));
    shared.set(this.#values.subarray(0, this.count));
    return shared;
  }

  /** As `toShared`, one octet a value. */
  toSharedOctets(): Uint8Array<SharedArrayBuffer> {
    const shared = new Uint8Array(new SharedArrayBuffer(this.count));
    shared.set(this.#values.subarray(0, this.count));
    return shared;
  }

  /** As `toShared`, two octets a value. */
  toSharedUint16(): Uint16Array<SharedArrayBuffer> {
    const bytes = this.count * Uint16Array.BYTES_PER_ELEMENT;
    const shared = new Uint16Array(new SharedArrayBuffer(bytes));
    shared.set(this.#values.subarray(0, this.count));
    return shared;
  }
}
