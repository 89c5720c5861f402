/** Drives one file's packets through the decoder into sessions, and keeps the file's account. */
import { CaptureClock, type Epoch } from '../capture/capture-clock.ts';
import type { FrameFilter } from '../capture/frame-filter.ts';
import { type PacketReader, Step } from '../capture/packet-reader.ts';
import { SegmentDecoder } from '../capture/segment-decoder.ts';
import { SKIP_NAMES, Skip } from '../capture/skip-reason.ts';
import type { SessionTracker } from './session-tracker.ts';

/** What `run` came to. */
export const IngestStep = {
  /** The window must be filled, or the reader told that the file ends. */
  MORE: Step.MORE,
  END: Step.END,
  /** The next packet is later than what was asked for. */
  AHEAD: 3,
} as const;
export type IngestStep = (typeof IngestStep)[keyof typeof IngestStep];

/** Seconds since 1970 and nanoseconds. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

export interface IngestOptions {
  /** Where time begins for all files of a run. */
  readonly epoch: Epoch;
  /** Where the file begins in the joined capture. */
  readonly fileBase: number;
  /** Frames that do not pass are counted as filtered; a filter a link type. */
  readonly filterOf?: (linkType: number) => FrameFilter;
}

export class CaptureIngest {
  readonly reader: PacketReader;
  packets = 0;
  tcpPackets = 0;
  /** Frames of which the file holds less than the wire did. */
  truncatedPackets = 0;
  readonly #tracker: SessionTracker;
  readonly #clock: CaptureClock;
  readonly #decoder = new SegmentDecoder();
  readonly #skipped = new Float64Array(SKIP_NAMES.length);
  /** Where the file begins in the joined capture. */
  readonly #fileBase: number;
  readonly #filterOf: ((linkType: number) => FrameFilter) | null;
  #isPending = false;
  #firstSeconds = Number.NaN;
  #firstNanos = 0;
  #lastSeconds = Number.NaN;
  #lastNanos = 0;

  constructor(reader: PacketReader, tracker: SessionTracker, options: IngestOptions) {
    this.reader = reader;
    this.#tracker = tracker;
    this.#clock = new CaptureClock(options.epoch);
    this.#fileBase = options.fileBase;
    this.#filterOf = options.filterOf ?? null;
  }

  /** Takes packets that are dated up to a time; those without a time go with the one before. */
  run(untilSeconds: number, untilNanos: number): IngestStep {
    const { reader } = this;
    for (;;) {
      if (!this.#isPending) {
        const step = reader.next();
        if (step !== Step.PACKET) return step;
      }
      const { seconds } = reader;
      const isLater =
        seconds > untilSeconds || (seconds === untilSeconds && reader.nanos > untilNanos);
      this.#isPending = isLater;
      if (isLater) return IngestStep.AHEAD;
      this.#take(reader);
    }
  }

  /** When the packet is dated that `run` stopped before. */
  get pending(): Timestamp {
    return { seconds: this.reader.seconds, nanos: this.reader.nanos };
  }

  /** First and last packet that have a time, in the order of the file; null without any. */
  get first(): Timestamp | null {
    if (Number.isNaN(this.#firstSeconds)) return null;
    return { seconds: this.#firstSeconds, nanos: this.#firstNanos };
  }

  get last(): Timestamp | null {
    if (Number.isNaN(this.#lastSeconds)) return null;
    return { seconds: this.#lastSeconds, nanos: this.#lastNanos };
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

  #take(reader: PacketReader): void {
    const { window, seconds, nanos } = reader;
    const isWanted = this.#filterOf === null || this.#passes(reader, this.#filterOf);
    const verdict = isWanted
      ? this.#decoder.decode(window.data, window.base, reader)
      : Skip.FILTERED;
    const isInPart = reader.presentBytes < reader.capturedBytes;
    if (verdict === Skip.NEEDS_WHOLE || (verdict === Skip.FILTERED && isInPart)) {
      reader.wantWhole();
      return;
    }
    this.packets++;
    if (!Number.isNaN(seconds)) {
      if (this.packets === 1 || Number.isNaN(this.#firstSeconds)) {
        this.#firstSeconds = seconds;
        this.#firstNanos = nanos;
      }
      this.#lastSeconds = seconds;
      this.#lastNanos = nanos;
    }
    this.#clock.onPacket(seconds, nanos, reader.interfaceIndex);
    if (reader.capturedBytes < reader.originalBytes) this.truncatedPackets++;
    if (verdict !== Skip.NONE) {
      this.#skipped[verdict]++;
      return;
    }
    this.tcpPackets++;
    const fileBase = this.#fileBase;
    this.#tracker.onSegment(this.#decoder, fileBase + window.base, fileBase, this.#clock);
  }

  #passes(reader: PacketReader, filterOf: (linkType: number) => FrameFilter): boolean {
    const { window, packetStart, presentBytes, originalBytes, linkType } = reader;
    return filterOf(linkType).matches(window.data, packetStart, presentBytes, originalBytes);
  }
}
