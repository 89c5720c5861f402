/**
 * The IPv6 header (RFC 8200, section 3), offsets from its start:
 *
 *      0..3 version, traffic class, flow label
 *      4..5 payload length | 6 next header | 7 hop limit
 *      8..23 source        | 24..39 destination
 */
export const IPV6_HEADER_BYTES = 40;
export const IPV6_PAYLOAD_LENGTH = 4;
export const IPV6_NEXT_HEADER = 6;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;

/** Octets of an address. */
export const IPV6_ADDRESS_BYTES = 16;

/** Extension headers that can stand before TCP (RFC 8200, section 4; AH: RFC 4302). */
export const IPV6_HOP_BY_HOP = 0;
export const IPV6_ROUTING = 43;
export const IPV6_FRAGMENT = 44;
export const IPV6_AUTHENTICATION = 51;
export const IPV6_DESTINATION_OPTIONS = 60;
