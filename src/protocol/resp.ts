/**
 * Redis: RESP2 and RESP3 (redis.io, "Redis serialization protocol specification").
 *
 * A message is a value; an aggregate is followed by its elements, so that one count of values still
 * to come follows any nesting. Attributes belong to the value behind them. Pushes (RESP3) come
 * between replies and answer nothing, but for those that confirm a subscription. What is published to a
 * subscriber answers nothing either; in RESP2 it is an array as any other, told by its first word.
 */
import {
  type AnswerFramer,
  Fault,
  FIRST_REQUEST,
  LENGTH_MAX,
  ReplyClass,
  type RequestFramer,
} from './framer.ts';
import { LineFramer } from './line-framer.ts';
import { octetsOf, packLetter, packWord, unpackWord } from './octets.ts';

/**
 * A reply's kind is the number of values that it is made of: one, but for subscriptions to several
 * channels. This bit says that they may come as pushes.
 */
const KIND_SUBSCRIPTION = 0x8000_0000;
/** And this one that what is published may come before them, or between them. */
const KIND_SUBSCRIBER = 0x4000_0000;
const KIND_REPLIES = 0x3fff_ffff;
/** What an array or push with something published begins with. */
const PUBLISHED = new Set(['message', 'pmessage', 'smessage'].map(packWord));

const Type = {
  ARRAY: 0x2a,
  SET: 0x7e,
  MAP: 0x25,
  ATTRIBUTE: 0x7c,
  PUSH: 0x3e,
  BULK: 0x24,
  BULK_ERROR: 0x21,
  VERBATIM: 0x3d,
  ERROR: 0x2d,
} as const;
/** By the first octet: no type; a value that is a line; one with a number of octets or elements. */
const FORM = new Uint8Array(256);
for (const octet of octetsOf('+-:_,#(')) FORM[octet] = 1;
for (const octet of octetsOf('*~%|>$!=')) FORM[octet] = 2;

const MINUS = 0x2d;
const SPACE = 0x20;
const LINE_END_BYTES = 2;
const REDIRECTIONS = new Set([packWord('MOVED'), packWord('ASK')]);

const IN_PUSH = 1;
/** The reply's own first type has been seen. */
const HAS_BEGUN = 2;
/** The line at hand is the reply's own error, whose first word says what is wrong. */
const IN_WORD = 4;
/** The next value is the first one of a reply that something published could be. */
const BEFORE_FIRST = 8;
/** The value at hand was published: it is no reply. */
const IS_PUBLISHED = 16;
/** A first value of so many octets may be such a word: the phase in which they are read, below any type. */
const WORD_BYTES_MIN = 7;
const WORD_BYTES_MAX = 8;

/**
 * `phase` is the type of the line at hand, 0 before it; `length` counts the values still to come, of
 * which those of the reply's later values are kept in `kind`.
 */
export class RespAnswers extends LineFramer implements AnswerFramer {
  override begin(kind: number): void {
    super.begin(kind);
    this.length = 1;
  }

  codeText(): string {
    return unpackWord(this.code);
  }

  protected override onOctet(octet: number): boolean {
    if (this.phase === 0) {
      if (!isType(octet)) this.lose(Fault.MALFORMED);
      if (octet !== Type.BULK) this.flags &= ~BEFORE_FIRST;
      this.phase = octet;
      this.#onType(octet);
      return octet === Type.ERROR || hasNumber(octet);
    }
    if (hasNumber(this.phase)) {
      this.#number(octet);
      return true;
    }
    if (isWordLong(this.phase)) {
      this.value = packLetter(this.value, octet);
      return true;
    }
    return this.#errorWord(octet);
  }

