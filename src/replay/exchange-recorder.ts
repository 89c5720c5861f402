/** The one place where an exchange is seen to be answered: latencies, counts, and who else is told. */
import type { Instant } from '../base/instant.ts';
import { Counter } from '../measure/counters.ts';
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import type { ClassRecorder } from '../measure/request-classes.ts';
import type { BodyDigest } from './body-digest.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** What the framer said of an answer; one object for all of a thread. */
export interface Verdict {
  /** A `ReplyClass`, or HTTP's class of status; 0 where nobody knows. */
  replyClass: number;
  /** The reply's own code as its framer has it (`Framer.code`): HTTP's status; 0 without any. */
  code: number;
  /** Octets of the answer, or of what was taken for it. */
  bytes: number;
  /** Whether the answer itself told where it ends: `bytes` is its whole length. */
  isFollowed: boolean;
  /** Of a followed answer, where bodies are compared; else null. */
  body: BodyDigest | null;
}

/** Who is told of every exchange that is answered. */
export interface AnswerListener {
  /**
   * @param exchange row in ExchangeColumns; the first of a session is `firstExchange` of its first
   *   stage
   * @param rule the counter of the rule by which the answer's end was seen
   * @param verdict holds during the call
   */
  onAnswered(user: number, exchange: number, rule: number, verdict: Verdict): void;
}

/** Counts answered exchanges. */
export class ExchangeRecorder {
  /** Where a framer's account of the answer at hand is put down. */
  readonly verdict: Verdict = { replyClass: 0, code: 0, bytes: 0, isFollowed: false, body: null };
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #latency: LatencyRecorder;
  readonly counters: Float64Array;
  readonly #listener: AnswerListener | null;

  /** `null` where no request has a class. */
  readonly #classes: ClassRecorder | null;

  constructor(parts: {
    readonly plays: PlayTable;
    readonly stages: Stages;
    readonly latency: LatencyRecorder;
    readonly counters: Float64Array;
    readonly classes: ClassRecorder | null;
    readonly answerListener?: AnswerListener;
  }) {
    this.counters = parts.counters;
    this.#plays = parts.plays;
    this.#stages = parts.stages;
    this.#latency = parts.latency;
    this.#classes = parts.classes;
    this.#listener = parts.answerListener ?? null;
  }

  /** The requests of exchanges `[from, to)` have been played to their ends, or are answered already. */
  onSent(from: number, to: number): void {
    this.counters[Counter.EXCHANGES_INTENDED] += to - from;
    this.counters[Counter.EXCHANGES_SENT] += to - from;
    if (this.#classes === null) return;
    const { requestClass } = this.#stages.exchanges;
    for (let each = from; each < to; each++) this.#classes.onSent(requestClass[each]);
  }

  /** The first octet of an answer has come. */
  onFirstByte(user: number, arrived: Instant): void {
    this.#latency.record(Latency.FIRST_BYTE, Math.max(0, arrived.ns - this.#plays.sentNs[user]));
  }

  /**
   * An exchange is answered, and `verdict` says what that answer was.
   * @param rule the counter of the rule by which that was seen
   * @param done when its last octet came
   */
  onAnswered(user: number, exchange: number, rule: number, done: Instant): void {
    const plays = this.#plays;
    const { counters } = this;
    const { verdict } = this;
    const { replyClass, answerBytes, requestClass } = this.#stages.exchanges;
    const responseNs = Math.max(0, done.ns - plays.intendedNs[user]);
    this.#latency.record(Latency.RESPONSE, responseNs);
    if (this.#classes !== null) this.#classes.onAnswered(requestClass[exchange], responseNs);
    this.#latency.record(Latency.SERVICE, Math.max(0, done.ns - plays.sentNs[user]));
    counters[Counter.EXCHANGES_ANSWERED]++;
    counters[rule]++;
    const recordedClass = replyClass[exchange];
    if (recordedClass > 0 && verdict.replyClass > 0 && verdict.replyClass !== recordedClass) {
      counters[Counter.EXCHANGES_FAILED]++;
      plays.flags[user] |= PlayFlag.FAILED;
    }
    if (verdict.isFollowed && verdict.bytes !== answerBytes[exchange]) {
      if (this.#stages.isLengthKnown(plays.session[user])) {
        counters[Counter.EXCHANGES_OTHER_LENGTH]++;
      }
    }
    this.#listener?.onAnswered(user, exchange, rule, verdict);
  }
}
