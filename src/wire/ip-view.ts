/** One view for both IP versions, so that the way of a packet does not fork before TCP. */
import {
  IP_PROTOCOL_TCP,
  IPV4_ADDRESS_BYTES,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_HEADER_BYTES_MIN,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
} from './ipv4.ts';
import {
  IPV6_ADDRESS_BYTES,
  IPV6_AUTHENTICATION,
  IPV6_DESTINATION,
  IPV6_DESTINATION_OPTIONS,
  IPV6_FRAGMENT,
  IPV6_HEADER_BYTES,
  IPV6_HOP_BY_HOP,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_ROUTING,
  IPV6_SOURCE,
} from './ipv6.ts';
import { WireFault } from './wire-fault.ts';

const EMPTY = new DataView(new ArrayBuffer(0));
/** An IPv6 fragment header; its offset-and-more word without the two reserved bits. */
const FRAGMENT_HEADER_BYTES = 8;
const FRAGMENT_WORD_MASK = 0xfff9;

/**
 * A view of an IPv4 or IPv6 header with what stands before TCP; `check` must have said OK before
 * any other member is read, save `version`.
 */
export class IpView {
  #data: DataView = EMPTY;
  #start = 0;
  #capturedBytes = 0;
  /** 4 or 6; set by `check`. */
  version = 0;
  /** Octets before the TCP header: IPv4 with its options, IPv6 with its extension headers. */
  headerBytes = 0;
  /** What the last header carries, as of `check` (6 is TCP). */
  protocol = 0;
  /**
   * Length of the packet as its header declares it: `capturedBytes` may be less. A declared length
   * of 0 (a packet that the kernel will still cut, or a jumbogram) counts as `capturedBytes`.
   */
  totalBytes = 0;

  /** Points the view at the packet that begins at `start` and has `capturedBytes` present. */
  wrap(data: DataView, start: number, capturedBytes: number): void {
    this.#data = data;
    this.#start = start;
    this.#capturedBytes = capturedBytes;
  }

  /**
   * Verdict on the headers up to TCP's first octet: OK only for a whole TCP packet, whose payload
   * may be cut off. Checksums are not verified: what the own kernel sends has none yet.
   */
  check(): WireFault {
    if (this.#capturedBytes < 1) return WireFault.TRUNCATED;
    this.version = this.#data.getUint8(this.#start) >>> 4;
    if (this.version === 4) return this.#checkIpv4();
    return this.version === 6 ? this.#checkIpv6() : WireFault.BAD_VERSION;
  }

  /** What follows the headers, as declared: the TCP header and its payload. */
  get payloadBytes(): number {
    return this.totalBytes - this.headerBytes;
  }

  /** The source: all of an IPv4 address, the last 32 bits of an IPv6 address. */
  get srcLow32(): number {
    return this.#data.getUint32(
      this.#start + (this.version === 4 ? IPV4_SOURCE : IPV6_SOURCE + 12),
    );
  }

  /** The destination, as `srcLow32`. */
  get dstLow32(): number {
    return this.dstBits32 >>> 0;
  }

