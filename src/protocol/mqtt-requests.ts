/** What clients of MQTT say, and what is read as they are. */
import { Fault, FIRST_REQUEST, NO_ANSWER, Outcome, type RequestFramer } from './framer.ts';
import { MQTT_VERSION_5 } from './mqtt.ts';
import {
  bitsOf,
  FROM_SERVER,
  isOf,
  MqttPackets,
  NAMED,
  PacketType,
  Phase,
  TYPE_AT,
  versionKind,
} from './mqtt-packets.ts';

const FROM_CLIENT = bitsOf([1, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15]);
const CLEAN_SESSION = 0x02;
/** What answers a packet of a client's; that of QoS 1 and 2 hangs on its flags. */
const ANSWERS: ReadonlyMap<number, number> = new Map([
  [PacketType.CONNECT, PacketType.CONNACK],
  [PacketType.AUTH, PacketType.CONNACK],
  [PacketType.PUBREL, PacketType.PUBCOMP],
  [PacketType.SUBSCRIBE, PacketType.SUBACK],
  [PacketType.UNSUBSCRIBE, PacketType.UNSUBACK],
  [PacketType.PINGREQ, PacketType.PINGRESP],
]);

/** A client's packets: each is a request, though not all are answered. */
export class MqttRequests extends MqttPackets implements RequestFramer {
  protected override readonly types: number = FROM_CLIENT;
  /** What the connection speaks, as CONNECT has it: 3, 4 or 5. */
  level = MQTT_VERSION_5 - 1;
  /** Whether CONNECT begins a session without what the server kept for the last one. */
  isClean = true;
  #answerKind = NO_ANSWER;

  override begin(kind: number): void {
    super.begin(kind);
    this.#answerKind = NO_ANSWER;
    if (kind !== FIRST_REQUEST) return;
    this.level = MQTT_VERSION_5 - 1;
    this.isClean = true;
  }

  get answerKind(): number {
    return this.#answerKind;
  }

  protected override onLength(): void {
    const { type } = this;
    if (type === PacketType.CONNECT) this.phase = Phase.TEXT_LENGTH;
    else if (type === PacketType.PUBLISH && this.qos > 0) this.phase = Phase.TEXT_LENGTH;
    else if (isOf(NAMED, type)) this.phase = Phase.ID;
    else this.#end(0);
    if (this.value === 0 && this.outcome === Outcome.MORE) this.lose(Fault.BAD_LENGTH);
  }

  protected override onOctet(octet: number): void {
    switch (this.phase) {
      case Phase.TEXT_LENGTH:
        if (this.addOctet(octet)) this.#stepOverText();
        return;
      case Phase.BEHIND_TEXT:
        this.#connect(octet);
        return;
      default:
        if (this.addOctet(octet)) this.#end(this.length);
    }
  }

  #stepOverText(): void {
    const bytes = this.length;
    this.length = 0;
    this.value -= bytes;
    this.skip = bytes;
    this.phase = this.type === PacketType.CONNECT ? Phase.BEHIND_TEXT : Phase.ID;
    if (this.value < 2) this.lose(Fault.BAD_LENGTH);
  }

  /** Level and flags (section 3.1.2). */
  #connect(octet: number): void {
    if (this.index++ === 0) {
      // A bridge marks its level by the highest bit.
      this.level = octet & 0x7f;
      return;
    }
    this.isClean = (octet & CLEAN_SESSION) !== 0;
    this.#end(0);
  }

  #end(id: number): void {
    const { type } = this;
    let answer = ANSWERS.get(type);
    if (type === PacketType.PUBLISH && this.qos > 0) {
      answer = this.qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
    }
    if (answer !== undefined) {
      const name = isOf(NAMED, answer) ? id : 0;
      this.#answerKind = name + answer * TYPE_AT + versionKind(this.level);
    }
    this.finishPacket();
  }
}

const REPLIES = bitsOf([PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBCOMP]);

/** Whether a client's packet answers what the server has published. */
export const isReply = (type: number): boolean => isOf(REPLIES, type);

/** What a server says, read as a client's packets are: what it publishes is answered likewise. */
export class ServerRequests extends MqttRequests {
  protected override readonly types = FROM_SERVER;
}
