/** memcached's text protocol (memcached's doc/protocol.txt), meta commands included. */
import { type AnswerFramer, Fault, NO_ANSWER, ReplyClass, type RequestFramer } from './framer.ts';
import { LineFramer } from './line-framer.ts';
import { packLetter, packWord, unpackWord } from './octets.ts';

const SPACE = 0x20;
const LINE_END_BYTES = 2;
const VALUE = packWord('VALUE');
const VA = packWord('VA');
/** Lines after which the answer goes on; a value and a meta value are followed by octets. */
const GOES_ON = new Set(['VALUE', 'STAT', 'ITEM'].map(packWord));
const REFUSALS = new Set(['ERROR', 'CLIENTERROR'].map(packWord));
const SERVER_ERROR = packWord('SERVERERROR');
/** The word of a line that has the number of octets behind it. */
const BYTES_WORD = new Map([
  [VALUE, 3],
  [VA, 1],
]);
const DIGITS_MAX = 10;

/** A line's words: `length` is the first one, `index` the number of the one at hand. */
abstract class Words extends LineFramer {
  /** Word that says how many octets follow the line; 0 for none. */
  protected abstract bytesWord(first: number): number;

  protected override onOctet(octet: number): boolean {
    if (octet < SPACE || octet === 0x7f) this.lose(Fault.MALFORMED);
    if (octet === SPACE) {
      this.index = Math.min(this.index + 1, 0xff);
      return true;
    }
    if (this.index === 0) this.length = packLetter(this.length, octet);
    else if (this.index === this.bytesWord(this.length)) this.#digit(octet);
    this.onWordOctet(octet);
    return true;
  }

  protected abstract onWordOctet(octet: number): void;

  #digit(octet: number): void {
    const digit = octet - 0x30;
    this.value = this.value * 10 + digit;
    if (digit < 0 || digit > 9 || this.value > 10 ** DIGITS_MAX) this.lose(Fault.BAD_LENGTH);
  }
}

/** `code` is the word that tells of an error. */
export class MemcachedAnswers extends Words implements AnswerFramer {
  codeText(): string {
    return unpackWord(this.code);
  }

  protected override bytesWord(first: number): number {
    return BYTES_WORD.get(first) ?? 0;
  }

  protected override onWordOctet(): void {
    // The first word says all.
  }

  protected override onLine(): void {
    const word = this.length;
    this.length = 0;
    const octets = BYTES_WORD.has(word) ? this.value + LINE_END_BYTES : 0;
    if (GOES_ON.has(word)) {
      this.skip = octets;
      return;
    }
    this.replyClass = ReplyClass.OK;
    if (REFUSALS.has(word)) this.replyClass = ReplyClass.REFUSED;
    if (word === SERVER_ERROR) this.replyClass = ReplyClass.FAILED;
    if (this.replyClass !== ReplyClass.OK) this.code = word;
    this.finish(octets);
  }
}

/** Commands with octets behind their line, and the word that says how many. */
const STORES = new Map([
  ...['set', 'add', 'replace', 'append', 'prepend', 'cas'].map((name): [number, number] => [
    packWord(name),
    4,
  ]),
  [packWord('ms'), 2],
]);
const NOREPLY = packWord('noreply');
const QUIT = packWord('quit');

/** A command a line, with the octets to be stored. */
export class MemcachedRequests extends Words implements RequestFramer {
  #lastWord = 0;
  #word = 0;

  get answerKind(): number {
    return this.#lastWord === NOREPLY || this.length === QUIT ? NO_ANSWER : 0;
  }

  protected override bytesWord(first: number): number {
    return STORES.get(first) ?? 0;
  }

  protected override onWordOctet(octet: number): void {
    if (this.#word !== this.index) {
      this.#word = this.index;
      this.#lastWord = 0;
    }
    this.#lastWord = packLetter(this.#lastWord, octet);
  }

  protected override onLine(): void {
    this.#word = 0;
    this.finish(STORES.has(this.length) ? this.value + LINE_END_BYTES : 0);
  }
}
