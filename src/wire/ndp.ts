/**
 * Neighbour solicitation and advertisement (RFC 4861, sections 4.3 and 4.4), offsets from the start
 * of the ICMPv6 message, which stands right behind the IPv6 header:
 *
 *      0 type (135, 136) | 1 code (0) | 2..3 checksum
 *      4..7 flags of an advertisement: router, solicited, override
 *      8..23 target
 *     24.. options: type | length in units of 8 octets | value
 */
import { foldChecksum, foldSum, sumOctets } from './checksum.ts';
import { MAC_BYTES } from './ethernet.ts';
import {
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
} from './ipv6.ts';

/** Protocol number of ICMPv6 (IANA, "Protocol Numbers"). */
export const IP_PROTOCOL_ICMPV6 = 58;

/** ICMPv6 types of neighbour discovery (RFC 4861, section 4). */
export const NdpType = { SOLICITATION: 135, ADVERTISEMENT: 136 } as const;
export type NdpType = (typeof NdpType)[keyof typeof NdpType];

/** Where the target's address stands, from the IPv6 header's start. */
export const NDP_TARGET = IPV6_HEADER_BYTES + 8;

const IPV6_HOP_LIMIT = 7;
/** Proof that no router has forwarded the message: it must not be less. */
const HOP_LIMIT = 255;
const MESSAGE_BYTES_MIN = 24;
const MAC_OPTION_BYTES = 8;
const FLAGS_AT = 4;
const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;

/** The option that bears the sender's MAC in a solicitation, the target's in an advertisement. */
const SOURCE_MAC_OPTION = 1;
const TARGET_MAC_OPTION = 2;

/** A neighbour solicitation or advertisement (RFC 4861, sections 4.3 and 4.4). */
export interface NdpFields {
  readonly type: NdpType;
  /** 16 octets each. A source of all zeros asks whether the target is free (RFC 4862). */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly target: Uint8Array;
  /** Six octets of the option, or null without one. */
  readonly mac: Uint8Array | null;
  /** Flag of an advertisement: it answers a solicitation. */
  readonly isSolicited: boolean;
}

/** The IPv6 packet with this message; an advertisement is one that overrides. The caller owns it. */
export function emitNdp(fields: NdpFields): Uint8Array {
  const messageBytes = MESSAGE_BYTES_MIN + (fields.mac === null ? 0 : MAC_OPTION_BYTES);
  const octets = new Uint8Array(IPV6_HEADER_BYTES + messageBytes);
  const data = new DataView(octets.buffer);
  octets[0] = 0x60;
  data.setUint16(IPV6_PAYLOAD_LENGTH, messageBytes);
  octets[IPV6_NEXT_HEADER] = IP_PROTOCOL_ICMPV6;
  octets[IPV6_HOP_LIMIT] = HOP_LIMIT;
  octets.set(fields.source, IPV6_SOURCE);
  octets.set(fields.destination, IPV6_DESTINATION);

  const isAdvertisement = fields.type === NdpType.ADVERTISEMENT;
  octets[IPV6_HEADER_BYTES] = fields.type;
  if (isAdvertisement) {
    const solicited = fields.isSolicited ? FLAG_SOLICITED : 0;
    octets[IPV6_HEADER_BYTES + FLAGS_AT] = FLAG_OVERRIDE | solicited;
  }
  octets.set(fields.target, NDP_TARGET);
  if (fields.mac !== null) {
    const option = IPV6_HEADER_BYTES + MESSAGE_BYTES_MIN;
    octets[option] = isAdvertisement ? TARGET_MAC_OPTION : SOURCE_MAC_OPTION;
    octets[option + 1] = MAC_OPTION_BYTES / 8;
    octets.set(fields.mac, option + 2);
  }
  data.setUint16(IPV6_HEADER_BYTES + 2, foldChecksum(messageSum(octets, messageBytes)));
  return octets;
}

/**
 * The message of the IPv6 packet that begins at `octets[0]` (copies of its parts), or null where it
 * is none, is cut off, or breaks a rule of RFC 4861, section 7.1, the checksum among them.
 */
