/**
 * IPv4 and IPv6: headers, extension headers, and fragments that are put together again.
 *
 * Lengths are taken as the header declares them, bounded by what the frame had on the wire. A header
 * that declares no length at all comes from segmentation offload, and its packet fills the frame.
 */
import { IPV4_FRAGMENT_MASK, IPV4_HEADER_BYTES_MIN } from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { IpFragments, type Piece } from './ip-fragments.ts';
import { Layer, type LayerCursor } from './layer-cursor.ts';
import { Skip } from './skip-reason.ts';

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

/** Each method takes the position of one header and hands on to the next (see LayerCursor). */
export class IpLayers {
  readonly #cursor: LayerCursor;
  readonly #fragments: IpFragments;
  readonly #reassembled: DataView;
  /** The IPv6 packet at hand declares more than is there. */
  #isCut = false;

  constructor(cursor: LayerCursor) {
    this.#cursor = cursor;
    const memory = new ArrayBuffer(ADDRESSES_BYTES + DATAGRAM_BYTES_MAX);
    this.#fragments = new IpFragments(new Uint8Array(memory), ADDRESSES_BYTES);
    this.#reassembled = new DataView(memory);
  }

  /** Frames counted as `FRAGMENT` so far that belong under `FRAGMENT_LIMIT`. */
  get fragmentsDropped(): number {
    return this.#fragments.dropped;
  }

  /** The version is in the first octet. */
  ipByVersion(at: number): Skip {
    const cursor = this.#cursor;
    if (at >= cursor.end) return cursor.cut(at + 1, Skip.BAD_IP_HEADER);
    const version = cursor.data.getUint8(at) >>> 4;
    if (version === 4) return this.ipv4(at);
    return version === 6 ? this.ipv6(at) : Skip.BAD_IP_HEADER;
  }

  /** RFC 791, section 3.1. */
  ipv4(at: number): Skip {
    const cursor = this.#cursor;
    if (at + IPV4_HEADER_BYTES_MIN > cursor.end) {
      return cursor.cut(at + IPV4_HEADER_BYTES_MIN, Skip.BAD_IP_HEADER);
    }
    const { data } = cursor;
    const versionAndLength = data.getUint8(at);
    const headerBytes = (versionAndLength & 0x0f) << 2;
    const totalBytes = data.getUint16(at + 2);
    if (versionAndLength >>> 4 !== 4 || headerBytes < IPV4_HEADER_BYTES_MIN) {
      return Skip.BAD_IP_HEADER;
    }
    const isCut = at + totalBytes > cursor.end;
    if (totalBytes !== 0) {
      if (totalBytes < headerBytes) return Skip.BAD_IP_HEADER;
      cursor.bound(at + totalBytes);
    }
    cursor.isIpv6 = false;
    cursor.sourceAt = at + 12;
    cursor.destinationAt = at + 16;
    const fragment = data.getUint16(at + 6) & IPV4_FRAGMENT_MASK;
    const protocol = data.getUint8(at + 9);
    if (fragment !== 0) return this.#fragmentV4(at, headerBytes, protocol, isCut);
    if (protocol === IpProtocol.TCP) return cursor.goTo(Layer.TCP, at + headerBytes);
    return this.#transport(protocol, at + headerBytes);
  }

  /** RFC 8200, section 3. */
  ipv6(at: number): Skip {
    const cursor = this.#cursor;
    const next = at + IPV6_HEADER_BYTES;
    if (next > cursor.end) return cursor.cut(next, Skip.BAD_IP_HEADER);
    const { data } = cursor;
    if (data.getUint8(at) >>> 4 !== 6) return Skip.BAD_IP_HEADER;
    const payloadBytes = data.getUint16(at + 4);
    // 0: a jumbogram (RFC 2675), or segmentation offload; either way it fills the frame.
    this.#isCut = next + payloadBytes > cursor.end;
    if (payloadBytes !== 0) cursor.bound(next + payloadBytes);
    cursor.isIpv6 = true;
    cursor.sourceAt = at + 8;
    cursor.destinationAt = at + 24;
    return this.#transport(data.getUint8(at + 6), next);
  }

