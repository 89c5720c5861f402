/** Recorded clients by their addresses: a number each, in the order in which they were first seen. */
import { addressBytes, addressOfBytes, formatAddress, type IpAddress } from '../../base/address.ts';
import { Uint32Column } from '../../base/columns.ts';

/** Words of an address: IPv4 is mapped into IPv6 (RFC 4291, section 2.5.5.2). */
const WORDS = 4;
const OCTETS = 4 * WORDS;
const MAPPED_PREFIX_BYTES = 12;
const MAPPED_WORD = 0xffff;

/** Gives numbers out. */
export class ClientNumbers {
  readonly #ofIpv4 = new Map<number, number>();
  readonly #ofIpv6 = new Map<number, number>();
  readonly #words = new Uint32Column();

  /** @param address 32 bits */
  ofIpv4(address: number): number {
    // With a sign it is a small integer of V8's, which makes no object.
    const known = this.#ofIpv4.get(address | 0);
    if (known !== undefined) return known;
    this.#add(0, 0, MAPPED_WORD, address);
    return this.#numbered(this.#ofIpv4, address);
  }

  /**
   * @param row the same 32 bits for the same address, and for no other
   * @param address is asked where the row is new
   */
  ofIpv6(row: number, address: () => IpAddress): number {
    const known = this.#ofIpv6.get(row | 0);
    if (known !== undefined) return known;
    const data = new DataView(addressBytes(address()).buffer);
    this.#add(data.getUint32(0), data.getUint32(4), data.getUint32(8), data.getUint32(12));
    return this.#numbered(this.#ofIpv6, row);
  }

  #numbered(numbers: Map<number, number>, key: number): number {
    const number = this.#ofIpv4.size + this.#ofIpv6.size;
    numbers.set(key | 0, number);
    return number;
  }

  #add(a: number, b: number, c: number, d: number): void {
    this.#words.push(a);
    this.#words.push(b);
    this.#words.push(c);
    this.#words.push(d);
  }

  /** Four words a number, in shared memory. */
  toShared(): Uint32Array {
    return this.#words.toShared();
  }
}

/**
 * The address with this number as text.
 * @param words as `ClientNumbers` gives them
 */
export function clientAddressText(words: Uint32Array, number: number): string {
  const octets = new Uint8Array(OCTETS);
  const data = new DataView(octets.buffer);
  for (let word = 0; word < WORDS; word++) data.setUint32(4 * word, words[WORDS * number + word]);
  const isMapped =
    data.getUint32(0) === 0 && data.getUint32(4) === 0 && data.getUint32(8) === MAPPED_WORD;
  return formatAddress(addressOfBytes(isMapped ? octets.subarray(MAPPED_PREFIX_BYTES) : octets));
}
