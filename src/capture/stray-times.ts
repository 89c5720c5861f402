/**
 * Finds time stamps that are far from those around them, which drivers and hardware now and then
 * write: 2^16 seconds ahead, 1970, anything.
 *
 * A packet (or a few in a row with about the same time) is astray when it lies more than two
 * seconds from the packet before it, and the packet after it is near that one again: at an eighth
 * of the distance at most. It is then dated between the two. Where the packet after it is not,
 * time has really moved on (files of several years in one), or the clock was set.
 *
 * Of a file's first packet and of its last nobody knows that, for there is none before it, or after.
 * One alone, more than a day from all others, eight at least, is taken for astray nevertheless: no connection is
 * lost with it, and a plan with a day or a year of silence in it is of no use to anybody.
 *
 * That is known when the next packet has come, so the packets in doubt are copied and held until
 * then. Most captures have none.
 */
import { NS_PER_SECOND } from '../base/time.ts';
import type { CaptureClock } from './capture-clock.ts';
import type { PacketReader } from './packet-reader.ts';

/** What is not farther from the packet before it is not looked at any closer. */
export const FAR_NS = 2 * NS_PER_SECOND;
/** Near is so much less than far. */
const NEAR_SHARE = 1 / 8;
/** So far from all others a packet is astray although it is the first one, or the last. */
const ALONE_NS = 86_400 * NS_PER_SECOND;
/** That is believed of so many others. */
const OTHERS_MIN = 8;
/** As many in a row are held; more of them are no accident. */
const HELD_MAX = 16;

/** A packet, with its octets from `packetStart` on. */
export interface Frame {
  readonly packetStart: number;
  readonly capturedBytes: number;
  readonly presentBytes: number;
  readonly originalBytes: number;
  readonly linkType: number;
  readonly interfaceIndex: number;
  /** Since 1970; NaN without a time. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A copy of a packet. */
export interface HeldFrame extends Frame {
  readonly data: DataView;
  /** Where position 0 of `data` lies in the file. */
  readonly base: number;
}

/** What becomes of a packet that was offered. */
export const Doubt = {
  /** The packet is to be taken as it is. */
  NONE: 0,
  /** It was copied, or is wanted whole first: the reader can go on. */
  HELD: 1,
  /** Those held before it are to be taken first; then it is to be offered again. */
  RELEASED: 2,
} as const;
export type Doubt = (typeof Doubt)[keyof typeof Doubt];

/** Holds back packets of one file whose times are in doubt, until those after them settle it. */
export class StrayTimes {
  /** Packets that are no longer in doubt, with the times that they are to have: the caller's. */
  readonly released: HeldFrame[] = [];
  /** Whether any are held or released: asked for every packet, so a field. */
  isBusy = false;
  /** How many of those released so far were astray. */
  count = 0;
  readonly #clock: CaptureClock;
  #held: HeldFrame[] = [];
  /** From the packet before the first one held, on the same interface. */
  #stepNs = 0;
  /** Whether a packet with a time has been held; and whether the first one held is the file's first. */
  #hasBegun = false;
  #isAtStart = false;

