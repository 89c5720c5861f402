/** What the headers of a segment take together. */
import { IPV4_HEADER_BYTES_MIN } from './ipv4.ts';
import { IPV6_HEADER_BYTES } from './ipv6.ts';
import { TCP_HEADER_BYTES_MIN } from './tcp.ts';

/** Octets of an IP and a TCP header without options, by the IP version: a packet less its segment's payload. */
export const TCP_IP_HEADER_BYTES = {
  4: IPV4_HEADER_BYTES_MIN + TCP_HEADER_BYTES_MIN,
  6: IPV6_HEADER_BYTES + TCP_HEADER_BYTES_MIN,
} as const;
