/**
 * memcached's binary protocol (memcached's doc/protocol-binary.xml): a header of 24 octets, then as many
 * as it says.
 *
 * Answers bear the number (opaque) of their request. What quiet commands are answered, where they are,
 * comes before the answer to the next other command, and is no answer of its own here.
 */
import {
  type AnswerFramer,
  Fault,
  Framer,
  NO_ANSWER,
  Outcome,
  ReplyClass,
  type RequestFramer,
} from './framer.ts';

const HEADER_BYTES = 24;
const REQUEST = 0x80;
const RESPONSE = 0x81;
/** Where in the header they stand. */
const OPCODE_AT = 1;
const STATUS_AT = 6;
const BODY_AT = 8;
const OPAQUE_AT = 12;
const OPAQUE_END = 16;
/** Answers come until an empty one. */
const STAT = 0x10;
/** getq, getkq, setq … flushq, appendq, prependq, gatq and gatkq, quitq. */
const QUIET = new Set([0x09, 0x0d, ...range(0x11, 0x1a), 0x1e, 0x24]);
/** Statuses from here on: the server's own trouble (out of memory, busy, temporary failure). */
const OUT_OF_MEMORY = 0x82;
const INTERNAL = 0x84;

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Headers octet by octet: `index` counts them, `flags` is the opcode, `length` the body, `value` the opaque. */
abstract class Headers extends Framer {
  protected abstract readonly magic: number;
  protected abstract onHeaderEnd(): void;
  /** An octet of the status, of answers. */
  protected onStatus(_octet: number): void {
    // Requests have another field there.
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at++);
      const place = this.index++;
      if (place === 0 && octet !== this.magic) this.lose(Fault.MALFORMED);
      else if (place === OPCODE_AT) this.flags = octet;
      else if (place >= STATUS_AT && place < BODY_AT) this.onStatus(octet);
      else if (place >= BODY_AT && place < OPAQUE_AT) this.length = this.length * 256 + octet;
      else if (place >= OPAQUE_AT && place < OPAQUE_END) this.value = this.value * 256 + octet;
      if (this.index === HEADER_BYTES) this.onHeaderEnd();
    }
    return at;
  }
}

/** The kind is the request's opaque; `code` is the status. */
export class MemcachedBinaryAnswers extends Headers implements AnswerFramer {
  protected override readonly magic = RESPONSE;

  codeText(): string {
    return this.code === 0 ? '' : String(this.code);
  }

  protected override onStatus(octet: number): void {
    this.code = this.code * 256 + octet;
  }

  protected override onHeaderEnd(): void {
    const isOwn = this.value === this.kind;
    if (isOwn && (this.flags !== STAT || this.length === 0)) {
      this.replyClass = classOf(this.code);
      this.finish(this.length);
      return;
    }
    const { length } = this;
    this.begin(this.kind);
    this.skip = length;
  }
}

function classOf(status: number): number {
  if (status === 0) return ReplyClass.OK;
  return status === OUT_OF_MEMORY || status >= INTERNAL ? ReplyClass.FAILED : ReplyClass.REFUSED;
}

/** A command a header. */
export class MemcachedBinaryRequests extends Headers implements RequestFramer {
  protected override readonly magic = REQUEST;

  get answerKind(): number {
    return QUIET.has(this.flags) ? NO_ANSWER : this.value;
  }

  protected override onHeaderEnd(): void {
    this.finish(this.length);
  }
}
