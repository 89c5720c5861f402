/** The worker threads of one run: started together, watched, told to drain, collected. */
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { ReplayError } from '../../base/errors.ts';
import { errorFrom } from '../../base/posted-failure.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { runStartsNow } from '../../io/receive/run-clock.ts';
import { addSeenRequests, REQUESTS_MAX, seenRequests } from '../../measure/answers-seen.ts';
import { createCounters } from '../../measure/counters.ts';
import { createExchangeFigures, type ExchangeFigures } from '../../measure/exchange-figures.ts';
import { LatencyTable } from '../../measure/histograms.ts';
import type { Timeline } from '../../measure/intervals.ts';
import { type Measurements, nothingMeasured } from '../../measure/run-record.ts';
import { DifferenceTexts, sumFigures } from '../../replay/difference-texts.ts';
import type { PreparedSessions } from '../../replay/prepared-sessions.ts';
import { NO_MODULE } from '../../replay/watched-modules.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import type { ReadOctets } from '../../session/script/stream-view.ts';
import { requireReplyMemory } from '../plan/memory.ts';
import { type ModuleSpec, moduleLabel } from '../plan/modules.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import type { RunAnswers } from '../plan/options.ts';
import { prepare } from '../plan/prepare.ts';
import type { RunPlan } from '../plan/run-plan.ts';
import { stoppedModules } from '../plan/stopped-modules.ts';
import { inSlices } from './in-slices.ts';
import type { Listeners } from './listeners.ts';
import { StartGate } from './start-gate.ts';
import { StuckThreads } from './stuck-threads.ts';
import {
  CONTROL_WORDS,
  Command,
  Control,
  type MainMessage,
  type ThreadJob,
  type ThreadMessage,
} from './thread-job.ts';
import { addFailures, endLive, failureLines, modulesOf } from './thread-modules.ts';

/** What the threads of a run are to do. */
export interface ThreadsOptions {
  readonly plan: RunPlan;
  readonly network: NetworkWay | null;
  readonly realTime: boolean;
  readonly threads: number;
  /** Sessions that are prepared already; null: they are prepared here. */
  readonly prepared: PreparedSessions | null;
  readonly modules: readonly ModuleSpec[];
  /** Octets of memory that each thread has for what is written during the run. */
  readonly arenaBytes: number;
  /** Since the epoch, by the wall clock: not before; null: when all are ready. */
  readonly startAtMs: number | null;
  /** Whether it is kept what each request was answered. */
  readonly keepsAnswers: boolean;
  onWarning(text: string): void;
  /** Every thread is ready and the run's clock begins. */
  onStart(): void;
}

/** One after another, each thread's row of counters and its histograms, as they are now. */
export interface ThreadsState {
  readonly counters: readonly Float64Array[];
  readonly latencies: readonly Float64Array[];
}

