/**
 * Why a frame is not a TCP segment. Every frame of a capture is either a segment or counted here,
 * under exactly one reason.
 */
export const Skip = {
  /** Not skipped: the frame is a TCP segment. */
  NONE: 0,
  /** The snap length cut it before its TCP header was over. */
  TRUNCATED_HEADERS: 1,
  ARP: 2,
  /** Another protocol than IP on the link (spanning tree, LLDP, IPX, …). */
  NOT_IP: 3,
  UDP: 4,
  /** ICMP and ICMPv6, with whatever they quote. */
  ICMP: 5,
  /** Another protocol than TCP, UDP and ICMP over IP. */
  OTHER_PROTOCOL: 6,
  /** A piece of a fragmented packet, whose last piece to arrive stands for the whole. */
  FRAGMENT: 7,
  /** A piece that was given up because too many fragmented packets were incomplete. */
  FRAGMENT_LIMIT: 8,
  BAD_LINK_HEADER: 9,
  BAD_IP_HEADER: 10,
  BAD_TCP_HEADER: 11,
  /** A link type that is not read; a warning names it. */
  LINK_TYPE: 12,
  /** More headers in headers than any real network has. */
  NESTING_LIMIT: 13,
  /** Its payload is encrypted or compressed below TCP (ESP, WEP/WPA, compressed PPP). */
  ENCRYPTED: 14,
  /** The user's filter leaves it out. */
  FILTERED: 15,
  /** No verdict yet: more of the frame is needed than was handed over. */
  NEEDS_WHOLE: 16,
} as const;
export type Skip = (typeof Skip)[keyof typeof Skip];

/** The reasons as reports name them, by number. */
export const SKIP_NAMES: readonly string[] = [
  'none',
  'truncated-headers',
  'arp',
  'not-ip',
  'udp',
  'icmp',
  'other-protocol',
  'fragment',
  'fragment-limit',
  'bad-link-header',
  'bad-ip-header',
  'bad-tcp-header',
  'unsupported-link-type',
  'nesting-limit',
  'encrypted',
  'filtered',
];
