/** What a view's `check` finds wrong with octets; 0 is nothing. Counted by reason, never thrown. */
export const WireFault = {
  OK: 0,
  /** Fewer octets are present than the header says it has. */
  TRUNCATED: 1,
  /** Neither IPv4 nor IPv6. */
  BAD_VERSION: 2,
  /** A length field contradicts its own header. */
  BAD_LENGTH: 3,
  /** A good IP packet that carries something else. */
  NOT_TCP: 4,
  /** A piece of a fragmented packet. */
  FRAGMENT: 5,
  /** A TCP data offset below five words. */
  BAD_DATA_OFFSET: 6,
  /** A TCP option whose length is below two, wrong for its kind, or past the header's end. */
  BAD_OPTION: 7,
} as const;
export type WireFault = (typeof WireFault)[keyof typeof WireFault];
