/**
 * Octets of payload that are handed over with the headers of a reply, in every mode: enough for the
 * header of nearly every HTTP answer (a stock nginx sends 236 octets, with cookies and policies
 * 700), which says where the answer ends.
 */
export const PREFIX_BYTES = 1_024;

/**
 * The same of a replay's own ring, where answers are followed: all of an Ethernet packet and some of one
 * that the kernel has joined to it, since the last chunk of an answer lies at a packet's end. Only
 * what a packet has is copied; the largest ring of a thread takes 74 MB instead of 40.
 */
export const FOLLOWED_PREFIX_BYTES = 2_048;

/**
 * And where long answers say in their midst how they go on (rows, lists, chunks): the longest packet that
 * the kernel joins.
 */
export const WHOLE_PACKET_BYTES = 65_535;

/**
 * The most that an intercept hands over: with the headers and a record's stamp and length it fits a
 * frame of the channel (65,536 octets).
 */
export const PREFIX_BYTES_MAX = 65_406;

/** The longest IP header that is looked for (60, IPv4 with options) and TCP's (60). */
const HEADERS_BYTES_MAX = 120;

/** Octets of a packet to capture, from its IP header, so that `prefixBytes` of payload are there. */
export const snapBytesFor = (prefixBytes: number): number => HEADERS_BYTES_MAX + prefixBytes;
