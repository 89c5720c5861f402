/**
 * What a WebSocket server says of its own accord. No field of the protocol tells a push from an answer, so
 * kinds of messages do: whether a message is text, and with what it begins, where runs of digits are the
 * same whatever they are. Which kinds are pushes a recording shows (`websocket-pairs.ts`).
 */
import { type Outcome, type PushFramer, ReplyClass } from './framer.ts';
import { type PayloadReader, WebSocketMessages } from './websocket.ts';

/** Kinds are told by as many of the payload's first octets, runs of digits counted as one. */
const KIND_BYTES = [4, 8, 16, 32] as const;
const KIND_BYTES_MAX = 32;
/** Text or binary, and whether it is compressed: then its octets tell nothing. */
const FRAME_BITS = 0x4f;
/** What no octet is: the payload is over. */
const END = 0x1ff;

/** FNV-1a, 32 bits. */
const HASH_BASIS = 0x811c9dc5;
const HASH_PRIME = 0x0100_0193;
const hashed = (hash: number, octet: number): number => Math.imul(hash ^ octet, HASH_PRIME);

/**
 * Tells the kinds of the message at hand, from the most general to the most particular one. Where the payload
 * comes in pieces the hash has to be kept meanwhile: `hash` and `octets`.
 */
export abstract class KindReader implements PayloadReader {
  hash = 0;
  octets = 0;

  /** Of what kind the message is. @returns whether others are to be told, too */
  protected abstract onKind(kind: number): boolean;

  onFrame(first: number): boolean {
    this.octets = 0;
    this.hash = hashed(HASH_BASIS, first & FRAME_BITS);
    return this.onKind(this.hash);
  }

  onOctet(octet: number, isLast: boolean): boolean {
    if (octet >= 0) {
      this.hash = hashed(this.hash, octet);
      this.octets++;
      const isOne = KIND_BYTES.includes(this.octets as (typeof KIND_BYTES)[number]);
      if (isOne && !this.onKind(this.hash)) return false;
    }
    if (this.octets === KIND_BYTES_MAX) return false;
    if (isLast) this.onKind(hashed(this.hash, END));
    return true;
  }
}

/** Keeps all kinds of the last message. */
export class KindList extends KindReader {
  kinds: number[] = [];

  override onFrame(first: number): boolean {
    this.kinds = [];
    return super.onFrame(first);
  }

  protected override onKind(kind: number): boolean {
    this.kinds.push(kind);
    return true;
  }
}

/** Kinds of a server's messages (`learnPushes`, `learnStreams`). */
export interface MessageKinds {
  /** Of those that are not awaited: pushes, and parts of answers that another message ends. */
  readonly pushes: ReadonlySet<number>;
  /** Of those parts alone. */
  readonly parts: ReadonlySet<number>;
}

/** Looks for a kind that is one of pushes, and for one of parts. */
class PushFinder extends KindReader {
  isPush = false;
  isPart = false;
  /** Nobody wants to know. */
  isIdle = false;
  readonly #pushes: ReadonlySet<number>;
  readonly #parts: ReadonlySet<number>;

  constructor({ pushes, parts }: MessageKinds) {
    super();
    this.#pushes = pushes;
    this.#parts = parts;
  }

  override onFrame(first: number): boolean {
    this.isPush = false;
    this.isPart = false;
    return !this.isIdle && super.onFrame(first);
  }

  protected override onKind(kind: number): boolean {
    this.isPush ||= this.#pushes.has(kind);
    this.isPart ||= this.#parts.has(kind);
    // What is a push by its first octets may be a part by those behind them.
    return !this.isPush || (!this.isPart && this.#parts.size > 0);
  }
}

/** Of the number of octets that were read: the message at hand is a push; or so its octets say, which may be a part's. */
const IS_PUSH = 0x80;
const HAS_PUSH_KIND = 0x40;
const TWO_32 = 0x1_0000_0000;

/**
 * Steps over pushes and control frames up to an answer's beginning: there it ends, with its message still to
 * be read by `WebSocketMessages`. A state that is kept amid a message which is no push yet is one that
 * `WebSocketMessages` goes on from.
 */
export class WebSocketPushes extends WebSocketMessages implements PushFramer {
  /** Whether anything has been asked: what begins before is a push whatever it says. */
  isAsked = true;
  isAwaited = (): boolean => true;
  /** Whether the octets just fed have shown a part of the answer. */
  hasPart = false;
  /** Of that part, the first one of several, the first octet came before. */
  isPartOlder = false;
  readonly #finder: PushFinder;
  #isPush = false;

  constructor(kinds: MessageKinds) {
    const finder = new PushFinder(kinds);
    super(finder);
    this.#finder = finder;
  }

  /** Where in memory the answer begins: before the octets just fed where it is -1. */
  get answerAt(): number {
    return this.messageAt;
  }

  /** Whether the message at hand is a push, as far as that is known. */
  get isPush(): boolean {
    return this.#isPush;
  }

  override begin(kind: number): void {
    super.begin(kind);
    this.#isPush = false;
  }

  override feed(data: DataView, start: number, atHand: number, bytes: number): Outcome {
    this.hasPart = false;
    this.isPartOlder = false;
    return super.feed(data, start, atHand, bytes);
  }

  override save(words: Uint32Array, at: number): void {
    const { hash, octets, isPush } = this.#finder;
    const marks = (this.#isPush ? IS_PUSH : 0) | (isPush ? HAS_PUSH_KIND : 0);
    this.length = (hash >>> 0) + TWO_32 * (octets | marks);
    super.save(words, at);
  }

  override load(words: Uint32Array, at: number): void {
    super.load(words, at);
    const marked = Math.floor(this.length / TWO_32);
    this.#isPush = (marked & IS_PUSH) !== 0;
    this.#finder.hash = this.length | 0;
    this.#finder.octets = marked & ~(IS_PUSH | HAS_PUSH_KIND);
    this.#finder.isPush = (marked & HAS_PUSH_KIND) !== 0;
    this.#finder.isPart = false;
    this.#finder.isIdle = this.#isPush;
  }

  protected override onBegin(): void {
    this.#isPush = !this.isAsked;
    this.#finder.isIdle = this.#isPush;
  }

  protected override onKnown(): void {
    if (this.#isPush) return;
    this.#isPush = this.#finder.isPush;
    if (!this.#isPush) this.finish(0);
    else if (this.#finder.isPart && !this.hasPart) {
      this.hasPart = true;
      this.isPartOlder = this.messageAt < 0;
    }
  }

  protected override onOver(octets: number): void {
    this.skip = octets;
  }

  protected override onClose(octets: number): void {
    this.replyClass = ReplyClass.UNKNOWN;
    if (this.#isPush) this.skip = octets;
    else this.finish(0);
  }
}
