/**
 * Where HTTP/1 messages end (RFC 9112, section 6), as far as the first octets tell.
 *
 * Of an answer only its first packet's prefix is at hand, so its end is known when all of its
 * header lies in there. Without that (and for chunked bodies, and bodies that end with the
 * connection) the answer is judged by its recorded length.
 */

/** The end of a message is not known from these octets. */
export const UNKNOWN_END = -1;

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const NAME_CONTENT_LENGTH = 'content-length';
const NAME_TRANSFER_ENCODING = 'transfer-encoding';
/** 2^53 has 16 digits; longer ones are nonsense. */
const LENGTH_DIGITS_MAX = 15;
const ANSWER_START = 'HTTP/1.';
/** As far as the status and one octet more. */
const STATUS_LINE_BYTES_MIN = 13;
const LAST_CHUNK = '0\r\n\r\n';

/** What an answer's first octets say of it. */
export interface AnswerHead {
  /** The status' class, 2 of 200 (304 says "as you have it": 2 as well); 0 where it is not told. */
  readonly statusClass: number;
  /** The body comes in chunks. */
  readonly isChunked: boolean;
  /** The header says how long the body is. */
  readonly hasLength: boolean;
  /** Octets of the whole answer, informational ones in front of it included; or UNKNOWN_END. */
  readonly bytes: number;
}

const NO_HEAD: AnswerHead = {
  statusClass: 0,
  isChunked: false,
  hasLength: false,
  bytes: UNKNOWN_END,
};
const SWITCHING_PROTOCOLS = 101;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

/**
 * Status and framing of the answer whose first octets these are. Informational answers in front of
 * it (RFC 9110, section 15.2) are stepped over; where nothing follows them nothing is told.
 * @param toHead whether the request was HEAD: then there is no body whatever the header says
 */
export function answerHead(
  data: DataView,
  start: number,
  bytes: number,
  toHead: boolean,
): AnswerHead {
  const end = start + bytes;
  let at = start;
  for (;;) {
    if (!isAnswerStart(data, at, end - at) || end - at < STATUS_LINE_BYTES_MIN) return NO_HEAD;
    const status = digits(data, at + 9, at + 12);
    const header = readHeader(data, at, end - at);
    if (status >= 200 || status === SWITCHING_PROTOCOLS) {
      const answer = answerBytes(status, header, toHead);
      return {
        statusClass: status === NOT_MODIFIED ? 2 : Math.floor(status / 100),
        isChunked: header.isEncoded,
        hasLength: header.contentLength >= 0,
        bytes: answer === UNKNOWN_END ? UNKNOWN_END : at - start + answer,
      };
    }
    if (status < 100 || header.bytes < 0) return NO_HEAD;
    at += header.bytes;
  }
}

/** Octets of an answer, header and body (RFC 9112, section 6.3), as far as its header tells. */
function answerBytes(status: number, header: Header, toHead: boolean): number {
  if (header.bytes < 0 || status === SWITCHING_PROTOCOLS) return UNKNOWN_END;
  if (toHead || status === NO_CONTENT || status === NOT_MODIFIED) return header.bytes;
  if (header.isEncoded || header.contentLength < 0) return UNKNOWN_END;
  return header.bytes + header.contentLength;
}

/** Whether an HTTP/1 answer may begin here, as far as there are octets to tell. */
export function isAnswerStart(data: DataView, start: number, bytes: number): boolean {
  const count = Math.min(bytes, ANSWER_START.length);
  for (let i = 0; i < count; i++) {
    if (data.getUint8(start + i) !== ANSWER_START.charCodeAt(i)) return false;
  }
  return bytes > 0;
}

/** How far from `start` an answer begins; -1 where none does. */
export function findAnswerStart(data: DataView, start: number, bytes: number): number {
  for (let skip = 0; skip + ANSWER_START.length <= bytes; skip++) {
    if (isAnswerStart(data, start + skip, bytes - skip)) return skip;
  }
  return -1;
}

/** The last chunk and an empty trailer (RFC 9112, section 7.1) end these octets. */
export function endsChunks(data: DataView, start: number, bytes: number): boolean {
  const from = start + bytes - LAST_CHUNK.length;
  if (from < start) return false;
  for (let i = 0; i < LAST_CHUNK.length; i++) {
    if (data.getUint8(from + i) !== LAST_CHUNK.charCodeAt(i)) return false;
  }
  // "10\r\n\r\n" is the beginning of a chunk of 16 octets.
  return from === start || data.getUint8(from - 1) === LF;
}

/** Octets of the request whose first octets these are; without a length it has no body. */
export function requestBytes(octets: Uint8Array): number {
  const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const header = readHeader(data, 0, octets.length);
  if (header.bytes < 0 || header.isEncoded) return UNKNOWN_END;
  return header.bytes + Math.max(0, header.contentLength);
}

interface Header {
  /** With the empty line at its end; -1 where that is not within reach. */
  readonly bytes: number;
  /** -1 without the field, or with one that is no number. */
  readonly contentLength: number;
  readonly isEncoded: boolean;
}

function readHeader(data: DataView, start: number, bytes: number): Header {
  const end = start + bytes;
  let contentLength = -1;
  let isEncoded = false;
  let line = start;
  for (let at = start; at < end; at++) {
    if (data.getUint8(at) !== LF) continue;
    const last = at > line && data.getUint8(at - 1) === CR ? at - 1 : at;
    if (last === line && line > start) {
      return { bytes: at + 1 - start, contentLength, isEncoded };
    }
    if (hasName(data, line, last, NAME_CONTENT_LENGTH)) {
      contentLength = lengthAt(data, line + NAME_CONTENT_LENGTH.length + 1, last);
    } else if (hasName(data, line, last, NAME_TRANSFER_ENCODING)) {
      isEncoded = true;
    }
    line = at + 1;
  }
  return { bytes: -1, contentLength, isEncoded };
}

function hasName(data: DataView, from: number, to: number, name: string): boolean {
  if (to - from <= name.length || data.getUint8(from + name.length) !== COLON) return false;
  for (let i = 0; i < name.length; i++) {
    if ((data.getUint8(from + i) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

function lengthAt(data: DataView, from: number, to: number): number {
  let first = from;
  while (first < to && isBlank(data.getUint8(first))) first++;
  let last = to;
  while (last > first && isBlank(data.getUint8(last - 1))) last--;
  return last === first || last - first > LENGTH_DIGITS_MAX ? -1 : digits(data, first, last);
}

const isBlank = (octet: number): boolean => octet === SPACE || octet === TAB;

/** The number that the octets spell, or -1. */
function digits(data: DataView, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = data.getUint8(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
