/**
 * WebSocket (RFC 6455, section 5), behind the upgrade: a message is one frame, or several up to one
 * with FIN; control frames may come between them and are no message. Nothing says which message
 * answers which: whether one is an answer is for the caller to say.
 */
import { type AnswerFramer, Fault, Framer, LENGTH_MAX, Outcome } from './framer.ts';

const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const MASK_BYTES = 4;
const CONTROL = 0x08;
const CLOSE = 0x08;
const OPCODES = new Set([0, 1, 2, 8, 9, 10]);

const Phase = { FIRST: 0, LENGTH: 1, EXTENDED: 2 } as const;
/** Of the frame at hand; those of its first octet stay in `count`. */
const IS_MASKED = 1;

/** `index` counts the octets of an extended length that are to come. */
export class WebSocketMessages extends Framer implements AnswerFramer {
  codeText(): string {
    return '';
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at++);
      if (this.phase === Phase.FIRST) this.#first(octet);
      else if (this.phase === Phase.LENGTH) this.#length(octet);
      else this.#extended(octet);
    }
    return at;
  }

  #first(octet: number): void {
    // An extension (compression) may use the first reserved bit, in the frames it is about.
    if (!OPCODES.has(octet & OPCODE) || (octet & RESERVED & ~0x40) !== 0) {
      this.lose(Fault.MALFORMED);
    }
    this.count = octet;
    this.phase = Phase.LENGTH;
  }

  #length(octet: number): void {
    this.flags = octet & MASKED ? IS_MASKED : 0;
    const length = octet & LENGTH_BITS;
    this.value = 0;
    if (length >= LENGTH_16) {
      this.index = length === LENGTH_16 ? 2 : 8;
      this.phase = Phase.EXTENDED;
    } else this.#frame(length);
  }

  #extended(octet: number): void {
    this.value = this.value * 256 + octet;
    this.index--;
    if (this.value > LENGTH_MAX) this.lose(Fault.BAD_LENGTH);
    else if (this.index === 0) this.#frame(this.value);
  }

  #frame(bytes: number): void {
    const octets = bytes + (this.flags === IS_MASKED ? MASK_BYTES : 0);
    const isControl = (this.count & CONTROL) !== 0;
    const isClose = (this.count & OPCODE) === CLOSE;
    this.phase = Phase.FIRST;
    if (isClose || (!isControl && (this.count & FIN) !== 0)) this.finish(octets);
    else this.skip = octets;
  }
}