  /** As `dstLow32`, read with a sign: such an integer is handed on without an object. */
  get dstBits32(): number {
    return this.#data.getInt32(
      this.#start + (this.version === 4 ? IPV4_DESTINATION : IPV6_DESTINATION + 12),
    );
  }

  /**
   * Whether the source begins with the first `octets` octets of `address`, which is of the same
   * family (4 or 16 octets); an address of the other family never matches.
   */
  srcMatches(address: Uint8Array, octets: number = address.length): boolean {
    return this.#matches(address, octets, IPV4_SOURCE, IPV6_SOURCE);
  }

  /** As `srcMatches`, for the destination. */
  dstMatches(address: Uint8Array, octets: number = address.length): boolean {
    return this.#matches(address, octets, IPV4_DESTINATION, IPV6_DESTINATION);
  }

  #matches(address: Uint8Array, octets: number, ipv4At: number, ipv6At: number): boolean {
    const isIpv4 = this.version === 4;
    if (address.length !== (isIpv4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES)) return false;
    const at = this.#start + (isIpv4 ? ipv4At : ipv6At);
    for (let i = 0; i < octets; i++) {
      if (this.#data.getUint8(at + i) !== address[i]) return false;
    }
    return true;
  }

  #checkIpv4(): WireFault {
    if (this.#capturedBytes < IPV4_HEADER_BYTES_MIN) return WireFault.TRUNCATED;
    const data = this.#data;
    const start = this.#start;
    this.headerBytes = (data.getUint8(start) & 0x0f) * 4;
    if (this.headerBytes < IPV4_HEADER_BYTES_MIN) return WireFault.BAD_LENGTH;
    if (this.headerBytes > this.#capturedBytes) return WireFault.TRUNCATED;
    const declared = data.getUint16(start + IPV4_TOTAL_LENGTH);
    this.totalBytes = declared === 0 ? this.#capturedBytes : declared;
    if (this.totalBytes < this.headerBytes) return WireFault.BAD_LENGTH;
    this.protocol = data.getUint8(start + IPV4_PROTOCOL);
    if ((data.getUint16(start + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) !== 0) {
      return WireFault.FRAGMENT;
    }
    return this.protocol === IP_PROTOCOL_TCP ? WireFault.OK : WireFault.NOT_TCP;
  }

  #checkIpv6(): WireFault {
    if (this.#capturedBytes < IPV6_HEADER_BYTES) return WireFault.TRUNCATED;
    const data = this.#data;
    const start = this.#start;
    this.headerBytes = IPV6_HEADER_BYTES;
    const declared = data.getUint16(start + IPV6_PAYLOAD_LENGTH);
    this.totalBytes = declared === 0 ? this.#capturedBytes : IPV6_HEADER_BYTES + declared;
    this.protocol = data.getUint8(start + IPV6_NEXT_HEADER);
    return this.protocol === IP_PROTOCOL_TCP ? WireFault.OK : this.#walkExtensions();
  }

  /** Every extension header has at least eight octets, so the walk ends. */
  #walkExtensions(): WireFault {
    const data = this.#data;
    while (this.protocol !== IP_PROTOCOL_TCP) {
      const at = this.#start + this.headerBytes;
      if (!isExtension(this.protocol)) return WireFault.NOT_TCP;
      if (this.headerBytes + 8 > this.totalBytes) return WireFault.BAD_LENGTH;
      if (this.headerBytes + 8 > this.#capturedBytes) return WireFault.TRUNCATED;
      // A lone "atomic" fragment (RFC 6946) is a whole packet.
      if (this.protocol === IPV6_FRAGMENT && (data.getUint16(at + 2) & FRAGMENT_WORD_MASK) !== 0) {
        return WireFault.FRAGMENT;
      }
      this.headerBytes += extensionBytes(this.protocol, data.getUint8(at + 1));
      this.protocol = data.getUint8(at);
    }
    if (this.headerBytes > this.totalBytes) return WireFault.BAD_LENGTH;
    return this.headerBytes > this.#capturedBytes ? WireFault.TRUNCATED : WireFault.OK;
  }
}

const isExtension = (nextHeader: number): boolean =>
  nextHeader === IPV6_HOP_BY_HOP ||
  nextHeader === IPV6_ROUTING ||
  nextHeader === IPV6_FRAGMENT ||
  nextHeader === IPV6_AUTHENTICATION ||
  nextHeader === IPV6_DESTINATION_OPTIONS;

/** AH counts words of four octets less two, the others words of eight less one. */
function extensionBytes(nextHeader: number, length: number): number {
  if (nextHeader === IPV6_FRAGMENT) return FRAGMENT_HEADER_BYTES;
  return nextHeader === IPV6_AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
}
