/** LINKTYPE_ numbers (tcpdump.org/linktypes.html), EtherTypes and PPP protocols that are read. */
export const LinkType = {
  NULL: 0,
  ETHERNET: 1,
  SLIP: 8,
  PPP: 9,
  /** DLT_RAW as some systems number it. */
  RAW_12: 12,
  RAW_14: 14,
  PPP_HDLC: 50,
  PPPOE: 51,
  ATM_RFC1483: 100,
  RAW: 101,
  C_HDLC: 104,
  IEEE802_11: 105,
  LOOP: 108,
  ENC: 109,
  LINUX_SLL: 113,
  PFLOG: 117,
  PRISM: 119,
  IEEE802_11_RADIOTAP: 127,
  IEEE802_11_AVS: 163,
  PPP_PPPD: 166,
  PPI: 192,
  PPP_WITH_DIR: 204,
  C_HDLC_WITH_DIR: 205,
  IPV4: 228,
  IPV6: 229,
  NFLOG: 239,
  NETANALYZER: 240,
  PKTAP: 258,
  LINUX_SLL2: 276,
  DSA_TAG_BRCM: 281,
  DSA_TAG_BRCM_PREPEND: 282,
  DSA_TAG_DSA: 284,
  DSA_TAG_EDSA: 285,
} as const;
export type LinkType = (typeof LinkType)[keyof typeof LinkType];

/** What stands in an EtherType field, beyond wire/ethernet.ts. */
export const Encapsulation = {
  IPV4: 0x0800,
  ARP: 0x0806,
  TRANSPARENT_ETHERNET: 0x6558,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  PPP: 0x880b,
  MPLS: 0x8847,
  MPLS_MULTICAST: 0x8848,
  PPPOE_DISCOVERY: 0x8863,
  PPPOE_SESSION: 0x8864,
  QINQ: 0x88a8,
  ERSPAN: 0x88be,
  PROVIDER_BACKBONE: 0x88e7,
  QINQ_OLD: 0x9100,
  QINQ_OLDER: 0x9200,
  ERSPAN_III: 0x22eb,
} as const;

/** PPP protocol numbers (IANA, "PPP DLL Protocol Numbers"). */
export const PppProtocol = {
  IPV4: 0x0021,
  IPV6: 0x0057,
  MPLS: 0x0281,
  MPLS_MULTICAST: 0x0283,
  /** Whole packets compressed or encrypted, of one link or of a bundle, and TCP headers (RFC 1144). */
  VJ_COMPRESSED: 0x002d,
  VJ_UNCOMPRESSED: 0x002f,
  MULTILINK: 0x003d,
  ENCRYPTED: 0x0053,
  ENCRYPTED_LINK: 0x0055,
  COMPRESSED_LINK: 0x00fb,
  COMPRESSED: 0x00fd,
} as const;

/** Values below are lengths of an IEEE 802.3 frame, not EtherTypes. */
export const ETHER_TYPE_MIN = 0x0600;
