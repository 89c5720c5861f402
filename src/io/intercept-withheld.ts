import type { Registration } from '../intercept/ports.ts';
import { describeRegistration } from './intercept-registrations.ts';

/** More registrations than replays come and go in a day; of more the oldest are let go. */
const WITHHELD_MAX = 64;

/**
 * Registrations that are over, but whose packets must still not leave the target: a replay that has
 * lost its connection comes back, and the server sends its answers again for minutes.
 */
export class WithheldRegistrations {
  /** Newest last. */
  readonly former: readonly Registration[];
  readonly #current: readonly Registration[];

  constructor(current: readonly Registration[] = [], former: readonly Registration[] = []) {
    this.#current = current;
    this.former = former;
  }

  /** What is withheld once these are the current ones. */
  after(current: readonly Registration[]): WithheldRegistrations {
    const byText = new Map(
      [...this.former, ...this.#current].map((one) => [describeFully(one), one]),
    );
    for (const one of current) byText.delete(describeFully(one));
    return new WithheldRegistrations(current, [...byText.values()].slice(-WITHHELD_MAX));
  }

  /** Whatever must not leave the target. */
  get all(): readonly Registration[] {
    return [...this.#current, ...this.former];
  }

  get current(): readonly Registration[] {
    return this.#current;
  }

  describe(): string[] {
    return this.former.map(
      (one) => `withholds until it ends, without handing it over: ${describeRegistration(one)}`,
    );
  }
}

const describeFully = ({ family, ranges, ports, targets }: Registration): string =>
  JSON.stringify([
    family,
    ranges.map(({ prefix, start, count }) => [[...prefix], start, count]),
    [ports.first, ports.last],
    targets.map(({ address, port }) => [[...address], port]),
  ]);
