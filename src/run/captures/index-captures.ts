/**
 * Reads captures once and keeps an index of their sessions: where each octet lies, never the octets
 * themselves.
 */

import type { JoinedFile } from '../../base/joined-file.ts';
import { type Epoch, newEpoch } from '../../capture/capture-clock.ts';
import { CaptureError } from '../../capture/capture-error.ts';
import type { FrameFilter } from '../../capture/frame-filter.ts';
import { type RequestTimesPlan, requestTimes } from '../../replay/request-times.ts';
import type { RewritePlan } from '../../replay/rewrite-columns.ts';
import type {
  FileReport,
  ServerReport,
  SessionReport,
  SessionTotals,
} from '../../report/inspect-document.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import type { RequestTimes } from '../../schedule/request-rate.ts';
import { emptySelection } from '../../session/reading/selection-findings.ts';
import { SessionCatalog } from '../../session/reading/session-catalog.ts';
import type { SessionSelection } from '../../session/reading/session-selection.ts';
import { SessionTracker } from '../../session/reading/session-tracker.ts';
import { findHints, type ProtocolHint } from '../../session/script/protocol-hints.ts';
import { findProtocolUses, type ProtocolUse } from '../../session/script/protocol-uses.ts';
import { ScriptBuilder } from '../../session/script/script-builder.ts';
import type { Scripts } from '../../session/script/scripts.ts';
import type { WantedScripts } from '../../session/script/wanted-scripts.ts';
import { type CaptureSources, openSources, type Source } from './capture-sources.ts';
import { clientCounts } from './client-counts.ts';
import type { CaptureCorrelation } from './correlations.ts';
import { damaged, fileReport, fileWarnings, whyFiltered } from './file-reports.ts';
import { filters } from './frame-filters.ts';
import {
  canBeStored,
  type IndexKey,
  identitiesOf,
  loadIndex,
  loadScripts,
  type PlayedSessions,
  saveIndex,
} from './index-store.ts';
import {
  addTurns,
  planAll,
  type ScriptPart,
  scriptParts,
  withBlocks,
  withOctets,
} from './joined-octets.ts';
import { CaptureReading, type DatedSource, dateSource } from './read-captures.ts';
import type { TimingsCount } from './recorded-timings.ts';
import { serverReports, sessionReports, sessionTotals } from './session-reports.ts';
import { skewWarnings } from './skew-warnings.ts';
import { outlinesOf } from './stored-outlines.ts';
import { Turns } from './turns.ts';

/** How captures are read and which of their sessions are wanted. */
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

/** What a run asks of captures beside the scripts of what it plays. */
export interface PlayedCaptures {
  readonly sessions: SessionTotals;
  /** When requests of played sessions are due; reads those of all of them, and their answers. */
  requestTimes(plan: RequestTimesPlan): RequestTimes;
  /**
   * What modules want with these sessions of those scripts; reads those of all of them, which may take as
   * long as the reading of the captures: it has turns and progress as that does, and can be ended.
   * @throws ReplayError as planRewrites does; the signal's reason
   */
  rewrites(
    scripts: Scripts,
    sessions: Uint32Array,
    modules: readonly ProtocolModule[],
  ): Promise<RewritePlan>;
  /** What in those scripts a server will not take as it stands, by the first octets of streams. */
  hints(scripts: Scripts): ProtocolHint[];
  /** Which option leaves no session, and what there is; null where some are left or there are none. */
  whyNone(): string | null;
  /** Ends the use of the captures: what was unpacked for reading is removed. */
  close(): void;
}

/** What a set of captures holds. */
export interface CaptureIndex extends PlayedCaptures {
  readonly files: readonly FileReport[];
  /** The busiest first. */
  readonly servers: readonly ServerReport[];
  /** Octets of memory that the index takes. */
  readonly indexBytes: number;
  /** Every session, in the order of first packets; digests read all their payload again. */
  sessionList(options: { readonly digests: boolean }): Iterable<SessionReport>;
  /** The replayable sessions, in shared memory, or what is wanted of them. Made anew by each call. */
  scripts(wanted?: WantedScripts): Scripts;
  /** The replayable sessions, so many at a time: each part lasts until the next one is asked for. */
  scriptParts(sessions: number): Iterable<ScriptPart>;
  /** Adds the turns and requests of replayable sessions from this one on, of which it makes no scripts. */
  addTurns(timings: TimingsCount, from: number): void;
  /** How many replayable sessions each recorded client has, in no particular order. */
  clientCounts(): Uint32Array;
  /** Which values of requests came from answers; reads all HTTP/1 sessions of those scripts twice. */
  correlation(scripts: Scripts): Promise<CaptureCorrelation>;
  /** Which protocols the first of those scripts speak; reads all streams of those that can be followed. */
  protocols(scripts: Scripts, sessionsMax: number): ProtocolUse[];
}

