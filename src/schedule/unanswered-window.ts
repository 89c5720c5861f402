/**
 * How many connections of one target may wait for its first word, while starts are late.
 *
 * A kernel opens connections for a server that does not take them: nothing is lost until its backlog
 * is full, and then much at once, which comes again a second or more later. Whoever is on time starts
 * all the same, for that is the load that was asked for. But what is late already may wait here as
 * well as there: so no more are opened than the target needs to be kept busy.
 *
 * How many that are is tried, as a path's capacity is (BBR): with twice as many more is answered, or
 * it is not, and then half as many may do as well. What waited while starts were on time is no reason
 * to hold anybody, nor is a target that takes seconds for its first word.
 */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';

/** As many as are started in one turn of the loop; a usual backlog (511) holds twice that. */
const FEWEST = 256;
/** As good as no bound. */
const MOST = 1 << 24;
/** What is answered is counted over so long at least, and until all that waited before is answered. */
const ROUND_NS = 50 * NS_PER_MS;
/** With twice as many so much more must be answered, in proportion; with half as many, so much still. */
const MORE = 1.25;
const ENOUGH = 0.9;
/** With half as many less than that: more may do better still. In between it may have been chance. */
const TOO_FEW = 0.7;
/** Rounds between one pair of trials and the next. */
const ROUNDS_SETTLED = 8;
/** Where less than so much of a full window is answered in that time, twice as many may wait. */
const PATIENCE_NS = 200 * NS_PER_MS;
const PATIENCE_SHARE = 1 / 8;
/** On top of what waits when starts begin to be late: what they are late by is made up for. */
const TO_CATCH_UP = 1.25;

/** What the window was changed by, to see what comes of it. */
type Trial = 'none' | 'more' | 'fewer';

/** The connections of one target that it has said nothing on, and whether the next start has to wait. */
export class UnansweredWindow {
  #limit = FEWEST;
  #waiting = 0;
  #isOnTime = false;
  /** Whether a start had to wait in this round: else the window says nothing of what is answered. */
  #hasHeld = false;
  #trial: Trial = 'none';
  /** Answered a second before the trial. */
  #before = 0;
  #roundsLeft = 1;
  /** Whether fewer are tried next. */
  #mayShrink = false;
  /** The round: when it began, who has been heard in it, and before it, of those that waited already. */
  #startNs = 0;
  #heard = 0;
  #skipped = 0;
  /** The same of a time of patience. */
  #patientNs = 0;
  #heardPatiently = 0;

  /** Whether a start that is late has to wait. */
  get isFull(): boolean {
    return this.#waiting >= this.#limit;
  }

  /** While it is full: when it may grow by itself, in ns. */
  nextDueNs(): number {
    return this.#patientNs + PATIENCE_NS;
  }

  /** A start was on time. */
  onTime(): void {
    this.#isOnTime = true;
  }

  /** A connection is open, and the target has said nothing on it. */
  onConnected(): void {
    this.#waiting++;
  }

  /** It has, for the first time, or the connection has ended without. */
  onHeard(nowNs: number): void {
    this.#waiting--;
    this.#heardPatiently++;
    if (this.#skipped > 0) {
      if (--this.#skipped === 0) this.#measureFrom(nowNs);
      return;
    }
    this.#heard++;
    if (this.#heard >= this.#limit && nowNs - this.#startNs >= ROUND_NS) this.#judge(nowNs);
  }

  /** A start is late and the window full, so that it has to wait; afterwards it may not be full any more. */
  onLate(nowNs: number): void {
    this.#hasHeld = true;
    if (this.#isOnTime) {
      this.#isOnTime = false;
      this.#waitFrom(nowNs);
      this.#settle(this.#waiting * TO_CATCH_UP, 1);
      this.#mayShrink = true;
    } else if (nowNs >= this.nextDueNs()) {
      const isWaitedFor = this.#heardPatiently < PATIENCE_SHARE * this.#limit;
      this.#waitFrom(nowNs);
      if (!isWaitedFor) return;
      this.#settle(this.#waiting * 2, 1);
      this.#mayShrink = false;
    }
  }

  #waitFrom(nowNs: number): void {
    this.#patientNs = nowNs;
    this.#heardPatiently = 0;
  }

  #judge(nowNs: number): void {
    const rate = (this.#heard / (nowNs - this.#startNs)) * NS_PER_SECOND;
    const hasHeld = this.#hasHeld;
    this.#measureFrom(nowNs);
    const trial = this.#trial;
    if (trial === 'none') {
      if (hasHeld && --this.#roundsLeft <= 0) this.#try(rate);
      return;
    }
    const share = rate / this.#before;
    const isKept = share >= (trial === 'more' ? MORE : ENOUGH);
    // What more has brought may have come by itself: fewer are tried at once, and then more again.
    this.#mayShrink = trial === 'more' || share >= TOO_FEW;
    if (isKept) this.#settle(this.#limit, 1);
    else if (trial === 'more') this.#settle(this.#limit / 2, ROUNDS_SETTLED);
    else this.#settle(this.#limit * 2, this.#mayShrink ? ROUNDS_SETTLED : 1);
  }

  #try(rate: number): void {
    const isLess = this.#mayShrink && this.#limit > FEWEST;
    this.#settle(isLess ? this.#limit / 2 : this.#limit * 2, 1);
    this.#trial = isLess ? 'fewer' : 'more';
    this.#before = rate;
  }

  /** @param rounds before the next trial */
  #settle(limit: number, rounds: number): void {
    this.#trial = 'none';
    this.#limit = Math.max(FEWEST, Math.min(Math.ceil(limit), MOST));
    this.#roundsLeft = rounds;
    // What waits already was let in by the window before: it says nothing of this one.
    this.#skipped = this.#waiting;
  }

  #measureFrom(nowNs: number): void {
    this.#startNs = nowNs;
    this.#heard = 0;
    this.#hasHeld = false;
  }
}
