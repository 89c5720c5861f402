/**
 * Answers that break the rules of their own protocol. Nobody can say where such a one ends, nor whose the octets
 * behind it are: as other clients do, the user breaks the connection off, and ends under a reason that names
 * what was wrong.
 *
 * That is said only of octets of which it is certain that an answer begins, or goes on, with them. Where an answer
 * before was ended by other rules than its protocol's own (octets that were not at hand, an upgrade to something
 * unknown), what looks wrong may be the rest of that one.
 */
import { Counter } from '../measure/counters.ts';
import { Fault } from '../protocol/framer.ts';

/** No answer is broken. */
export const NOT_BROKEN = -1;

/** The counters of users that end so, by what their answers' framers found. */
const REASONS: ReadonlyMap<Fault, Counter> = new Map([
  [Fault.MALFORMED, Counter.ABORTED_ANSWER_MALFORMED],
  [Fault.BAD_LENGTH, Counter.ABORTED_ANSWER_BAD_LENGTH],
  [Fault.TOO_LONG, Counter.ABORTED_ANSWER_TOO_LONG],
]);

/** Which answer is broken, and whose cannot be called so. */
export class BrokenAnswers {
  /** Only users of whom it is not certain where their answers begin. */
  readonly #unsure = new Set<number>();
  #reason = NOT_BROKEN;

  /** From here on it is not certain where the user's answers begin. */
  doubt(user: number): void {
    this.#unsure.add(user);
  }

  /** Whether octets that come for the user are of the answer that they are taken for. */
  isCertain(user: number): boolean {
    return this.#unsure.size === 0 || !this.#unsure.has(user);
  }

  /**
   * A framer could not follow the user's answer.
   * @returns whether that is the answer's own fault, so that the user is to end
   */
  breakBy(user: number, fault: Fault): boolean {
    const reason = REASONS.get(fault);
    if (reason === undefined || !this.isCertain(user)) return false;
    this.#reason = reason;
    return true;
  }

  /** Behind the end of an answer came octets for which nothing was asked. */
  breakByExcess(): void {
    this.#reason = Counter.ABORTED_ANSWER_EXCESS;
  }

  /** The counter of why the user is to end, or NOT_BROKEN; told once. */
  take(): number {
    const reason = this.#reason;
    this.#reason = NOT_BROKEN;
    return reason;
  }

  /** The user has ended. */
  forget(user: number): void {
    if (this.#unsure.size > 0) this.#unsure.delete(user);
  }
}
