/**
 * Reads captures once and keeps an index of their sessions: where each octet lies, never the octets
 * themselves.
 *
 * Several files are read as one capture: whichever has the earliest next packet is read on, and a
 * file is only opened when the others have come to its first packet, so that a day of rotated files
 * costs no more memory than two of them.
 */

import { type Epoch, newEpoch } from '../capture/capture-clock.ts';
import { CaptureError } from '../capture/capture-error.ts';
import { readerOf } from '../capture/format.ts';
import { FrameFilter } from '../capture/frame-filter.ts';
import { LinkType } from '../capture/link-types.ts';
import { OctetWindow, WINDOW_BYTES } from '../capture/octet-window.ts';
import { PACKET_BYTES_MAX, type PacketReader, Step } from '../capture/packet-reader.ts';
import { CaptureFile, openCaptureBytes } from '../io/capture-file.ts';
import type {
  FileReport,
  ServerReport,
  SessionReport,
  SessionTotals,
} from '../report/inspect-document.ts';
import { CaptureIngest, IngestStep, type Timestamp } from '../session/capture-ingest.ts';
import { findHttpRequests, type HttpRequests } from '../session/http-requests.ts';
import { type ReadOctets, ScriptBuilder } from '../session/script-builder.ts';
import type { JoinedFile, Scripts } from '../session/scripts.ts';
import { SessionCatalog } from '../session/session-catalog.ts';
import type { SessionSelection } from '../session/session-selection.ts';
import { SessionTracker } from '../session/session-tracker.ts';
import { type CaptureSources, named, openSources, type Source } from './capture-sources.ts';
import { canBeStored, loadIndex, saveIndex } from './index-store.ts';
import { serverReports, sessionReports, sessionTotals, timestampText } from './session-reports.ts';

