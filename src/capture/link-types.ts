/** LINKTYPE_ numbers (tcpdump.org/linktypes.html), EtherTypes and PPP protocols that are read. */
export const LinkType = {
  NULL: 0,
  ETHERNET: 1,
  PPP: 9,
  /** DLT_RAW as some systems number it. */
  RAW_12: 12,
  RAW_14: 14,
  PPP_HDLC: 50,
  PPPOE: 51,
  RAW: 101,
  C_HDLC: 104,
  IEEE802_11: 105,
  LOOP: 108,
  LINUX_SLL: 113,
  IEEE802_11_RADIOTAP: 127,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
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

export const PppProtocol = {
  IPV4: 0x0021,
  IPV6: 0x0057,
  MPLS: 0x0281,
  MPLS_MULTICAST: 0x0283,
  /** From here on: control protocols (LCP, IPCP, CHAP, …). */
  NETWORK_CONTROL: 0x8000,
} as const;

/** Values below are lengths of an IEEE 802.3 frame, not EtherTypes. */
export const ETHER_TYPE_MIN = 0x0600;