export function parseNdp(octets: Uint8Array): NdpFields | null {
  if (octets.length < IPV6_HEADER_BYTES + MESSAGE_BYTES_MIN) return null;
  const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const messageBytes = data.getUint16(IPV6_PAYLOAD_LENGTH);
  const type = octets[IPV6_HEADER_BYTES];
  const isMessage =
    octets[0] >>> 4 === 6 &&
    octets[IPV6_NEXT_HEADER] === IP_PROTOCOL_ICMPV6 &&
    octets[IPV6_HOP_LIMIT] === HOP_LIMIT &&
    messageBytes >= MESSAGE_BYTES_MIN &&
    messageBytes <= octets.length - IPV6_HEADER_BYTES &&
    (type === NdpType.SOLICITATION || type === NdpType.ADVERTISEMENT) &&
    octets[IPV6_HEADER_BYTES + 1] === 0;
  if (!isMessage || foldSum(messageSum(octets, messageBytes)) !== 0xffff) return null;
  const mac = macOption(octets, type, IPV6_HEADER_BYTES + messageBytes);
  if (mac === undefined || octets[NDP_TARGET] === 0xff) return null;
  return {
    type,
    source: octets.slice(IPV6_SOURCE, IPV6_DESTINATION),
    destination: octets.slice(IPV6_DESTINATION, IPV6_HEADER_BYTES),
    target: octets.slice(NDP_TARGET, NDP_TARGET + IPV6_ADDRESS_BYTES),
    mac,
    isSolicited: (octets[IPV6_HEADER_BYTES + FLAGS_AT] & FLAG_SOLICITED) !== 0,
  };
}

/**
 * The advertisement that says: `target` of this solicitation is at `mac`. Who has no address yet is
 * told with everyone else (RFC 4861, section 7.2.4).
 */
export function ndpAnswer(solicitation: NdpFields, mac: Uint8Array): NdpFields {
  const hasSource = solicitation.source.some((octet) => octet !== 0);
  return {
    type: NdpType.ADVERTISEMENT,
    source: solicitation.target,
    destination: hasSource ? solicitation.source : ALL_NODES,
    target: solicitation.target,
    mac,
    isSolicited: hasSource,
  };
}

/** ff02::1 */
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** ff02::1:ffXX:XXXX, the group that an address's owner listens to (RFC 4291, section 2.7.1). */
export function solicitedNode(address: Uint8Array): Uint8Array {
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0);
  group.set(address.subarray(IPV6_ADDRESS_BYTES - 3), IPV6_ADDRESS_BYTES - 3);
  return group;
}

/** The MAC of an IPv6 multicast group (RFC 2464, section 7). */
export function multicastMac(group: Uint8Array): Uint8Array {
  const mac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 0);
  mac.set(group.subarray(IPV6_ADDRESS_BYTES - 4), 2);
  return mac;
}

/** Sum of pseudo-header and message, not complemented. */
function messageSum(octets: Uint8Array, messageBytes: number): number {
  return (
    sumOctets(octets, IPV6_SOURCE, IPV6_HEADER_BYTES + messageBytes) +
    messageBytes +
    IP_PROTOCOL_ICMPV6
  );
}

/** The MAC that the message bears, null without one, undefined where an option is malformed. */
function macOption(octets: Uint8Array, type: number, end: number): Uint8Array | null | undefined {
  const wanted = type === NdpType.ADVERTISEMENT ? TARGET_MAC_OPTION : SOURCE_MAC_OPTION;
  let mac: Uint8Array | null = null;
  let at = IPV6_HEADER_BYTES + MESSAGE_BYTES_MIN;
  while (at < end) {
    const bytes = at + 1 < end ? octets[at + 1] * 8 : 0;
    if (bytes === 0 || at + bytes > end) return undefined;
    if (octets[at] === wanted) mac = octets.slice(at + 2, at + 2 + MAC_BYTES);
    at += bytes;
  }
  return mac;
}