export interface IndexOptions {
  /** Seeds the hash tables, so that no capture can be made that slows them down. */
  readonly seed: number;
  /** Which sessions are wanted; the others are counted as `not-selected`. */
  readonly selection?: SessionSelection;
  /** Which frames are wanted, in pcap's language; the others are counted as `filtered`. */
  readonly filter?: string;
  /** Whether to use, and else to write, an index beside the first capture. */
  readonly store?: boolean;
  /** Whether a damaged file is an error (ERR_CAPTURE_DAMAGED) instead of a warning. */
  readonly strict?: boolean;
  /** Called now and then with the octets read so far and in all, and how long that took. */
  readonly onProgress?: (bytesRead: number, bytes: number, elapsedMs: number) => void;
  /** Something the user should know that does not end the run. */
  readonly onWarning?: (text: string) => void;
  /** Ends the reading: the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Which packets and sessions of the captures are wanted, and how strictly they are read. */
export type CaptureChoice = Pick<IndexOptions, 'filter' | 'selection' | 'strict' | 'store'>;

/** What a set of captures holds. */
export interface CaptureIndex {
  readonly files: readonly FileReport[];
  readonly sessions: SessionTotals;
  /** The busiest first. */
  readonly servers: readonly ServerReport[];
  /** Octets of memory that the index takes. */
  readonly indexBytes: number;
  /** Every session, in the order of first packets; digests read all their payload again. */
  sessionList(options: { readonly digests: boolean }): Iterable<SessionReport>;
  /** The replayable sessions, in shared memory. Made anew by each call. */
  scripts(): Scripts;
  /** The HTTP/1 requests in those scripts; reads the headers of all requests and answers. */
  httpRequests(scripts: Scripts): HttpRequests;
  /** Ends the use of the captures: what was unpacked for reading is removed. */
  close(): void;
}

/** The event loop gets a turn this often, so that Ctrl-C and progress are served. */
const TURN_MS = 50;

/** Half of it is enough for two of the largest packets, and many files may be open at a time. */
const MERGE_WINDOW_BYTES = 2 * PACKET_BYTES_MAX + 4096;

/** The smallest packets with their headers: how many there are is guessed from the files' sizes. */
const PACKET_BYTES_MIN = 70;

const END_OF_TIME: Timestamp = { seconds: Number.POSITIVE_INFINITY, nanos: 0 };

/** A source that is being read. */
interface Reading {
  readonly source: Source;
  readonly file: CaptureFile;
  readonly window: OctetWindow;
  readonly ingest: CaptureIngest;
  /** How far it has been read. */
  offset: number;
}

/**
 * Reads captures.
 * @param paths at least one: files (also compressed), folders of files, pipes, `-` for standard
 * input; several are one capture, merged by timestamp
 * @throws ReplayError (capture) where one of them cannot be read at all; a file that goes wrong
 * further on is read as far as it goes, and says so in its report
 */
export async function indexCaptures(
  paths: readonly string[],
  options: IndexOptions,
): Promise<CaptureIndex> {
  const turns = new Turns(options);
  const { signal, onWarning } = options;
  signal?.throwIfAborted();
  const sources = await openSources(paths, {
    ...(signal === undefined ? {} : { signal }),
    ...(onWarning === undefined ? {} : { onWarning }),
    onProgress: (bytesRead, bytes) => turns.take(bytesRead, bytes),
  });
  try {
    const filterOf = options.filter === undefined ? undefined : await filters(options.filter);
    const indexing = new Indexing(sources, turns, { ...options, filterOf });
    await indexing.run();
    return indexing.finish();
  } catch (fault) {
    sources.close();
    throw fault;
  }
}

/** Filters a link type, compiled when the first frame of one is met. */
async function filters(text: string): Promise<(linkType: number) => FrameFilter> {
  const { compileFilter } = await import('../io/sys/libpcap.ts');
  const known = new Map<number, FrameFilter>();
  const filterOf = (linkType: number): FrameFilter => {
    const filter = known.get(linkType) ?? new FrameFilter(compileFilter(text, linkType));
    known.set(linkType, filter);
    return filter;
  };
  // What is wrong with the text is said before anything is read.
  filterOf(LinkType.ETHERNET);
  return filterOf;
}

interface IndexingOptions extends IndexOptions {
  readonly filterOf: ((linkType: number) => FrameFilter) | undefined;
}

/** Gives the event loop its turn now and then. */
class Turns {
  readonly #options: IndexOptions;
  readonly #startMs = performance.now();
  #turnMs = this.#startMs;

  constructor(options: IndexOptions) {
    this.#options = options;
  }

  async take(bytesRead: number, bytes: number): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#turnMs < TURN_MS) return;
    this.#options.onProgress?.(bytesRead, bytes, nowMs - this.#startMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
    this.#turnMs = performance.now();
  }
}

class Indexing {
  readonly #opened: CaptureSources;
  readonly #sources: readonly Source[];
  readonly #turns: Turns;
  readonly #options: IndexingOptions;
  readonly #tracker: SessionTracker;
  readonly #epoch: Epoch = newEpoch();
  readonly #reports = new Map<Source, FileReport>();
  readonly #bytes: number;
  /** In octets of the files as the user named them; what is packed was half done by unpacking. */
  #bytesRead: number;

  constructor(sources: CaptureSources, turns: Turns, options: IndexingOptions) {
    this.#opened = sources;
    this.#sources = sources.list;
    this.#turns = turns;
    this.#options = options;
    const sum = (of: (source: Source) => number) =>
      sources.list.reduce((total, source) => total + of(source), 0);
    this.#bytes = sum(({ namedBytes }) => namedBytes);
    this.#bytesRead = sum(({ namedBytes, unpackedShare }) => namedBytes * unpackedShare);
    const packets = sum(({ bytes }) => bytes) / PACKET_BYTES_MIN;
    this.#tracker = new SessionTracker(options.seed, packets);
  }