/** The same, with scripts of which those that are wanted say something. */
export type PlayedIndex = PlayedCaptures & { played(): Scripts };

/** The smallest packets with their headers: how many there are is guessed from the files' sizes. */
const PACKET_BYTES_MIN = 70;

/**
 * Reads captures.
 * @param paths at least one: files (also compressed), folders of files, pipes, `-` for standard
 * input; several are one capture, merged by timestamp
 * @throws ReplayError (capture) where one of them cannot be read at all; a file that goes wrong
 * further on is read as far as it goes, and says so in its report
 */
export const indexCaptures = (
  paths: readonly string[],
  options: IndexOptions,
): Promise<CaptureIndex> =>
  withIndexing(paths, options, async (indexing) => {
    await indexing.run();
    return indexing.finish();
  });

/**
 * Reads captures of which only some sessions are played. With an index beside them, it reads of that what those say.
 * @param wanted null: all of them
 * @throws ReplayError as `indexCaptures` does
 */
export const indexPlayed = (
  paths: readonly string[],
  options: IndexOptions,
  wanted: WantedScripts | null,
): Promise<PlayedIndex> =>
  withIndexing(paths, options, async (indexing) => {
    const stored = wanted === null ? null : indexing.stored(wanted);
    if (stored !== null) return stored;
    await indexing.run();
    const index = indexing.finish();
    return { ...index, played: () => index.scripts(wanted ?? undefined) };
  });

async function withIndexing<T>(
  paths: readonly string[],
  options: IndexOptions,
  use: (indexing: Indexing) => Promise<T>,
): Promise<T> {
  const turns = new Turns(options);
  const { signal, onWarning } = options;
  signal?.throwIfAborted();
  const sources = await openSources(paths, {
    ...(signal === undefined ? {} : { signal }),
    ...(onWarning === undefined ? {} : { onWarning }),
    strict: options.strict === true,
    onProgress: (bytesRead, bytes) => turns.take(bytesRead, bytes),
  });
  try {
    const filterOf = options.filter === undefined ? undefined : await filters(options.filter);
    return await use(new Indexing(sources, turns, { ...options, filterOf }));
  } catch (fault) {
    sources.close();
    throw fault;
  }
}

interface IndexingOptions extends IndexOptions {
  readonly filterOf: ((linkType: number) => FrameFilter) | undefined;
}

class Indexing {
  readonly #opened: CaptureSources;
  /** Those that are captures. */
  #sources: readonly Source[];
  readonly #turns: Turns;
  readonly #options: IndexingOptions;
  /** As large as the captures need when they are read. */
  #tracker = new SessionTracker(0);
  readonly #dated: readonly DatedSource[];
  /** Of the index beside the captures; null: none is asked for. */
  readonly #key: IndexKey | null;
  /** Of the selection. */
  #catalog: SessionCatalog | null = null;
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
    this.#dated = this.#dateSources();
    if (this.#dated.length > 0) this.#sources = this.#dated.map(({ source }) => source);
    this.#key = options.store === true ? this.#storeKey() : null;
  }

