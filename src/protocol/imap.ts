/**
 * IMAP (RFC 9051): an answer is over with the line that begins with the command's tag, or where the
 * server asks for more. Octets of literals (section 4.3) are stepped over.
 */
import { type AnswerFramer, Fault, ReplyClass, type RequestFramer } from './framer.ts';
import { LineFramer } from './line-framer.ts';
import { packLetter, packWord, unpackWord } from './octets.ts';

const SPACE = 0x20;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const OPEN = 0x7b;
const CLOSE = 0x7d;
/** The kind of the answer that nobody asked for: the server's first line. */
const GREETING = 0;
/** Tags are told apart by their FNV-1a hash of 32 bits. */
const HASH_SEED = 0x811c_9dc5;
const HASH_PRIME = 0x0100_0193;
const LITERAL_BYTES_MAX = 2 ** 40;

const OK = packWord('OK');
const PREAUTH = packWord('PREAUTH');
const NO = packWord('NO');

/** `phase`: the word at hand. */
const Phase = { TAG: 0, STATUS: 1, REST: 2 } as const;
/** The low bits of `flags`: a literal's length at a line's end, `{12}`, or `{12+}` of one that does not wait. */
const Literal = { NONE: 0, DIGITS: 1, NO_WAIT: 2, CLOSED: 3, CLOSED_NO_WAIT: 4 } as const;
const LITERAL = 0x07;
const IS_STAR = 0x10;
const IS_PLUS = 0x20;

/** `length` is the hash of the line's tag, `code` the word behind it. */
abstract class ImapLines extends LineFramer {
  override begin(kind: number): void {
    super.begin(kind);
    this.length = HASH_SEED;
  }

  protected override onOctet(octet: number): boolean {
    if (octet === SPACE) this.phase = Math.min(this.phase + 1, Phase.REST);
    else if (this.phase === Phase.TAG) {
      if (this.length === HASH_SEED) this.flags |= markOf(octet);
      this.length = Math.imul(this.length ^ octet, HASH_PRIME) >>> 0;
    } else if (this.phase === Phase.STATUS) this.code = packLetter(this.code, octet);
    this.flags = (this.flags & ~LITERAL) | this.#literal(octet);
    return true;
  }

  /** What the octet makes of a literal's length. */
  #literal(octet: number): number {
    const literal = this.flags & LITERAL;
    if (octet === OPEN) {
      this.value = 0;
      return Literal.DIGITS;
    }
    if (literal === Literal.NO_WAIT) return octet === CLOSE ? Literal.CLOSED_NO_WAIT : Literal.NONE;
    if (literal !== Literal.DIGITS) return Literal.NONE;
    if (octet === CLOSE) return Literal.CLOSED;
    if (octet === PLUS || octet === MINUS) return Literal.NO_WAIT;
    if (octet < 0x30 || octet > 0x39) return Literal.NONE;
    this.value = Math.min(LITERAL_BYTES_MAX, this.value * 10 + octet - 0x30);
    return Literal.DIGITS;
  }

  /** Whether a literal follows the line. */
  protected get hasLiteral(): boolean {
    return (this.flags & LITERAL) >= Literal.CLOSED;
  }

  /** The line goes on behind a literal. */
  protected stepOverLiteral(): void {
    this.skip = this.value;
    this.phase = Phase.REST;
    this.flags &= ~LITERAL;
  }
}

const markOf = (octet: number): number => {
  if (octet === STAR) return IS_STAR;
  return octet === PLUS ? IS_PLUS : 0;
};

/** The kind is the hash of the command's tag. */
export class ImapAnswers extends ImapLines implements AnswerFramer {
  codeText(): string {
    return unpackWord(this.code);
  }

  protected override onLine(): void {
    if (this.hasLiteral) {
      this.stepOverLiteral();
      return;
    }
    const isGreeting = this.kind === GREETING && (this.flags & IS_STAR) !== 0;
    if (this.phase === Phase.TAG && !(this.flags & (IS_STAR | IS_PLUS))) this.lose(Fault.MALFORMED);
    else if (isGreeting || this.length === this.kind) {
      this.replyClass = classOf(this.code);
      this.finish(0);
    } else if (this.flags & IS_PLUS) {
      this.replyClass = ReplyClass.GO_ON;
      this.code = 0;
      this.finish(0);
    } else this.begin(this.kind);
  }
}

function classOf(word: number): number {
  if (word === OK || word === PREAUTH) return ReplyClass.OK;
  return word === NO ? ReplyClass.REFUSED : ReplyClass.FAILED;
}

/** A command, up to a literal that waits for the server, or from there on; or a line without a tag. */
export class ImapRequests extends ImapLines implements RequestFramer {
  #tag = GREETING;
  #literalBytes = 0;

  override begin(kind: number): void {
    super.begin(kind);
    if (kind === 0) {
      this.#tag = GREETING;
      this.#literalBytes = 0;
    }
    if (this.#literalBytes === 0) return;
    this.skip = this.#literalBytes;
    this.phase = Phase.REST;
    this.flags = IS_PLUS;
    this.#literalBytes = 0;
  }

  get answerKind(): number {
    return this.#tag;
  }

  protected override onLine(): void {
    // Without a blank it is no command: what an IDLE or a log-in goes on with.
    const isContinued = (this.flags & IS_PLUS) !== 0;
    if (this.phase !== Phase.TAG && !isContinued) {
      this.#tag = this.length;
      this.flags |= IS_PLUS;
    }
    if (!this.hasLiteral) this.finish(0);
    else if ((this.flags & LITERAL) === Literal.CLOSED_NO_WAIT) this.stepOverLiteral();
    else {
      this.#literalBytes = this.value;
      this.finish(0);
    }
  }
}