/** A run's threads as the main thread sees them: started, watched, drained, merged. */
export class ReplayThreads {
  readonly #options: ThreadsOptions;
  readonly #workers: Worker[] = [];
  readonly #counters: Float64Array<SharedArrayBuffer>[];
  readonly #latencies: Float64Array<SharedArrayBuffer>[] = [];
  /** A thread's each, from when the sessions are prepared. */
  #figures: readonly ExchangeFigures[] = [];
  #prepared: PreparedSessions | null = null;
  readonly #timelines: Timeline[] = [];
  readonly #notes = new Set<string>();
  readonly #moduleFailures = new Map<string, number>();
  readonly #gate: StartGate;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #stuck: StuckThreads;
  /** A worker's each: what ends the wait for it, well or not. */
  readonly #ends: (() => void)[] = [];
  readonly #fails: ((fault: ReplayError) => void)[] = [];
  #hasStarted = false;
  /** What the threads receive by, where it is one for all. */
  #listeners: Listeners | null = null;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#gate = new StartGate(options.startAtMs);
    this.#counters = Array.from({ length: options.threads }, createCounters);
    const words = CONTROL_WORDS + options.threads;
    this.#control = new Int32Array(new SharedArrayBuffer(4 * words));
    this.#stuck = new StuckThreads(
      this.#counters,
      (shard) => this.#moduleCalledBy(shard),
      options.onWarning,
    );
  }

  get state(): ThreadsState {
    return { counters: this.#counters, latencies: this.#latencies };
  }

  /** What the threads hold, when they have ended. */
  get measurements(): Measurements {
    const latency = LatencyTable.of(this.#latencies);
    const measured = { counters: this.#counters, latency, timelines: this.#timelines };
    if (this.#prepared === null) return { ...nothingMeasured(), ...measured };
    const { scripts } = this.#options.plan;
    const { exchanges } = this.#prepared;
    const capture = openCaptureBytes(scripts.files);
    try {
      const read: ReadOctets = (offset, into) => capture.read(offset, into);
      return { ...measured, ...sumFigures(scripts, exchanges, read, this.#figures) };
    } finally {
      capture.close();
    }
  }

  /** Tells what each request was answered, when the threads have ended. */
  tellAnswers(tell: (answers: RunAnswers) => void): void {
    if (this.#prepared === null) return;
    const { scripts } = this.#options.plan;
    const { exchanges } = this.#prepared;
    const tables = this.#figures.flatMap(({ answers }) => answers ?? []);
    const capture = openCaptureBytes(scripts.files);
    try {
      tell({
        requests: addSeenRequests(tables.map(seenRequests)),
        left: Math.max(0, exchanges.message.length - REQUESTS_MAX),
        texts: new DifferenceTexts(scripts, exchanges, (offset, into) =>
          capture.read(offset, into),
        ),
      });
    } finally {
      capture.close();
    }
  }

  /** What the threads did to their surroundings; each line once. */
  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /** Why modules have failed, the first few different reasons, as lines for the summary. */
  get moduleFailures(): readonly string[] {
    return failureLines(this.#moduleFailures);
  }

  /** Start nothing more, close what is open. */
  drain(): void {
    Atomics.store(this.#control, Control.COMMAND, Command.DRAIN);
    Atomics.notify(this.#control, Control.COMMAND);
    this.#gate.open();
  }

  /**
   * Looks, a few times a second, whether all threads move. Says so where one does not; where that does not hear of a
   * drain either it is ended, and what it has counted until then is what there is of it.
   */
  watch(nowMs: number): void {
    const isDraining = this.#control[Control.COMMAND] === Command.DRAIN;
    // Before the start a thread may wait for others, or load its modules, which may not come to an end.
    const isResting = (shard: number): boolean =>
      !this.#hasStarted && this.#moduleCalledBy(shard) === null;
    for (const shard of this.#stuck.look(nowMs, isDraining, isResting)) this.#giveUp(shard);
  }

  #moduleCalledBy(shard: number): string | null {
    const place = Atomics.load(this.#control, Control.CALLED + shard);
    const spec = place === NO_MODULE ? undefined : this.#options.modules.at(place - 1);
    return spec === undefined ? null : moduleLabel(spec);
  }

  #giveUp(shard: number): void {
    const name = this.#moduleCalledBy(shard);
    this.#stuck.end(shard);
    if (!this.#hasStarted) {
      this.#fails[shard](notLoaded(name ?? ''));
      return;
    }
    const worker = this.#workers[shard];
    // Its exit is no surprise.
    worker.removeAllListeners('exit');
    void worker.terminate().then(() => {
      const ended = endLive(this.#counters[shard], name !== null);
      if (name === null) this.#options.onWarning(`thread ${shard} was ended: it did not move`);
      else addFailures(this.#moduleFailures, new Map([[stuckText(name), ended]]));
      this.#ends[shard]();
    });
  }

  /**
   * Plays to the end.
   * @throws ReplayError of the first thread that failed; the others are ended
   */
  async play(): Promise<void> {
    const { network } = this.#options;
    const prepared = await this.#prepare();
    if (network !== null && network.sender === 'raw-socket') {
      await this.#playHere(network, prepared);
      return;
    }
    try {
      if (network !== null) await this.#openListeners(network);
      await Promise.all(this.#counters.map((_, shard) => this.#runThread(shard, prepared)));
    } finally {
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
      this.#listeners?.close();
    }
  }

  /**
   * The sessions' octets are read once, here, and not by every thread.
   * @throws ReplayError as requireReplyMemory does
   */
  async #prepare(): Promise<PreparedSessions> {
    const { plan, network, prepared: before } = this.#options;
    const capture = openCaptureBytes(plan.scripts.files);
    try {
      const prepared = before ?? (await inSlices(prepare(plan, capture)));
      if (network !== null) requireReplyMemory(plan, prepared.exchanges.pushed);
      const { classNames } = prepared.exchanges;
      const requests = this.#options.keepsAnswers ? prepared.exchanges.message.length : 0;
      this.#figures = this.#counters.map(() => createExchangeFigures(classNames.length, requests));
      this.#prepared = prepared;
      return prepared;
    } finally {
      capture.close();
    }
  }

  /** @throws ReplayError as openListeners does */
  async #openListeners(network: NetworkWay): Promise<void> {
    const { plan, threads } = this.#options;
    const { openListeners } = await import('./listeners.ts');
    this.#listeners = openListeners(plan, network, threads);
  }

  #jobOf(shard: number, prepared: PreparedSessions): ThreadJob {
    const { plan, network, realTime, threads, modules, arenaBytes } = this.#options;
    const counters = this.#counters[shard];
    const control = this.#control;
    const figures = this.#figures[shard];
    return {
      plan,
      prepared,
      shard,
      shards: threads,
      network,
      socket: this.#listeners?.sockets[shard] ?? null,
      realTime,
      counters,
      figures,
      control,
      modules,
      arenaBytes,
    };
  }

  /**
   * In this thread, which still serves its event loop between turns: the package raw-socket hangs
   * its sockets on the main thread's loop wherever it is called, and ends the process when the
   * thread that called it ends.
   */
  async #playHere(network: NetworkWay, prepared: PreparedSessions): Promise<void> {
    const { plan, onWarning } = this.#options;
    const { openNetworkThread } = await import('./network-thread.ts');
    const capture = openCaptureBytes(plan.scripts.files);
    try {
      const job = this.#jobOf(0, prepared);
      const modules = await modulesOf(job, (made) => this.#stopped(made));
      const run = openNetworkThread(job, network, capture, modules, onWarning);
      try {
        this.#keep(run.latency.columns, run.notes);
        await this.#gate.wait();
        this.#options.onStart();
        this.#timelines.push(await inSlices(run.turns(runStartsNow())));
        addFailures(this.#moduleFailures, run.moduleFailures);
      } finally {
        run.close();
      }
    } finally {
      capture.close();
    }
  }

  /** In this thread nobody would hear an interrupt. */
  #stopped(modules: readonly ProtocolModule[]): readonly ProtocolModule[] {
    const { modules: specs, onWarning } = this.#options;
    return stoppedModules(modules, (place, text) => {
      onWarning(`module ${moduleLabel(specs[place])} ${text}: it is called no more, its users end`);
    });
  }

  #runThread(shard: number, prepared: PreparedSessions): Promise<void> {
    const job = this.#jobOf(shard, prepared);
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: job,
      ...heapOf(job),
    });
    this.#workers.push(worker);
    return new Promise((resolve, reject) => {
      this.#ends.push(resolve);
      this.#fails.push(reject);
      worker.on('error', reject);
      worker.on('exit', () => reject(threadVanished(shard)));
      worker.on('message', (message: ThreadMessage) => {
        if (message.type === 'warning') this.#options.onWarning(message.text);
        else if (message.type === 'failed') reject(errorFrom(message.failure));
        else if (message.type === 'ready') {
          this.#onReady(message.latencies, message.notes).catch(reject);
        } else {
          this.#stuck.end(shard);
          this.#timelines.push(message.timeline);
          addFailures(this.#moduleFailures, message.moduleFailures);
          resolve();
        }
      });
    });
  }

  #keep(latencies: Float64Array<SharedArrayBuffer>, notes: readonly string[]): void {
    this.#latencies.push(latencies);
    for (const note of notes) this.#notes.add(note);
  }

  /** The clock begins when the last thread is ready, so that nobody is late from the start. */
  async #onReady(
    latencies: Float64Array<SharedArrayBuffer>,
    notes: readonly string[],
  ): Promise<void> {
    this.#keep(latencies, notes);
    if (this.#latencies.length < this.#counters.length) return;
    this.#listeners?.join();
    await this.#gate.wait();
    const go: MainMessage = { type: 'go', start: runStartsNow() };
    this.#options.onStart();
    this.#hasStarted = true;
    for (const worker of this.#workers) worker.postMessage(go);
  }
}

/**
 * Room for young objects where the engine alone makes some: they are few and die at once, so that it would grow to 8 MB
 * for nothing. V8 cuts it in three.
 */
const YOUNG_MB = 3;

/** What modules, WebSockets and MQTT keep for users are objects: a thread may have its share of what is free for the former. */
function heapOf({ plan, prepared, shards }: ThreadJob): Pick<WorkerOptions, 'resourceLimits'> {
  if (plan.rewriting !== undefined) {
    const maxOldGenerationSizeMb = Math.ceil(process.availableMemory() / shards / 2 ** 20);
    return { resourceLimits: { maxOldGenerationSizeMb } };
  }
  if (prepared.exchanges.pushed !== undefined) return {};
  return { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } };
}

const stuckText = (module: string): string => `${module} does not return: its thread was ended`;

const notLoaded = (module: string): ReplayError =>
  new ReplayError({
    code: 'ERR_RUN_INTERRUPTED',
    kind: 'interrupted',
    message: `interrupted while a thread loaded the module ${module}, which does not return`,
  });

const threadVanished = (shard: number): ReplayError =>
  new ReplayError({
    code: 'ERR_RUN_THREAD',
    kind: 'internal',
    message: `thread ${shard} ended without a result`,
  });