  async run(): Promise<void> {
    const key = this.#key;
    if (key !== null && this.#load(key)) return;
    const bytes = this.#sources.reduce((sum, source) => sum + source.bytes, 0);
    this.#tracker = new SessionTracker(this.#options.seed, bytes / PACKET_BYTES_MIN);
    const reading = this.#reading();
    if (this.#dated.length > 0) await reading.merge(this.#dated);
    else await reading.readAll(this.#sources[0]);
    if (key !== null) this.#save(key);
  }

  /** What the index beside the captures tells of wanted sessions; null where it does not. */
  stored(wanted: WantedScripts): PlayedIndex | null {
    const key = this.#key;
    if (key === null || !this.#isUnselected) return null;
    const stored = loadScripts(key, this.#joined, wanted);
    if (stored === null || stored.sessions.replayable === 0) return null;
    const { sessions, scripts, reports } = stored;
    this.#reportAll(reports);
    return { ...this.#played(sessions), whyNone: () => null, played: () => scripts };
  }

  /**
   * Of several sources, those that are captures, with the times of their first packets; none of a
   * single one, which needs no date. What is no capture among others is left out.
   */
  #dateSources(): DatedSource[] {
    if (this.#sources.length === 1) return [];
    let firstFault: unknown = null;
    const dated = this.#sources.flatMap((source) => {
      try {
        return [dateSource(source)];
      } catch (fault) {
        if (!(fault instanceof CaptureError) || this.#options.strict === true) throw fault;
        firstFault ??= fault;
        this.#warn(`${fault.message}; it is left out`);
        return [];
      }
    });
    if (dated.length === 0) throw firstFault;
    return dated;
  }

  #reading(): CaptureReading {
    return new CaptureReading({
      tracker: this.#tracker,
      epoch: this.#epoch,
      filterOf: this.#options.filterOf,
      onRead: async (bytes) => {
        this.#bytesRead += bytes;
        await this.#turns.take(this.#bytesRead, this.#bytes);
      },
      onClose: (source, ingest) => this.#report(source, fileReport(source, ingest)),
    });
  }

  #storeKey(): IndexKey | null {
    const sources = this.#sources;
    if (canBeStored(sources)) {
      return { sources, identities: identitiesOf(sources), filter: this.#options.filter ?? null };
    }
    this.#warn('--index is for captures that are files, not packed or piped: none is written');
    return null;
  }

  #load(key: IndexKey): boolean {
    const stored = loadIndex(key, this.#tracker, (text) => this.#warn(text));
    if (stored === null) return false;
    this.#epoch.seconds = stored.epoch.seconds;
    this.#epoch.nanoseconds = stored.epoch.nanoseconds;
    this.#reportAll(stored.reports);
    return true;
  }

  #reportAll(reports: readonly FileReport[]): void {
    for (const [i, report] of reports.entries()) {
      const source = this.#sources.at(i);
      if (source !== undefined) this.#report(source, { ...report, file: source.name });
    }
  }

  #save(key: IndexKey): void {
    const reports = this.#sources.flatMap((source) => this.#reports.get(source) ?? []);
    const stored = { epoch: this.#epoch, reports };
    if (saveIndex(key, this.#tracker, stored, () => this.#outlined())) return;
    this.#warn('a capture changed while it was read: no index of it is kept');
  }

  /** What is kept of the sessions for who plays some of them. */
  #outlined(): PlayedSessions | null {
    const catalog = new SessionCatalog(this.#tracker, {}, this.#epoch);
    if (this.#isUnselected) this.#catalog = catalog;
    return outlinesOf(catalog, this.#joined);
  }

  get #isUnselected(): boolean {
    return Object.values(this.#options.selection ?? {}).every((part) => part === undefined);
  }

  get #joined(): JoinedFile[] {
    return this.#sources.map(({ path, base, bytes }) => ({ path, base, bytes }));
  }

  finish(): CaptureIndex {
    const { seconds } = this.#epoch;
    const epochSeconds = Number.isNaN(seconds) ? 0 : seconds;
    const catalog =
      this.#catalog ??
      new SessionCatalog(this.#tracker, this.#options.selection ?? {}, this.#epoch);
    const { found } = catalog.skews;
    for (const text of skewWarnings(found, catalog.records, this.#sources)) this.#warn(text);
    const joined = this.#joined;
    return {
      ...this.#played(sessionTotals(catalog)),
      files: this.#sources.flatMap((source) => this.#reports.get(source) ?? []),
      servers: serverReports(catalog),
      indexBytes: this.#tracker.records.bytes,
      sessionList: ({ digests }) => sessionReports(catalog, { digests, epochSeconds, joined }),
      scripts: (wanted) =>
        withBlocks(joined, (read) =>
          new ScriptBuilder(catalog, read).build(joined, catalog.replayable, wanted),
        ),
      scriptParts: (sessions) => scriptParts(catalog, joined, sessions),
      addTurns: (timings, from) => addTurns(catalog, joined, timings, from),
      clientCounts: () => clientCounts(catalog),
      correlation: async (scripts) => {
        // Nobody but who asks for it loads it.
        const { correlate } = await import('./correlations.ts');
        return withOctets(joined, (read) => correlate(scripts, read));
      },
      protocols: (scripts, sessionsMax) =>
        withOctets(joined, (read) => findProtocolUses(scripts, sessionsMax, read)),
      whyNone: () =>
        (catalog.total > 0 ? null : whyFiltered([...this.#reports.values()])) ??
        emptySelection(catalog, this.#options.selection ?? {}, {
          tracker: this.#tracker,
          epoch: this.#epoch,
        }),
    };
  }

  #played(sessions: SessionTotals): Omit<PlayedCaptures, 'whyNone'> {
    const joined = this.#joined;
    return {
      sessions,
      requestTimes: (plan) => withOctets(joined, (read) => requestTimes(plan, read)),
      rewrites: (scripts, rows, modules) =>
        // The captures have been read: nothing is left of them.
        planAll(joined, scripts, rows, modules, () => this.#turns.take(this.#bytes, this.#bytes)),
      hints: (scripts) => withOctets(joined, (read) => findHints(scripts, read)),
      close: () => this.#opened.close(),
    };
  }

  #report(source: Source, report: FileReport): void {
    this.#reports.set(source, report);
    if (report.damage !== null) {
      const { offset, reason } = report.damage;
      if (this.#options.strict === true) throw damaged(source.name, offset, reason);
      this.#warn(
        `${source.name} is damaged at byte ${offset}: ${reason}; what came before is used`,
      );
    }
    for (const text of fileWarnings(report)) this.#warn(`${source.name}: ${text}`);
  }

  #warn(text: string): void {
    this.#options.onWarning?.(text);
  }
}
