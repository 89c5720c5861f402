/** What servers of MQTT say: answers, and what stands between them. */
import { type AnswerFramer, Fault, Outcome, type PushFramer, ReplyClass } from './framer.ts';
import {
  answerName,
  bitsOf,
  FROM_SERVER,
  isOf,
  MqttPackets,
  NAMED,
  PacketType,
  Phase,
  TYPE_AT,
  VERSION_5,
} from './mqtt-packets.ts';

/** Codes below are no refusals, in version 5 and of SUBACK (section 2.4). */
const REFUSALS = 0x80;
/** The client has to go on with AUTH, or to look elsewhere. */
const GOES_ON = new Set([0x18, 0x9c, 0x9d]);
/**
 * The server's own trouble: unavailable (CONNACK before version 5: 3.1.1, section 3.2.2.3); unspecified, its implementation,
 * unavailable, busy, shutting down, quota, too many connections.
 */
const FAILURES = new Set([3, 0x80, 0x83, 0x88, 0x89, 0x8b, 0x97, 0x9f]);
/** What begins with a code. Since version 5 a server may say that it leaves. */
const CODED_FIRST = bitsOf([PacketType.AUTH, PacketType.DISCONNECT]);
const PUSHES = bitsOf([PacketType.PUBLISH, PacketType.PUBREL]);

/** A server's packets: an answer is the next one that is no push. `code` is what it is refused by, or has to go on by. */
export class MqttAnswers extends MqttPackets implements AnswerFramer {
  protected override readonly types: number = FROM_SERVER;

  codeText(): string {
    return this.code === 0 ? '' : `0x${this.code.toString(16).padStart(2, '0')}`;
  }

  /** What the packet at hand answers, as `answerName` has kinds, once its identifier has been read. */
  protected onNamed(_name: number): void {
    // Here all answers are taken in their order.
  }

  /** The packet at hand answers nothing, and its length is known. */
  protected onPush(): void {
    this.stepOver();
  }

  protected get isPushed(): boolean {
    return isOf(PUSHES, this.type);
  }

  protected override onType(): void {
    const { type } = this;
    if (!this.isPushed && !isOf(NAMED, type)) this.onNamed(type * TYPE_AT);
  }

  protected override onLength(): void {
    const { type } = this;
    if (this.isPushed) this.onPush();
    else if (isOf(NAMED, type)) {
      this.phase = Phase.ID;
      if (this.value < 2) this.lose(Fault.BAD_LENGTH);
    } else if (type === PacketType.CONNACK) {
      this.phase = Phase.BEFORE_CODE;
      if (this.value < 2) this.lose(Fault.BAD_LENGTH);
    } else if (isOf(CODED_FIRST, type) && this.value > 0) this.phase = Phase.CODES;
    else this.#end();
  }

  protected override onOctet(octet: number): void {
    switch (this.phase) {
      case Phase.ID:
        if (this.addOctet(octet)) this.#onId();
        return;
      case Phase.BEFORE_CODE:
        this.phase = Phase.CODES;
        return;
      case Phase.PROPERTIES:
        if (this.addBits(octet)) this.#stepOverProperties();
        return;
      default:
        this.#code(octet);
    }
  }

  #onId(): void {
    const id = this.length;
    this.length = 0;
    this.onNamed(id + this.type * TYPE_AT);
    if (this.outcome !== Outcome.MORE || this.phase !== Phase.ID) return;
    if (this.value === 0) this.#end();
    else if (!this.#hasManyCodes || !this.#isNew) this.phase = Phase.CODES;
    else this.phase = Phase.PROPERTIES;
  }

  get #isNew(): boolean {
    return (this.kind & VERSION_5) !== 0;
  }

  /** A code a topic. */
  get #hasManyCodes(): boolean {
    return this.type === PacketType.SUBACK || this.type === PacketType.UNSUBACK;
  }

  #stepOverProperties(): void {
    const bytes = this.length;
    this.length = 0;
    this.value -= bytes;
    this.skip = bytes;
    this.phase = Phase.CODES;
    if (this.value < 0) this.lose(Fault.BAD_LENGTH);
    else if (this.value === 0) this.#end();
  }

  #code(octet: number): void {
    const { type } = this;
    const isRefused = type === PacketType.CONNACK ? octet > 0 : octet >= REFUSALS;
    if (isRefused || type === PacketType.AUTH) {
      this.code = octet;
      this.replyClass = classOf(octet);
    }
    // The first topic that is refused tells what all are.
    if (isRefused || !this.#hasManyCodes || this.value === 0) this.#end();
  }

  #end(): void {
    // A server that leaves answers by that whatever it was asked.
    const isLeaving = this.type === PacketType.DISCONNECT;
    if (this.replyClass === 0) this.replyClass = isLeaving ? ReplyClass.FAILED : ReplyClass.OK;
    this.finishPacket();
  }
}

function classOf(code: number): number {
  if (code === 0) return ReplyClass.OK;
  if (GOES_ON.has(code)) return ReplyClass.GO_ON;
  return FAILURES.has(code) ? ReplyClass.FAILED : ReplyClass.REFUSED;
}

/** A recorded server's packets, those among them that answer nothing. */
export class RecordedMqttAnswers extends MqttAnswers {
  /** Whether what has ended answers nothing. */
  isPush = false;
  /** What else it answers. */
  name = 0;

  override begin(kind: number): void {
    super.begin(kind);
    this.isPush = false;
  }

  protected override onNamed(name: number): void {
    this.name = name;
  }

  protected override onPush(): void {
    this.isPush = true;
    this.finishPacket();
  }
}

/** Steps over what answers nothing that was asked, up to the answer's beginning. */
export class MqttPushes extends MqttAnswers implements PushFramer {
  isAsked = true;
  readonly hasPart = false;
  readonly isPartOlder = false;
  isAwaited: (isAnswerTo: (kind: number) => boolean) => boolean = () => true;
  #name = 0;
  /** The packet at hand looks like an answer, and is none that anybody awaits. */
  #isStray = false;
  readonly #isAnswerTo = (kind: number): boolean => isAnswerTo(this.#name, answerName(kind));

  get answerAt(): number {
    return this.packetAt;
  }

  get isPush(): boolean {
    return this.#isStray || this.isPushed;
  }

  get isBetween(): boolean {
    return this.phase === Phase.FIRST && this.skip === 0;
  }

  override begin(kind: number): void {
    super.begin(kind);
    this.#isStray = false;
  }

  override save(words: Uint32Array, at: number): void {
    this.flags = this.#isStray ? 1 : 0;
    super.save(words, at);
  }

  override load(words: Uint32Array, at: number): void {
    super.load(words, at);
    this.#isStray = this.flags !== 0;
  }

  protected override onType(): void {
    this.#isStray = false;
    super.onType();
  }

  protected override onNamed(name: number): void {
    this.#name = name;
    if (this.isAsked && this.isAwaited(this.#isAnswerTo)) this.finish(0);
    else {
      this.#isStray = true;
      if (this.phase === Phase.ID) this.stepOver();
    }
  }

  protected override onLength(): void {
    if (this.#isStray) this.stepOver();
    else super.onLength();
  }
}

const CONNACK = PacketType.CONNACK * TYPE_AT;
const AUTH = PacketType.AUTH * TYPE_AT;
const DISCONNECT = PacketType.DISCONNECT * TYPE_AT;

/** A log-in is answered by AUTH until it is over, and everything by the server's leave. */
export const isAnswerTo = (name: number, awaited: number): boolean =>
  name === awaited || name === DISCONNECT || (name === AUTH && awaited === CONNACK);
