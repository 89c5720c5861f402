/**
 * Link layers: from the first octet of a frame to what it carries. Each function takes the position
 * of one header and hands on to the next (see LayerCursor).
 */
import { IPV4_HEADER_BYTES_MIN } from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { Layer, type LayerCursor } from './layer-cursor.ts';
import { loopbackFamily, radiotapHasPadding } from './link-headers.ts';
import { isPrefixed } from './link-prefix.ts';
import { Encapsulation, ETHER_TYPE_MIN, LinkType, PppProtocol } from './link-types.ts';
import { Skip } from './skip-reason.ts';

/** Reads the first header of a frame of this link type (pcap-linktype(7)). */
export function link(cursor: LayerCursor, at: number, linkType: number): Skip {
  switch (linkType) {
    case LinkType.ETHERNET:
      return ethernet(cursor, at);
    case LinkType.LINUX_SLL:
      return sll(cursor, at);
    case LinkType.LINUX_SLL2:
      return sll2(cursor, at);
    case LinkType.RAW:
    case LinkType.RAW_12:
    case LinkType.RAW_14:
      return cursor.goTo(Layer.IP, at);
    case LinkType.IPV4:
      return cursor.goTo(Layer.IPV4, at);
    case LinkType.IPV6:
      return cursor.goTo(Layer.IPV6, at);
    case LinkType.NULL:
    case LinkType.LOOP:
      return loopback(cursor, at);
    case LinkType.PPP:
    case LinkType.PPP_HDLC:
      return ppp(cursor, at);
    case LinkType.PPPOE:
      return pppoe(cursor, at);
    case LinkType.C_HDLC:
      return typeAt(cursor, at + 2, at + 4);
    case LinkType.ATM_RFC1483:
      return llc(cursor, at);
    case LinkType.IEEE802_11:
      return wlan(cursor, at, false);
    case LinkType.IEEE802_11_RADIOTAP:
      return radiotap(cursor, at);
    default:
      return prefixed(cursor, at, linkType);
  }
}

/** A frame with a header of the capturing system in front. */
function prefixed(cursor: LayerCursor, at: number, linkType: number): Skip {
  if (!isPrefixed(linkType)) return Skip.LINK_TYPE;
  if (cursor.isTooDeep()) return Skip.NESTING_LIMIT;
  const prefix = cursor.prefix;
  if (!prefix.open(linkType, cursor.data, at, cursor.end)) {
    return prefix.needed === 0 ? Skip.NOT_IP : cursor.cut(prefix.needed, Skip.BAD_LINK_HEADER);
  }
  cursor.end = prefix.end;
  // It holds what the kernel handed over, which may be less than the packet had.
  if (linkType === LinkType.NFLOG) cursor.wireEnd = packetEnd(cursor, prefix.at);
  return link(cursor, prefix.at, prefix.linkType);
}

/** Where an IP packet says that it ends; it is not shorter than what is there. */
function packetEnd(cursor: LayerCursor, at: number): number {
  const isThere = at + IPV4_HEADER_BYTES_MIN <= cursor.end;
  if (!isThere) return at + IPV6_HEADER_BYTES;
  const isIpv6 = cursor.data.getUint8(at) >>> 4 === 6;
  const bytes = isIpv6
    ? IPV6_HEADER_BYTES + cursor.data.getUint16(at + 4)
    : cursor.data.getUint16(at + 2);
  return Math.max(cursor.end, at + bytes);
}

/** IEEE 802.3, section 3: two addresses, then an EtherType or the length of an LLC frame. */
export function ethernet(cursor: LayerCursor, at: number): Skip {
  return typeAt(cursor, at + 12, at + 14);
}

/** An EtherType at `typeAt`, and what it announces at `next`. */
function typeAt(cursor: LayerCursor, typeAt: number, next: number): Skip {
  if (next > cursor.end) return cursor.cut(next, Skip.BAD_LINK_HEADER);
  const type = cursor.data.getUint16(typeAt);
  if (type === Encapsulation.IPV4) return cursor.goTo(Layer.IPV4, next);
  return etherType(cursor, type, next);
}

/** Goes on behind an EtherType (IEEE 802 numbers), or an LLC length in its place. */
export function etherType(cursor: LayerCursor, type: number, at: number): Skip {
  if (cursor.isTooDeep()) return Skip.NESTING_LIMIT;
  switch (type) {
    case Encapsulation.IPV4:
      return cursor.goTo(Layer.IPV4, at);
    case Encapsulation.IPV6:
      return cursor.goTo(Layer.IPV6, at);
    case Encapsulation.ARP:
      return Skip.ARP;
    case Encapsulation.VLAN:
    case Encapsulation.QINQ:
    case Encapsulation.QINQ_OLD:
    case Encapsulation.QINQ_OLDER:
      return typeAt(cursor, at + 2, at + 4);
    case Encapsulation.MPLS:
    case Encapsulation.MPLS_MULTICAST:
      return cursor.goTo(Layer.MPLS, at);
    case Encapsulation.PPPOE_SESSION:
      return pppoe(cursor, at);
    case Encapsulation.PPP:
      return ppp(cursor, at);
    case Encapsulation.TRANSPARENT_ETHERNET:
      return ethernet(cursor, at);
    case Encapsulation.PROVIDER_BACKBONE:
      // IEEE 802.1ah: four octets of service tag, then the customer's whole frame.
      return ethernet(cursor, at + 4);
    default:
      return type < ETHER_TYPE_MIN ? llc(cursor, at) : Skip.NOT_IP;
  }
}

