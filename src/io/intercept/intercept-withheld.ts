import { ReplayError } from '../../base/errors.ts';
import type { Registration } from '../../intercept/ports.ts';
import { describeRegistration } from './intercept-registrations.ts';

/** What is withheld: each is compared with every packet that nobody wants, and has rules or routes. */
export const WITHHELD_MAX = 256;

/**
 * Registrations that are over, but whose packets must still not leave the target: a replay that has
 * lost its connection comes back, and the server sends its answers again for minutes. Once withheld
 * they are until the intercept ends; where they become too many, new ones are refused.
 */
export class WithheldRegistrations {
  /** Newest last. */
  readonly former: readonly Registration[];
  readonly #current: readonly Registration[];

  constructor(current: readonly Registration[] = [], former: readonly Registration[] = []) {
    this.#current = current;
    this.former = former;
  }

  /**
   * What is withheld once these are the current ones.
   * @throws ReplayError ERR_IO_WITHHELD_FULL (usage) where more are new than there is room for
   */
  after(current: readonly Registration[]): WithheldRegistrations {
    const byText = new Map(
      [...this.former, ...this.#current].map((one) => [describeFully(one), one]),
    );
    const known = byText.size;
    for (const one of current) byText.delete(describeFully(one));
    const total = byText.size + current.length;
    if (total > WITHHELD_MAX && total > known) throw tooMany(byText.size);
    return new WithheldRegistrations(current, [...byText.values()]);
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

const tooMany = (former: number): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_WITHHELD_FULL',
    kind: 'usage',
    message:
      `the intercept withholds the replies of ${former} registrations that are over, ` +
      'and has no room for another',
    hint: 'start it again when nothing runs: it lets them go when it ends',
  });

const describeFully = ({ family, ranges, ports, targets }: Registration): string =>
  JSON.stringify([
    family,
    ranges.map(({ prefix, start, count }) => [[...prefix], start, count]),
    [ports.first, ports.last],
    targets.map(({ address, port }) => [[...address], port]),
  ]);
