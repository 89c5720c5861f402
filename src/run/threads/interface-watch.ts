/**
 * Watches, while a run goes on, the interface that its frames leave by. One that is down may come up
 * again: users wait for it as they do for lost packets, and end by their own time. Once it has been
 * removed, or was down for too long, nothing can be sent any more, and the run ends with what was
 * measured until then. (The sockets are bound to an index: an interface that is made again under the
 * same name is another one.)
 */
import { NS_PER_SECOND } from '../../base/time.ts';
import { formatDuration } from '../../base/units.ts';
import type { InterfaceState } from '../../io/sys/interface-state.ts';
import { Counter } from '../../measure/counters.ts';

/** As long as an intercept may stay away. */
const DOWN_NS_MAX = 30 * NS_PER_SECOND;

/** What is watched, and who is told of it. */
export interface InterfaceWatchOptions {
  readonly name: string;
  /** What the kernel says of it now. */
  look(): InterfaceState;
  onWarning(text: string): void;
}

/** Says when frames cannot leave the machine, and when they never will again. */
export class InterfaceWatch {
  readonly #options: InterfaceWatchOptions;
  readonly #lost = new AbortController();
  #state: InterfaceState = 'up';
  #sinceNs = 0;
  #failure: string | null = null;

  constructor(options: InterfaceWatchOptions) {
    this.#options = options;
  }

  /** Aborted when nothing can be sent any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Looks; a few times a second. @param nowNs since the run's start */
  watch(nowNs: number): void {
    if (this.#failure !== null) return;
    const { name, onWarning } = this.#options;
    const before = this.#state;
    this.#state = this.#options.look();
    const downNs = nowNs - this.#sinceNs;
    if (this.#state === before) {
      if (before === 'down' && downNs >= DOWN_NS_MAX) this.#lose(this.#downText(downNs));
      return;
    }
    if (this.#state === 'gone') this.#lose(goneText(name, nowNs));
    else if (this.#state === 'up') {
      onWarning(`the interface ${name} was down for ${formatDuration(downNs)}`);
    } else {
      this.#sinceNs = nowNs;
      onWarning(`the interface ${name} is down, and nothing is sent until: ip link set ${name} up`);
    }
  }

  /**
   * The last look, when the run is over: an interface that never came back is why users failed.
   * @returns why the run could not go on, in one sentence; null where it could, or nobody missed it
   */
  failureOf(counters: Float64Array): string | null {
    const nowNs = counters[Counter.CLOCK_NS];
    this.watch(nowNs);
    if (this.#failure !== null) return this.#failure;
    const isMissed = counters[Counter.COMPLETED] < counters[Counter.STARTED];
    return this.isUp || !isMissed ? null : this.#downText(nowNs - this.#sinceNs);
  }

  #downText(downNs: number): string {
    const { name } = this.#options;
    const since = formatDuration(downNs);
    return `the interface ${name} was down for the last ${since} (ip link set ${name} up)`;
  }

  #lose(failure: string): void {
    this.#failure = failure;
    this.#lost.abort();
  }
}

const goneText = (name: string, nowNs: number): string =>
  `the interface ${name} was removed ${formatDuration(nowNs)} after the start`;
