/**
 * From a frame to its TCP segment: link layer, tags, labels, tunnels, IPv4 and IPv6, fragments.
 *
 * The innermost TCP counts; TCP that ICMP quotes does not. Lengths are taken as the IP header
 * declares them, bounded by what the frame had on the wire; what the snap length cut off counts as
 * payload that is not captured. An IP header that declares no length at all comes from segmentation
 * offload, and its packet fills the frame. Checksums are not looked at: those of offloaded packets
 * are wrong in every capture of the sender.
 *
 * Each `#…` method takes the position of one header and hands on to the next; what it returns is
 * the verdict on the frame. They all move the same few fields on, once a packet, which is why they
 * are one class however many protocols there are.
 */
import { IPV4_FRAGMENT_MASK, IPV4_HEADER_BYTES_MIN } from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { SYN, TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { IpFragments, type Piece } from './ip-fragments.ts';
import { loopbackFamily, radiotapHasPadding } from './link-headers.ts';
import { isPrefixed, LinkPrefix } from './link-prefix.ts';
import { Encapsulation, ETHER_TYPE_MIN, LinkType, PppProtocol } from './link-types.ts';
import { Skip } from './skip-reason.ts';

/** Headers within headers; the deepest sane stack (tags, labels, two tunnels) needs about ten. */
const ENCAPSULATIONS_MAX = 32;
/** Addresses of a reassembled packet stand before its payload: two of 16 octets. */
const ADDRESSES_BYTES = 32;
const DATAGRAM_BYTES_MAX = 0x1_0000;

const IpProtocol = {
  HOP_BY_HOP: 0,
  ICMP: 1,
  IPV4: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  GRE: 47,
  ESP: 50,
  AUTHENTICATION: 51,
  ICMPV6: 58,
  DESTINATION_OPTIONS: 60,
  ETHER_IP: 97,
  MOBILITY: 135,
  MPLS: 137,
  HIP: 139,
  SHIM6: 140,
} as const;

const UdpPort = {
  L2TP: 1701,
  GTP_U: 2152,
  TEREDO: 3544,
  GRE: 4754,
  VXLAN: 4789,
  VXLAN_GPE: 4790,
  GENEVE: 6081,
  MPLS: 6635,
  VXLAN_LINUX: 8472,
} as const;

/** Octets of a TCP header up to and with its window. */
const TCP_WINDOW_END = 16;

/** As much of a payload is looked at while it is decoded, to recognise TLS. */
const PAYLOAD_LOOK_BYTES = 16;

const NO_DATA = new DataView(new ArrayBuffer(0));

export class SegmentDecoder {
  /** Where positions below point into: the window, or the memory of a reassembled packet. */
  data: DataView = NO_DATA;
  /** Null in the window; else where in the file the octets of `data` lie. */
  pieces: readonly Piece[] | null = null;
  isIpv6 = false;
  /** Positions of the addresses: 4 or 16 octets each. */
  sourceAt = 0;
  destinationAt = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** As signed 32-bit integers, which V8 keeps unboxed. */
  seq = 0;
  ack = 0;
  flags = 0;
  payloadStart = 0;
  /** As the IP header declares it. */
  payloadBytes = 0;
  /** What of it is there. */
  payloadCaptured = 0;
  /** MSS option and whether timestamps were offered: of SYNs only. */
  mss = 0;
  hasTimestamps = false;

  readonly #options = new TcpOptions();
  readonly #prefix = new LinkPrefix();
  readonly #fragments: IpFragments;
  readonly #reassembled: DataView;
  /** End of what is captured, and of what was on the wire, of the header at hand. */
  #end = 0;
  #wireEnd = 0;
  /** End of what the file has of the frame; what is at hand ends before it in a large one. */
  #capturedEnd = 0;
  /** The frame goes on in the file behind what is at hand. */
  #isHeadOnly = false;
  #depth = 0;
  /** The IPv6 packet at hand declares more than is there. */
  #isCut = false;
  /** Where position 0 of the window lies in the file. */
  #base = 0;

  constructor() {
    const memory = new ArrayBuffer(ADDRESSES_BYTES + DATAGRAM_BYTES_MAX);
    this.#fragments = new IpFragments(new Uint8Array(memory), ADDRESSES_BYTES);
    this.#reassembled = new DataView(memory);
  }

  /** Frames counted as `FRAGMENT` so far that belong under `FRAGMENT_LIMIT`. */
  get fragmentsDropped(): number {
    return this.#fragments.dropped;
  }

  /**
   * Reads the frame at `start`. When the verdict is NONE, the fields describe its segment until
   * the next call.
   * @param base where position 0 of `data` lies in the file
   */
  decode(
    data: DataView,
    base: number,
    frame: {
      readonly packetStart: number;
      readonly capturedBytes: number;
      readonly presentBytes: number;
      readonly originalBytes: number;
      readonly linkType: number;
    },
  ): Skip {
    const start = frame.packetStart;
    this.data = data;
    this.pieces = null;
    this.#base = base;
    this.#depth = 0;
    this.#capturedEnd = start + frame.capturedBytes;
    this.#end = start + frame.presentBytes;
    // Some writers give no original length, or a wrong one: the frame had at least what is there.
    this.#wireEnd = Math.max(this.#capturedEnd, start + frame.originalBytes);
    this.#isHeadOnly = frame.presentBytes < frame.capturedBytes;
    if (this.#isHeadOnly) return this.#decodeHead(start, frame.linkType);
    if (frame.linkType === LinkType.ETHERNET) return this.#ethernet(start);
    return this.#link(start, frame.linkType);
  }

  /** Decodes a frame whose beginning alone is at hand. */
  #decodeHead(start: number, linkType: number): Skip {
    const headEnd = this.#end;
    const verdict = this.#link(start, linkType);
    // Any other verdict may come of what is not at hand; and whoever looks at how the payload
    // begins must find that.
    if (verdict !== Skip.NONE || this.payloadStart + PAYLOAD_LOOK_BYTES > headEnd) {
      return Skip.NEEDS_WHOLE;
    }
    // Payload that goes on behind the beginning is captured, if not present.
    if (this.#end === headEnd && this.payloadCaptured > 0) {
      this.payloadCaptured = Math.min(this.#capturedEnd, this.#wireEnd) - this.payloadStart;
    }
    return Skip.NONE;
  }

  #link(at: number, linkType: number): Skip {
    switch (linkType) {
      case LinkType.ETHERNET:
        return this.#ethernet(at);
      case LinkType.LINUX_SLL:
        return this.#sll(at);
      case LinkType.LINUX_SLL2:
        return this.#sll2(at);
      case LinkType.RAW:
      case LinkType.RAW_12:
      case LinkType.RAW_14:
        return this.#ipByVersion(at);
      case LinkType.IPV4:
        return this.#ipv4(at);
      case LinkType.IPV6:
        return this.#ipv6(at);
      case LinkType.NULL:
      case LinkType.LOOP:
        return this.#loopback(at);
      case LinkType.PPP:
      case LinkType.PPP_HDLC:
        return this.#ppp(at);
      case LinkType.PPPOE:
        return this.#pppoe(at);
      case LinkType.C_HDLC:
        return this.#typeAt(at + 2, at + 4);
      case LinkType.ATM_RFC1483:
        return this.#llc(at);
      case LinkType.IEEE802_11:
        return this.#wlan(at, false);
      case LinkType.IEEE802_11_RADIOTAP:
        return this.#radiotap(at);
      default:
        return this.#prefixed(at, linkType);
    }
  }

  /** A frame with a header of the capturing system in front. */
  #prefixed(at: number, linkType: number): Skip {
    if (!isPrefixed(linkType)) return Skip.LINK_TYPE;
    if (++this.#depth > ENCAPSULATIONS_MAX) return Skip.NESTING_LIMIT;
    const prefix = this.#prefix;
    if (!prefix.open(linkType, this.data, at, this.#end)) {
      return prefix.needed === 0 ? Skip.NOT_IP : this.#cut(prefix.needed, Skip.BAD_LINK_HEADER);
    }
    this.#end = prefix.end;
    // It holds what the kernel handed over, which may be less than the packet had.
    if (linkType === LinkType.NFLOG) this.#wireEnd = this.#packetEnd(prefix.at);
    return this.#link(prefix.at, prefix.linkType);
  }

  /** Where an IP packet says that it ends; it is not shorter than what is there. */
  #packetEnd(at: number): number {
    const isThere = at + IPV4_HEADER_BYTES_MIN <= this.#end;
    if (!isThere) return at + IPV6_HEADER_BYTES;
    const isIpv6 = this.data.getUint8(at) >>> 4 === 6;
    const bytes = isIpv6
      ? IPV6_HEADER_BYTES + this.data.getUint16(at + 4)
      : this.data.getUint16(at + 2);
    return Math.max(this.#end, at + bytes);
  }

  /** IEEE 802.3, section 3: two addresses, then an EtherType or the length of an LLC frame. */
  #ethernet(at: number): Skip {
    return this.#typeAt(at + 12, at + 14);
  }

  /** An EtherType at `typeAt`, and what it announces at `next`. */
  #typeAt(typeAt: number, next: number): Skip {
    if (next > this.#end) return this.#cut(next, Skip.BAD_LINK_HEADER);
    const type = this.data.getUint16(typeAt);
    if (type === Encapsulation.IPV4) return this.#ipv4(next);
    return this.#etherType(type, next);
  }

  #etherType(type: number, at: number): Skip {
    if (++this.#depth > ENCAPSULATIONS_MAX) return Skip.NESTING_LIMIT;
    switch (type) {
      case Encapsulation.IPV4:
        return this.#ipv4(at);
      case Encapsulation.IPV6:
        return this.#ipv6(at);
      case Encapsulation.ARP:
        return Skip.ARP;
      case Encapsulation.VLAN:
      case Encapsulation.QINQ:
      case Encapsulation.QINQ_OLD:
      case Encapsulation.QINQ_OLDER:
        return this.#typeAt(at + 2, at + 4);
      case Encapsulation.MPLS:
      case Encapsulation.MPLS_MULTICAST:
        return this.#mpls(at);
      case Encapsulation.PPPOE_SESSION:
        return this.#pppoe(at);
      case Encapsulation.PPP:
        return this.#ppp(at);
      case Encapsulation.TRANSPARENT_ETHERNET:
        return this.#ethernet(at);
      case Encapsulation.PROVIDER_BACKBONE:
        // IEEE 802.1ah: four octets of service tag, then the customer's whole frame.
        return this.#ethernet(at + 4);
      default:
        return type < ETHER_TYPE_MIN ? this.#llc(at) : Skip.NOT_IP;
    }
  }

  /** IEEE 802.2 with the SNAP extension: AA AA 03, organisation, EtherType. */
  #llc(at: number): Skip {
    if (at + 8 > this.#end) return Skip.NOT_IP;
    const { data } = this;
    if (data.getUint16(at) !== 0xaaaa || data.getUint8(at + 2) !== 0x03) return Skip.NOT_IP;
    const organisation = (data.getUint8(at + 3) << 16) | data.getUint16(at + 4);
    // 0: RFC 1042; 0x0000f8: bridged Ethernet (802.1H).
    if (organisation !== 0 && organisation !== 0xf8) return Skip.NOT_IP;
    return this.#etherType(data.getUint16(at + 6), at + 8);
  }

  /** Linux cooked capture: type, ARPHRD, address length, address (8), protocol. */
  #sll(at: number): Skip {
    return this.#typeAt(at + 14, at + 16);
  }

  /** Version 2: protocol, reserved, interface (4), ARPHRD, type, address length, address (8). */
  #sll2(at: number): Skip {
    return this.#typeAt(at, at + 20);
  }

  /** BSD loopback: an address family of 4 octets in the byte order of whoever captured. */
  #loopback(at: number): Skip {
    if (at + 4 > this.#end) return this.#cut(at + 4, Skip.BAD_LINK_HEADER);
    const family = loopbackFamily(this.data, at);
    switch (family) {
      case 2:
        return this.#ipv4(at + 4);
      // Linux; NetBSD and OpenBSD; FreeBSD; macOS.
      case 10:
      case 24:
      case 28:
      case 30:
        return this.#ipv6(at + 4);
      default:
        // Some writers put an EtherType here.
        return family >= ETHER_TYPE_MIN ? this.#etherType(family, at + 4) : Skip.NOT_IP;
    }
  }

  /** RFC 2516: version and type, code, session (2), length (2), then PPP. */
  #pppoe(at: number): Skip {
    const next = at + 6;
    if (next > this.#end) return this.#cut(next, Skip.BAD_LINK_HEADER);
    this.#bound(next + this.data.getUint16(at + 4));
    return this.#ppp(next);
  }

  /** RFC 1661, 1662: FF 03 where it was not negotiated away, then one or two octets of protocol. */
  #ppp(start: number): Skip {
    const { data } = this;
    let at = start;
    if (at + 2 > this.#end) return this.#cut(at + 2, Skip.BAD_LINK_HEADER);
    const address = data.getUint8(at);
    // RFC 1547, section 4.3.1: unicast and broadcast of Cisco's framing, which is no PPP.
    if (address === 0x0f || address === 0x8f) return this.#typeAt(at + 2, at + 4);
    if (address === 0xff) at += 2;
    if (at + 2 > this.#end) return this.#cut(at + 2, Skip.BAD_LINK_HEADER);
    // An odd first octet is a whole protocol: field compression.
    const isShort = (data.getUint8(at) & 1) === 1;
    const protocol = isShort ? data.getUint8(at) : data.getUint16(at);
    at += isShort ? 1 : 2;
    switch (protocol) {
      case PppProtocol.IPV4:
        return this.#ipv4(at);
      case PppProtocol.IPV6:
        return this.#ipv6(at);
      case PppProtocol.MPLS:
      case PppProtocol.MPLS_MULTICAST:
        return this.#mpls(at);
      case PppProtocol.VJ_COMPRESSED:
      case PppProtocol.VJ_UNCOMPRESSED:
      case PppProtocol.MULTILINK:
      case PppProtocol.ENCRYPTED:
      case PppProtocol.ENCRYPTED_LINK:
      case PppProtocol.COMPRESSED_LINK:
      case PppProtocol.COMPRESSED:
        return Skip.ENCRYPTED;
      default:
        return Skip.NOT_IP;
    }
  }

  /** RFC 3032: labels up to the one with the bottom bit; nothing says what follows but its look. */
  #mpls(start: number): Skip {
    const { data } = this;
    let at = start;
    for (let isBottom = false; !isBottom; at += 4) {
      if (++this.#depth > ENCAPSULATIONS_MAX) return Skip.NESTING_LIMIT;
      if (at + 4 > this.#end) return this.#cut(at + 4, Skip.BAD_LINK_HEADER);
      isBottom = (data.getUint8(at + 2) & 1) === 1;
    }
    if (at >= this.#end) return this.#cut(at + 1, Skip.BAD_LINK_HEADER);
    const nibble = data.getUint8(at) >>> 4;
    if (nibble === 4) return this.#ipv4(at);
    if (nibble === 6) return this.#ipv6(at);
    // RFC 4385: a control word (first nibble 0) before an Ethernet frame; 1 is not a user's frame.
    if (nibble === 0) return this.#pseudowire(at);
    return nibble === 1 ? Skip.NOT_IP : this.#ethernet(at);
  }

  #pseudowire(at: number): Skip {
    // The control word's flags and fragmentation bits are 0 where nothing is fragmented.
    const hasControlWord = at + 4 <= this.#end && this.data.getUint16(at) === 0;
    return this.#ethernet(hasControlWord ? at + 4 : at);
  }

  /** radiotap.org: version, padding, length (little-endian), presence bits. */
  #radiotap(at: number): Skip {
    if (at + 8 > this.#end) return this.#cut(at + 8, Skip.BAD_LINK_HEADER);
    const { data } = this;
    const bytes = data.getUint16(at + 2, true);
    if (bytes < 8) return Skip.BAD_LINK_HEADER;
    return this.#wlan(at + bytes, radiotapHasPadding(data, at, Math.min(at + bytes, this.#end)));
  }

  /** IEEE 802.11, section 9.3.2: data frames only, and those that are not encrypted. */
  #wlan(at: number, isPadded: boolean): Skip {
    if (at + 24 > this.#end) return this.#cut(at + 24, Skip.BAD_LINK_HEADER);
    const { data } = this;
    const control = data.getUint8(at);
    const flags = data.getUint8(at + 1);
    if ((control & 0x0c) !== 0x08) return Skip.NOT_IP;
    // Subtypes with bit 2 carry no data.
    if ((control & 0x40) !== 0) return Skip.NOT_IP;
    if ((flags & 0x40) !== 0) return Skip.ENCRYPTED;
    const isQos = (control & 0x80) !== 0;
    let bytes = 24;
    if ((flags & 0x03) === 0x03) bytes += 6;
    if (isQos) bytes += (flags & 0x80) !== 0 ? 6 : 2;
    if (isPadded) bytes += -bytes & 3;
    return this.#llc(at + bytes);
  }

  #ipByVersion(at: number): Skip {
    if (at >= this.#end) return this.#cut(at + 1, Skip.BAD_IP_HEADER);
    const version = this.data.getUint8(at) >>> 4;
    if (version === 4) return this.#ipv4(at);
    return version === 6 ? this.#ipv6(at) : Skip.BAD_IP_HEADER;
  }

  #ipv4(at: number): Skip {
    if (at + IPV4_HEADER_BYTES_MIN > this.#end) {
      return this.#cut(at + IPV4_HEADER_BYTES_MIN, Skip.BAD_IP_HEADER);
    }
    const { data } = this;
    const versionAndLength = data.getUint8(at);
    const headerBytes = (versionAndLength & 0x0f) << 2;
    const totalBytes = data.getUint16(at + 2);
    if (versionAndLength >>> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES_MIN) {
      return Skip.BAD_IP_HEADER;
    }
    const isCut = at + totalBytes > this.#end;
    if (totalBytes !== 0) {
      if (totalBytes < headerBytes) return Skip.BAD_IP_HEADER;
      this.#bound(at + totalBytes);
    }
    this.isIpv6 = false;
    this.sourceAt = at + 12;
    this.destinationAt = at + 16;
    const fragment = data.getUint16(at + 6) & IPV4_FRAGMENT_MASK;
    const protocol = data.getUint8(at + 9);
    if (fragment !== 0) return this.#fragmentV4(at, headerBytes, protocol, isCut);
    if (protocol === IpProtocol.TCP) return this.#tcp(at + headerBytes);
    return this.#transport(protocol, at + headerBytes);
  }

  #ipv6(at: number): Skip {
    const next = at + IPV6_HEADER_BYTES;
    if (next > this.#end) return this.#cut(next, Skip.BAD_IP_HEADER);
    const { data } = this;
    if (data.getUint8(at) >>> 4 !== 6) return Skip.BAD_IP_HEADER;
    const payloadBytes = data.getUint16(at + 4);
    // 0: a jumbogram (RFC 2675), or segmentation offload; either way it fills the frame.
    this.#isCut = next + payloadBytes > this.#end;
    if (payloadBytes !== 0) this.#bound(next + payloadBytes);
    this.isIpv6 = true;
    this.sourceAt = at + 8;
    this.destinationAt = at + 24;
    return this.#transport(data.getUint8(at + 6), next);
  }

  /** An IP protocol, or an IPv6 extension header, at `at`. */
  #transport(protocol: number, at: number): Skip {
    if (++this.#depth > ENCAPSULATIONS_MAX) return Skip.NESTING_LIMIT;
    switch (protocol) {
      case IpProtocol.TCP:
        return this.#tcp(at);
      case IpProtocol.UDP:
        return this.#udp(at);
      case IpProtocol.ICMP:
      case IpProtocol.ICMPV6:
        return Skip.ICMP;
      case IpProtocol.IPV4:
        return this.#ipv4(at);
      case IpProtocol.IPV6:
        return this.#ipv6(at);
      case IpProtocol.GRE:
        return this.#gre(at);
      case IpProtocol.ESP:
        return Skip.ENCRYPTED;
      case IpProtocol.AUTHENTICATION:
        return this.#extension(at, 2, 4);
      case IpProtocol.MPLS:
        return this.#mpls(at);
      case IpProtocol.ETHER_IP:
        // RFC 3378: two octets of version.
        return this.#ethernet(at + 2);
      default:
        return this.isIpv6 ? this.#extensionHeader(protocol, at) : Skip.OTHER_PROTOCOL;
    }
  }

  /** RFC 8200, section 4. */
  #extensionHeader(protocol: number, at: number): Skip {
    switch (protocol) {
      case IpProtocol.HOP_BY_HOP:
      case IpProtocol.ROUTING:
      case IpProtocol.DESTINATION_OPTIONS:
      case IpProtocol.MOBILITY:
      case IpProtocol.HIP:
      case IpProtocol.SHIM6:
        return this.#extension(at, 1, 8);
      case IpProtocol.FRAGMENT:
        return this.#fragmentV6(at);
      default:
        return Skip.OTHER_PROTOCOL;
    }
  }

  /** Next header, then a length that counts `unitBytes` and leaves out `unitsLeftOut` of them. */
  #extension(at: number, unitsLeftOut: number, unitBytes: number): Skip {
    if (at + 8 > this.#end) return this.#cut(at + 8, Skip.BAD_IP_HEADER);
    const bytes = (this.data.getUint8(at + 1) + unitsLeftOut) * unitBytes;
    return this.#transport(this.data.getUint8(at), at + bytes);
  }

  #fragmentV4(at: number, headerBytes: number, protocol: number, isCut: boolean): Skip {
    const { data } = this;
    const word = data.getUint16(at + 6);
    const id = data.getUint16(at + 4);
    const key = `4 ${data.getUint32(at + 12)} ${data.getUint32(at + 16)} ${protocol} ${id}`;
    return this.#fragment(key, protocol, at + headerBytes, {
      offset: (word & 0x1fff) * 8,
      isLast: (word & 0x2000) === 0,
      isCut,
    });
  }

  /** RFC 8200, section 4.5: next header, reserved, offset and flag, identification (4). */
  #fragmentV6(at: number): Skip {
    if (at + 8 > this.#end) return this.#cut(at + 8, Skip.BAD_IP_HEADER);
    const { data } = this;
    const protocol = data.getUint8(at);
    const word = data.getUint16(at + 2);
    // RFC 6946: a fragment that is the whole.
    if ((word & 0xfff9) === 0) return this.#transport(protocol, at + 8);
    let key = `6 ${data.getUint32(at + 4)}`;
    for (let i = 0; i < ADDRESSES_BYTES; i += 4) key += ` ${data.getUint32(this.sourceAt + i)}`;
    return this.#fragment(key, protocol, at + 8, {
      offset: word & 0xfff8,
      isLast: (word & 1) === 0,
      isCut: this.#isCut,
    });
  }

  #fragment(
    key: string,
    protocol: number,
    at: number,
    place: { readonly offset: number; readonly isLast: boolean; readonly isCut: boolean },
  ): Skip {
    const bytes = this.#end - at;
    if (bytes < 0) return this.#cut(at, Skip.BAD_IP_HEADER);
    if (this.#isHeadOnly) return Skip.NEEDS_WHOLE;
    if (place.isCut) return this.#cutFragment(protocol, at, place.offset);
    const octets = new Uint8Array(this.data.buffer, at, bytes);
    const total = this.#fragments.add(key, place, octets, this.#piecesOf(at, bytes));
    return total < 0 ? Skip.FRAGMENT : this.#whole(protocol, total);
  }

  /** A piece that the snap length cut makes the packet unreadable, but its ports may be there. */
  #cutFragment(protocol: number, at: number, offset: number): Skip {
    if (offset !== 0 || protocol !== IpProtocol.TCP) return Skip.FRAGMENT;
    const verdict = this.#tcp(at);
    this.payloadBytes = 0;
    this.payloadCaptured = 0;
    return verdict;
  }

  /** Goes on in the memory of the reassembled packet, with its addresses before it. */
  #whole(protocol: number, bytes: number): Skip {
    const into = this.#reassembled;
    const addressBytes = this.isIpv6 ? 16 : 4;
    for (let i = 0; i < addressBytes; i += 4) {
      const source = this.data.getUint32(this.sourceAt + i);
      const destination = this.data.getUint32(this.destinationAt + i);
      into.setUint32(i, source);
      into.setUint32(16 + i, destination);
    }
    this.data = into;
    this.pieces = this.#fragments.pieces;
    this.sourceAt = 0;
    this.destinationAt = 16;
    this.#end = ADDRESSES_BYTES + bytes;
    this.#wireEnd = this.#end;
    return this.#transport(protocol, ADDRESSES_BYTES);
  }

  /** Where `bytes` octets at `at` of the current data lie in the file. */
  #piecesOf(at: number, bytes: number): Piece[] {
    if (this.pieces === null) return [{ start: 0, bytes, offset: this.#base + at }];
    const inside: Piece[] = [];
    for (const piece of this.pieces) {
      const start = Math.max(piece.start, at);
      const end = Math.min(piece.start + piece.bytes, at + bytes);
      if (end <= start) continue;
      const offset = piece.offset + start - piece.start;
      inside.push({ start: start - at, bytes: end - start, offset });
    }
    return inside;
  }

  /** RFC 2784, 2890 and, for version 1, 2637. */
  #gre(at: number): Skip {
    if (at + 4 > this.#end) return this.#cut(at + 4, Skip.BAD_IP_HEADER);
    const { data } = this;
    const flags = data.getUint16(at);
    const protocol = data.getUint16(at + 2);
    let next = at + 4;
    if ((flags & 0xc000) !== 0) next += 4;
    if ((flags & 0x2000) !== 0) next += 4;
    const hasSequence = (flags & 0x1000) !== 0;
    if (hasSequence) next += 4;
    if ((flags & 0x0007) === 1 && (flags & 0x0080) !== 0) next += 4;
    // Source routes (RFC 1701) end with one of length 0; nobody sends them any more.
    if ((flags & 0x4000) !== 0) return Skip.OTHER_PROTOCOL;
    // ERSPAN: eight octets when numbered (type II), none when not (type I), twelve in type III.
    if (protocol === Encapsulation.ERSPAN) return this.#ethernet(next + (hasSequence ? 8 : 0));
    if (protocol === Encapsulation.ERSPAN_III) return this.#erspan3(next);
    return this.#etherType(protocol, next);
  }

  #erspan3(at: number): Skip {
    if (at + 12 > this.#end) return this.#cut(at + 12, Skip.BAD_IP_HEADER);
    const hasSubheader = (this.data.getUint8(at + 11) & 1) === 1;
    return this.#ethernet(at + (hasSubheader ? 20 : 12));
  }

  #udp(at: number): Skip {
    const next = at + 8;
    if (next > this.#end) return this.#cut(next, Skip.UDP);
    const { data } = this;
    const bytes = data.getUint16(at + 4);
    if (bytes >= 8) this.#bound(at + bytes);
    const inner = this.#udpTunnel(data.getUint16(at + 2), next);
    if (inner !== Skip.UDP) return inner;
    return this.#udpTunnel(data.getUint16(at), next);
  }

  /** What a well-known port announces; UDP when it announces nothing that is read. */
  #udpTunnel(port: number, at: number): Skip {
    switch (port) {
      case UdpPort.VXLAN:
        // RFC 7348: eight octets, then a frame.
        return this.#ethernet(at + 8);
      case UdpPort.VXLAN_LINUX:
        return this.#looksLikeVxlan(at) ? this.#ethernet(at + 8) : Skip.UDP;
      case UdpPort.VXLAN_GPE:
        return this.#vxlanGpe(at);
      case UdpPort.GENEVE:
        return this.#geneve(at);
      case UdpPort.GTP_U:
        return this.#gtp(at);
      case UdpPort.GRE:
        return this.#gre(at);
      case UdpPort.MPLS:
        return this.#mpls(at);
      case UdpPort.TEREDO:
        return this.#teredo(at);
      case UdpPort.L2TP:
        return this.#l2tp(at);
      default:
        return Skip.UDP;
    }
  }

  /** What Linux used before a port was assigned is another protocol's by rights. */
  #looksLikeVxlan(at: number): boolean {
    if (at + 8 > this.#end) return false;
    return this.data.getUint32(at) === 0x0800_0000 && this.data.getUint8(at + 7) === 0;
  }

  /** draft-ietf-nvo3-vxlan-gpe: the last of the first four octets names what follows. */
  #vxlanGpe(at: number): Skip {
    if (at + 8 > this.#end) return Skip.UDP;
    switch (this.data.getUint8(at + 3)) {
      case 1:
        return this.#ipv4(at + 8);
      case 2:
        return this.#ipv6(at + 8);
      case 3:
        return this.#ethernet(at + 8);
      default:
        return Skip.UDP;
    }
  }

  /** RFC 8926: version and option length (in fours), flags, EtherType, network, options. */
  #geneve(at: number): Skip {
    if (at + 8 > this.#end) return Skip.UDP;
    const optionBytes = (this.data.getUint8(at) & 0x3f) * 4;
    const next = at + 8 + optionBytes;
    if (next > this.#end) return Skip.UDP;
    return this.#etherType(this.data.getUint16(at + 2), next);
  }

  /** 3GPP TS 29.281, section 5: flags, type (255 carries a packet), length, tunnel, extensions. */
  #gtp(at: number): Skip {
    if (at + 8 > this.#end) return Skip.UDP;
    const { data } = this;
    const flags = data.getUint8(at);
    if ((flags & 0xf0) !== 0x30 || data.getUint8(at + 1) !== 0xff) return Skip.UDP;
    let next = at + 8;
    if ((flags & 0x07) !== 0) {
      next += 4;
      if ((flags & 0x04) !== 0) next = this.#gtpExtensions(next);
    }
    return next >= this.#end ? Skip.UDP : this.#ipByVersion(next);
  }

  /** Each is a count of fours, its content, and the type of the next; 0 ends them. */
  #gtpExtensions(start: number): number {
    let at = start;
    while (at < this.#end && this.data.getUint8(at - 1) !== 0) {
      const bytes = this.data.getUint8(at) * 4;
      if (bytes === 0) return this.#end;
      at += bytes;
    }
    return at;
  }

  /** RFC 4380, section 5.1.1: an IPv6 packet after optional indications. */
  #teredo(start: number): Skip {
    const { data } = this;
    let at = start;
    if (at + 2 > this.#end) return Skip.UDP;
    if (data.getUint16(at) === 0x0001) {
      if (at + 4 > this.#end) return Skip.UDP;
      at += 13 + data.getUint8(at + 2) + data.getUint8(at + 3);
    }
    if (at + 2 <= this.#end && data.getUint16(at) === 0x0000) at += 8;
    if (at >= this.#end || data.getUint8(at) >>> 4 !== 6) return Skip.UDP;
    return this.#ipv6(at);
  }

  /** RFC 2661, section 3.1: only data messages carry PPP. */
  #l2tp(at: number): Skip {
    if (at + 6 > this.#end) return Skip.UDP;
    const flags = this.data.getUint16(at);
    if ((flags & 0x8000) !== 0 || (flags & 0x000f) !== 2) return Skip.UDP;
    let next = at + 6;
    if ((flags & 0x4000) !== 0) next += 2;
    if ((flags & 0x0800) !== 0) next += 4;
    if ((flags & 0x0200) !== 0) {
      if (next + 2 > this.#end) return Skip.UDP;
      next += 2 + this.data.getUint16(next);
    }
    if (next + 2 > this.#end) return Skip.UDP;
    return this.#ppp(next);
  }

  #tcp(at: number): Skip {
    // Ports, numbers, flags and window make a segment; the rest may be cut off.
    if (at + TCP_WINDOW_END > this.#end) return this.#cut(at + TCP_WINDOW_END, Skip.BAD_TCP_HEADER);
    const { data } = this;
    const headerBytes = (data.getUint8(at + 12) >>> 4) << 2;
    const payloadStart = at + headerBytes;
    this.sourcePort = data.getUint16(at);
    this.destinationPort = data.getUint16(at + 2);
    this.seq = data.getInt32(at + 4);
    this.ack = data.getInt32(at + 8);
    this.flags = data.getUint8(at + 13);
    this.payloadStart = payloadStart;
    // A header that claims more than the packet has carries no payload (and is still a segment).
    this.payloadBytes = payloadStart < this.#wireEnd ? this.#wireEnd - payloadStart : 0;
    this.payloadCaptured = payloadStart < this.#end ? this.#end - payloadStart : 0;
    // As Wireshark: a header that ends within itself is a segment whose payload cannot be had.
    if (headerBytes < TCP_HEADER_BYTES_MIN) this.payloadCaptured = 0;
    if ((this.flags & SYN) !== 0) this.#takeOptions(at + TCP_HEADER_BYTES_MIN, payloadStart);
    return Skip.NONE;
  }

  #takeOptions(start: number, end: number): void {
    const options = this.#options;
    options.parse(this.data, start, Math.max(0, Math.min(end, this.#end) - start));
    this.mss = options.mss;
    this.hasTimestamps = options.hasTimestamps;
  }

  /** A header declares that the packet ends here; what follows is padding. */
  #bound(wireEnd: number): void {
    if (wireEnd >= this.#wireEnd) return;
    this.#wireEnd = wireEnd;
    if (this.#end > wireEnd) this.#end = wireEnd;
  }

  /** The header up to `needed` is not there: cut by the snap length, or wrong from the beginning. */
  #cut(needed: number, otherwise: Skip): Skip {
    return needed <= this.#wireEnd ? Skip.TRUNCATED_HEADERS : otherwise;
  }
}