  /** An IP protocol, or an IPv6 extension header, at `at`. */
  #transport(protocol: number, at: number): Skip {
    const cursor = this.#cursor;
    if (cursor.isTooDeep()) return Skip.NESTING_LIMIT;
    switch (protocol) {
      case IpProtocol.TCP:
        return cursor.goTo(Layer.TCP, at);
      case IpProtocol.UDP:
        return cursor.goTo(Layer.UDP, at);
      case IpProtocol.ICMP:
      case IpProtocol.ICMPV6:
        return Skip.ICMP;
      case IpProtocol.IPV4:
        return this.ipv4(at);
      case IpProtocol.IPV6:
        return this.ipv6(at);
      case IpProtocol.GRE:
        return cursor.goTo(Layer.GRE, at);
      case IpProtocol.ESP:
        return Skip.ENCRYPTED;
      case IpProtocol.AUTHENTICATION:
        return this.#extension(at, 2, 4);
      case IpProtocol.MPLS:
        return cursor.goTo(Layer.MPLS, at);
      case IpProtocol.ETHER_IP:
        // RFC 3378: two octets of version.
        return cursor.goTo(Layer.ETHERNET, at + 2);
      default:
        return cursor.isIpv6 ? this.#extensionHeader(protocol, at) : Skip.OTHER_PROTOCOL;
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
    const cursor = this.#cursor;
    if (at + 8 > cursor.end) return cursor.cut(at + 8, Skip.BAD_IP_HEADER);
    const bytes = (cursor.data.getUint8(at + 1) + unitsLeftOut) * unitBytes;
    return this.#transport(cursor.data.getUint8(at), at + bytes);
  }

  #fragmentV4(at: number, headerBytes: number, protocol: number, isCut: boolean): Skip {
    const { data } = this.#cursor;
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
    const cursor = this.#cursor;
    if (at + 8 > cursor.end) return cursor.cut(at + 8, Skip.BAD_IP_HEADER);
    const { data } = cursor;
    const protocol = data.getUint8(at);
    const word = data.getUint16(at + 2);
    // RFC 6946: a fragment that is the whole.
    if ((word & 0xfff9) === 0) return this.#transport(protocol, at + 8);
    let key = `6 ${data.getUint32(at + 4)}`;
    for (let i = 0; i < ADDRESSES_BYTES; i += 4) key += ` ${data.getUint32(cursor.sourceAt + i)}`;
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
    const cursor = this.#cursor;
    const bytes = cursor.end - at;
    if (bytes < 0) return cursor.cut(at, Skip.BAD_IP_HEADER);
    if (cursor.isHeadOnly) return Skip.NEEDS_WHOLE;
    if (place.isCut) return this.#cutFragment(protocol, at, place.offset);
    const octets = new Uint8Array(cursor.data.buffer, at, bytes);
    const total = this.#fragments.add(key, place, octets, this.#piecesOf(at, bytes));
    return total < 0 ? Skip.FRAGMENT : this.#whole(protocol, total);
  }

  /** A piece that the snap length cut makes the packet unreadable, but its ports may be there. */
  #cutFragment(protocol: number, at: number, offset: number): Skip {
    if (offset !== 0 || protocol !== IpProtocol.TCP) return Skip.FRAGMENT;
    return this.#cursor.goTo(Layer.TCP_HEADER, at);
  }

  /** Goes on in the memory of the reassembled packet, with its addresses before it. */
  #whole(protocol: number, bytes: number): Skip {
    const cursor = this.#cursor;
    const into = this.#reassembled;
    const addressBytes = cursor.isIpv6 ? 16 : 4;
    for (let i = 0; i < addressBytes; i += 4) {
      const source = cursor.data.getUint32(cursor.sourceAt + i);
      const destination = cursor.data.getUint32(cursor.destinationAt + i);
      into.setUint32(i, source);
      into.setUint32(16 + i, destination);
    }
    cursor.data = into;
    cursor.pieces = this.#fragments.pieces;
    cursor.sourceAt = 0;
    cursor.destinationAt = 16;
    cursor.end = ADDRESSES_BYTES + bytes;
    cursor.wireEnd = cursor.end;
    return this.#transport(protocol, ADDRESSES_BYTES);
  }

  /** Where `bytes` octets at `at` of the current data lie in the file. */
  #piecesOf(at: number, bytes: number): Piece[] {
    const cursor = this.#cursor;
    if (cursor.pieces === null) return [{ start: 0, bytes, offset: cursor.base + at }];
    const inside: Piece[] = [];
    for (const piece of cursor.pieces) {
      const start = Math.max(piece.start, at);
      const end = Math.min(piece.start + piece.bytes, at + bytes);
      if (end <= start) continue;
      const offset = piece.offset + start - piece.start;
      inside.push({ start: start - at, bytes: end - start, offset });
    }
    return inside;
  }
}
