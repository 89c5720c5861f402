/**
 * WebSocket (RFC 6455, section 5), behind the upgrade: a message is one frame, or several up to one
 * with FIN; control frames may come between them and are no message, but for a close, which is the last
 * one. Nothing says which message answers which: that is for the caller to find out.
 */
import { type AnswerFramer, Fault, Framer, LENGTH_MAX, Outcome, ReplyClass } from './framer.ts';

const FIN = 0x80;
/** The first reserved bit, which compression (RFC 7692) uses in the first frames of messages. */
const COMPRESSED_FRAME = 0x40;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const CONTROL = 0x08;
const OPCODES = new Set([0, 1, 2, 8, 9, 10]);
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const MASKED = 0x80;
const MASK_BYTES = 4;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;

/** What `begin` is told of a server's message; bits. */
export const MessageKind = {
  PLAIN: 0,
  /** The upgrade has agreed on compression. */
  COMPRESSED: 1,
} as const;

const Phase = { FIRST: 0, LENGTH: 1, EXTENDED: 2, PAYLOAD: 3, CLOSE_CODE: 4 } as const;

const Flag = {
  /** The frame at hand is masked. */
  MASKED: 1,
  /** Between the frames of one message. */
  CONTINUES: 2,
  /** The last octet of the payload that was read is a digit. */
  DIGIT: 4,
} as const;

/** Close codes (RFC 6455, section 7.4) that are no reproach. */
const CLOSED_NORMALLY = new Set([0, 1000, 1005]);
const GOING_AWAY = 1001;
/** The server's own fault, or that of somebody behind it. */
const CLOSED_BY_FAILURE = new Set([1006, 1011, 1012, 1013, 1014, 1015]);

/** Who wants to know with what payloads begin. */
export interface PayloadReader {
  /** A message's first frame has this first octet. */
  onFrame(first: number): boolean;
  /** The next octet; runs of digits are one `0`. @param isLast the frame has no more */
  onOctet(octet: number, isLast: boolean): boolean;
}

/**
 * The frames of one side. `count` is the first octet of the frame at hand, `index` counts the octets of a
 * length or a close code that are to come, `value` is that length, and then what of it is to come.
 */
export class WebSocketMessages extends Framer implements AnswerFramer {
  /** Where in memory the message's first octet lies; -1 where it came before the last `feed`. */
  protected messageAt = -1;
  readonly #payloads: PayloadReader | null;

  /** @param payloads is told with what payloads begin until it returns false; `null`: nobody asks */
  constructor(payloads: PayloadReader | null = null) {
    super();
    this.#payloads = payloads;
  }

  /** Whether the octets fed until now end with a frame that ends a message, or is none of any. */
  get isBetween(): boolean {
    return this.phase === Phase.FIRST && this.skip === 0 && !(this.flags & Flag.CONTINUES);
  }

  /** `text`, `binary`, `close 1011`. */
  codeText(): string {
    if (this.code === TEXT) return 'text';
    if (this.code === BINARY) return 'binary';
    return this.code > CLOSE ? `close ${this.code}` : 'close';
  }

  override feed(data: DataView, start: number, atHand: number, bytes: number): Outcome {
    this.messageAt = -1;
    return super.feed(data, start, atHand, bytes);
  }

  /** Whether frames may be masked: those of a server must not be (section 5.1). */
  protected get mayMask(): boolean {
    return false;
  }

