/** Recorded clients by their addresses: a number each, in the order in which they were first seen. */
import { addressBytes, addressOfBytes, formatAddress, type IpAddress } from '../../base/address.ts';
import { Uint32Column } from '../../base/columns.ts';

/** Words of an address: IPv4 is mapped into IPv6 (RFC 4291, section 2.5.5.2). */
const WORDS = 4;
const OCTETS = 4 * WORDS;
const MAPPED_PREFIX_BYTES = 12;

/** Gives numbers out. */
export class ClientNumbers {
  readonly #numbers = new Map<string, number>();
  readonly #words = new Uint32Column();

  /**
   * @param key the same for the same address, and for no other
   * @param address is asked where the key is new
   */
  numberOf(key: string, address: () => IpAddress): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    const octets = mapped(addressBytes(address()));
    for (let word = 0; word < WORDS; word++) {
      this.#words.push(new DataView(octets.buffer).getUint32(4 * word));
    }
    return number;
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
    data.getUint32(0) === 0 && data.getUint32(4) === 0 && data.getUint32(8) === 0xffff;
  return formatAddress(addressOfBytes(isMapped ? octets.subarray(MAPPED_PREFIX_BYTES) : octets));
}

function mapped(address: Uint8Array): Uint8Array {
  const octets = new Uint8Array(OCTETS);
  octets.set(address, OCTETS - address.length);
  if (address.length < OCTETS) octets.fill(0xff, MAPPED_PREFIX_BYTES - 2, MAPPED_PREFIX_BYTES);
  return octets;
}