  /** @param clock has taken every packet before those that are offered and held */
  constructor(clock: CaptureClock) {
    this.#clock = clock;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Judges the reader's packet. */
  offer(reader: PacketReader): Doubt {
    const { seconds, nanoseconds } = reader;
    const first = this.#held.at(0);
    if (!this.#hasBegun && !Number.isNaN(seconds)) {
      // A large one is offered again when all of it is there.
      const doubt = this.#hold(reader);
      this.#hasBegun = this.#isAtStart = this.isHolding;
      return doubt;
    }
    if (this.#isAtStart && first !== undefined) return this.#offerAtStart(reader, first);
    if (first === undefined) {
      const stepNs = this.#clock.stepNs(seconds, nanoseconds, reader.interfaceIndex);
      // No step is without a time, or the interface's first packet.
      if (!(Math.abs(stepNs) > FAR_NS)) return Doubt.NONE;
      this.#stepNs = stepNs;
      return this.#hold(reader);
    }
    const stepNs = this.#clock.stepNs(seconds, nanoseconds, first.interfaceIndex);
    const nearNs = Math.abs(this.#stepNs) * NEAR_SHARE;
    if (Math.abs(stepNs) < nearNs) {
      this.#releaseStray(stepNs);
      return Doubt.RELEASED;
    }
    const isLikeFirst = Number.isNaN(stepNs) || Math.abs(stepNs - this.#stepNs) < nearNs;
    if (isLikeFirst && this.#held.length < HELD_MAX) return this.#hold(reader);
    this.#release();
    return Doubt.RELEASED;
  }

  /** The file's first packet is held, and those after it while they are far from it. */
  #offerAtStart(reader: PacketReader, first: HeldFrame): Doubt {
    const second = this.#held.at(1);
    const isOneClock = reader.interfaceIndex === first.interfaceIndex;
    if (second === undefined) {
      if (isOneClock && Math.abs(between(first, reader)) > ALONE_NS) return this.#hold(reader);
    } else if (isOneClock) {
      const stepNs = between(first, second);
      const nearNs = Math.abs(stepNs) * NEAR_SHARE;
      if (Math.abs(between(second, reader)) < nearNs) {
        if (this.#held.length < OTHERS_MIN) return this.#hold(reader);
        // Where all others have the same time, it is they that have none.
        if (between(second, reader) !== 0) this.#held[0] = this.#redated(first, second);
      } else if (Math.abs(between(first, reader)) < nearNs) {
        // It is those after it, then, as anywhere else.
        this.#isAtStart = false;
        this.#stepNs = stepNs;
        this.released.push(first);
        this.#held = this.#held.slice(1);
        return Doubt.RELEASED;
      }
    }
    this.#release();
    return Doubt.RELEASED;
  }

  #redated(frame: HeldFrame, { seconds, nanoseconds }: HeldFrame): HeldFrame {
    this.count++;
    return { ...frame, seconds, nanoseconds };
  }

  /** The first of those released has been taken. */
  taken(): void {
    this.released.shift();
    this.isBusy = this.released.length > 0 || this.isHolding;
  }

  /** Releases what is held with the times that were recorded. */
  #release(): void {
    this.#isAtStart = false;
    this.released.push(...this.#held);
    this.#held = [];
  }

  /**
   * The file is at its end: what is held is released.
   * @param taken packets of the file so far
   */
  end(taken: number): void {
    const isAlone = this.#held.length === 1 && !this.#isAtStart && taken >= OTHERS_MIN;
    if (isAlone && Math.abs(this.#stepNs) > ALONE_NS) this.#releaseStray(0);
    else this.#release();
  }

  #hold(reader: PacketReader): Doubt {
    if (reader.presentBytes < reader.capturedBytes) {
      reader.wantWhole();
      return Doubt.HELD;
    }
    const { window, packetStart, capturedBytes, originalBytes } = reader;
    const { linkType, interfaceIndex, seconds, nanoseconds } = reader;
    this.isBusy = true;
    const octets = window.bytes.slice(packetStart, packetStart + capturedBytes);
    this.#held.push({
      data: new DataView(octets.buffer),
      base: window.base + packetStart,
      packetStart: 0,
      capturedBytes,
      presentBytes: capturedBytes,
      originalBytes,
      linkType,
      interfaceIndex,
      seconds,
      nanoseconds,
    });
    return Doubt.HELD;
  }

  /** @param stepNs from the packet before to the packet after those that are held */
  #releaseStray(stepNs: number): void {
    const lastNs = this.#clock.lastNsOf(this.#held[0].interfaceIndex);
    const parts = this.#held.length + 1;
    for (const [i, frame] of this.#held.entries()) {
      const isDated = !Number.isNaN(frame.seconds);
      if (isDated) this.count++;
      const ns = Math.round(lastNs + (stepNs * (i + 1)) / parts);
      const seconds = Math.floor(ns / NS_PER_SECOND);
      const time = {
        seconds: seconds + this.#clock.epochSeconds,
        nanoseconds: ns - seconds * NS_PER_SECOND,
      };
      this.released.push(isDated ? { ...frame, ...time } : frame);
    }
    this.#held = [];
  }
}

/** From one packet to another, in ns; NaN where one has no time. */
const between = (
  from: Pick<Frame, 'seconds' | 'nanoseconds'>,
  to: Pick<Frame, 'seconds' | 'nanoseconds'>,
): number => (to.seconds - from.seconds) * NS_PER_SECOND + (to.nanoseconds - from.nanoseconds);
