/** Where in an HTTP/1 message its reader is, and what it knows of its body by then. */

/** Phases below LINE are those of the start line, and have their meaning in the subclasses. */
export const HttpPhase = {
  START: 0,
  LINE: 8,
  FIELD_NAME: 9,
  FIELD_REST: 10,
  LENGTH: 11,
  CODING: 12,
  EMPTY_LINE: 13,
  CONNECTION_NAME: 14,
  CONNECTION: 15,
  CHUNK_SIZE: 16,
  CHUNK_REST: 17,
  CHUNK_END: 18,
  TRAILER: 19,
  TRAILER_REST: 20,
  TRAILER_END: 21,
} as const;

/** Bits of what is known: 8. */
export const HttpFlag = {
  HAS_LENGTH: 1,
  /** There is a Transfer-Encoding. */
  IS_CODED: 2,
  /** Its last coding is chunked. */
  IS_CHUNKED: 4,
  /** The field whose name is being read may be Content-Length; else it may be Transfer-Encoding. */
  IS_LENGTH: 8,
  /** Of a number: it has digits. */
  HAS_DIGITS: 16,
  /** Of a number: nothing but blanks may follow. */
  IS_OVER: 32,
  /** The header is over, and nothing but the stream's end ends the body. */
  IS_UNTIL_CLOSE: 64,
  /** There is a `Connection: close`. */
  SAYS_CLOSE: 128,
} as const;
