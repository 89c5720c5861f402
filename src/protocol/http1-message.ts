/**
 * HTTP/1 messages (RFC 9112), octet by octet: the fields that frame the body, and the body. It is the
 * one reader of HTTP in the project: recognition, cutting of recorded requests and following of live
 * answers all stand on it. What requests and answers do not share is in files of their own.
 *
 * Lines that say nothing about framing are most of a header: their ends are looked for four octets at
 * a time, and nothing of them is kept. Bare line feeds end lines, too (section 2.2).
 */
import { Fault, Framer, LENGTH_MAX, Outcome } from './framer.ts';
import { HttpFlag as Flag, HttpPhase } from './http1-phases.ts';
import { isSameLetter, nextLineFeed, octetsOf } from './octets.ts';

/** What an answer's framing depends on: the kind of a request. */
export const HttpRequestKind = {
  OTHER: 0,
  HEAD: 1,
  CONNECT: 2,
  /** One that is not complete: the answer ends with the header of a 100, or with that of the answer itself. */
  BEGUN: 3,
} as const;

/** Octets of a header, with the informational answers before it; and of a trailer. */
const HEADER_BYTES_MAX = 1 << 20;
/** Octets of a chunk's first line. */
const CHUNK_LINE_BYTES_MAX = 16_384;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COMMA = 0x2c;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const LOWER_C = 0x63;
const LOWER_T = 0x74;
const CONTENT_LENGTH = octetsOf('content-length');
const TRANSFER_ENCODING = octetsOf('transfer-encoding');
const CONNECTION = octetsOf('connection');
/** So many octets its name has in common with that of Content-Length. */
const CONNECTION_LIKE_LENGTH = 3;
const CHUNKED = octetsOf('chunked');
const CLOSE = octetsOf('close');
/** `index` of an element of a list that is another one. */
const OTHER_ELEMENT = 0xff;

/** The common half of requests and answers: header lines, lengths, chunks (RFC 9112). */
export abstract class Http1Message extends Framer {
  /** Whether the start line has been read and is one of HTTP/1. */
  get isRecognised(): boolean {
    return this.phase >= HttpPhase.LINE;
  }

  /** Whether the body comes in chunks. */
  get isChunked(): boolean {
    return (this.flags & Flag.IS_CHUNKED) !== 0;
  }

  /** Whether the header says how long the body is. */
  get hasLength(): boolean {
    return (this.flags & (Flag.HAS_LENGTH | Flag.IS_CODED)) === Flag.HAS_LENGTH;
  }

  override get endsConnection(): boolean {
    return (this.flags & Flag.SAYS_CLOSE) !== 0;
  }

  protected abstract startLine(data: DataView, at: number, end: number): number;

  /** The header is complete. */
  protected abstract onHeader(): void;

  /** Octets of the body by Content-Length; 0 without one. */
  protected get bodyBytes(): number {
    return this.length;
  }

