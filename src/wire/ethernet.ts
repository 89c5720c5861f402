/**
 * The Ethernet header and its tags (IEEE 802.3, 802.1Q), offsets from its start:
 *
 *      0..5 destination | 6..11 source | 12..13 EtherType
 *
 * A tag is four octets that stand before the EtherType: 0x8100 (or 0x88a8), then 16 bits of which
 * the low 12 are the VLAN.
 */
export const ETHERNET_HEADER_BYTES = 14;
export const ETHERNET_TAG_BYTES = 4;
export const MAC_BYTES = 6;

/** EtherTypes (IEEE 802 numbers) that frames are read and written with. */
export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  QINQ: 0x88a8,
} as const;
export type EtherType = (typeof EtherType)[keyof typeof EtherType];

/** An Ethernet header, with at most one tag. */
export interface EthernetFields {
  /** Six octets. */
  readonly destination: Uint8Array;
  /** Six octets. */
  readonly source: Uint8Array;
  readonly etherType: number;
  /** VLAN of an 802.1Q tag, 1..4094; no tag without it. */
  readonly vlan?: number;
}

/** The header's octets: 14, or 18 with a tag. The caller owns them. */
export function emitEthernet(fields: EthernetFields): Uint8Array {
  const tagBytes = fields.vlan === undefined ? 0 : ETHERNET_TAG_BYTES;
  const octets = new Uint8Array(ETHERNET_HEADER_BYTES + tagBytes);
  const data = new DataView(octets.buffer);
  octets.set(fields.destination, 0);
  octets.set(fields.source, MAC_BYTES);
  if (fields.vlan !== undefined) {
    data.setUint16(2 * MAC_BYTES, EtherType.VLAN);
    data.setUint16(2 * MAC_BYTES + 2, fields.vlan);
  }
  data.setUint16(2 * MAC_BYTES + tagBytes, fields.etherType);
  return octets;
}

/** The six octets of `aa:bb:cc:dd:ee:ff` (or with `-`), or null. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2}){4}$/.test(text)) return null;
  return Uint8Array.from(text.split(/[:-]/), (octet) => Number.parseInt(octet, 16));
}

/** `aa:bb:cc:dd:ee:ff`. */
export const formatMac = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
