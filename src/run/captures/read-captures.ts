/**
 * Reads the packets of captures into a tracker.
 *
 * Several files are read as one capture: whichever has the earliest next packet is read on, and a
 * file is only opened when the others have come to its first packet, so that a day of rotated files
 * costs no more memory than two of them.
 */
import type { Timestamp } from '../../base/time.ts';
import type { Epoch } from '../../capture/capture-clock.ts';
import { CaptureError } from '../../capture/capture-error.ts';
import { readerOf } from '../../capture/format.ts';
import type { FrameFilter } from '../../capture/frame-filter.ts';
import { OctetWindow, WINDOW_BYTES } from '../../capture/octet-window.ts';
import { PACKET_BYTES_MAX, type PacketReader, ReadResult } from '../../capture/packet-reader.ts';
import { CaptureFile } from '../../io/files/capture-file.ts';
import { CaptureIngest, IngestResult } from '../../session/reading/capture-ingest.ts';
import type { SessionTracker } from '../../session/reading/session-tracker.ts';
import { named, type Source } from './capture-sources.ts';

/** Half of it is enough for two of the largest packets, and many files may be open at a time. */
const MERGE_WINDOW_BYTES = 2 * PACKET_BYTES_MAX + 4096;

/** Read at once: so much that system calls do not show, and so little that it is in the nearest caches when it is looked at. */
const FILL_BYTES_MAX = 1 << 17;

const BEGINNING_OF_TIME: Timestamp = { seconds: Number.NEGATIVE_INFINITY, nanoseconds: 0 };
const END_OF_TIME: Timestamp = { seconds: Number.POSITIVE_INFINITY, nanoseconds: 0 };

/** What files are read into, and how. */
export interface ReadingOptions {
  readonly tracker: SessionTracker;
  /** Where time begins for all files. */
  readonly epoch: Epoch;
  /** Frames that do not pass are counted as filtered; a filter a link type. */
  readonly filterOf?: ((linkType: number) => FrameFilter) | undefined;
  /** Called again and again with the octets read since the last time, as the user's files count. */
  readonly onRead: (bytes: number) => Promise<void>;
  /** Called once a file, when all of it has been read. */
  readonly onClose: (source: Source, ingest: CaptureIngest) => void;
}

/** A source that is being read. */
interface Reading {
  readonly source: Source;
  readonly file: CaptureFile;
  readonly window: OctetWindow;
  readonly ingest: CaptureIngest;
  /** How far it has been read. */
  offset: number;
}

/** A source of several, and when its first packet is dated. */
export interface DatedSource {
  readonly source: Source;
  readonly first: Timestamp;
}

/**
 * Looks for the first packet of a file; one without any is dated before all others.
 * @throws CaptureError where the file is no capture, or damaged from its first octet on
 */
export function dateSource(source: Source): DatedSource {
  const file = new CaptureFile(source.path, source.bytes);
  try {
    const window = new OctetWindow(MERGE_WINDOW_BYTES);
    const reader = startReading(file, window);
    for (;;) {
      const found = reader.next();
      if (found === ReadResult.END) {
        requireBeginning(reader);
        return { source, first: BEGINNING_OF_TIME };
      }
      if (found === ReadResult.PACKET && !Number.isNaN(reader.seconds)) {
        return { source, first: { seconds: reader.seconds, nanoseconds: reader.nanoseconds } };
      }
      if (found === ReadResult.MORE) fill(file, window, reader);
    }
  } catch (fault) {
    throw named(source.name, fault);
  } finally {
    file.close();
  }
}

/** Reads capture files one after another into a tracker. */
export class CaptureReading {
  readonly #options: ReadingOptions;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  /** Reads one file. @throws CaptureError as `dateSource` does */
  async readAll(source: Source): Promise<void> {
    const reading = this.#open(source, WINDOW_BYTES);
    try {
      while (takePackets(reading, END_OF_TIME) !== IngestResult.END) await this.#fill(reading);
      this.#close(reading);
    } finally {
      reading.file.close();
    }
  }