  #onType(type: number): void {
    // While an attribute's elements come, there is more than the reply itself to come.
    if (this.flags & (HAS_BEGUN | IN_PUSH) || this.length > 1 || type === Type.ATTRIBUTE) return;
    if (type === Type.PUSH && !(this.kind & KIND_SUBSCRIPTION)) return;
    this.flags |= HAS_BEGUN;
    const isError = type === Type.ERROR || type === Type.BULK_ERROR;
    this.replyClass = isError ? ReplyClass.REFUSED : ReplyClass.OK;
    if (type === Type.ERROR) this.flags |= IN_WORD;
  }

  #errorWord(octet: number): boolean {
    if (!(this.flags & IN_WORD)) return false;
    if (octet !== SPACE) {
      this.code = packLetter(this.code, octet);
      return true;
    }
    this.flags &= ~IN_WORD;
    if (REDIRECTIONS.has(this.code)) this.replyClass = ReplyClass.GO_ON;
    return false;
  }

  #number(octet: number): void {
    const digit = octet - 0x30;
    if (octet === MINUS && this.index === 0) this.index = 1;
    else if (digit < 0 || digit > 9) this.lose(Fault.BAD_LENGTH);
    else {
      this.value = this.value * 10 + digit;
      this.index |= 2;
      if (this.value > LENGTH_MAX) this.lose(Fault.BAD_LENGTH);
    }
  }

  protected override onLine(): void {
    const type = this.phase;
    this.phase = 0;
    this.flags &= ~IN_WORD;
    if (type === 0) {
      this.lose(Fault.MALFORMED);
      return;
    }
    if (isWordLong(type)) {
      this.#onFirst(type, this.value);
      return;
    }
    if (hasNumber(type)) {
      if (!(this.index & 2)) {
        this.lose(Fault.BAD_LENGTH);
        return;
      }
      // A length of -1 is a null: a value without octets or elements.
      const isNull = (this.index & 1) !== 0;
      if (type === Type.BULK && this.#isFirst(isNull)) return;
      if (isBulk(type)) this.skip = isNull ? 0 : this.value + LINE_END_BYTES;
      else if (this.#onAggregate(type, isNull ? 0 : this.value)) return;
    }
    this.#onValue();
  }

  /** @returns whether the line was no value of its own */
  #onAggregate(type: number, elements: number): boolean {
    if (type === Type.PUSH && !(this.flags & HAS_BEGUN)) {
      this.flags |= IN_PUSH;
      this.length = elements;
      if (elements === 0) this.#onMessage();
      return true;
    }
    const isReply = this.length === 1 && (type === Type.ARRAY || type === Type.PUSH);
    if (isReply && elements > 0 && this.kind & KIND_SUBSCRIBER) this.flags |= BEFORE_FIRST;
    const isPair = type === Type.MAP || type === Type.ATTRIBUTE;
    this.length += isPair ? 2 * elements : elements;
    if (this.length > LENGTH_MAX) this.lose(Fault.BAD_LENGTH);
    return type === Type.ATTRIBUTE;
  }

  /** A bulk string's length has been read. @returns whether its octets are the next line */
  #isFirst(isNull: boolean): boolean {
    const bytes = this.value;
    const isWord = (this.flags & BEFORE_FIRST) !== 0 && !isNull && isWordLong(bytes);
    this.flags &= ~BEFORE_FIRST;
    if (isWord) this.phase = bytes;
    return isWord;
  }

  /** The first line of a first value of so many octets, which may have more. */
  #onFirst(bytes: number, word: number): void {
    const read = this.count + 1;
    this.skip = bytes + LINE_END_BYTES - read;
    if (this.skip < 0) this.lose(Fault.MALFORMED);
    else if (this.skip === 0 && PUBLISHED.has(word)) this.flags |= IS_PUBLISHED;
    this.#onValue();
  }

  #onValue(): void {
    this.length--;
    if (this.length === 0) this.#onMessage();
  }

  #onMessage(): void {
    const isReply = (this.flags & (IN_PUSH | IS_PUBLISHED)) === 0;
    // What was published has not begun the reply.
    if (this.flags & IS_PUBLISHED) this.flags &= ~HAS_BEGUN;
    this.flags &= ~(IN_PUSH | IS_PUBLISHED);
    const later = (this.kind & KIND_REPLIES) - (isReply ? 1 : 0);
    if (later <= 0) {
      this.finish(this.skip);
      return;
    }
    this.kind = (later | (this.kind & ~KIND_REPLIES)) >>> 0;
    this.length = 1;
  }
}

/** Commands are arrays of bulk strings, or lines of words. */
export class RespRequests extends LineFramer implements RequestFramer {
  #words = 0;
  /** Whether the client has subscribed to something. */
  #isSubscriber = false;

