/**
 * Puts fragmented IP packets together (RFC 791, section 3.2; RFC 8200, section 4.5).
 *
 * The octets are copied, since headers may straddle pieces; beside them it is kept where each piece
 * lies in the file, so that payload can later be taken from there. Where pieces overlap, the one
 * with the lower offset wins, as in Wireshark.
 */

/** Octets of incomplete packets kept at a time; the kernel's default is 4 MiB (ipfrag_high_thresh). */
export const FRAGMENT_BYTES_MAX = 16 << 20;
/** What a piece costs beside its octets, so that empty and repeated pieces count too. */
const PIECE_OVERHEAD_BYTES = 128;
/** Offsets of pieces count in these (RFC 791, section 3.1). */
const UNIT_BYTES = 8;
const UNITS_MAX = 8192;
/** An IP packet is not longer than this; what a piece says beyond it is cut off. */
const DATAGRAM_BYTES_MAX = 0xffff;

/** Where in the file a stretch of a reassembled packet lies. */
export interface Piece {
  /** In the reassembled packet. */
  readonly start: number;
  readonly bytes: number;
  /** In the file. */
  readonly offset: number;
}

interface Fragment {
  readonly offset: number;
  readonly octets: Uint8Array;
  /** `start` counts from the fragment's own first octet. */
  readonly pieces: readonly Piece[];
}

interface Pending {
  readonly fragments: Fragment[];
  /** One bit a unit that is there: whether all are costs nothing that grows with the pieces. */
  readonly units: Uint8Array;
  unitCount: number;
  cost: number;
  /** Length of the whole; -1 until the last piece is there. */
  totalBytes: number;
}

/** Puts the fragments of IP packets together; what it holds is bounded. */
export class IpFragments {
  /** The payload of the packet that `add` completed. */
  readonly #octets: Uint8Array;
  /** Of the same packet: in order, without gap. */
  pieces: Piece[] = [];
  /** Pieces that were given up for room; whoever counts frames moves that many. */
  dropped = 0;
  readonly #start: number;
  readonly #pending = new Map<string, Pending>();
  #cost = 0;

  /**
   * @param into receives completed payloads from `start` on
   */
  constructor(into: Uint8Array, start: number) {
    this.#octets = into;
    this.#start = start;
  }

  /**
   * Takes one piece.
   * @param key what all pieces of a packet share: addresses, protocol and identification
   * @param octets copied
   * @returns length of the completed payload, now in `octets`; -1 while incomplete
   */
  add(
    key: string,
    at: { readonly offset: number; readonly isLast: boolean },
    octets: Uint8Array,
    pieces: readonly Piece[],
  ): number {
    const pending = this.#pending.get(key) ?? this.#open(key);
    const cost = octets.length + PIECE_OVERHEAD_BYTES * (1 + pieces.length);
    pending.fragments.push({ offset: at.offset, octets: octets.slice(), pieces });
    pending.cost += cost;
    this.#cost += cost;
    const end = Math.min(at.offset + octets.length, DATAGRAM_BYTES_MAX);
    if (at.isLast) pending.totalBytes = end;
    cover(
      pending,
      at.offset / UNIT_BYTES,
      at.isLast ? Math.ceil(end / UNIT_BYTES) : Math.floor(end / UNIT_BYTES),
    );
    if (isWhole(pending)) {
      this.#close(key, pending);
      return this.#assemble(pending);
    }
    if (this.#cost > FRAGMENT_BYTES_MAX) this.#makeRoom();
    return -1;
  }

  #open(key: string): Pending {
    const units = new Uint8Array(UNITS_MAX / 8);
    const pending = { fragments: [], units, unitCount: 0, cost: units.length, totalBytes: -1 };
    this.#pending.set(key, pending);
    this.#cost += pending.cost;
    return pending;
  }

  #close(key: string, pending: Pending): void {
    this.#pending.delete(key);
    this.#cost -= pending.cost;
  }

  #assemble({ fragments, totalBytes }: Pending): number {
    this.pieces = [];
    let reached = 0;
    fragments.sort((a, b) => a.offset - b.offset);
    for (const fragment of fragments) {
      const end = Math.min(fragment.offset + fragment.octets.length, totalBytes);
      if (end <= reached) continue;
      const from = reached - fragment.offset;
      const taken = fragment.octets.subarray(from, end - fragment.offset);
      this.#octets.set(taken, this.#start + reached);
      for (const piece of fragment.pieces) this.#keep(piece, from, taken.length, fragment.offset);
      reached = end;
    }
    return totalBytes;
  }

  /** Keeps what of a piece lies within `bytes` octets from `from` of its fragment. */
  #keep(piece: Piece, from: number, bytes: number, fragmentOffset: number): void {
    const start = Math.max(piece.start, from);
    const end = Math.min(piece.start + piece.bytes, from + bytes);
    if (end <= start) return;
    this.pieces.push({
      start: this.#start + fragmentOffset + start,
      bytes: end - start,
      offset: piece.offset + start - piece.start,
    });
  }

  /** Gives up the oldest packets until there is room for as much again as half the limit. */
  #makeRoom(): void {
    for (const [key, pending] of this.#pending) {
      if (this.#cost <= FRAGMENT_BYTES_MAX / 2) return;
      this.dropped += pending.fragments.length;
      this.#close(key, pending);
    }
  }
}

function cover(pending: Pending, from: number, to: number): void {
  const { units } = pending;
  for (let unit = from; unit < to; unit++) {
    const bit = 1 << (unit & 7);
    if (units[unit >>> 3] & bit) continue;
    units[unit >>> 3] |= bit;
    pending.unitCount++;
  }
}

function isWhole({ units, unitCount, totalBytes }: Pending): boolean {
  if (totalBytes < 0) return false;
  const needed = Math.ceil(totalBytes / UNIT_BYTES);
  if (unitCount < needed) return false;
  for (let unit = 0; unit < needed; unit++) {
    if (!(units[unit >>> 3] & (1 << (unit & 7)))) return false;
  }
  return true;
}
