/** The capture thread of an intercept as its main thread sees it. */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { ReplayError } from '../../base/errors.ts';
import type { PostedFailure } from '../../base/posted-failure.ts';
import { errorFrom, failureOf } from '../../base/posted-failure.ts';
import { TALLIES } from '../../intercept/intercept-core.ts';
import { closeEventFd, openEventFd, raiseEvent } from '../../io/sys/eventfd.ts';
import {
  type CaptureCommand,
  type CaptureJob,
  type CaptureMessage,
  type PostedOwner,
  WAKE_WORDS,
  Wake,
} from './intercept-job.ts';

/** The capture thread as the main thread sees it. */
export class CaptureThread {
  readonly tally = new Float64Array(
    new SharedArrayBuffer(TALLIES * Float64Array.BYTES_PER_ELEMENT),
  );
  /** What the source says of itself; rejects when it cannot be opened. */
  readonly opened: Promise<readonly string[]>;
  /** Rejects when the thread fails; else it never settles. */
  readonly failed: Promise<never>;
  onWake: () => void = () => undefined;
  readonly #wake = new Int32Array(new SharedArrayBuffer(WAKE_WORDS * Int32Array.BYTES_PER_ELEMENT));
  readonly #fd = openEventFd();
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #closed: Promise<void>;
  /** The first failure, which also says what could not be removed. */
  #failure: ReplayError | null = null;
  #isClosing = false;
  /** Those who wait for an answer to `owners`, in order. */
  readonly #waiting: ((answer: {
    readonly failure: PostedFailure | null;
    readonly lines: readonly string[];
  }) => void)[] = [];

  constructor(
    { mode, source }: Pick<CaptureJob, 'mode' | 'source'>,
    entry: URL = new URL('./intercept-worker.js', import.meta.url),
  ) {
    const { port1, port2 } = new MessageChannel();
    const { tally } = this;
    const job: CaptureJob = { mode, source, tally, wake: this.#wake, fd: this.#fd };
    this.#port = port1;
    this.#worker = new Worker(entry, { workerData: { job, port: port2 }, transferList: [port2] });
    let onOpened: (lines: readonly string[]) => void = () => undefined;
    let reject: (error: ReplayError) => void = () => undefined;
    let onClosed: () => void = () => undefined;
    this.failed = new Promise((_, onReject) => {
      reject = onReject;
    });
    const onFailed = (error: unknown): void => {
      this.#failure ??= errorFrom(failureOf(error, 'ERR_INTERCEPT_THREAD'));
      reject(this.#failure);
    };
    // Nobody may be listening when it fails: who waits for something else is told there.
    this.failed.catch(() => undefined);
    this.opened = Promise.race([
      this.failed,
      new Promise<readonly string[]>((resolve) => {
        onOpened = resolve;
      }),
    ]);
    this.#closed = new Promise((resolve) => {
      onClosed = resolve;
    });
    const onMessage = (message: CaptureMessage): void => {
      if (message.type === 'wake') this.#onWake();
      else if (message.type === 'opened') onOpened(message.lines);
      else if (message.type === 'owners') this.#waiting.shift()?.(message);
      else if (message.type === 'failed') onFailed(errorFrom(message.failure));
    };
    port1.on('message', onMessage);
    this.#worker.on('error', onFailed);
    this.#worker.on('exit', () => {
      // The thread's end may be known before its last words are read.
      for (let found = receiveMessageOnPort(port1); found; found = receiveMessageOnPort(port1)) {
        onMessage(found.message as CaptureMessage);
      }
      if (!this.#isClosing) onFailed(new Error('the capture thread ended'));
      onClosed();
    });
  }

  setOwners(owners: readonly PostedOwner[]) {
    return new Promise<{
      readonly failure: PostedFailure | null;
      readonly lines: readonly string[];
    }>((resolve) => {
      this.#waiting.push(resolve);
      this.#post({ type: 'owners', owners });
    });
  }

  /**
   * Removes what the source has installed, and ends the thread.
   * @returns how the thread failed, and what could not be removed; null when all is well
   */
  async close(): Promise<ReplayError | null> {
    this.#isClosing = true;
    this.#post({ type: 'close' });
    await this.#closed;
    this.#port.close();
    closeEventFd(this.#fd);
    return this.#failure;
  }

  #post(command: CaptureCommand): void {
    this.#port.postMessage(command);
    // The word last: whoever has seen it finds the event raised, and can take it.
    raiseEvent(this.#fd);
    Atomics.store(this.#wake, Wake.COMMANDS, 1);
  }

  /** First the flag, then the look: what comes in between wakes us again. */
  #onWake(): void {
    Atomics.store(this.#wake, Wake.MAIN, 0);
    this.onWake();
  }
}
