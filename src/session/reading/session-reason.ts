/**
 * Why a session is not replayed: what is whole is, and the rest is named here. Where several hold,
 * the first of this list is given.
 */
export const SessionReason = {
  /** It is replayed. */
  NONE: 0,
  /** The selection leaves it out. */
  NOT_SELECTED: 11,
  /** The capture saw only what the server sent. */
  SERVER_ONLY: 12,
  /** The capture began in its middle. */
  NO_SYN: 1,
  /** The capture saw only what the client sent. */
  ONE_SIDED: 2,
  /** The server refused or did not answer. */
  NO_SYN_ACK: 3,
  /** The client never said anything (also when the server did). */
  NO_CLIENT_DATA: 4,
  /** Encrypted with keys that another handshake would not yield again. */
  TLS: 5,
  /** SSH: as TLS. */
  SSH: 13,
  /** The snap length cut what the client sent. */
  TRUNCATED: 6,
  /** The capture lost some of what the client sent. */
  CLIENT_HOLE: 7,
  /** The capture lost some of what the server sent, so the length of an answer is not known. */
  SERVER_HOLE: 8,
  /** A direction has 4 GiB or more. */
  TOO_LONG: 9,
  /** More different servers than a run can hold. */
  TOO_MANY_SERVERS: 10,
} as const;
export type SessionReason = (typeof SessionReason)[keyof typeof SessionReason];

/** The reasons as reports name them, by number. */
export const SESSION_REASON_NAMES: readonly string[] = [
  'none',
  'no-syn',
  'one-sided',
  'no-syn-ack',
  'no-client-data',
  'tls',
  'truncated',
  'client-hole',
  'server-hole',
  'too-long',
  'too-many-servers',
  'not-selected',
  'server-only',
  'ssh',
];
