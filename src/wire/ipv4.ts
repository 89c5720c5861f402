/**
 * The IPv4 header (RFC 791, section 3.1), offsets from its start:
 *
 *      0 version, IHL | 1 TOS | 2..3 total length
 *      4..5 identification    | 6..7 flags, fragment offset
 *      8 TTL | 9 protocol     | 10..11 header checksum
 *     12..15 source           | 16..19 destination          | 20.. options
 */
export const IPV4_HEADER_BYTES_MIN = 20;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_FRAGMENT = 6;
export const IPV4_PROTOCOL = 9;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;

/** Octets of an address, and the flag that forbids fragments (RFC 791, section 3.1). */
export const IPV4_ADDRESS_BYTES = 4;
export const IPV4_DONT_FRAGMENT = 0x4000;
/** More-fragments flag and fragment offset: not zero in any piece of a fragmented packet. */
export const IPV4_FRAGMENT_MASK = 0x3fff;

/** Protocol number of TCP (IANA, "Protocol Numbers"). */
export const IP_PROTOCOL_TCP = 6;
/** RFC 1700's default, and what Linux sends. */
export const TTL_DEFAULT = 64;
