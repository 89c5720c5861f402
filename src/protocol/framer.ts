/**
 * The port of this folder: a framer follows one stream of one connection and says where each of its
 * messages ends, from octets that come in order and in pieces of any size.
 *
 * A framer is one object for all connections of a thread; what it has to remember of a connection in
 * the middle of a message are `FRAMER_WORDS` words that the caller keeps (`save`, `load`). It is told
 * the message's kind (`begin`), then its octets (`feed`), of which those that it steps over need not
 * be at hand. Where it cannot follow it says so by a named fault, for that message alone: with the
 * next `begin` it starts afresh.
 */

/** What a framer knows after `feed`. */
export const Outcome = {
  /** All octets were taken and the message goes on. */
  MORE: 0,
  /** The message ends `endBytes` octets behind the beginning of those just fed, maybe still to come. */
  ENDS: 1,
  /** The message ends where the stream does. */
  UNTIL_CLOSE: 2,
  /** This message cannot be followed: see `fault`. */
  LOST: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Why a message cannot be followed. */
export const Fault = {
  NONE: 0,
  /** Octets that had to be read were not at hand. */
  NOT_AT_HAND: 1,
  /** These octets are not of this protocol. */
  MALFORMED: 2,
  /** A length that is none, contradicts another one, or is beyond 2^53. */
  BAD_LENGTH: 3,
  /** A header or a line without an end. */
  TOO_LONG: 4,
  /** The stream ended within the message. */
  CUT_SHORT: 5,
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

/** What a reply says, by the first digit of HTTP's, FTP's and SMTP's codes. */
export const ReplyClass = {
  UNKNOWN: 0,
  OK: 2,
  /** The other side has to go on, or to look elsewhere. */
  GO_ON: 3,
  /** Refused: by what was asked. */
  REFUSED: 4,
  /** Failed: by the server. */
  FAILED: 5,
} as const;

/** Words (32 bits) that `save` writes: kept only for connections within a message. */
export const FRAMER_WORDS = 11;

/** No larger number is exact. */
export const LENGTH_MAX = Number.MAX_SAFE_INTEGER;

const TWO_32 = 0x1_0000_0000;

/** Who is given the octets that a framer steps over. */
export interface SteppedOver {
  /** The next `bytes` of them, of which the first `atHand` lie in `data` from `start`. */
  onSteppedOver(data: DataView, start: number, atHand: number, bytes: number): void;
}

/**
 * The common half of all framers. Those of the protocols implement `read`, octet by octet: it may
 * stop anywhere, so that messages may be cut anywhere.
 */
export abstract class Framer {
  outcome: Outcome = Outcome.MORE;
  /** With ENDS: octets from the beginning of the last `feed` to the message's end. */
  endBytes = 0;
  fault: Fault = Fault.NONE;
  /** What the reply says, as far as it has been read: a `ReplyClass`, or HTTP's 1 to 5. */
  replyClass = 0;
  /** The reply's own code: a number, or a word as `packLetter` makes one; 0 where there is none. */
  code = 0;
  /** Behind this message the stream speaks another protocol. */
  isSwitch = false;
  /** How answers are made up is agreed on when both ends meet, and known of the recording alone. */
  readonly isNegotiated: boolean = false;
  /** Of HTTP these octets are bodies. */
  steppedOver: SteppedOver | null = null;

  /** Where in the message the octets at hand begin; 0 is its beginning. At most 8 bits. */
  protected phase = 0;
  /** Small numbers within a phase: 8 bits each. */
  protected index = 0;
  protected flags = 0;
  protected kind = 0;
  /** 32 bits. */
  protected count = 0;
  /** Octets that are to be stepped over before the next one is read. */
  protected skip = 0;
  /** A number that is being read, and one that has been: neither is beyond `LENGTH_MAX`. */
  protected value = 0;
  protected length = 0;

  /**
   * A message begins with the next octet.
   * @param kind what the protocol has to know of it beforehand: of a reply, the kind of its request
   */
  begin(kind: number): void {
    this.outcome = Outcome.MORE;
    this.endBytes = 0;
    this.fault = Fault.NONE;
    this.replyClass = 0;
    this.code = 0;
    this.isSwitch = false;
    this.phase = 0;
    this.index = 0;
    this.flags = 0;
    this.kind = kind;
    this.count = 0;
    this.skip = 0;
    this.value = 0;
    this.length = 0;
  }

  /**
   * The stream's next octets, of which the first `atHand` lie in `data` from `start`.
   * @param bytes how many octets of the stream these are, those that are not at hand included
   */
  feed(data: DataView, start: number, atHand: number, bytes: number): Outcome {
    const end = start + atHand;
    let at = start;
    for (;;) {
      if (this.skip > 0) {
        const left = bytes - (at - start);
        if (this.steppedOver !== null) this.#tellSkip(data, at, end, left);
        if (this.skip > left) {
          this.skip -= left;
          return Outcome.MORE;
        }
        at += this.skip;
        this.skip = 0;
      }
      if (at >= end) return at - start < bytes ? this.lose(Fault.NOT_AT_HAND) : Outcome.MORE;
      at = this.read(data, at, end);
      if (this.outcome === Outcome.MORE) continue;
      if (this.steppedOver !== null) this.#tellSkip(data, at, end, bytes - (at - start));
      if (this.outcome === Outcome.ENDS) {
        this.endBytes = at - start + this.skip;
        this.skip = 0;
      }
      return this.outcome;
    }
  }

  /** Of `left` octets from `at` on, those up to `end` at hand, so many as are stepped over. */
  #tellSkip(data: DataView, at: number, end: number, left: number): void {
    const bytes = Math.min(this.skip, left);
    const atHand = Math.max(0, Math.min(bytes, end - at));
    this.steppedOver?.onSteppedOver(data, at, atHand, bytes);
  }

  /** Octets that come next and need not be at hand. */
  get skipBytes(): number {
    return this.skip;
  }

  /** The stream has ended. */
  close(): Outcome {
    if (this.outcome === Outcome.MORE) return this.lose(Fault.CUT_SHORT);
    if (this.outcome === Outcome.UNTIL_CLOSE) {
      this.outcome = Outcome.ENDS;
      this.endBytes = 0;
    }
    return this.outcome;
  }

  /** Of an answer: whether the server has said that it is the connection's last one. */
  get endsConnection(): boolean {
    return false;
  }

  /** Writes what is remembered of the connection to `FRAMER_WORDS` words from `at`. */
  save(words: Uint32Array, at: number): void {
    words[at] = this.phase | (this.index << 8) | (this.flags << 16) | (this.replyClass << 24);
    words[at + 1] = this.kind;
    words[at + 2] = this.count;
    saveLong(words, at + 3, this.code);
    saveLong(words, at + 5, this.skip);
    saveLong(words, at + 7, this.value);
    saveLong(words, at + 9, this.length);
  }

  /** Goes on with a connection whose message was not over when it was saved. */
  load(words: Uint32Array, at: number): void {
    const packed = words[at];
    this.outcome = Outcome.MORE;
    this.endBytes = 0;
    this.fault = Fault.NONE;
    this.isSwitch = false;
    this.phase = packed & 0xff;
    this.index = (packed >>> 8) & 0xff;
    this.flags = (packed >>> 16) & 0xff;
    this.replyClass = packed >>> 24;
    this.kind = words[at + 1];
    this.count = words[at + 2];
    this.code = loadLong(words, at + 3);
    this.skip = loadLong(words, at + 5);
    this.value = loadLong(words, at + 7);
    this.length = loadLong(words, at + 9);
  }

  /**
   * Reads octets from `at`, at least one, and returns where it stopped: at `end`, where `skip` octets
   * are to be stepped over, or where `finish` or `lose` was called.
   */
  protected abstract read(data: DataView, at: number, end: number): number;

  /** The message ends `ahead` octets behind what has been read. */
  protected finish(ahead: number): void {
    this.outcome = Outcome.ENDS;
    this.skip = ahead;
  }

  protected lose(fault: Fault): Outcome {
    this.outcome = Outcome.LOST;
    this.fault = fault;
    return Outcome.LOST;
  }
}

function saveLong(words: Uint32Array, at: number, value: number): void {
  words[at] = value % TWO_32;
  words[at + 1] = value / TWO_32;
}

const loadLong = (words: Uint32Array, at: number): number => words[at + 1] * TWO_32 + words[at];

/** A framer of the server's stream: `begin` is told the kind of the request. */
export interface AnswerFramer extends Framer {
  /** What the answer said, for a report: `404`, `WRONGTYPE`; '' where it has no code. */
  codeText(): string;
}

/** A framer of the client's stream: `begin` is told whether the stream begins or goes on. */
export interface RequestFramer extends Framer {
  /** Of a request that has ended: the kind of its answer; `NO_ANSWER` where it gets none. */
  readonly answerKind: number;
}

/**
 * A framer of the server's stream that steps over what the server says of its own accord, up to where an answer begins:
 * there the outcome is ENDS, and the answer is still to be read. A state that is kept amid what may be the answer is
 * one that the answer's own framer goes on from.
 */
export interface PushFramer extends Framer {
  /** Whether the server had anything that was asked: what it says before answers nothing. */
  isAsked: boolean;
  /**
   * Where answers bear names: whether somebody awaits the one at hand, which can tell what kinds of answers it is.
   * Not called where they have none.
   */
  isAwaited: (isAnswerTo: (kind: number) => boolean) => boolean;
  /** Whether the octets just fed have shown a part of the answer. */
  readonly hasPart: boolean;
  /** Of that part, the first one of several, the first octet came before. */
  readonly isPartOlder: boolean;
  /** Where in memory the answer begins: before the octets just fed where it is -1. */
  readonly answerAt: number;
  /** Whether what is at hand is no answer, as far as that is known. */
  readonly isPush: boolean;
  /** Whether the octets fed until now end where something else begins. */
  readonly isBetween: boolean;
}

/** `begin` of a `RequestFramer`: the stream's first request, and any other. */
export const FIRST_REQUEST = 0;
export const NEXT_REQUEST = 1;

/** Kind of the answer to a request that is not answered. */
export const NO_ANSWER = -1;