  async run(): Promise<void> {
    const isStored = this.#options.store === true && this.#canStore();
    const filter = this.#options.filter ?? null;
    if (isStored && this.#load(filter)) return;
    await this.#read();
    if (!isStored) return;
    const reports = this.#sources.flatMap((source) => this.#reports.get(source) ?? []);
    const stored = { epoch: this.#epoch, reports };
    saveIndex(this.#sources, filter, this.#tracker, stored);
  }

  #canStore(): boolean {
    if (canBeStored(this.#sources)) return true;
    this.#warn('--index is for captures that are files, not packed or piped: none is written');
    return false;
  }

  #load(filter: string | null): boolean {
    const stored = loadIndex(this.#sources, filter, this.#tracker);
    if (stored === null) return false;
    this.#epoch.seconds = stored.epoch.seconds;
    this.#epoch.nanos = stored.epoch.nanos;
    for (const [i, report] of stored.reports.entries()) {
      const source = this.#sources.at(i);
      if (source !== undefined) this.#report(source, { ...report, file: source.name });
    }
    return true;
  }

  async #read(): Promise<void> {
    if (this.#sources.length === 1) await this.#readAll(this.#sources[0]);
    else await this.#merge();
  }

  finish(): CaptureIndex {
    const { seconds } = this.#epoch;
    const epochSeconds = Number.isNaN(seconds) ? 0 : seconds;
    const catalog = new SessionCatalog(this.#tracker, this.#options.selection ?? {}, this.#epoch);
    const joined: JoinedFile[] = this.#sources.map(({ path, base, bytes }) => ({
      path,
      base,
      bytes,
    }));
    return {
      files: this.#sources.flatMap((source) => this.#reports.get(source) ?? []),
      sessions: sessionTotals(catalog),
      servers: serverReports(catalog),
      indexBytes: this.#tracker.records.bytes,
      sessionList: ({ digests }) => sessionReports(catalog, { digests, epochSeconds, joined }),
      scripts: () => withOctets(joined, (read) => new ScriptBuilder(catalog, read).build(joined)),
      httpRequests: (scripts) => withOctets(joined, (read) => findHttpRequests(scripts, read)),
      close: () => this.#opened.close(),
    };
  }

  async #readAll(source: Source): Promise<void> {
    const reading = this.#open(source, WINDOW_BYTES);
    try {
      while (takePackets(reading, END_OF_TIME) !== IngestStep.END) {
        this.#fill(reading);
        await this.#turns.take(this.#bytesRead, this.#bytes);
      }
      this.#close(reading);
    } finally {
      reading.file.close();
    }
  }

  /** Files wait in the order of their first packets until their time has come. */
  async #merge(): Promise<void> {
    const waiting = this.#sources.map((source) => ({ source, first: this.#firstTime(source) }));
    waiting.sort((a, b) => compareTimes(a.first, b.first));
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
          await this.#advance(reading, active, { seconds: Number.NEGATIVE_INFINITY, nanos: 0 });
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
    let step: IngestStep = takePackets(reading, limit);
    while (step === IngestStep.MORE) {
      this.#fill(reading);
      await this.#turns.take(this.#bytesRead, this.#bytes);
      step = takePackets(reading, limit);
    }
    if (step === IngestStep.END) {
      this.#close(reading);
      return;
    }
    const { pending } = reading.ingest;
    const at = active.findIndex((other) => compareTimes(pending, other.ingest.pending) < 0);
    active.splice(at < 0 ? active.length : at, 0, reading);
  }

