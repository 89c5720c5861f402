/** The channel thread as a run sees it: opened before the shards, closed behind them. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { addressBytes } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { errorFrom } from '../../base/posted-failure.ts';
import { createRecordRing } from '../../base/record-ring.ts';
import type { ChannelClock } from '../../doctor/observations.ts';
import { excessOf, type RegistrationAnswer } from '../../intercept/registration.ts';
import type { ShardInbox } from '../../io/channel/channel-receiver.ts';
import { closeEventFd, openEventFd } from '../../io/sys/eventfd.ts';
import type { InterceptAddress } from '../plan/options.ts';
import { portsEachOf, type RunPlan, targetBlocksOf } from '../plan/run-plan.ts';
import {
  CHANNEL_TOTALS,
  type ChannelCommand,
  type ChannelJob,
  type ChannelMessage,
  ChannelTotal,
} from './channel-job.ts';
import { INBOX_BYTES } from './record-router.ts';

/** The intercepts of a run, and what they are told of it. */
export interface ChannelOptions {
  readonly intercepts: readonly InterceptAddress[];
  readonly key: Uint8Array | null;
  readonly version: string;
  readonly shards: number;
  /** Octets of payload that the run needs of each packet, and for which protocols. */
  readonly prefixBytes: number;
  readonly followed: string;
  onWarning(text: string): void;
}

/** The channel's thread as the main thread sees it: it hands inboxes of records to the engines. */
export class ChannelThread {
  readonly inboxes: readonly ShardInbox[];
  readonly totals = new Float64Array(
    new SharedArrayBuffer(CHANNEL_TOTALS * Float64Array.BYTES_PER_ELEMENT),
  );
  /** What was known of the intercepts' clocks when all were connected, in their order. */
  clocks: readonly ChannelClock[] = [];
  /** What the intercepts have answered, in their order. */
  #answers: readonly RegistrationAnswer[] = [];
  readonly #worker: Worker;
  readonly #gone = new AbortController();
  readonly #onMessage = new Set<(message: ChannelMessage) => void>();
  #fault: Error | null = null;
  #isClosing = false;

  constructor(plan: RunPlan, options: ChannelOptions) {
    const { intercepts, key, version, shards, prefixBytes, followed, onWarning } = options;
    this.inboxes = Array.from({ length: shards }, () => ({
      ring: createRecordRing(INBOX_BYTES),
      fd: openEventFd(),
    }));
    const { clients, ports, order, firstPort, users } = plan;
    const job: ChannelJob = {
      intercepts,
      key,
      version,
      inboxes: this.inboxes,
      pool: { clients, ports, order, firstPort },
      users,
      portsEach: portsEachOf(plan),
      blocks: shards === 1 ? null : targetBlocksOf(plan, shards),
      totals: this.totals,
      followed,
      request: {
        name: `${hostname()
          .replace(/[^\x20-\x7e]/g, '?')
          .slice(0, 64)}:${process.pid}`,
        run: randomBytes(16).toString('hex'),
        family: clients.family,
        ranges: clients.ranges,
        ports,
        targets: plan.targets.map(({ address, port }) => ({
          address: addressBytes(address),
          port,
        })),
        prefixBytes,
      },
    };
    this.#worker = new Worker(new URL('./channel-worker.js', import.meta.url), { workerData: job });
    this.#worker.on('message', (message: ChannelMessage) => {
      if (message.type === 'warning') onWarning(message.text);
      else if (message.type === 'gone') this.#gone.abort(errorFrom(message.failure));
      for (const each of this.#onMessage) each(message);
    });
    const vanish = (error: Error): void => {
      this.#fault ??= error;
      if (!this.#isClosing) this.#gone.abort(this.#fault);
      for (const each of this.#onMessage) each({ type: 'closed', notes: [] });
    };
    this.#worker.on('error', vanish);
    this.#worker.on('exit', () => vanish(new Error('the channel thread ended')));
  }

  /**
   * Connects to all intercepts and registers with them.
   * @throws ReplayError ERR_CHANNEL_UNREACHABLE, ERR_CHANNEL_SECRET, ERR_CHANNEL_REFUSED;
   * ERR_CHANNEL_EXCESS (usage) where no intercept would take what is to be registered
   */
  static async open(plan: RunPlan, options: ChannelOptions): Promise<ChannelThread> {
    refuseExcess(plan);
    const thread = new ChannelThread(plan, options);
    try {
      const message = await thread.#next((each) => each.type !== 'warning');
      if (message.type === 'failed' || message.type === 'gone') throw errorFrom(message.failure);
      if (message.type !== 'ready') throw thread.#fault ?? new Error('the channel was closed');
      thread.#answers = message.answers;
      thread.clocks = message.clocks;
      return thread;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /**
   * Aborted in mid-run when an intercept will not come back, or when the channel's own thread has
   * failed: no more replies will come. Its reason is the error that the run ends with.
   */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Nanoseconds in which an intercept stood still or was lost (`ChannelTotal.SILENT_NS`). */
  get silentNs(): number {
    return this.totals[ChannelTotal.SILENT_NS];
  }

  /** The intercepts' modes, each once. */
  get mode(): string {
    return [...new Set(this.#answers.map(({ mode }) => mode))].join('+');
  }

  /** Says goodbye to the intercepts. Nobody may touch the inboxes afterwards. @returns notes */
  async close(): Promise<readonly string[]> {
    this.#isClosing = true;
    let notes: readonly string[] = [];
    if (this.#fault === null) {
      const closed = this.#next(({ type }) => type === 'closed');
      this.#worker.postMessage({ type: 'close' } satisfies ChannelCommand);
      const message = await closed;
      if (message.type === 'closed') notes = message.notes;
    }
    await this.#worker.terminate();
    for (const { fd } of this.inboxes) closeEventFd(fd);
    return notes;
  }

  #next(isWanted: (message: ChannelMessage) => boolean): Promise<ChannelMessage> {
    return new Promise((resolve) => {
      const listen = (message: ChannelMessage): void => {
        if (!isWanted(message)) return;
        this.#onMessage.delete(listen);
        resolve(message);
      };
      this.#onMessage.add(listen);
    });
  }
}

/** Before anybody is asked: an intercept could only say that the registration is not valid. */
function refuseExcess({ clients, targets }: RunPlan): void {
  const excess = excessOf({
    ranges: clients.ranges,
    targets: targets.map(({ port }) => ({ address: new Uint8Array(0), port })),
  });
  if (excess === null) return;
  throw new ReplayError({
    code: 'ERR_CHANNEL_EXCESS',
    kind: 'usage',
    message: `this run has ${excess}`,
    hint: 'play fewer recorded servers at once: --map PORT-HOST:PORT,… names those to play',
  });
}
