/**
 * Finds time stamps that are far from those around them, which drivers and hardware now and then
 * write: 2^16 seconds ahead, 1970, anything.
 *
 * A packet (or a few in a row with about the same time) is astray when it lies more than two
 * seconds from the packet before it, and the packet after it is near that one again: at an eighth
 * of the distance at most. It is then dated between the two. Where the packet after it is not,
 * time has really moved on (files of several years in one), or the clock was set.
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
  readonly nanos: number;
}

/** A copy of a packet. */
export interface HeldFrame extends Frame {
  readonly data: DataView;
  /** Where position 0 of `data` lies in the file. */
  readonly base: number;
}

export const Doubt = {
  /** The packet is to be taken as it is. */
  NONE: 0,
  /** It was copied, or is wanted whole first: the reader can go on. */
  HELD: 1,
  /** Those held before it are to be taken first; then it is to be offered again. */
  RELEASED: 2,
} as const;
export type Doubt = (typeof Doubt)[keyof typeof Doubt];

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

  /** @param clock has taken every packet before those that are offered and held */
  constructor(clock: CaptureClock) {
    this.#clock = clock;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Judges the reader's packet. */
  offer(reader: PacketReader): Doubt {
    const { seconds, nanos } = reader;
    const first = this.#held.at(0);
    if (first === undefined) {
      const stepNs = this.#clock.stepNs(seconds, nanos, reader.interfaceIndex);
      // No step is without a time, or the interface's first packet.
      if (!(Math.abs(stepNs) > FAR_NS)) return Doubt.NONE;
      this.#stepNs = stepNs;
      return this.#hold(reader);
    }
    const stepNs = this.#clock.stepNs(seconds, nanos, first.interfaceIndex);
    const nearNs = Math.abs(this.#stepNs) * NEAR_SHARE;
    if (Math.abs(stepNs) < nearNs) {
      this.#releaseStray(stepNs);
      return Doubt.RELEASED;
    }
    const isLikeFirst = Number.isNaN(stepNs) || Math.abs(stepNs - this.#stepNs) < nearNs;
    if (isLikeFirst && this.#held.length < HELD_MAX) return this.#hold(reader);
    this.release();
    return Doubt.RELEASED;
  }

  /** The first of those released has been taken. */
  taken(): void {
    this.released.shift();
    this.isBusy = this.released.length > 0 || this.isHolding;
  }

  /** Releases what is held with the times that were recorded. */
  release(): void {
    this.released.push(...this.#held);
    this.#held = [];
  }

  #hold(reader: PacketReader): Doubt {
    if (reader.presentBytes < reader.capturedBytes) {
      reader.wantWhole();
      return Doubt.HELD;
    }
    const { window, packetStart, capturedBytes, originalBytes } = reader;
    const { linkType, interfaceIndex, seconds, nanos } = reader;
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
      nanos,
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
        nanos: ns - seconds * NS_PER_SECOND,
      };
      this.released.push(isDated ? { ...frame, ...time } : frame);
    }
    this.#held = [];
  }
}
