/**
 * TCP options (RFC 9293, section 3.2; window scale and timestamps RFC 7323; SACK RFC 2018, 2883).
 *
 * An option is one octet of kind (0 ends the list, 1 is padding), or kind, length (which counts
 * both), value. What is not known is stepped over.
 */
import type { Seq } from '../base/seq.ts';
import { WireFault } from './wire-fault.ts';

/** Kinds of options (IANA, "TCP Option Kind Numbers"). */
export const TcpOption = {
  END: 0,
  NOP: 1,
  MSS: 2,
  WINDOW_SCALE: 3,
  SACK_PERMITTED: 4,
  SACK: 5,
  TIMESTAMPS: 8,
} as const;

/** Octets of each option, its kind and length included. */
export const MSS_OPTION_BYTES = 4;
export const WINDOW_SCALE_OPTION_BYTES = 3;
export const SACK_PERMITTED_OPTION_BYTES = 2;
export const TIMESTAMPS_OPTION_BYTES = 10;
/** Kind and length of a SACK option, and what each of its blocks takes: left edge, right edge. */
export const SACK_OPTION_BYTES_MIN = 2;
export const SACK_BLOCK_BYTES = 8;
/** So many blocks fit the option field; with timestamps one less (RFC 2018, section 3). */
export const SACK_BLOCKS_MAX = 4;
/** NOP, NOP, SACK and its length; the blocks begin behind it. Add the octets that they take. */
export const NOP_NOP_SACK = 0x0101_0502;

/** NOP, NOP, timestamps: the whole option field of nearly every segment (RFC 7323, appendix A). */
export const NOP_NOP_TIMESTAMPS = 0x0101_080a;
/** What `NOP_NOP_TIMESTAMPS` and its two values take. */
export const PADDED_TIMESTAMPS_BYTES = 12;

/** Assumed of a peer whose SYN has no MSS option, by its IP version (RFC 9293, section 3.7.1). */
export const MSS_DEFAULT = { 4: 536, 6: 1_220 } as const;

/** Larger shifts mean this one (RFC 7323, section 2.3). */
export const WINDOW_SCALE_MAX = 14;

/** Intervals `[left, right)` of sequence numbers as a SACK option tells them, in its order. */
export class SackBlocks {
  count = 0;
  /** Left and right edge of each; the first `2 * count` hold. */
  readonly edges = new Int32Array(2 * SACK_BLOCKS_MAX);

  /** One more at the end; nothing where there is no room. */
  add(left: Seq, right: Seq): void {
    if (this.count === SACK_BLOCKS_MAX) return;
    this.edges[2 * this.count] = left;
    this.edges[2 * this.count + 1] = right;
    this.count++;
  }
}

/** What a segment's options said; one object, filled again by every `parse`. */
export class TcpOptions {
  /** 0 when absent. */
  mss = 0;
  /** -1 when absent; never above 14. */
  windowScale = -1;
  sackPermitted = false;
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** Not cleared by a segment without the option but for its count. */
  readonly sack = new SackBlocks();

  /**
   * Reads the `bytes` octets of options at `start`. After a fault, what stood before it is kept;
   * the caller drops the segment.
   */
  parse(data: DataView, start: number, bytes: number): WireFault {
    this.mss = 0;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    this.tsVal = 0;
    this.tsEcr = 0;
    this.sack.count = 0;
    if (bytes === PADDED_TIMESTAMPS_BYTES && data.getUint32(start) === NOP_NOP_TIMESTAMPS) {
      this.#takeTimestamps(data, start + 2);
      return WireFault.OK;
    }
    return bytes === 0 ? WireFault.OK : this.#parseList(data, start, start + bytes);
  }

  #parseList(data: DataView, start: number, end: number): WireFault {
    let at = start;
    while (at < end) {
      const kind = data.getUint8(at);
      if (kind === TcpOption.END) return WireFault.OK;
      if (kind === TcpOption.NOP) {
        at++;
        continue;
      }
      if (at + 2 > end) return WireFault.BAD_OPTION;
      const bytes = data.getUint8(at + 1);
      // Below two it would never end; past the header it would read the payload.
      if (bytes < 2 || at + bytes > end) return WireFault.BAD_OPTION;
      if (!this.#take(data, at, kind, bytes)) return WireFault.BAD_OPTION;
      at += bytes;
    }
    return WireFault.OK;
  }

  /** @returns whether the option has the length that its kind must have */
  #take(data: DataView, at: number, kind: number, bytes: number): boolean {
    switch (kind) {
      case TcpOption.MSS:
        if (bytes !== MSS_OPTION_BYTES) return false;
        this.mss = data.getUint16(at + 2);
        return true;
      case TcpOption.WINDOW_SCALE:
        if (bytes !== WINDOW_SCALE_OPTION_BYTES) return false;
        this.windowScale = Math.min(data.getUint8(at + 2), WINDOW_SCALE_MAX);
        return true;
      case TcpOption.SACK_PERMITTED:
        if (bytes !== SACK_PERMITTED_OPTION_BYTES) return false;
        this.sackPermitted = true;
        return true;
      case TcpOption.SACK:
        this.#takeSack(data, at, bytes);
        return true;
      case TcpOption.TIMESTAMPS:
        if (bytes !== TIMESTAMPS_OPTION_BYTES) return false;
        this.#takeTimestamps(data, at);
        return true;
      default:
        return true;
    }
  }

  /** What is no row of blocks says nothing, and the segment counts all the same, as in Linux. */
  #takeSack(data: DataView, at: number, bytes: number): void {
    if ((bytes - SACK_OPTION_BYTES_MIN) % SACK_BLOCK_BYTES !== 0) return;
    for (let edge = at + SACK_OPTION_BYTES_MIN; edge < at + bytes; edge += SACK_BLOCK_BYTES) {
      this.sack.add(data.getInt32(edge), data.getInt32(edge + 4));
    }
  }

  #takeTimestamps(data: DataView, at: number): void {
    this.hasTimestamps = true;
    this.tsVal = data.getInt32(at + 2);
    this.tsEcr = data.getInt32(at + 6);
  }
}
