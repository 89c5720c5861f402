/** Views of the first octets of one buffer. */

/**
 * One view each length, made when it is first asked for: to make one anew costs more than to read a hundred octets
 * into it.
 */
export class Prefixes {
  /** All of the buffer. */
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[] = [];

  constructor(bytes: number) {
    this.octets = new Uint8Array(bytes);
  }

  /** The first octets of the buffer, at most all of them. */
  of(bytes: number): Uint8Array<ArrayBuffer> {
    const known = this.#views[bytes];
    if (known !== undefined) return known;
    const view = this.octets.subarray(0, bytes);
    this.#views[bytes] = view;
    return view;
  }
}
