/** What a segment or a timeout brought about; bits. */
export const TcpEvent = {
  NONE: 0,
  /** The handshake is complete on our side. */
  CONNECTED: 0x001,
  /** In-order payload came in: `TcpClient.deliveredBytes` octets. */
  DATA: 0x002,
  /** Something of ours was acknowledged. */
  ACKED: 0x004,
  /** The peer has ended its stream. */
  PEER_FIN: 0x008,
  /** Both streams are ended and acknowledged. */
  CLOSED: 0x010,
  /** An RST in answer to our SYN. */
  REFUSED: 0x020,
  /** An RST on an open connection. */
  RESET: 0x040,
  /** Retransmissions are used up. */
  GAVE_UP: 0x080,
  /** The segment lay outside the window, or its timestamp was too old. */
  OUT_OF_WINDOW: 0x100,
  /** Payload beyond the one out-of-order interval that is kept: the peer will send it again. */
  OUT_OF_ORDER_LOST: 0x200,
  /** A connection of an earlier run answered our SYN; it was reset, the SYN comes again. Once a user. */
  OLD_CONNECTION: 0x400,
  /** Full-sized segments vanish without a word: from now on smaller ones are sent (RFC 4821). */
  MSS_LOWERED: 0x800,
} as const;
