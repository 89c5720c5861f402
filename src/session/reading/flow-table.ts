/**
 * Finds the session of a packet: open addressing over the two endpoints, whichever sent it.
 *
 * A slot holds the whole hash and the session; the endpoints themselves are compared in the
 * session's record, which the packet needs anyway. The hash is seeded, so that no capture can be
 * made whose connections all collide.
 */
import type { Records } from '../../base/records.ts';
import { touchedWords } from '../../base/touched-words.ts';
import { SESSION_WORDS, SessionFlag, SessionWord } from './session-records.ts';

const SLOTS_MIN = 1024;
/** So many at first: a large capture may have few sessions, and then memory for more is never written to. */
const SLOTS_FIRST = 1 << 15;
/** No session has these endpoints. */
export const NO_SESSION = -1;

/** Finds sessions by their endpoints: an open hash table beside the records. */
export class FlowTable {
  /** Of the packet last looked for: which direction of its session it went. */
  direction = 0;
  readonly #sessions: Records;
  readonly #seed: number;
  /** Pairs of hash and session + 1. */
  #slots: Uint32Array;
  readonly #expectedSlots: number;
  #used = 0;
  /** Where the last search ended: the session's slot, or a free one. */
  #slot = 0;
  #hash = 0;

  /** @param expected about how many sessions are to come */
  constructor(sessions: Records, seed: number, expected = 0) {
    this.#sessions = sessions;
    this.#seed = seed;
    this.#expectedSlots = 2 ** Math.ceil(Math.log2(Math.max(SLOTS_MIN, 2 * expected)));
    this.#slots = touchedWords(2 * Math.min(this.#expectedSlots, SLOTS_FIRST));
  }

  /**
   * The session of these endpoints (the latest, where they were used again), or `NO_SESSION`.
   * @param ports source port in the high half, destination port in the low half
   * @param family `SessionFlag.IPV6` or 0
   */
  find(source: number, destination: number, ports: number, family: number): number {
    const swappedPorts = ((ports >>> 16) | (ports << 16)) >>> 0;
    const isLow = source < destination || (source === destination && ports <= swappedPorts);
    const hash = isLow
      ? this.#hashOf(source, destination, ports)
      : this.#hashOf(destination, source, swappedPorts);
    const slots = this.#slots;
    const words = this.#sessions.u32;
    const mask = slots.length - 2;
    let slot = (hash << 1) & mask;
    for (let found = slots[slot + 1]; found !== 0; found = slots[slot + 1]) {
      if (slots[slot] === hash) {
        const at = (found - 1) * SESSION_WORDS;
        const a = words[at + SessionWord.ADDRESS];
        const b = words[at + SessionWord.ADDRESS + 1];
        const p = words[at + SessionWord.PORTS];
        const isForward = a === source && b === destination && p === ports;
        const isBackward = a === destination && b === source && p === swappedPorts;
        const isFamily = (words[at + SessionWord.FLAGS] & SessionFlag.IPV6) === family;
        if (isFamily && (isForward || isBackward)) {
          this.#slot = slot;
          this.direction = isForward ? 0 : 1;
          return found - 1;
        }
      }
      slot = (slot + 2) & mask;
    }
    this.#slot = slot;
    this.#hash = hash;
    this.direction = 0;
    return NO_SESSION;
  }

  /** Enters a session for the endpoints that `find` has just not found. */
  enter(session: number): void {
    this.#slots[this.#slot] = this.#hash;
    this.#slots[this.#slot + 1] = session + 1;
    this.#used++;
    if (this.#used * 4 > this.#slots.length) this.#grow();
  }

  /** Enters a session in place of the one that `find` has just found. */
  replace(session: number): void {
    this.#slots[this.#slot + 1] = session + 1;
  }

  /** Three rounds of multiply and shift: each mixes the seed's secret into one more word. */
  #hashOf(low: number, high: number, ports: number): number {
    let hash = Math.imul(this.#seed ^ low, 0x9e37_79b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ ports, 0xc2b2_ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = touchedWords(2 * Math.max(old.length, this.#expectedSlots));
    const mask = slots.length - 2;
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      let slot = (old[at] << 1) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = old[at];
      slots[slot + 1] = old[at + 1];
    }
    this.#slots = slots;
  }
}
