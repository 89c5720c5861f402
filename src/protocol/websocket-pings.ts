/** Pings of a WebSocket's server (RFC 6455, sections 5.5.2 and 5.5.3), as its stream comes in, and pongs for them. */

import type { Prng } from '../base/prng.ts';
import type { ReplyReader } from './reply-reader.ts';

const OPCODE = 0x0f;
const PING = 9;
const FIN_AND_PONG = 0x8a;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** A control frame has at most so many octets of payload (section 5.5). */
const CONTROL_BYTES_MAX = 125;

const Phase = { FIRST: 0, LENGTH: 1, EXTENDED: 2, PAYLOAD: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/**
 * Reads the frames of one connection's server, in pieces of any size, and keeps the last ping that was not
 * answered: of several only the last has to be (section 5.5.3). Whether frames are in order otherwise is for
 * whoever follows answers to judge.
 */
export class PingReader implements ReplyReader {
  readonly answersPings = true;
  /** Octets of the ping's payload that is to be answered; -1 without any. */
  pendingBytes = -1;
  #phase: Phase = Phase.FIRST;
  /** Octets of the frame's length, or of its payload, that are to come. */
  #left = 0;
  #lengthBytes = 0;
  #isPing = false;
  /** Of the ping at hand, and then of the one that is to be answered; of who was never pinged nothing is kept. */
  #payload: Uint8Array | null = null;
  #filled = 0;

  /** The payload that a pong has to have. */
  get payload(): Uint8Array {
    return this.#payload?.subarray(0, Math.max(0, this.pendingBytes)) ?? NOTHING;
  }

  /** A pong, with a mask that nobody can know beforehand (section 5.3). */
  reply(chance: Prng): Uint8Array | null {
    return this.pendingBytes < 0 ? null : pongFrame(this.payload, chance.nextUint32());
  }

  onSaid(): number {
    this.pendingBytes = -1;
    return 1;
  }

  feed(data: DataView, start: number, atHand: number, bytes: number): boolean {
    let at = 0;
    while (at < bytes) {
      if (this.#phase === Phase.PAYLOAD)
        at += this.#step(data, start + at, atHand - at, bytes - at);
      else if (at >= atHand || !this.#read(data.getUint8(start + at))) return false;
      else at++;
    }
    return true;
  }

  /** An octet of a frame's header. @returns false where that is none */
  #read(octet: number): boolean {
    if (this.#phase === Phase.FIRST) {
      this.#isPing = (octet & OPCODE) === PING;
      this.#phase = Phase.LENGTH;
      return true;
    }
    if (this.#phase === Phase.LENGTH) {
      const length = octet & LENGTH_BITS;
      if (octet & MASKED || (this.#isPing && length > CONTROL_BYTES_MAX)) return false;
      if (length < LENGTH_16) this.#begin(length);
      else {
        this.#phase = Phase.EXTENDED;
        this.#lengthBytes = length === LENGTH_64 ? 8 : 2;
        this.#left = 0;
      }
      return true;
    }
    this.#left = this.#left * 256 + octet;
    this.#lengthBytes--;
    if (this.#left > Number.MAX_SAFE_INTEGER) return false;
    if (this.#lengthBytes === 0) this.#begin(this.#left);
    return true;
  }

  /** A frame's payload begins. */
  #begin(bytes: number): void {
    this.#left = bytes;
    this.#phase = Phase.PAYLOAD;
    if (this.#isPing) {
      // A ping that has come since takes the place of one that could not be answered yet.
      this.pendingBytes = -1;
      this.#filled = 0;
    }
    if (bytes === 0) this.#end();
  }

  /** @returns how many octets of the payload those are */
  #step(data: DataView, start: number, atHand: number, bytes: number): number {
    const taken = Math.min(bytes, this.#left);
    if (this.#isPing) {
      this.#payload ??= new Uint8Array(CONTROL_BYTES_MAX);
      const held = Math.max(0, Math.min(taken, atHand));
      for (let i = 0; i < held; i++) this.#payload[this.#filled++] = data.getUint8(start + i);
      // What is not at hand cannot be said again.
      if (held < taken) this.#isPing = false;
    }
    this.#left -= taken;
    if (this.#left === 0) this.#end();
    return taken;
  }

  #end(): void {
    if (this.#isPing) this.pendingBytes = this.#filled;
    this.#phase = Phase.FIRST;
  }
}

const NOTHING = new Uint8Array(0);

/**
 * A client's pong.
 * @param payload the ping's
 * @param mask 32 bits that nobody can know beforehand (section 5.3)
 */
export function pongFrame(payload: Uint8Array, mask: number): Uint8Array {
  const frame = new Uint8Array(6 + payload.length);
  frame[0] = FIN_AND_PONG;
  frame[1] = MASKED | payload.length;
  new DataView(frame.buffer).setUint32(2, mask);
  for (let i = 0; i < payload.length; i++) frame[6 + i] = payload[i] ^ frame[2 + (i & 3)];
  return frame;
}
