/** Drives one file's packets through the decoder into sessions, and keeps the file's account. */
import { NS_PER_SECOND, type Timestamp } from '../../base/time.ts';
import { CaptureClock, type Epoch } from '../../capture/capture-clock.ts';
import type { FrameFilter } from '../../capture/frame-filter.ts';
import { type PacketReader, ReadResult } from '../../capture/packet-reader.ts';
import { SegmentDecoder } from '../../capture/segment-decoder.ts';
import { SKIP_NAMES, Skip } from '../../capture/skip-reason.ts';
import { Doubt, FAR_NS, type Frame, StrayTimes } from '../../capture/stray-times.ts';
import type { SessionTracker } from './session-tracker.ts';

/** What `run` came to. */
export const IngestResult = {
  /** The window must be filled, or the reader told that the file ends. */
  MORE: ReadResult.MORE,
  END: ReadResult.END,
  /** The next packet is later than what was asked for. */
  AHEAD: 3,
} as const;
export type IngestResult = (typeof IngestResult)[keyof typeof IngestResult];

/** A time of so many whole seconds after another one may be far from it. */
const FAR_SECONDS = FAR_NS / NS_PER_SECOND;

/** Where one file's times and octets belong among the others. */
export interface IngestOptions {
  /** Where time begins for all files of a run. */
  readonly epoch: Epoch;
  /** Where the file begins in the joined capture. */
  readonly fileBase: number;
  /** Frames that do not pass are counted as filtered; a filter a link type. */
  readonly filterOf?: (linkType: number) => FrameFilter;
}

/** Reads one file's packets into the tracker. */
export class CaptureIngest {
  readonly reader: PacketReader;
  packets = 0;
  tcpPackets = 0;
  /** Frames of which the file holds less than the wire did. */
  truncatedPackets = 0;
  readonly #tracker: SessionTracker;
  readonly #clock: CaptureClock;
  readonly #strays: StrayTimes;
  readonly #decoder = new SegmentDecoder();
  readonly #skipped = new Float64Array(SKIP_NAMES.length);
  /** Where the file begins in the joined capture. */
  readonly #fileBase: number;
  readonly #filterOf: ((linkType: number) => FrameFilter) | null;
  /** Of each of its interfaces: the number under which the tracker knows it. */
  readonly #lanes: number[] = [];
  /** That of the packet before; -1 where other files' packets have come since. */
  #interface = -1;
  /** The reader's packet is to be taken yet; and it has been offered to `#strays`. */
  #isPending = false;
  #isOffered = false;
  #firstSeconds = Number.NaN;
  #firstNanoseconds = 0;
  #lastSeconds = Number.NaN;
  #lastNanoseconds = 0;

  constructor(reader: PacketReader, tracker: SessionTracker, options: IngestOptions) {
    this.reader = reader;
    this.#tracker = tracker;
    this.#clock = new CaptureClock(options.epoch);
    this.#strays = new StrayTimes(this.#clock);
    this.#fileBase = options.fileBase;
    this.#filterOf = options.filterOf ?? null;
  }

