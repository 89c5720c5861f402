/**
 * The TCP header (RFC 9293, section 3.1), offsets from its start:
 *
 *      0..1 source port | 2..3 destination port
 *      4..7 sequence number
 *      8..11 acknowledgment number
 *     12 data offset (high nibble) | 13 flags | 14..15 window
 *     16..17 checksum              | 18..19 urgent pointer | 20.. options
 */
import type { Seq } from '../base/seq.ts';
import { WireFault } from './wire-fault.ts';

/** Control bits (RFC 9293, section 3.1). */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/** A header without options, and positions in it (RFC 9293, section 3.1). */
export const TCP_HEADER_BYTES_MIN = 20;
export const TCP_SOURCE_PORT = 0;
export const TCP_DESTINATION_PORT = 2;
export const TCP_SEQ = 4;
export const TCP_ACK = 8;
export const TCP_DATA_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_WINDOW = 14;

const EMPTY = new DataView(new ArrayBuffer(0));

/** A view of a TCP header; `check` must have said OK before a getter is read. */
export class TcpView {
  #data: DataView = EMPTY;
  #start = 0;
  #capturedBytes = 0;

  /** Points the view at the header that begins at `start` and has `capturedBytes` present. */
  wrap(data: DataView, start: number, capturedBytes: number): void {
    this.#data = data;
    this.#start = start;
    this.#capturedBytes = capturedBytes;
  }

  /** Verdict on the header's own lengths; it does not verify the checksum. */
  check(): WireFault {
    if (this.#capturedBytes < TCP_HEADER_BYTES_MIN) return WireFault.TRUNCATED;
    const headerBytes = this.headerBytes;
    if (headerBytes < TCP_HEADER_BYTES_MIN) return WireFault.BAD_DATA_OFFSET;
    return headerBytes > this.#capturedBytes ? WireFault.TRUNCATED : WireFault.OK;
  }

  get srcPort(): number {
    return this.#data.getUint16(this.#start + TCP_SOURCE_PORT);
  }

  get dstPort(): number {
    return this.#data.getUint16(this.#start + TCP_DESTINATION_PORT);
  }

  get seq(): Seq {
    return this.#data.getInt32(this.#start + TCP_SEQ);
  }

  get ack(): Seq {
    return this.#data.getInt32(this.#start + TCP_ACK);
  }

  get flags(): number {
    return this.#data.getUint8(this.#start + TCP_FLAGS);
  }

  /** The field as it stands: not scaled. */
  get window(): number {
    return this.#data.getUint16(this.#start + TCP_WINDOW);
  }

  /** The header's length with its options. */
  get headerBytes(): number {
    return (this.#data.getUint8(this.#start + TCP_DATA_OFFSET) >>> 4) * 4;
  }
}
