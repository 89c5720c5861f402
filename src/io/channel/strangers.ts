/**
 * Connections whose peers have not shown yet what they are. They are bounded in number, and where
 * they are too many, the oldest of the address that has most goes: whoever is quick gets through,
 * however many others sit idle, and nobody is locked out by another address.
 */

/** Connections that may be open at once before their peers have registered. */
export const STRANGERS_MAX = 64;
/** Of these, from one address: a replay has one, and so have its tries that are ending. */
export const STRANGERS_OF_ADDRESS_MAX = 16;

/** Connections whose peers have not shown yet what they are; `T` stands for a connection. */
export class Strangers<T> {
  /** In the order in which they came. */
  readonly #addressOf = new Map<T, string>();
  readonly #countOf = new Map<string, number>();

  get size(): number {
    return this.#addressOf.size;
  }

  /** Takes one in. @returns who has to go for it, or null */
  add(one: T, address: string): T | null {
    let crowded: string | null = null;
    if (this.#count(address) >= STRANGERS_OF_ADDRESS_MAX) crowded = address;
    else if (this.size >= STRANGERS_MAX) crowded = this.#largest();
    const leaving = crowded === null ? null : this.#oldestOf(crowded);
    if (leaving !== null) this.delete(leaving);
    this.#addressOf.set(one, address);
    this.#countOf.set(address, this.#count(address) + 1);
    return leaving;
  }

  /** It is gone, or no stranger any more; harmless when called again. */
  delete(one: T): void {
    const address = this.#addressOf.get(one);
    if (address === undefined) return;
    this.#addressOf.delete(one);
    const left = this.#count(address) - 1;
    if (left > 0) this.#countOf.set(address, left);
    else this.#countOf.delete(address);
  }

  #count(address: string): number {
    return this.#countOf.get(address) ?? 0;
  }

  #largest(): string | null {
    let found: string | null = null;
    for (const [address, count] of this.#countOf) {
      if (found === null || count > this.#count(found)) found = address;
    }
    return found;
  }

  #oldestOf(address: string): T | null {
    for (const [one, its] of this.#addressOf) if (its === address) return one;
    return null;
  }
}
