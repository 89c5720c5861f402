/**
 * What a client of MQTT owes a server that publishes (3.1.1 and 5.0, section 4.3): PUBACK for QoS 1, PUBREC for QoS 2, and
 * PUBCOMP once the server releases that. The identifiers in them are the server's own, each time others.
 */
import { NEXT_REQUEST, NO_ANSWER, Outcome } from './framer.ts';
import { PacketType, typeOfAnswer } from './mqtt-packets.ts';
import { isReply, MqttRequests, ServerRequests } from './mqtt-requests.ts';
import type { ReplyReader } from './reply-reader.ts';

const REPLY_BYTES = 4;
/** So many are said at once: 64 octets, as a short pong takes. */
const AT_ONCE_MAX = 16;
/** A server has no more identifiers. */
const OWED_MAX = 0xffff;

/** Reads one connection's server, and keeps what it is owed, in order. */
export class MqttReplies implements ReplyReader {
  readonly answersPings = false;
  readonly #framer = new ServerRequests();
  /** Octets of a packet that is known otherwise. */
  #left = 0;
  /** Kinds of answers. */
  readonly #owed: number[] = [];

  feed(data: DataView, start: number, atHand: number, bytes: number): boolean {
    const framer = this.#framer;
    for (let at = 0; at < bytes; ) {
      if (this.#left === 0) {
        const known = Math.max(0, atHand - at);
        const outcome = framer.feed(data, start + at, known, bytes - at);
        if (outcome === Outcome.MORE) return true;
        if (outcome !== Outcome.ENDS) return false;
        this.#left = framer.endBytes;
      }
      const taken = Math.min(this.#left, bytes - at);
      this.#left -= taken;
      at += taken;
      if (this.#left === 0 && !this.#onPacket()) return false;
    }
    return true;
  }

  /** A packet is there, to its end. @returns whether it is one of a server that waits for answers */
  #onPacket(): boolean {
    const { type, answerKind } = this.#framer;
    this.#framer.begin(NEXT_REQUEST);
    const isPush = type === PacketType.PUBLISH || type === PacketType.PUBREL;
    if (isPush && answerKind !== NO_ANSWER) this.#owed.push(answerKind);
    return this.#owed.length <= OWED_MAX;
  }

  reply(): Uint8Array | null {
    const count = this.#atOnce;
    if (count === 0) return null;
    const octets = new Uint8Array(REPLY_BYTES * count);
    for (let i = 0; i < count; i++) {
      const kind = this.#owed[i];
      const id = kind & 0xffff;
      octets.set([typeOfAnswer(kind) << 4, 2, id >> 8, id & 0xff], REPLY_BYTES * i);
    }
    return octets;
  }

  onSaid(): number {
    return this.#owed.splice(0, this.#atOnce).length;
  }

  get #atOnce(): number {
    return Math.min(AT_ONCE_MAX, this.#owed.length);
  }
}

/** What a client's packets say besides such answers; themselves, where they are not whole. */
export function withoutReplies(octets: Uint8Array): Uint8Array {
  const framer = new MqttRequests();
  const data = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const kept = new Uint8Array(octets.length);
  let bytes = 0;
  for (let at = 0; at < octets.length; ) {
    framer.begin(NEXT_REQUEST);
    const left = octets.length - at;
    const isWhole = framer.feed(data, at, left, left) === Outcome.ENDS && framer.endBytes <= left;
    if (!isWhole) return octets;
    const end = at + framer.endBytes;
    if (!isReply(framer.type)) {
      kept.set(octets.subarray(at, end), bytes);
      bytes += end - at;
    }
    at = end;
  }
  return kept.subarray(0, bytes);
}
