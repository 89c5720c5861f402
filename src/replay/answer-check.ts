/**
 * Compares answers with the recorded ones: by what they say, where their protocol tells it, else by their
 * length. A whole answer of another length is like the recorded one, unless lengths are asked for, or
 * bodies: then digests of bodies are compared, and nothing is alike whose body is not known.
 */
import { Counter } from '../measure/counters.ts';
import { DifferenceKind, type DifferenceRecorder } from '../measure/differences.ts';
import type { ClassRecorder } from '../measure/request-classes.ts';
import { ExchangeMark } from './exchange-columns.ts';
import type { AnswerListener, Verdict } from './exchange-recorder.ts';
import type { PlayTable } from './play-table.ts';
import { Check } from './replay-plan.ts';
import type { Stages } from './stages.ts';

/** Protocols whose codes say the same thing in several ways (250, 251, 252): only classes differ. */
const BY_CLASS: ReadonlySet<unknown> = new Set(['smtp', 'ftp']);

/** By `DifferenceKind`. */
const COUNTERS_OF_KINDS = [
  Counter.MISMATCHED_STATUS,
  Counter.MISMATCHED_LENGTH,
  Counter.MISMATCHED_BODY,
] as const;

/** Besides the kinds: nothing could be compared; nothing is unlike. */
const UNCHECKED = -1;
const ALIKE = -2;
type Judgement = DifferenceKind | typeof UNCHECKED | typeof ALIKE;

/** Is told of every answer; what it finds unlike is counted by kind, by class, and as a difference. */
export class AnswerCheck implements AnswerListener {
  readonly #check: Check;
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #counters: Float64Array;
  readonly #classes: ClassRecorder | null;
  readonly #differences: DifferenceRecorder;
  readonly #recorded = { replyClass: 0, code: 0, bytes: 0 };

  /** @param check not `OFF`: then nobody needs to be told */
  constructor(
    check: Check,
    parts: {
      readonly plays: PlayTable;
      readonly stages: Stages;
      readonly counters: Float64Array;
      readonly classes: ClassRecorder | null;
      readonly differences: DifferenceRecorder;
    },
  ) {
    this.#check = check;
    this.#plays = parts.plays;
    this.#stages = parts.stages;
    this.#counters = parts.counters;
    this.#classes = parts.classes;
    this.#differences = parts.differences;
  }

  onAnswered(user: number, exchange: number, _rule: number, verdict: Verdict): void {
    const kind = this.#judge(this.#plays.session[user], exchange, verdict);
    if (kind === ALIKE) return;
    if (kind === UNCHECKED) {
      this.#counters[Counter.EXCHANGES_UNCHECKED]++;
      return;
    }
    const { exchanges } = this.#stages;
    const recorded = this.#recorded;
    const requestClass = exchanges.requestClass[exchange];
    recorded.replyClass = exchanges.replyClass[exchange];
    recorded.code = this.#stages.codeOf(exchange);
    recorded.bytes = exchanges.answerBytes[exchange];
    this.#counters[Counter.EXCHANGES_MISMATCHED]++;
    this.#counters[COUNTERS_OF_KINDS[kind]]++;
    this.#classes?.onMismatched(requestClass);
    this.#differences.record(kind, requestClass, exchange, recorded, verdict);
  }

  #judge(session: number, exchange: number, verdict: Verdict): Judgement {
    const { replyClass, answerBytes, marks } = this.#stages.exchanges;
    const isStatusKnown = replyClass[exchange] > 0 && verdict.replyClass > 0;
    if (isStatusKnown && this.#isOtherStatus(session, exchange, verdict)) {
      return DifferenceKind.STATUS;
    }
    const isBodyAsked = this.#check === Check.BODY;
    if (isBodyAsked && verdict.isFollowed) return this.#judgeBody(exchange, verdict);
    const isLengthKnown =
      this.#stages.isLengthKnown(session) && (marks[exchange] & ExchangeMark.CUT) === 0;
    // What nobody says to be whole may be a part of it, or more.
    const isLengthAsked = this.#check !== Check.STATUS || !verdict.isFollowed;
    if (isLengthKnown && isLengthAsked) {
      if (verdict.bytes !== answerBytes[exchange]) return DifferenceKind.LENGTH;
      return isBodyAsked ? UNCHECKED : ALIKE;
    }
    return isStatusKnown && this.#check === Check.STATUS ? ALIKE : UNCHECKED;
  }

  #judgeBody(exchange: number, { body }: Verdict): Judgement {
    const { bodyDigests } = this.#stages.exchanges;
    if (bodyDigests === undefined || body === null || !body.isWhole) return UNCHECKED;
    const low = bodyDigests[2 * exchange];
    const high = bodyDigests[2 * exchange + 1];
    if (low === 0 && high === 0) return UNCHECKED;
    return body.low === low && body.high === high ? ALIKE : DifferenceKind.BODY;
  }

  #isOtherStatus(session: number, exchange: number, verdict: Verdict): boolean {
    if (verdict.replyClass !== this.#stages.exchanges.replyClass[exchange]) return true;
    if (verdict.code === this.#stages.codeOf(exchange)) return false;
    const { protocols } = this.#stages.exchanges;
    return !BY_CLASS.has(protocols[this.#stages.protocolOf(session) - 1]);
  }
}
