/**
 * Addresses as 32-bit numbers: an IPv4 address is its own, an IPv6 address is the row under which
 * it was first seen. Whoever keeps a number keeps the family beside it.
 */
import { addressOfBytes, type IpAddress } from '../../base/address.ts';
import { hash32 } from '../../base/prng.ts';
import { Records } from '../../base/records.ts';

const WORDS = 4;
const SLOTS_MIN = 1024;
const ADDRESS_BYTES = 16;

/** Numbers for IPv6 addresses, and back: IPv4 addresses are their own numbers. */
export class AddressBook {
  /** IPv6 addresses, four words each. */
  readonly rows = new Records(WORDS);
  readonly #seed: number;
  /** Row + 1, or 0; a power of two of them, at most half in use. */
  #slots = new Uint32Array(SLOTS_MIN);

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** The number of the IPv6 address at `at`. */
  numberOf(data: DataView, at: number): number {
    const a = data.getUint32(at);
    const b = data.getUint32(at + 4);
    const c = data.getUint32(at + 8);
    const d = data.getUint32(at + 12);
    const mask = this.#slots.length - 1;
    const words = this.rows.u32;
    let slot = this.#hash(a, b, c, d) & mask;
    for (let row = this.#slots[slot]; row !== 0; row = this.#slots[slot]) {
      const at4 = (row - 1) * WORDS;
      const isSame =
        words[at4 + 3] === d && words[at4 + 2] === c && words[at4 + 1] === b && words[at4] === a;
      if (isSame) return row - 1;
      slot = (slot + 1) & mask;
    }
    return this.#add(slot, a, b, c, d);
  }

  /** The address of a number that `numberOf` gave, or of an IPv4 address. */
  addressOf(number: number, isIpv6: boolean): IpAddress {
    if (!isIpv6) return { family: 4, prefix: new Uint8Array(0), low: number };
    const octets = new DataView(new ArrayBuffer(ADDRESS_BYTES));
    for (let i = 0; i < WORDS; i++) octets.setUint32(4 * i, this.rows.u32[number * WORDS + i]);
    return addressOfBytes(new Uint8Array(octets.buffer));
  }

  /** A hash that is the same in every capture, whatever the seed. */
  hashOf(number: number, isIpv6: boolean): number {
    if (!isIpv6) return hash32(number, 4);
    let hash = 6;
    for (let i = 0; i < WORDS; i++) hash = hash32(hash, this.rows.u32[number * WORDS + i]);
    return hash;
  }

  #hash(a: number, b: number, c: number, d: number): number {
    return hash32(hash32(hash32(hash32(this.#seed, a), b), c), d);
  }

  #add(slot: number, a: number, b: number, c: number, d: number): number {
    const row = this.rows.append();
    const words = this.rows.u32;
    words[row * WORDS] = a;
    words[row * WORDS + 1] = b;
    words[row * WORDS + 2] = c;
    words[row * WORDS + 3] = d;
    this.#slots[slot] = row + 1;
    if (this.rows.count * 2 > this.#slots.length) this.#grow();
    return row;
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const words = this.rows.u32;
    const mask = slots.length - 1;
    for (let row = 0; row < this.rows.count; row++) {
      const at = row * WORDS;
      let slot = this.#hash(words[at], words[at + 1], words[at + 2], words[at + 3]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}
