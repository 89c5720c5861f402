/** Cuts a client's stream into HTTP/1 requests (RFC 9112, sections 3 and 6.3). */
import { Fault, type RequestFramer } from './framer.ts';
import { Http1Message, HttpRequestKind } from './http1-message.ts';
import { HttpPhase } from './http1-phases.ts';
import { octetsOf } from './octets.ts';

const Phase = { START: HttpPhase.START, METHOD: 1, TARGET: 2, VERSION: 3, LINE_END: 4 } as const;

/** A method is a token (RFC 9110, section 5.6.2); no registered one is longer than 17 octets. */
const METHOD_BYTES_MAX = 32;
const VERSION = octetsOf('HTTP/1.');
const HEAD = octetsOf('HEAD');
const CONNECT = octetsOf('CONNECT');
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
/** Octets in network order. */
const GET_SPACE = 0x47455420;
const POST = 0x504f5354;
const HTTP = 0x48545450;
const SLASH_ONE_DOT = 0x2f312e;
const CRLF = 0x0d0a;
const METHOD_AND_SPACE_MAX = 5;
const VERSION_LINE_BYTES = 10;
/** A row an octet: 1 where a token may hold it. */
const IS_TOKEN = tokenTable();

/** Follows HTTP/1 requests to their ends (RFC 9112, section 3). */
export class Http1Requests extends Http1Message implements RequestFramer {
  /** The memory of what `recognise` was asked of last. */
  #asked: DataView = new DataView(new ArrayBuffer(0));

  /** A `HttpRequestKind`, once the method has been read. */
  get answerKind(): number {
    return this.kind;
  }

  override begin(): void {
    super.begin(HttpRequestKind.OTHER);
  }

  /**
   * Whether a stream that begins with `octets` is HTTP/1.
   * @returns null while that cannot be said: the first line goes on
   */
  recognise(octets: Uint8Array): boolean | null {
    // Who asks for many has them in the same memory.
    if (octets.buffer !== this.#asked.buffer) this.#asked = new DataView(octets.buffer);
    this.begin();
    this.feed(this.#asked, octets.byteOffset, octets.length, octets.length);
    if (this.isRecognised) return true;
    return this.fault === Fault.NONE ? null : false;
  }

  protected override startLine(data: DataView, start: number, end: number): number {
    let at = this.phase === Phase.START ? this.#commonMethod(data, start, end) : start;
    while (at < end) {
      if (this.phase === Phase.TARGET) {
        at = endOfWord(data, at, end);
        if (at === end) return end;
      }
      this.#step(data.getUint8(at++));
      if (this.phase === Phase.VERSION && this.index === 0) at = this.#wholeVersion(data, at, end);
      if (this.phase === HttpPhase.LINE || this.fault !== Fault.NONE) return at;
    }
    return end;
  }

  /** Nearly all requests begin with one of two methods: octet by octet would take five times as long. */
  #commonMethod(data: DataView, start: number, end: number): number {
    if (end - start < METHOD_AND_SPACE_MAX) return start;
    const four = data.getUint32(start);
    const isPost = four === POST && data.getUint8(start + 4) === SPACE;
    if (four !== GET_SPACE && !isPost) return start;
    this.phase = Phase.TARGET;
    return start + (isPost ? 5 : 4);
  }

  /** Steps over `HTTP/1.1` and the line's end where all of it is at hand. */
  #wholeVersion(data: DataView, start: number, end: number): number {
    if (end - start < VERSION_LINE_BYTES || data.getUint32(start) !== HTTP) return start;
    const isOne = data.getUint32(start + 4) >>> 8 === SLASH_ONE_DOT;
    const digit = data.getUint8(start + 7) - 0x30;
    if (!isOne || digit < 0 || digit > 9 || data.getUint16(start + 8) !== CRLF) return start;
    this.phase = HttpPhase.LINE;
    return start + VERSION_LINE_BYTES;
  }

  #step(octet: number): void {
    switch (this.phase) {
      case Phase.START:
        // Empty lines before a request are to be skipped (RFC 9112, section 2.2).
        if (octet === CR || octet === LF) return;
        this.phase = Phase.METHOD;
        this.#method(octet);
        return;
      case Phase.METHOD:
        this.#method(octet);
        return;
      case Phase.TARGET:
        this.#target(octet);
        return;
      default:
        this.#version(octet);
    }
  }

  #method(octet: number): void {
    const { index } = this;
    if (octet === SPACE && index > 0) {
      const isHead = this.kind === HttpRequestKind.HEAD && index === HEAD.length;
      const isConnect = this.kind === HttpRequestKind.CONNECT && index === CONNECT.length;
      if (!isHead && !isConnect) this.kind = HttpRequestKind.OTHER;
      this.phase = Phase.TARGET;
    } else if (index === METHOD_BYTES_MAX || IS_TOKEN[octet] === 0) this.lose(Fault.MALFORMED);
    else {
      if (index === 0) this.kind = kindOfFirst(octet);
      else if (octet !== this.#methodWord()[index]) this.kind = HttpRequestKind.OTHER;
      this.index++;
    }
  }

  #methodWord(): Uint8Array {
    return this.kind === HttpRequestKind.HEAD ? HEAD : CONNECT;
  }

  #target(octet: number): void {
    if (octet === LF) this.lose(Fault.MALFORMED);
    else if (octet === SPACE) {
      this.phase = Phase.VERSION;
      this.index = 0;
    }
  }

  /** The version stands at the end of the line; before it, a target may hold anything. */
  #version(octet: number): void {
    const index = this.index++;
    if (this.phase === Phase.LINE_END || index > VERSION.length) {
      if (octet === LF) this.phase = HttpPhase.LINE;
      else if (octet === CR && this.phase === Phase.VERSION) this.phase = Phase.LINE_END;
      else this.#backToTarget(octet);
      return;
    }
    const isDigit = octet >= 0x30 && octet <= 0x39;
    const isNext = index < VERSION.length ? octet === VERSION[index] : isDigit;
    if (!isNext) this.#backToTarget(octet);
  }

  #backToTarget(octet: number): void {
    this.phase = Phase.TARGET;
    this.#target(octet);
  }

  protected override onHeader(): void {
    if (this.isChunked) this.beginChunks();
    // The end of a body in another coding could be told by nobody (section 6.3).
    else if (this.isCoded) this.lose(Fault.MALFORMED);
    else this.finish(this.bodyBytes);
  }
}

/** Where the next space or line feed lies, or `end`. */
function endOfWord(data: DataView, start: number, end: number): number {
  let at = start;
  for (; at < end; at++) {
    const octet = data.getUint8(at);
    if (octet === SPACE || octet === LF) break;
  }
  return at;
}

function kindOfFirst(octet: number): number {
  if (octet === HEAD[0]) return HttpRequestKind.HEAD;
  return octet === CONNECT[0] ? HttpRequestKind.CONNECT : HttpRequestKind.OTHER;
}

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const octet of octetsOf("!#$%&'*+-.^_`|~")) table[octet] = 1;
  for (let octet = 0x30; octet <= 0x39; octet++) table[octet] = 1;
  for (let octet = 0x41; octet <= 0x5a; octet++) {
    table[octet] = 1;
    table[octet | 0x20] = 1;
  }
  return table;
}
