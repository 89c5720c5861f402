/**
 * How fast connections may be opened to one target that does not answer all openings.
 *
 * Whoever has more connections waiting than its backlog holds drops openings without a word, and each
 * comes again a second or more later: what is offered beyond what is taken costs both sides, and is
 * not done sooner. So where an eighth of them gets lost, as many are opened as were answered, and now
 * and then an eighth more to see whether more can be done. Random loss below an eighth holds nobody.
 *
 * Loss is told by order, as TCP tells it (RFC 8985), and not by the second that an opening's timer
 * takes: openings are counted in rounds, and a round is judged when one made well after its end is
 * answered. So the length of the path does not matter, nor how late its answers are read. The rate
 * follows from what was answered within a round (as in BBR), repetitions included, since those are
 * taken from the same backlog.
 *
 * No round opens many more than the answers so far: a target far away is found out as TCP finds a
 * path's capacity, by doubling.
 *
 * Whose answers stay away altogether is not overloaded but silent, and who drops as many however few
 * are opened (a filter, a dead path for some clients) is not helped: neither holds anybody.
 */
import { NS_PER_MS, NS_PER_SECOND } from '../base/time.ts';

/** Openings of a round: so many, and for each answer in it and the round before two more (slow start). */
const START_WINDOW = 1_024;
/** The shortest round. */
const ROUND_NS = 20 * NS_PER_MS;
/** So many openings make a round, unless it has lasted for the longest. */
const ROUND_OPENINGS = 32;
/** Of fewer openings than that nothing can be said of shares. */
const JUDGED_OPENINGS = 8;
const ROUND_NS_MAX = 1_000 * NS_PER_MS;
/** Openings whose order on the way may change. */
const REORDERING_NS = 5 * NS_PER_MS;
/** What is answered so late was lost and has come again: just below the first timeout of a SYN. */
const REPEATED_NS = 900 * NS_PER_MS;
/** More than this share lost in a round: hold; and, while held, there is too much still. */
const LOST_SHARE = 1 / 8;
const LOST_SHARE_HELD = 1 / 16;
/** In proportion to what is answered: after losses, so that the backlog empties; and to try for more. */
const DRAIN = 0.9;
const PROBE = 1.125;
/** While an eighth of a second's openings are lost and to come again: this much, and they take the rest. */
const ROOM_LEFT = 0.75;
/** Some never come again: what is missing is forgotten, by this much a round. */
const MISSING_KEPT = 1 - 1 / 256;
/** Rounds before it is tried, and half as many before the next time where nothing was lost by it. */
const ROUNDS_PER_PROBE = 8;
/** Openings a second: at least so many, and where so many would do nothing is held. */
const RATE_MIN = 10;
const RATE_MAX = 10_000_000;
/** What was not opened in time may be made up for so far back. */
const BURST_NS = 5 * NS_PER_MS;
/** So long without any answer is silence. */
const SILENCE_NS = 3_000 * NS_PER_MS;
/** At a quarter of the rate just as much is lost, for so long: it is not the rate. */
const FRUITLESS_SHARE = 1 / 4;
const FRUITLESS_NS = 3_000 * NS_PER_MS;

/** The openings of one target, and whether the next one has to wait. */
export class OpeningPace {
  /** Openings a second; infinite while nothing holds them. */
  #rate = Number.POSITIVE_INFINITY;
  /** Before then nothing is opened. */
  #nextNs = 0;
  #answeredNs = 0;
  #answered = 0;
  #sinceNs = 0;
  // The round that goes on, and the one before it, which is to be judged.
  #startNs = 0;
  #opened = 0;
  #answeredOfRound = 0;
  #startBeforeNs = 0;
  #openedBefore = 0;
  #answeredBefore = 0;
  #isJudged = true;
  #openedNs = 0;
  #flight = -1;
  #roundsToProbe = ROUNDS_PER_PROBE;
  #roundsLeft = ROUNDS_PER_PROBE;
  #firstRate = 0;
  /** Answered a second while openings were lost: all that the target takes. */
  #taken = 0;
  /** Since when it has been to no avail. */
  #fruitlessNs = Number.POSITIVE_INFINITY;
  #isGivenUp = false;
  /** Answers, since the last judgement, to openings of rounds that were judged without them. */
  #late = 0;
  /** While openings are held: those, and what was taken as lost. */
  #lateOfHeld = 0;
  #lostOfHeld = 0;
  /** Lost openings that are to come again. */
  #missing = 0;

  /** Whether openings are held to a rate, or more would be too many for one round. */
  get isHolding(): boolean {
    return this.#isPaced || this.#isWindowFull;
  }