  /** Files wait in the order of their first packets until their time has come. */
  async merge(sources: readonly DatedSource[]): Promise<void> {
    const waiting = [...sources].sort((a, b) => compareTimes(a.first, b.first));
    const active: Reading[] = [];
    try {
      while (active.length > 0 || waiting.length > 0) {
        const next = waiting.at(0);
        const earliest = active.at(0);
        const opensNext =
          earliest === undefined ||
          (next !== undefined && compareTimes(next.first, earliest.ingest.pending) <= 0);
        if (opensNext && next !== undefined) {
          waiting.shift();
          const reading = this.#open(next.source, MERGE_WINDOW_BYTES);
          // Nothing is dated before the beginning of time: this only finds the first packet.
          await this.#advance(reading, active, BEGINNING_OF_TIME);
          continue;
        }
        const reading = active.shift();
        if (reading === undefined) break;
        const limit = earlierOf(active.at(0)?.ingest.pending, next?.first);
        await this.#advance(reading, active, limit);
      }
    } finally {
      for (const { file } of active) file.close();
    }
  }

  /** Reads a file up to a time, and puts it back in its place among the active ones. */
  async #advance(reading: Reading, active: Reading[], limit: Timestamp): Promise<void> {
    let step: IngestResult = takePackets(reading, limit);
    while (step === IngestResult.MORE) {
      await this.#fill(reading);
      step = takePackets(reading, limit);
    }
    if (step === IngestResult.END) {
      this.#close(reading);
      return;
    }
    const { pending } = reading.ingest;
    const at = active.findIndex((other) => compareTimes(pending, other.ingest.pending) < 0);
    active.splice(at < 0 ? active.length : at, 0, reading);
  }

  #open(source: Source, windowBytes: number): Reading {
    const file = new CaptureFile(source.path, source.bytes);
    try {
      const { tracker, epoch, filterOf } = this.#options;
      const window = new OctetWindow(windowBytes);
      const reader = startReading(file, window);
      const ingest = new CaptureIngest(reader, tracker, {
        epoch,
        fileBase: source.base,
        ...(filterOf === undefined ? {} : { filterOf }),
      });
      return { source, file, window, ingest, offset: 0 };
    } catch (fault) {
      file.close();
      throw named(source.name, fault);
    }
  }

  async #fill(reading: Reading): Promise<void> {
    const { source, file, window, ingest } = reading;
    fill(file, window, ingest.reader);
    // By how far the file has been read: what is stepped over is work done, too.
    const share = (source.namedBytes * (1 - source.unpackedShare)) / Math.max(1, source.bytes);
    const bytes = (window.nextOffset - reading.offset) * share;
    reading.offset = window.nextOffset;
    await this.#options.onRead(bytes);
  }

  #close({ source, file, ingest }: Reading): void {
    file.close();
    try {
      requireBeginning(ingest.reader);
    } catch (fault) {
      throw named(source.name, fault);
    }
    this.#options.onClose(source, ingest);
  }
}

/** Adds what comes next in the file to the window, or tells the reader that there is no more. */
function fill(file: CaptureFile, window: OctetWindow, reader: PacketReader): void {
  const room = window.room();
  const { fillBytes } = reader;
  const into = room.subarray(0, Math.min(fillBytes, FILL_BYTES_MAX));
  const count = file.read(into, window.nextOffset);
  if (count === 0) reader.end();
  window.added(count);
}

/** @throws CaptureError that names the file, where it is of a version that is not read */
function takePackets({ source, ingest }: Reading, limit: Timestamp): IngestResult {
  try {
    return ingest.run(limit.seconds, limit.nanoseconds);
  } catch (fault) {
    throw named(source.name, fault);
  }
}

/** @throws CaptureError where the file's beginning is no capture's */
function startReading(file: CaptureFile, window: OctetWindow): PacketReader {
  window.fileBytes = file.bytes;
  window.added(file.read(window.room(), 0));
  return readerOf(window);
}

/** Where nothing came before the damage, there is nothing that could be used. */
function requireBeginning({ damage }: PacketReader): void {
  if (damage === null || damage.offset > 0) return;
  throw new CaptureError({
    code: 'ERR_CAPTURE_DAMAGED',
    message: `damaged from its first byte on: ${damage.reason}`,
    hint: 'record it again, or copy it again from where it came',
    offset: 0,
  });
}

function compareTimes(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanoseconds - b.nanoseconds;
}

function earlierOf(a: Timestamp = END_OF_TIME, b: Timestamp = END_OF_TIME): Timestamp {
  return compareTimes(a, b) <= 0 ? a : b;
}