  /** Takes packets that are dated up to a time; those without a time go with the one before. */
  run(untilSeconds: number, untilNanoseconds: number): IngestResult {
    this.#interface = -1;
    const { reader } = this;
    const strays = this.#strays;
    for (;;) {
      if (strays.isBusy && !this.#takeReleased(untilSeconds, untilNanoseconds)) {
        return IngestResult.AHEAD;
      }
      if (!this.#isPending) {
        const found = reader.next();
        if (found === ReadResult.END && strays.isHolding) {
          strays.end(this.packets);
          continue;
        }
        if (found !== ReadResult.PACKET) return found;
        this.#isPending = true;
        this.#isOffered = false;
      }
      if (!this.#isOffered) {
        const { seconds } = reader;
        const step = seconds - this.#lastSeconds;
        // Also of the first packet, from which there is no step.
        if (!(step >= 0 && step < FAR_SECONDS) || strays.isBusy) {
          const doubt = strays.offer(reader);
          if (doubt === Doubt.HELD) this.#isPending = false;
          if (doubt !== Doubt.NONE) continue;
        }
        this.#isOffered = true;
      }
      if (isLater(reader, untilSeconds, untilNanoseconds)) return IngestResult.AHEAD;
      const { window } = reader;
      if (!this.#take(window.data, window.base, reader)) reader.wantWhole();
      this.#isPending = false;
    }
  }

  /** When the packet is dated that `run` stopped before. */
  get pending(): Timestamp {
    const { seconds, nanoseconds } = this.#strays.released.at(0) ?? this.reader;
    return { seconds, nanoseconds };
  }

  /** Packets whose time stamps were far from those around them. */
  get strayTimestamps(): number {
    return this.#strays.count;
  }

  /** How often the clock was set back by more than a second. */
  get clockStepsBack(): number {
    return this.#clock.stepsBack;
  }

  /** First and last packet that have a time, in the order of the file; null without any. */
  get first(): Timestamp | null {
    if (Number.isNaN(this.#firstSeconds)) return null;
    return { seconds: this.#firstSeconds, nanoseconds: this.#firstNanoseconds };
  }

  get last(): Timestamp | null {
    if (Number.isNaN(this.#lastSeconds)) return null;
    return { seconds: this.#lastSeconds, nanoseconds: this.#lastNanoseconds };
  }

  /** Frames that are no segments, by reason; only reasons that occurred. */
  skipped(): Map<string, number> {
    const counts = this.#skipped.slice();
    const dropped = this.#decoder.fragmentsDropped;
    counts[Skip.FRAGMENT] -= dropped;
    counts[Skip.FRAGMENT_LIMIT] += dropped;
    const named = new Map<string, number>();
    for (const [reason, count] of counts.entries()) {
      if (count > 0) named.set(SKIP_NAMES.at(reason) ?? '', count);
    }
    return named;
  }

  /** @returns false where one of them is later than that */
  #takeReleased(untilSeconds: number, untilNanoseconds: number): boolean {
    const { released } = this.#strays;
    while (released.length > 0) {
      const frame = released[0];
      if (isLater(frame, untilSeconds, untilNanoseconds)) return false;
      this.#take(frame.data, frame.base, frame);
      this.#strays.taken();
    }
    return true;
  }

  /** @returns false where more of the packet is needed than is there */
  #take(data: DataView, base: number, frame: Frame): boolean {
    const { seconds, nanoseconds } = frame;
    const isWanted = this.#filterOf === null || this.#passes(data, frame, this.#filterOf);
    const verdict = isWanted ? this.#decoder.decode(data, base, frame) : Skip.FILTERED;
    const isInPart = frame.presentBytes < frame.capturedBytes;
    if (verdict === Skip.NEEDS_WHOLE || (verdict === Skip.FILTERED && isInPart)) return false;
    this.packets++;
    if (!Number.isNaN(seconds)) {
      if (this.packets === 1 || Number.isNaN(this.#firstSeconds)) {
        this.#firstSeconds = seconds;
        this.#firstNanoseconds = nanoseconds;
      }
      this.#lastSeconds = seconds;
      this.#lastNanoseconds = nanoseconds;
    }
    this.#clock.onPacket(seconds, nanoseconds, frame.interfaceIndex);
    if (frame.capturedBytes < frame.originalBytes) this.truncatedPackets++;
    if (verdict !== Skip.NONE) {
      this.#skipped[verdict]++;
      return true;
    }
    this.tcpPackets++;
    const fileBase = this.#fileBase;
    if (frame.interfaceIndex !== this.#interface) this.#enterLane(frame.interfaceIndex);
    this.#tracker.onSegment(this.#decoder, fileBase + base, fileBase, this.#clock);
    return true;
  }

  #enterLane(interfaceIndex: number): void {
    while (this.#lanes.length <= interfaceIndex) {
      this.#lanes.push(this.#tracker.addLane(this.#fileBase, this.#lanes.length));
    }
    this.#tracker.enterLane(this.#lanes[interfaceIndex]);
    this.#interface = interfaceIndex;
  }

  #passes(data: DataView, frame: Frame, filterOf: (linkType: number) => FrameFilter): boolean {
    const { packetStart, presentBytes, originalBytes, linkType } = frame;
    return filterOf(linkType).matches(data, packetStart, presentBytes, originalBytes);
  }
}

const isLater = (frame: Frame, untilSeconds: number, untilNanoseconds: number): boolean =>
  frame.seconds > untilSeconds ||
  (frame.seconds === untilSeconds && frame.nanoseconds > untilNanoseconds);