  protected get mayCompress(): boolean {
    return (this.kind & MessageKind.COMPRESSED) !== 0;
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at);
      if (this.phase === Phase.FIRST) this.#first(octet, at);
      else if (this.phase === Phase.LENGTH) this.#length(octet);
      else if (this.phase === Phase.EXTENDED) this.#extended(octet);
      else if (this.phase === Phase.PAYLOAD) this.#payload(octet);
      else this.#closeCode(octet);
      at++;
    }
    return at;
  }

  #first(octet: number, at: number): void {
    const opcode = octet & OPCODE;
    const isControl = (opcode & CONTROL) !== 0;
    const isContinuing = (this.flags & Flag.CONTINUES) !== 0;
    const mayBeReserved = this.mayCompress && !isControl && opcode !== 0 ? COMPRESSED_FRAME : 0;
    const isBad =
      !OPCODES.has(opcode) ||
      (octet & RESERVED & ~mayBeReserved) !== 0 ||
      (isControl ? !(octet & FIN) : (opcode === 0) !== isContinuing);
    if (isBad) this.lose(Fault.MALFORMED);
    if (!isContinuing) {
      this.messageAt = at;
      this.onBegin();
    }
    this.count = octet;
    this.phase = Phase.LENGTH;
  }

  /** A message, or a control frame between messages, begins with the octet at hand. */
  protected onBegin(): void {
    // Whoever has to do with pushes wants to know.
  }

  #length(octet: number): void {
    this.flags = octet & MASKED ? this.flags | Flag.MASKED : this.flags & ~Flag.MASKED;
    const length = octet & LENGTH_BITS;
    if (octet & MASKED && !this.mayMask) this.lose(Fault.MALFORMED);
    // Control frames are short (section 5.5).
    else if (length >= LENGTH_16 && this.count & CONTROL) this.lose(Fault.BAD_LENGTH);
    else if (length >= LENGTH_16) {
      this.value = 0;
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

  /** A frame's header is over. @param bytes of its payload */
  #frame(bytes: number): void {
    const octets = bytes + (this.flags & Flag.MASKED ? MASK_BYTES : 0);
    const opcode = this.count & OPCODE;
    this.phase = Phase.FIRST;
    if (opcode === CLOSE) this.#close(bytes, octets);
    else if (opcode & CONTROL) {
      if (this.flags & Flag.CONTINUES) this.skip = octets;
      else this.onControl(octets);
    } else if (opcode === 0) this.#data(octets);
    else {
      this.value = octets;
      this.flags &= ~Flag.DIGIT;
      const isRead = this.#payloads?.onFrame(this.count) === true;
      if (isRead && octets > 0 && !(this.count & COMPRESSED_FRAME)) this.phase = Phase.PAYLOAD;
      else this.#known();
    }
  }

  /** As much of a payload as anybody wants to know. */
  #payload(octet: number): void {
    this.value--;
    const isDigit = octet >= 0x30 && octet <= 0x39;
    const isRepeated = isDigit && (this.flags & Flag.DIGIT) !== 0;
    this.flags = isDigit ? this.flags | Flag.DIGIT : this.flags & ~Flag.DIGIT;
    const isLast = this.value === 0;
    const folded = isDigit ? 0x30 : octet;
    // Of a run of digits only the first one counts; what ends with one still has to be told of.
    if (isRepeated && !isLast) return;
    const isRead = this.#payloads?.onOctet(isRepeated ? -1 : folded, isLast) === true;
    if (!isRead || isLast) this.#known();
  }

  /** Of a message's first frame as much is known as is needed; `value` octets of it are to come. */
  #known(): void {
    this.phase = Phase.FIRST;
    this.onKnown(this.count & OPCODE);
    if (this.outcome === Outcome.MORE) this.#data(this.value);
  }

  /** What a data message is, is known. */
  protected onKnown(opcode: number): void {
    this.replyClass = ReplyClass.OK;
    this.code = opcode;
  }

  /** `octets` of a frame with data are to be stepped over. */
  #data(octets: number): void {
    if (this.count & FIN) {
      this.flags &= ~Flag.CONTINUES;
      this.onOver(octets);
    } else {
      this.flags |= Flag.CONTINUES;
      this.skip = octets;
    }
  }

  /** A message is over, `octets` on. */
  protected onOver(octets: number): void {
    this.finish(octets);
  }

  /** A ping or a pong between messages. */
  protected onControl(octets: number): void {
    this.skip = octets;
  }

  #close(bytes: number, octets: number): void {
    this.code = 0;
    this.value = octets;
    // A code has two octets (section 5.5.1).
    if (bytes === 1) this.lose(Fault.BAD_LENGTH);
    else if (bytes === 0 || this.flags & Flag.MASKED) this.#closed();
    else {
      this.index = 2;
      this.phase = Phase.CLOSE_CODE;
    }
  }

  #closeCode(octet: number): void {
    this.code = this.code * 256 + octet;
    this.value--;
    this.index--;
    if (this.index === 0) this.#closed();
  }

  #closed(): void {
    this.phase = Phase.FIRST;
    this.replyClass = classOfClose(this.code);
    // No code is that low, and lower ones name kinds of messages.
    this.code = Math.max(this.code, CLOSE);
    this.onClose(this.value);
  }

  /** A close has been read but for `octets`. */
  protected onClose(octets: number): void {
    this.finish(octets);
  }
}

function classOfClose(code: number): number {
  if (CLOSED_NORMALLY.has(code)) return ReplyClass.OK;
  if (code === GOING_AWAY) return ReplyClass.GO_ON;
  return CLOSED_BY_FAILURE.has(code) ? ReplyClass.FAILED : ReplyClass.REFUSED;
}

/** Recorded messages: pings and pongs between them are told of, too. */
export class RecordedMessages extends WebSocketMessages {
  /** Whether what has ended is a ping or a pong. */
  isControl = false;

  override begin(kind: number): void {
    super.begin(kind);
    this.isControl = false;
  }

  protected override onControl(octets: number): void {
    this.isControl = true;
    this.finish(octets);
  }
}

/** A recorded client's, whose frames are masked; what it was offered nobody asks. */
export class RecordedRequests extends RecordedMessages {
  protected override get mayMask(): boolean {
    return true;
  }

  protected override get mayCompress(): boolean {
    return true;
  }
}