  #open(source: Source, windowBytes: number): Reading {
    const file = new CaptureFile(source.path);
    try {
      const window = new OctetWindow(windowBytes);
      const reader = startReading(file, window);
      const { filterOf } = this.#options;
      const ingest = new CaptureIngest(reader, this.#tracker, {
        epoch: this.#epoch,
        fileBase: source.base,
        ...(filterOf === undefined ? {} : { filterOf }),
      });
      return { source, file, window, ingest, offset: 0 };
    } catch (fault) {
      file.close();
      throw named(source.name, fault);
    }
  }

  #fill(reading: Reading): void {
    const { source, file, window, ingest } = reading;
    const room = window.room();
    const { fillBytes } = ingest.reader;
    const into = fillBytes < room.length ? room.subarray(0, fillBytes) : room;
    const count = file.read(into, window.nextOffset);
    if (count === 0) ingest.reader.end();
    window.added(count);
    // By how far the file has been read: what is stepped over is work done, too.
    const share = (source.namedBytes * (1 - source.unpackedShare)) / Math.max(1, source.bytes);
    this.#bytesRead += (window.nextOffset - reading.offset) * share;
    reading.offset = window.nextOffset;
  }

  #close({ source, file, ingest }: Reading): void {
    file.close();
    this.#report(source, fileReport(source, ingest));
  }

  #report(source: Source, report: FileReport): void {
    this.#reports.set(source, report);
    if (report.damage !== null) {
      const { offset, reason } = report.damage;
      if (this.#options.strict === true) throw damaged(source.name, offset, reason);
      this.#warn(
        `${source.name} is damaged at octet ${offset}: ${reason}; what came before is used`,
      );
    }
    const unread = report.skippedPackets['unsupported-link-type'];
    if (unread !== undefined) {
      const types = report.linkTypes.join(', ');
      this.#warn(`${source.name}: ${unread} frames of a link type that is not read (${types})`);
    }
  }

  /** When a file's first packet is dated; the beginning of time for a file without any. */
  #firstTime(source: Source): Timestamp {
    const file = new CaptureFile(source.path);
    try {
      const window = new OctetWindow(MERGE_WINDOW_BYTES);
      const reader = startReading(file, window);
      for (;;) {
        const step = reader.next();
        if (step === Step.END) return { seconds: Number.NEGATIVE_INFINITY, nanos: 0 };
        if (step === Step.PACKET && !Number.isNaN(reader.seconds)) {
          return { seconds: reader.seconds, nanos: reader.nanos };
        }
        if (step === Step.MORE) {
          const count = file.read(window.room(), window.nextOffset);
          if (count === 0) reader.end();
          window.added(count);
        }
      }
    } catch (fault) {
      throw named(source.name, fault);
    } finally {
      file.close();
    }
  }

  #warn(text: string): void {
    this.#options.onWarning?.(text);
  }
}

/** @throws CaptureError that names the file, where it is of a version that is not read */
function takePackets({ source, ingest }: Reading, limit: Timestamp): IngestStep {
  try {
    return ingest.run(limit.seconds, limit.nanos);
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

function fileReport(source: Source, ingest: CaptureIngest): FileReport {
  const { reader, first, last } = ingest;
  return {
    file: source.name,
    format: reader.format,
    compression: source.compression,
    bytes: source.namedBytes,
    packets: ingest.packets,
    tcpPackets: ingest.tcpPackets,
    firstTimestamp: first === null ? null : timestampText(first),
    lastTimestamp: last === null ? null : timestampText(last),
    linkTypes: [...new Set(reader.linkTypes)],
    truncatedPackets: ingest.truncatedPackets,
    skippedPackets: Object.fromEntries(ingest.skipped()),
    damage: source.damage ?? reader.damage,
  };
}

function withOctets<T>(joined: readonly JoinedFile[], use: (read: ReadOctets) => T): T {
  const octets = openCaptureBytes(joined);
  try {
    return use((offset, into) => octets.read(offset, into));
  } finally {
    octets.close();
  }
}

function compareTimes(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

function earlierOf(a: Timestamp = END_OF_TIME, b: Timestamp = END_OF_TIME): Timestamp {
  return compareTimes(a, b) <= 0 ? a : b;
}

const damaged = (name: string, offset: number, reason: string): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_DAMAGED',
    message: `${name} is damaged at octet ${offset}: ${reason}`,
    hint: 'without --strict, what comes before is used',
    offset,
  });
