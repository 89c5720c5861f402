/**
 * Digests of answers' bodies, octet by octet as they come: 64 bits that tell bodies apart which differ
 * by accident. Not cryptographic: who wants to can make two bodies with one digest.
 *
 * The body of HTTP is what its framer steps over, so chunks may be cut anywhere and headers say
 * nothing. Of other protocols all octets of an answer count.
 */
import { type AnswerFramer, Outcome, type SteppedOver } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import type { Delivery } from '../transport/transport.ts';

/** FNV-1a, 32 bits: offset basis and prime. */
const LOW_BASIS = 0x811c9dc5;
const LOW_PRIME = 0x0100_0193;
/** The other half: as FNV-1a, with an odd factor of its own, and turned so that all bits reach all. */
const HIGH_BASIS = 0x9e37_79b9;
const HIGH_FACTOR = 0x85eb_ca6b;

/** The digest of one body. */
export class BodyDigest implements SteppedOver {
  /** 32 bits each; of an empty body neither is 0. */
  low = LOW_BASIS;
  high = HIGH_BASIS;
  /** Whether all octets until now were at hand. */
  isWhole = true;

  /** A body begins with the next octet. */
  begin(): void {
    this.low = LOW_BASIS;
    this.high = HIGH_BASIS;
    this.isWhole = true;
  }

  /** The body is over: from now on the digest holds. */
  finish(): void {
    // All has been counted already.
  }

  onSteppedOver(data: DataView, start: number, atHand: number, bytes: number): void {
    if (atHand < bytes) this.isWhole = false;
    if (!this.isWhole) return;
    let { low, high } = this;
    for (let at = start; at < start + bytes; at++) {
      const octet = data.getUint8(at);
      low = Math.imul(low ^ octet, LOW_PRIME);
      high = Math.imul(high ^ octet, HIGH_FACTOR);
      high = (high << 13) | (high >>> 19);
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
  }
}

/** The digests of a thread's users who are amid an answer. */
export class OpenBodies {
  readonly #digests = new Map<number, BodyDigest>();
  readonly #free: BodyDigest[] = [];
  readonly #make: () => BodyDigest;

  constructor(make: () => BodyDigest) {
    this.#make = make;
  }

  /** The user's digest; null where no answer is open. */
  of(user: number): BodyDigest | null {
    return this.#digests.get(user) ?? null;
  }

  /** As `of`, of an answer that is over. */
  finished(user: number): BodyDigest | null {
    const digest = this.of(user);
    digest?.finish();
    return digest;
  }

  /** The user's answer begins with the next octet. */
  begin(user: number): void {
    const digest = this.#digests.get(user) ?? this.#free.pop() ?? this.#make();
    digest.begin();
    this.#digests.set(user, digest);
  }

  /** Feeds the framer octets of the user's answer: those of the delivery from `at` on. */
  feed(user: number, framer: AnswerFramer, delivery: Delivery, at: number): Outcome {
    const bytes = delivery.bytes - at;
    const atHand = Math.max(0, delivery.atHandBytes - at);
    const isHttp = framer instanceof Http1Answers;
    framer.steppedOver = isHttp ? this.of(user) : null;
    const outcome = framer.feed(delivery.data, delivery.dataStart + at, atHand, bytes);
    framer.steppedOver = null;
    const own = outcome === Outcome.ENDS ? Math.min(framer.endBytes, bytes) : bytes;
    if (!isHttp) this.add(user, delivery, at, own);
    return outcome;
  }

  /** The next `bytes` of the user's body are those of the delivery from `at` on. */
  add(user: number, delivery: Delivery, at: number, bytes: number): void {
    const atHand = Math.max(0, Math.min(bytes, delivery.atHandBytes - at));
    this.of(user)?.onSteppedOver(delivery.data, delivery.dataStart + at, atHand, bytes);
  }

  /** The user's answer is over. */
  forget(user: number): void {
    const digest = this.#digests.get(user);
    if (digest === undefined) return;
    this.#digests.delete(user);
    this.#free.push(digest);
  }
}
