/** Follows HTTP/1 answers to their ends (RFC 9112, sections 4 and 6.3). */
import { type AnswerFramer, Fault, Outcome, ReplyClass } from './framer.ts';
import { HeadMemories } from './head-memory.ts';
import { Http1Message, HttpRequestKind } from './http1-message.ts';
import { HttpPhase } from './http1-phases.ts';
import { octetsOf } from './octets.ts';

const Phase = { VERSION: HttpPhase.START, STATUS: 1, REASON: 2, REST: 3 } as const;

const VERSION = octetsOf('HTTP/1.');
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
/** The client may go on with its request (RFC 9110, section 15.2.1). */
export const CONTINUE = 100;
/** The connection speaks another protocol from here on (section 15.2.2). */
export const SWITCHING_PROTOCOLS = 101;
const FINAL_MIN = 200;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

const LAST_CHUNK = octetsOf('0\r\n\r\n');

/** The last chunk and an empty trailer (RFC 9112, section 7.1) end these octets. */
export function endsChunks(data: DataView, start: number, bytes: number): boolean {
  const from = start + bytes - LAST_CHUNK.length;
  if (from < start) return false;
  for (let i = 0; i < LAST_CHUNK.length; i++) {
    if (data.getUint8(from + i) !== LAST_CHUNK[i]) return false;
  }
  // "10\r\n\r\n" is the beginning of a chunk of 16 octets.
  return from === start || data.getUint8(from - 1) === LF;
}

/** `code` is the status; that of an informational answer only while it is read. */
export class Http1Answers extends Http1Message implements AnswerFramer {
  readonly #memories = new HeadMemories();

  /** A head that is the last one of such answers, octet for octet, is not read again. */
  protected override read(data: DataView, start: number, end: number): number {
    const isBeginning = this.phase === HttpPhase.START && this.index === 0 && this.count === 0;
    if (!isBeginning) return super.read(data, start, end);
    const memory = this.#memories.of(end - start);
    if (memory.isLast(this.kind, data, start, end)) {
      this.load(memory.words, 0);
      this.outcome = memory.outcome;
      this.isSwitch = memory.isSwitch;
      return start + memory.bytes;
    }
    const { kind } = this;
    const at = super.read(data, start, end);
    // Where it stopped for another reason than that there was no more, these octets alone say all.
    const isWhole =
      this.outcome === Outcome.ENDS || (this.outcome === Outcome.MORE && this.skip > 0);
    if (isWhole && memory.mayKeep(at - start)) {
      this.save(memory.words, 0);
      memory.keep(kind, data, start, at, this.outcome, this.isSwitch);
    }
    return at;
  }

  /** As far as there are octets to tell. */
  mayBegin(data: DataView, start: number, bytes: number): boolean {
    const count = Math.min(bytes, VERSION.length);
    for (let i = 0; i < count; i++) if (data.getUint8(start + i) !== VERSION[i]) return false;
    return bytes > 0;
  }

  findBeginning(data: DataView, start: number, bytes: number): number {
    for (let skip = 0; skip + VERSION.length <= bytes; skip++) {
      if (this.mayBegin(data, start + skip, bytes - skip)) return skip;
    }
    return -1;
  }

  codeText(): string {
    return this.code === 0 ? '' : String(this.code);
  }

  protected override startLine(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.phase !== Phase.REST) {
      const octet = data.getUint8(at++);
      if (!this.#isNext(octet)) {
        this.lose(Fault.MALFORMED);
        return at;
      }
      if (octet === LF) {
        this.phase = HttpPhase.LINE;
        return at;
      }
    }
    return at < end ? this.restOfLine(data, at, end, HttpPhase.LINE) : at;
  }

  /** `HTTP/1.1 200` and what may stand behind it. */
  #isNext(octet: number): boolean {
    const index = this.index++;
    const isDigit = octet >= 0x30 && octet <= 0x39;
    switch (this.phase) {
      case Phase.VERSION:
        if (index < VERSION.length) return octet === VERSION[index];
        if (index === VERSION.length) return isDigit;
        this.phase = Phase.STATUS;
        this.code = 0;
        return octet === SPACE;
      case Phase.STATUS:
        this.code = this.code * 10 + octet - 0x30;
        if (this.code >= 100) return isDigit && this.#onStatus();
        return isDigit && this.code > 0;
      default:
        this.phase = Phase.REST;
        return octet === SPACE || octet === CR || octet === LF;
    }
  }

  #onStatus(): boolean {
    this.phase = Phase.REASON;
    const { code } = this;
    // "As you have it" is no wish to look elsewhere.
    if (this.kind === HttpRequestKind.BEGUN) return true;
    if (code === NOT_MODIFIED) this.replyClass = ReplyClass.OK;
    else if (code >= FINAL_MIN || code === SWITCHING_PROTOCOLS) {
      this.replyClass = Math.floor(code / 100);
    }
    return true;
  }

  protected override onHeader(): void {
    const { code, kind } = this;
    if (kind === HttpRequestKind.BEGUN && (code === CONTINUE || code >= FINAL_MIN)) {
      this.finish(0);
      return;
    }
    const isTunnel = kind === HttpRequestKind.CONNECT && this.replyClass === ReplyClass.OK;
    if (code === SWITCHING_PROTOCOLS || isTunnel) {
      this.isSwitch = true;
      this.finish(0);
    } else if (code < FINAL_MIN) {
      // Informational: the answer itself follows (RFC 9110, section 15.2).
      const octets = this.count;
      this.begin(kind);
      this.count = octets;
    } else if (kind === HttpRequestKind.HEAD || code === NO_CONTENT || code === NOT_MODIFIED) {
      this.finish(0);
    } else if (this.isChunked) this.beginChunks();
    else if (this.hasLength) this.finish(this.bodyBytes);
    else this.beginUntilClose();
  }
}