  get #isPaced(): boolean {
    return this.#rate !== Number.POSITIVE_INFINITY;
  }

  get #isWindowFull(): boolean {
    if (this.#isGivenUp) return false;
    const answered = this.#answeredBefore + this.#answeredOfRound;
    return this.#opened >= START_WINDOW + 2 * answered;
  }

  /**
   * When the next connection may be opened, in ns; in the past: now. An answer may say otherwise. Beyond
   * a full round one is opened now and then: where all that is missing was lost, its answer says so long
   * before they come again (the tail loss probe of RFC 8985).
   */
  nextDueNs(): number {
    const silentNs = this.#answeredNs + SILENCE_NS;
    if (this.#isWindowFull) return Math.min(this.#openedNs + ROUND_NS, silentNs);
    return this.#isPaced ? Math.min(this.#nextNs, silentNs) : 0;
  }

  /**
   * A connection is opened now.
   * @param flight another number once those before have left: then a round may end
   */
  onOpen(nowNs: number, flight: number): void {
    if (flight !== this.#flight) {
      if (this.#flight < 0) this.#answeredNs = nowNs;
      if (nowNs - this.#openedNs > ROUND_NS_MAX) this.#measureFrom(nowNs);
      this.#goOn(nowNs);
      this.#flight = flight;
    }
    this.#openedNs = nowNs;
    this.#opened++;
    if (this.#isPaced) {
      this.#nextNs = Math.max(this.#nextNs, nowNs - BURST_NS) + NS_PER_SECOND / this.#rate;
    }
  }

  /**
   * An opening is answered, with a yes or a no.
   * @param openedNs when it left, the first time: not before the time that `onOpen` was told
   */
  onAnswer(openedNs: number, nowNs: number): void {
    this.#answeredNs = nowNs;
    this.#answered++;
    if (openedNs >= this.#startNs) {
      this.#answeredOfRound++;
      if (!this.#isJudged && openedNs >= this.#startNs + REORDERING_NS) this.#judge(nowNs);
      return;
    }
    if (openedNs >= this.#startBeforeNs) this.#answeredBefore++;
    else if (this.#missing > 0) this.#missing--;
    if (openedNs < this.#startBeforeNs || this.#isJudged) this.#onLate(nowNs - openedNs);
  }

  /** Its round has been judged: it was not lost, unless it had to come again. */
  #onLate(waitedNs: number): void {
    if (waitedNs < REPEATED_NS) this.#late++;
  }

  /** A round is over once the one before it is judged: it lasts a round trip at least. */
  #goOn(nowNs: number): void {
    const lastedNs = nowNs - this.#startNs;
    if (!this.#isJudged || lastedNs < ROUND_NS) return;
    if (this.#opened < ROUND_OPENINGS && lastedNs < ROUND_NS_MAX) return;
    this.#openedBefore = this.#opened;
    this.#answeredBefore = this.#answeredOfRound;
    this.#isJudged = false;
    this.#startBeforeNs = this.#startNs;
    this.#startNs = nowNs;
    this.#opened = 0;
    this.#answeredOfRound = 0;
  }

  #judge(nowNs: number): void {
    this.#isJudged = true;
    if (this.#isGivenUp) return;
    const rate = (this.#answered / Math.max(1, nowNs - this.#sinceNs)) * NS_PER_SECOND;
    this.#measureFrom(nowNs);
    // Where some paths are longer than others, as many come late of the rounds before as of this one.
    const lost = this.#openedBefore - this.#answeredBefore - this.#late;
    this.#lateOfHeld += this.#late;
    this.#lostOfHeld += Math.max(0, lost);
    this.#late = 0;
    if (this.#isPaced && 2 * this.#lateOfHeld > this.#lostOfHeld) {
      this.#release();
      return;
    }
    this.#missing = Math.max(0, lost) + this.#missing * MISSING_KEPT;
    const share = this.#isPaced ? LOST_SHARE_HELD : LOST_SHARE;
    const isLosing = this.#openedBefore >= JUDGED_OPENINGS && lost > this.#openedBefore * share;
    if (isLosing) this.#onLoss(rate, nowNs);
    else if (this.#isPaced) this.#onQuietRound(rate);
  }

  #onLoss(rate: number, nowNs: number): void {
    if (!this.#isPaced) {
      this.#nextNs = nowNs;
      this.#lateOfHeld = 0;
      this.#lostOfHeld = this.#missing;
    }
    // The first time, part of what was answered has only filled the backlog.
    else if (this.#firstRate === 0) this.#firstRate = rate;
    this.#roundsToProbe = ROUNDS_PER_PROBE;
    this.#roundsLeft = ROUNDS_PER_PROBE;
    this.#taken = rate;
    this.#rate = Math.max(RATE_MIN, DRAIN * rate);
    if (this.#rate > FRUITLESS_SHARE * this.#firstRate) {
      this.#fruitlessNs = Number.POSITIVE_INFINITY;
    } else if (this.#fruitlessNs > nowNs) this.#fruitlessNs = nowNs;
    else if (nowNs - this.#fruitlessNs >= FRUITLESS_NS) {
      this.#isGivenUp = true;
      this.#rate = Number.POSITIVE_INFINITY;
    }
  }

  /** Most of what seemed lost came, without being asked for again. */
  #release(): void {
    this.#rate = Number.POSITIVE_INFINITY;
    this.#missing = 0;
  }

  #onQuietRound(rate: number): void {
    this.#fruitlessNs = Number.POSITIVE_INFINITY;
    if (this.#missing > this.#taken * LOST_SHARE) {
      this.#rate = Math.min(this.#rate, ROOM_LEFT * this.#taken);
      return;
    }
    // What was answered while fewer were opened than might have been says nothing of the rate.
    this.#rate = Math.max(rate, this.#rate, this.#taken);
    if (--this.#roundsLeft > 0) return;
    this.#roundsToProbe = Math.max(1, this.#roundsToProbe >>> 1);
    this.#roundsLeft = this.#roundsToProbe;
    this.#rate *= PROBE;
    if (this.#rate > RATE_MAX) this.#rate = Number.POSITIVE_INFINITY;
  }

  #measureFrom(nowNs: number): void {
    this.#answered = 0;
    this.#sinceNs = nowNs;
  }
}