/** IEEE 802.2 with the SNAP extension: AA AA 03, organisation, EtherType. */
function llc(cursor: LayerCursor, at: number): Skip {
  if (at + 8 > cursor.end) return Skip.NOT_IP;
  const { data } = cursor;
  if (data.getUint16(at) !== 0xaaaa || data.getUint8(at + 2) !== 0x03) return Skip.NOT_IP;
  const organisation = (data.getUint8(at + 3) << 16) | data.getUint16(at + 4);
  // 0: RFC 1042; 0x0000f8: bridged Ethernet (802.1H).
  if (organisation !== 0 && organisation !== 0xf8) return Skip.NOT_IP;
  return etherType(cursor, data.getUint16(at + 6), at + 8);
}

/** Linux cooked capture: type, ARPHRD, address length, address (8), protocol. */
function sll(cursor: LayerCursor, at: number): Skip {
  return typeAt(cursor, at + 14, at + 16);
}

/** Version 2: protocol, reserved, interface (4), ARPHRD, type, address length, address (8). */
function sll2(cursor: LayerCursor, at: number): Skip {
  return typeAt(cursor, at, at + 20);
}

/** BSD loopback: an address family of 4 octets in the byte order of whoever captured. */
function loopback(cursor: LayerCursor, at: number): Skip {
  if (at + 4 > cursor.end) return cursor.cut(at + 4, Skip.BAD_LINK_HEADER);
  const family = loopbackFamily(cursor.data, at);
  switch (family) {
    case 2:
      return cursor.goTo(Layer.IPV4, at + 4);
    // Linux; NetBSD and OpenBSD; FreeBSD; macOS.
    case 10:
    case 24:
    case 28:
    case 30:
      return cursor.goTo(Layer.IPV6, at + 4);
    default:
      // Some writers put an EtherType here.
      return family >= ETHER_TYPE_MIN ? etherType(cursor, family, at + 4) : Skip.NOT_IP;
  }
}

/** RFC 2516: version and type, code, session (2), length (2), then PPP. */
function pppoe(cursor: LayerCursor, at: number): Skip {
  const next = at + 6;
  if (next > cursor.end) return cursor.cut(next, Skip.BAD_LINK_HEADER);
  cursor.bound(next + cursor.data.getUint16(at + 4));
  return ppp(cursor, next);
}

/** RFC 1661, 1662: FF 03 where it was not negotiated away, then one or two octets of protocol. */
export function ppp(cursor: LayerCursor, start: number): Skip {
  const { data } = cursor;
  let at = start;
  if (at + 2 > cursor.end) return cursor.cut(at + 2, Skip.BAD_LINK_HEADER);
  const address = data.getUint8(at);
  // RFC 1547, section 4.3.1: unicast and broadcast of Cisco's framing, which is no PPP.
  if (address === 0x0f || address === 0x8f) return typeAt(cursor, at + 2, at + 4);
  if (address === 0xff) at += 2;
  if (at + 2 > cursor.end) return cursor.cut(at + 2, Skip.BAD_LINK_HEADER);
  // An odd first octet is a whole protocol: field compression.
  const isShort = (data.getUint8(at) & 1) === 1;
  const protocol = isShort ? data.getUint8(at) : data.getUint16(at);
  at += isShort ? 1 : 2;
  switch (protocol) {
    case PppProtocol.IPV4:
      return cursor.goTo(Layer.IPV4, at);
    case PppProtocol.IPV6:
      return cursor.goTo(Layer.IPV6, at);
    case PppProtocol.MPLS:
    case PppProtocol.MPLS_MULTICAST:
      return cursor.goTo(Layer.MPLS, at);
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

/** radiotap.org: version, padding, length (little-endian), presence bits. */
function radiotap(cursor: LayerCursor, at: number): Skip {
  if (at + 8 > cursor.end) return cursor.cut(at + 8, Skip.BAD_LINK_HEADER);
  const { data } = cursor;
  const bytes = data.getUint16(at + 2, true);
  if (bytes < 8) return Skip.BAD_LINK_HEADER;
  return wlan(cursor, at + bytes, radiotapHasPadding(data, at, Math.min(at + bytes, cursor.end)));
}

/** IEEE 802.11, section 9.3.2: data frames only, and those that are not encrypted. */
function wlan(cursor: LayerCursor, at: number, isPadded: boolean): Skip {
  if (at + 24 > cursor.end) return cursor.cut(at + 24, Skip.BAD_LINK_HEADER);
  const { data } = cursor;
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
  return llc(cursor, at + bytes);
}
