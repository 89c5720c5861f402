/**
 * What a router says when a packet does not fit its next link: ICMP "fragmentation needed" (type 3,
 * code 4; RFC 792 and RFC 1191, section 4) and ICMPv6 "packet too big" (type 2, code 0; RFC 4443,
 * section 3.2). Offsets from the start of the message:
 *
 *      0 type | 1 code | 2..3 checksum
 *      4..5 unused     | 6..7 next-hop MTU (ICMP)
 *      4..7 MTU        (ICMPv6)
 *      8.. the packet, quoted: its IP header and at least eight octets of TCP's
 */
import { IpView } from './ip-view.ts';
import { IPV4_TOTAL_LENGTH } from './ipv4.ts';
import { IPV6_HEADER_BYTES, IPV6_PAYLOAD_LENGTH } from './ipv6.ts';
import { IP_PROTOCOL_ICMPV6 } from './ndp.ts';
import { WireFault } from './wire-fault.ts';

/** Protocol number of ICMP (IANA, "Protocol Numbers"). */
export const IP_PROTOCOL_ICMP = 1;
/** Type and code as one half-word. */
export const ICMP_FRAGMENTATION_NEEDED = 0x0304;
export const ICMPV6_PACKET_TOO_BIG = 0x0200;
/** Where the quoted packet begins, from the message's start. */
export const ICMP_QUOTED = 8;

const NEXT_HOP_MTU = 6;
const MTU = 4;
/** Of TCP's header, what every quotation holds: ports and sequence number. */
const TCP_QUOTED_BYTES = 8;
const TCP_SEQ = 4;
const EMPTY = new DataView(new ArrayBuffer(0));

/** What every link must carry (RFC 791: reassembled; RFC 8200, section 5). */
export const PATH_MTU_MIN = { 4: 576, 6: 1280 } as const;

/** RFC 1191, section 7: sizes of links that are common, largest first. */
const PLATEAUS = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 576];

/**
 * A view of such a message; `check` must have said OK before any other member is read. Its ends are
 * those of an answer to the quoted packet: the target is its source, the client its destination. So
 * the owner of a message is found as the owner of a reply is.
 */
export class PacketTooBigView {
  #data: DataView = EMPTY;
  #start = 0;
  #end = 0;
  #messageAt = 0;
  readonly #quoted = new IpView();
  #quotedAt = 0;
  #tcpAt = 0;
  #protocol = 0;
  /** 4 or 6: of the message, and of the packet that it quotes. */
  version = 0;

  /**
   * Points the view at what an IP packet carries.
   * @param start where the packet begins
   * @param capturedBytes octets present from there
   * @param ip the packet's own headers, whose `check` has said NOT_TCP
   */
  wrap(data: DataView, start: number, capturedBytes: number, ip: IpView): void {
    this.#data = data;
    this.#start = start;
    this.#end = start + Math.min(capturedBytes, ip.totalBytes);
    this.#messageAt = start + ip.headerBytes;
    this.#quotedAt = this.#messageAt + ICMP_QUOTED;
    this.#protocol = ip.protocol;
    this.version = ip.version;
  }

  /**
   * Verdict on the message and on what it quotes: OK for a whole TCP packet of ours that was too big,
   * of which TCP's ports and sequence number are present. Checksums are not verified: of a quotation
   * the end may not be here.
   */
  check(): WireFault {
    const isIpv4 = this.version === 4;
    if (this.#protocol !== (isIpv4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6)) {
      return WireFault.NOT_TCP;
    }
    if (this.#quotedAt >= this.#end) return WireFault.TRUNCATED;
    const wanted = isIpv4 ? ICMP_FRAGMENTATION_NEEDED : ICMPV6_PACKET_TOO_BIG;
    if (this.#data.getUint16(this.#messageAt) !== wanted) return WireFault.NOT_TCP;
    const quoted = this.#quoted;
    quoted.wrap(this.#data, this.#quotedAt, this.#end - this.#quotedAt);
    const fault = quoted.check();
    if (quoted.version !== this.version) return WireFault.BAD_VERSION;
    if (fault !== WireFault.OK) return fault;
    this.#tcpAt = this.#quotedAt + quoted.headerBytes;
    return this.#tcpAt + TCP_QUOTED_BYTES > this.#end ? WireFault.TRUNCATED : WireFault.OK;
  }

  /**
   * Octets that packets may have from now on, or 0 for a message that cannot be followed: the quoted
   * packet would have fitted, or the link is smaller than links may be (RFC 8201, section 4). A
   * router that does not tell (RFC 1191, section 5) is answered with the next size that is common.
   */
  get pathMtu(): number {
    const data = this.#data;
    const isIpv4 = this.version === 4;
    const quotedBytes = isIpv4
      ? data.getUint16(this.#quotedAt + IPV4_TOTAL_LENGTH)
      : IPV6_HEADER_BYTES + data.getUint16(this.#quotedAt + IPV6_PAYLOAD_LENGTH);
    const told = isIpv4
      ? data.getUint16(this.#messageAt + NEXT_HOP_MTU)
      : data.getUint32(this.#messageAt + MTU);
    if (!isIpv4) return told < PATH_MTU_MIN[6] || told >= quotedBytes ? 0 : told;
    const mtu = Math.max(told === 0 ? plateauBelow(quotedBytes) : told, PATH_MTU_MIN[4]);
    return mtu >= quotedBytes ? 0 : mtu;
  }

  /** Octets from the start of the packet to the end of what is read here. */
  get headerBytes(): number {
    return this.#tcpAt + TCP_QUOTED_BYTES - this.#start;
  }

  /** The client: all of an IPv4 address, the last 32 bits of an IPv6 address. */
  get dstLow32(): number {
    return this.#quoted.srcLow32;
  }

  /** As `dstLow32`, read with a sign. */
  get dstBits32(): number {
    return this.#quoted.srcLow32 | 0;
  }

  /** The last 32 bits of the target's address. */
  get srcLow32(): number {
    return this.#quoted.dstLow32;
  }

  /** The target's port. */
  get srcPort(): number {
    return this.#data.getUint16(this.#tcpAt + 2);
  }

  /** The client's port. */
  get dstPort(): number {
    return this.#data.getUint16(this.#tcpAt);
  }

  /** The quoted segment's sequence number. */
  get seq(): number {
    return this.#data.getInt32(this.#tcpAt + TCP_SEQ);
  }

  /** Whether the target's address begins with the first `octets` octets of `address` (`IpView`). */
  srcMatches(address: Uint8Array, octets: number = address.length): boolean {
    return this.#quoted.dstMatches(address, octets);
  }

  /** As `srcMatches`, for the client's address. */
  dstMatches(address: Uint8Array, octets: number = address.length): boolean {
    return this.#quoted.srcMatches(address, octets);
  }
}

/** The largest of the common sizes that is below `bytes`; 0 where there is none. */
const plateauBelow = (bytes: number): number => PLATEAUS.find((plateau) => plateau < bytes) ?? 0;