  override begin(kind: number): void {
    super.begin(kind);
    if (kind === FIRST_REQUEST) this.#isSubscriber = false;
  }

  /** One reply; or one a channel. */
  get answerKind(): number {
    if (SUBSCRIPTIONS.has(this.code)) {
      const replies = Math.max(1, this.#words - 1);
      return (KIND_SUBSCRIPTION | KIND_SUBSCRIBER | replies) >>> 0;
    }
    return this.#isSubscriber && OF_SUBSCRIBERS.has(this.code) ? KIND_SUBSCRIBER | 1 : 1;
  }

  protected override finish(ahead: number): void {
    this.#isSubscriber ||= SUBSCRIPTIONS.has(this.code);
    super.finish(ahead);
  }

  protected override onOctet(octet: number): boolean {
    switch (this.phase) {
      case Phase.START:
        this.phase = octet === Type.ARRAY ? Phase.ARRAY : Phase.INLINE;
        this.#words = 0;
        return this.phase === Phase.ARRAY || this.#inline(octet);
      case Phase.INLINE:
        return this.#inline(octet);
      case Phase.NAME:
        this.code = packLetter(this.code, octet);
        return true;
      case Phase.BULK:
        if (octet !== Type.BULK) this.lose(Fault.MALFORMED);
        this.phase = Phase.BULK_BYTES;
        return true;
      default:
        this.#digit(octet);
        return true;
    }
  }

  #inline(octet: number): boolean {
    if (octet < SPACE || octet > 0x7e) this.lose(Fault.MALFORMED);
    if (octet === SPACE) this.index = 0;
    else if (this.index === 0) {
      this.#words++;
      this.index = 1;
    }
    if (this.#words === 1 && octet !== SPACE) this.code = packLetter(this.code, octet);
    return true;
  }

  #digit(octet: number): void {
    const digit = octet - 0x30;
    this.value = this.value * 10 + digit;
    this.index = 1;
    if (digit < 0 || digit > 9 || this.value > LENGTH_MAX) this.lose(Fault.BAD_LENGTH);
  }

  protected override onLine(): void {
    switch (this.phase) {
      case Phase.INLINE:
        if (this.code === 0) this.lose(Fault.MALFORMED);
        else this.finish(0);
        return;
      case Phase.NAME:
        this.#onBulk();
        return;
      case Phase.ARRAY:
      case Phase.BULK_BYTES:
        if (this.index === 0) this.lose(Fault.BAD_LENGTH);
        else this.#onNumber();
        return;
      default:
        this.lose(Fault.MALFORMED);
    }
  }

  #onNumber(): void {
    if (this.phase === Phase.ARRAY) {
      this.length = this.value;
      this.#words = this.value;
      this.phase = Phase.BULK;
      if (this.value === 0) this.lose(Fault.MALFORMED);
    } else if (this.length === this.#words && this.value <= NAME_BYTES_MAX) {
      this.phase = Phase.NAME;
    } else {
      this.skip = this.value + LINE_END_BYTES;
      this.#onBulk();
    }
  }

  #onBulk(): void {
    this.phase = Phase.BULK;
    this.length--;
    if (this.length === 0) this.finish(this.skip);
  }
}

const Phase = { START: 0, INLINE: 1, ARRAY: 2, BULK: 3, BULK_BYTES: 4, NAME: 5 } as const;
/** Names of commands are shorter. */
const NAME_BYTES_MAX = 32;
const SUBSCRIPTIONS = new Set(
  ['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE'].map(
    packWord,
  ),
);
/** In RESP2 a subscriber has no other commands. */
const OF_SUBSCRIBERS = new Set(['PING', 'QUIT', 'RESET'].map(packWord));

const hasNumber = (type: number): boolean => FORM[type] === 2;
const isType = (octet: number): boolean => FORM[octet] !== 0;
const isWordLong = (bytes: number): boolean => bytes >= WORD_BYTES_MIN && bytes <= WORD_BYTES_MAX;
const isBulk = (type: number): boolean =>
  type === Type.BULK || type === Type.BULK_ERROR || type === Type.VERBATIM;
