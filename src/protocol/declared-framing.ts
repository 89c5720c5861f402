/**
 * Framings that a user declares for protocols that nobody here knows: messages that begin with their
 * length, or that are lines. Each message of the client's is a request, each of the server's an answer.
 */
import {
  type AnswerFramer,
  Fault,
  Framer,
  LENGTH_MAX,
  Outcome,
  type RequestFramer,
} from './framer.ts';
import { LineFramer } from './line-framer.ts';

/** Where in a message its length stands, and what it counts. */
export interface LengthField {
  /** Octets before it. */
  readonly offset: number;
  /** Octets of it: 1, 2, 3, 4 or 8. */
  readonly bytes: number;
  readonly endian: 'big' | 'little';
  /** Octets that a message is longer than its length says; may be negative. */
  readonly add: number;
}

/** How messages of a session are told apart: by a length in front, by line feeds, or not at all. */
export type Framing = LengthField | 'line' | 'none';

const ANSWER = 0;

/** Messages that say how long they are: `index` counts octets up to the length's end. */
export class LengthFramer extends Framer implements AnswerFramer, RequestFramer {
  readonly answerKind = ANSWER;
  readonly #field: LengthField;

  constructor(field: LengthField) {
    super();
    this.#field = field;
  }

  codeText(): string {
    return '';
  }

  protected override read(data: DataView, start: number, end: number): number {
    const { offset, bytes, endian, add } = this.#field;
    let at = start;
    while (at < end && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at++);
      const place = this.count++ - offset;
      if (place < 0) continue;
      this.value = endian === 'big' ? this.value * 256 + octet : this.value + octet * 256 ** place;
      if (this.value > LENGTH_MAX) this.lose(Fault.BAD_LENGTH);
      else if (place + 1 === bytes) {
        const ahead = this.value + add - this.count;
        if (ahead < 0) this.lose(Fault.BAD_LENGTH);
        else this.finish(ahead);
      }
    }
    return at;
  }
}

/** A message a line. */
export class PlainLines extends LineFramer implements AnswerFramer, RequestFramer {
  readonly answerKind = ANSWER;

  codeText(): string {
    return '';
  }

  protected override onOctet(): boolean {
    return false;
  }

  protected override onLine(): void {
    this.finish(0);
  }
}
