/**
 * MQTT's packets (3.1, 3.1.1 and 5.0, section 2): a first octet with type and flags, the length of the rest, and
 * mostly an identifier by which an answer names its request.
 *
 * What a server publishes, and the second half of that with QoS 2 (PUBREL), answers nothing.
 */
import { Fault, Framer, Outcome } from './framer.ts';
import { MQTT_VERSION_5 } from './mqtt.ts';

/** Types of packets, the upper half of their first octet (section 2.1.2). */
export const PacketType = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;

/** Bits of the types that a server sends. */
export const FROM_SERVER = bitsOf([2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15]);
/** Packets whose variable header begins with an identifier (section 2.2.1). */
export const NAMED = bitsOf([4, 5, 6, 7, 8, 9, 10, 11]);
/** Of these the lower half of the first octet is 2; of all others but PUBLISH it is 0. */
const FLAGGED = bitsOf([6, 8, 10]);
const FLAG = 0x02;
/** The mark of a repetition, which 3.1 has on more than PUBLISH. */
const REPEATED = 0x08;
const QOS_SHIFT = 1;
const QOS_BITS = 0x03;
const LENGTH_OCTETS_MAX = 4;

/** The kind of an answer: the identifier (16 bits), the type above it, and whether version 5 is spoken. */
export const TYPE_AT = 0x1_0000;
/** And that. */
export const VERSION_5 = 0x10_0000;

/** A bit a type. */
export function bitsOf(types: readonly number[]): number {
  return types.reduce((bits, type) => bits | (1 << type), 0);
}

/** The kind of an answer, but for the version. */
export const answerName = (kind: number): number => kind & (VERSION_5 - 1);

/** The type of the packet that answers so. */
export const typeOfAnswer = (kind: number): number => (kind / TYPE_AT) & 0x0f;

/** What is spoken, as `begin` of an answer's framer is told, where nothing is awaited. */
export const versionKind = (level: number): number => (level >= MQTT_VERSION_5 ? VERSION_5 : 0);

/** Where in a packet its reader is. */
export const Phase = {
  FIRST: 0,
  LENGTH: 1,
  /** Of what begins with a text: its length (two octets), and the identifier behind it. */
  TEXT_LENGTH: 2,
  BEHIND_TEXT: 3,
  ID: 4,
  /** Of answers: octets up to the code, properties' length, and codes. */
  BEFORE_CODE: 5,
  PROPERTIES: 6,
  CODES: 7,
} as const;

/**
 * One packet after another. `count` is the first octet, `value` what is left of the packet, `index` counts octets within
 * a phase, `length` is the number that is being read.
 */
export abstract class MqttPackets extends Framer {
  /** Where in memory the packet's first octet lies; -1 where it came before the last `feed`. */
  protected packetAt = -1;
  /** Bits of the types that this side sends. */
  protected abstract readonly types: number;

  /** The type of the packet at hand, or of the one that has ended. */
  get type(): number {
    return (this.count & 0xff) >> 4;
  }

  /** Its length is known. */
  protected abstract onLength(): void;
  /** An octet of the variable header. */
  protected abstract onOctet(octet: number): void;

  override feed(data: DataView, start: number, atHand: number, bytes: number): Outcome {
    this.packetAt = -1;
    return super.feed(data, start, atHand, bytes);
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at);
      if (this.phase === Phase.FIRST) this.#first(octet, at);
      else if (this.phase === Phase.LENGTH) this.#length(octet);
      else if (this.value === 0) this.lose(Fault.BAD_LENGTH);
      else {
        this.value--;
        this.onOctet(octet);
      }
      at++;
    }
    return at;
  }

  #first(octet: number, at: number): void {
    this.count = octet;
    this.packetAt = at;
    const { type } = this;
    const flags = octet & 0x0f;
    const isFlagged = type === PacketType.PUBLISH || isOf(FLAGGED, type);
    const isBad =
      type === PacketType.PUBLISH
        ? this.qos > 2
        : (flags & ~REPEATED) !== (isFlagged ? FLAG : 0) || (flags & REPEATED && !isFlagged);
    if (isBad || !isOf(this.types, type)) {
      this.lose(Fault.MALFORMED);
      return;
    }
    this.phase = Phase.LENGTH;
    this.onType();
  }

  /** A packet's type is known. */
  protected onType(): void {
    // Answers without an identifier are named by it.
  }

  protected get qos(): number {
    return (this.count >> QOS_SHIFT) & QOS_BITS;
  }

  /** Seven bits an octet, the lowest first (section 1.5.5 of 5.0). */
  #length(octet: number): void {
    if (!this.addBits(octet)) return;
    this.value = this.length;
    this.length = 0;
    this.onLength();
  }

  /** @returns whether the number that comes seven bits an octet has ended: it is `length` */
  protected addBits(octet: number): boolean {
    this.length += (octet & 0x7f) * 128 ** this.index++;
    if (octet < 0x80) {
      this.index = 0;
      return true;
    }
    if (this.index === LENGTH_OCTETS_MAX) this.lose(Fault.BAD_LENGTH);
    return false;
  }

  /** @returns whether a number of two octets has ended: it is `length` */
  protected addOctet(octet: number): boolean {
    this.length = this.length * 256 + octet;
    this.index ^= 1;
    return this.index === 0;
  }

  /** The rest of the packet is of no interest, and another one begins behind it. */
  protected stepOver(): void {
    this.skip = this.value;
    this.phase = Phase.FIRST;
    this.index = 0;
    this.value = 0;
    this.length = 0;
    this.code = 0;
    this.replyClass = 0;
  }

  protected finishPacket(): void {
    this.phase = Phase.FIRST;
    this.finish(this.value);
  }
}

/** Whether a type is one of those. */
export const isOf = (types: number, type: number): boolean => (types & (1 << type)) !== 0;
