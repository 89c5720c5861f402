/**
 * A hash of two 32-bit words to one (the finaliser of MurmurHash3 over their mix).
 * Stateless, so that a value which belongs to a connection can be computed again and need not be
 * stored.
 */
export const hash32 = (a: number, b: number): number => hashBits32(a, b) >>> 0;

/** As `hash32`, read with a sign: such an integer is handed on without an object. */
export function hashBits32(a: number, b: number): number {
  let h = (Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca77)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** A seeded generator (mulberry32): the only source of chance below the kernel's rim. */
export class Prng {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next 32-bit unsigned integer. */
  nextUint32(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** The next number in [0, 1). */
  nextUnit(): number {
    return this.nextUint32() / 0x1_0000_0000;
  }
}