  /** Whether there is a Transfer-Encoding, chunked or not. */
  protected get isCoded(): boolean {
    return (this.flags & Flag.IS_CODED) !== 0;
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const before = at;
      if (this.phase < HttpPhase.LINE) at = this.startLine(data, at, end);
      else if (this.phase < HttpPhase.CHUNK_SIZE) at = this.#header(data, at, end);
      else at = this.#body(data, at, end);
      this.count += at - before;
      if (this.count > CHUNK_LINE_BYTES_MAX) this.#limit();
    }
    return at;
  }

  #limit(): void {
    const isChunkLine = this.phase >= HttpPhase.CHUNK_SIZE && this.phase <= HttpPhase.CHUNK_END;
    if (isChunkLine || this.count > HEADER_BYTES_MAX) this.lose(Fault.TOO_LONG);
  }

  /** Steps over the rest of a line and its end; `next` begins behind it. */
  protected restOfLine(data: DataView, at: number, end: number, next: number): number {
    const feed = nextLineFeed(data, at, end);
    if (feed < 0) return end;
    this.phase = next;
    return feed + 1;
  }

  // ---- header -------------------------------------------------------------------------------

  #header(data: DataView, at: number, end: number): number {
    switch (this.phase) {
      case HttpPhase.LINE:
        return this.#line(data, at, end);
      case HttpPhase.FIELD_NAME:
      case HttpPhase.CONNECTION_NAME:
        return this.#fieldName(data, at, end);
      case HttpPhase.FIELD_REST:
        return this.restOfLine(data, at, end, HttpPhase.LINE);
      case HttpPhase.LENGTH:
        return this.#length(data, at, end);
      case HttpPhase.CODING:
      case HttpPhase.CONNECTION:
        return this.#list(data, at, end);
      default:
        if (data.getUint8(at) === LF) this.onHeader();
        else this.lose(Fault.MALFORMED);
        return at + 1;
    }
  }

  /** Lines that begin with neither a C nor a T are stepped over. */
  #line(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const octet = data.getUint8(at);
      const letter = octet | 0x20;
      if (letter === LOWER_C || letter === LOWER_T) {
        if (letter === LOWER_C) this.flags |= Flag.IS_LENGTH;
        else this.flags &= ~Flag.IS_LENGTH;
        this.index = 1;
        this.phase = HttpPhase.FIELD_NAME;
        return at + 1 < end ? this.#fieldName(data, at + 1, end) : end;
      }
      if (octet === CR) {
        this.phase = HttpPhase.EMPTY_LINE;
        return at + 1;
      }
      if (octet === LF) {
        this.onHeader();
        return at + 1;
      }
      const feed = nextLineFeed(data, at + 1, end);
      if (feed < 0) {
        this.phase = HttpPhase.FIELD_REST;
        return end;
      }
      at = feed + 1;
    }
    return at;
  }

  #fieldName(data: DataView, start: number, end: number): number {
    const isConnection = this.phase === HttpPhase.CONNECTION_NAME;
    const isLength = (this.flags & Flag.IS_LENGTH) !== 0;
    const likely = isLength ? CONTENT_LENGTH : TRANSFER_ENCODING;
    const name = isConnection ? CONNECTION : likely;
    let at = start;
    let { index } = this;
    while (at < end && index < name.length && isSameLetter(data.getUint8(at), name[index])) {
      at++;
      index++;
    }
    this.index = index;
    if (at === end) return at;
    if (index < name.length || data.getUint8(at) !== COLON) {
      if (name !== CONTENT_LENGTH || index !== CONNECTION_LIKE_LENGTH) {
        this.phase = HttpPhase.FIELD_REST;
        return this.restOfLine(data, at, end, HttpPhase.LINE);
      }
      this.phase = HttpPhase.CONNECTION_NAME;
      return this.#fieldName(data, at, end);
    }
    this.index = 0;
    this.flags &= ~(Flag.HAS_DIGITS | Flag.IS_OVER);
    if (isConnection) this.phase = HttpPhase.CONNECTION;
    else if (isLength) this.phase = HttpPhase.LENGTH;
    else {
      this.flags = (this.flags | Flag.IS_CODED) & ~Flag.IS_CHUNKED;
      this.phase = HttpPhase.CODING;
    }
    return at + 1;
  }

  /** Digits between blanks; of several values all have to be the same (RFC 9110, section 8.6). */
  #length(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const octet = data.getUint8(at++);
      const digit = octet - 0x30;
      if (digit >= 0 && digit <= 9) {
        if (this.flags & Flag.IS_OVER || !this.#addDigit(digit, 10)) return this.#badLength(at);
      } else if (octet === SPACE || octet === TAB || octet === CR) {
        if (this.flags & Flag.HAS_DIGITS) this.flags |= Flag.IS_OVER;
      } else if (octet === LF || octet === COMMA) {
        if (!this.#endLength()) return this.#badLength(at);
        if (octet === COMMA) continue;
        this.phase = HttpPhase.LINE;
        return at;
      } else return this.#badLength(at);
    }
    return at;
  }

  #badLength(at: number): number {
    this.lose(Fault.BAD_LENGTH);
    return at;
  }

  /** A number's next digit; false where it becomes too large. */
  #addDigit(digit: number, base: number): boolean {
    this.flags |= Flag.HAS_DIGITS;
    this.value = this.value * base + digit;
    return this.value <= LENGTH_MAX;
  }

  #endLength(): boolean {
    if (!(this.flags & Flag.HAS_DIGITS)) return false;
    if (this.flags & Flag.HAS_LENGTH && this.value !== this.length) return false;
    this.length = this.value;
    this.value = 0;
    this.flags = (this.flags | Flag.HAS_LENGTH) & ~(Flag.HAS_DIGITS | Flag.IS_OVER);
    return true;
  }

  /** Of codings the last one counts, also where it stands in several fields; of options any (RFC 9112, section 9.6). */
  #list(data: DataView, start: number, end: number): number {
    const isCoding = this.phase === HttpPhase.CODING;
    const word = isCoding ? CHUNKED : CLOSE;
    let { index } = this;
    let isOver = (this.flags & Flag.IS_OVER) !== 0;
    let at = start;
    while (at < end) {
      const octet = data.getUint8(at++);
      if (octet === LF || octet === COMMA) {
        const counts = index === word.length && (octet === LF || !isCoding);
        if (counts) this.flags |= isCoding ? Flag.IS_CHUNKED : Flag.SAYS_CLOSE;
        index = 0;
        isOver = false;
        if (octet === COMMA) continue;
        this.phase = HttpPhase.LINE;
        break;
      }
      if (octet === SPACE || octet === TAB || octet === CR) isOver ||= index > 0;
      else if (index < word.length && !isOver && isSameLetter(octet, word[index])) index++;
      else index = OTHER_ELEMENT;
    }
    this.index = index;
    if (isOver) this.flags |= Flag.IS_OVER;
    else this.flags &= ~Flag.IS_OVER;
    return at;
  }

  // ---- body -----------------------------------------------------------------------

  /** The header is over and the body ends with the stream: until then all is stepped over. */
  protected beginUntilClose(): void {
    this.flags |= Flag.IS_UNTIL_CLOSE;
    this.outcome = Outcome.UNTIL_CLOSE;
    this.skip = LENGTH_MAX;
  }

  override close(): Outcome {
    if (this.flags & Flag.IS_UNTIL_CLOSE) this.outcome = Outcome.UNTIL_CLOSE;
    return super.close();
  }

  /** The header is over and the body comes in chunks (RFC 9112, section 7.1). */
  protected beginChunks(): void {
    this.phase = HttpPhase.CHUNK_SIZE;
    this.#beginChunk();
  }

  #beginChunk(): void {
    this.flags &= ~(Flag.HAS_DIGITS | Flag.IS_OVER);
    this.value = 0;
    this.count = 0;
  }

  #body(data: DataView, at: number, end: number): number {
    switch (this.phase) {
      case HttpPhase.CHUNK_SIZE:
        return this.#chunkSize(data, at, end);
      case HttpPhase.CHUNK_REST:
        return this.#chunkRest(data, at, end);
      case HttpPhase.CHUNK_END:
        return this.#chunkEnd(data, at);
      case HttpPhase.TRAILER:
        return this.#trailer(data, at, end);
      case HttpPhase.TRAILER_REST:
        return this.restOfLine(data, at, end, HttpPhase.TRAILER);
      default:
        if (data.getUint8(at) === LF) this.finish(0);
        else this.lose(Fault.MALFORMED);
        return at + 1;
    }
  }

  #chunkSize(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const octet = data.getUint8(at++);
      const digit = hexDigit(octet);
      if (digit >= 0) {
        if (this.flags & Flag.IS_OVER) return this.#malformed(at);
        if (!this.#addDigit(digit, 16)) return this.#badLength(at);
        continue;
      }
      if (!(this.flags & Flag.HAS_DIGITS)) return this.#malformed(at);
      if (octet === SPACE || octet === TAB) this.flags |= Flag.IS_OVER;
      else if (octet === LF) {
        this.#onChunk();
        return at;
      } else if (octet === SEMICOLON || octet === CR) {
        this.phase = HttpPhase.CHUNK_REST;
        return at;
      } else return this.#malformed(at);
    }
    return at;
  }

  /** A chunk's extensions say nothing that concerns us. */
  #chunkRest(data: DataView, at: number, end: number): number {
    const feed = nextLineFeed(data, at, end);
    if (feed < 0) return end;
    this.#onChunk();
    return feed + 1;
  }

  #malformed(at: number): number {
    this.lose(Fault.MALFORMED);
    return at;
  }

  /** A chunk's line is over: its octets are stepped over. */
  #onChunk(): void {
    if (this.value === 0) {
      this.phase = HttpPhase.TRAILER;
      this.count = 0;
      return;
    }
    this.phase = HttpPhase.CHUNK_END;
    this.index = 0;
    this.skip = this.value;
  }

  /** The line end behind a chunk's octets. */
  #chunkEnd(data: DataView, at: number): number {
    const octet = data.getUint8(at);
    if (octet === LF) this.beginChunks();
    else if (octet === CR && this.index === 0) this.index = 1;
    else this.lose(Fault.MALFORMED);
    return at + 1;
  }

  #trailer(data: DataView, at: number, end: number): number {
    const octet = data.getUint8(at);
    if (octet === LF) {
      this.finish(0);
      return at + 1;
    }
    if (octet === CR) {
      this.phase = HttpPhase.TRAILER_END;
      return at + 1;
    }
    this.phase = HttpPhase.TRAILER_REST;
    return this.restOfLine(data, at, end, HttpPhase.TRAILER);
  }
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
