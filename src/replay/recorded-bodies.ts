/** Digests of recorded answers' bodies: made before a run, and only where bodies are compared. */
import { type AnswerFramer, Outcome } from '../protocol/framer.ts';
import { Http1Answers } from '../protocol/http1-answers.ts';
import { followedProtocol, MODULE_NAME } from '../protocol/registry.ts';
import { WebSocketMessages } from '../protocol/websocket.ts';
import type { ReadOctets } from '../session/script/stream-view.ts';
import { bodyDigest, type RunBlanking } from './blanked-digest.ts';
import type { BodyDigest } from './body-digest.ts';
import { type ExchangeColumns, ExchangeMark, GREETS } from './exchange-columns.ts';
import type { FindPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';
import { SessionStreams } from './session-streams.ts';
import { rowOf } from './stage-columns.ts';
import { WholeAnswer } from './whole-answer.ts';

/** Octets that are read at a time. */
const BUFFER_BYTES = 65_536;

/** Reads recorded answers once more, session by session. */
export class RecordedBodies {
  /** As `ExchangeColumns.bodyDigests`. */
  readonly digests: Uint32Array;
  readonly #exchanges: ExchangeColumns;
  readonly #steps: ScriptSteps;
  readonly #streams: SessionStreams;
  readonly #framers = new Map<number, AnswerFramer | null>();
  readonly #messages = new WebSocketMessages();
  readonly #digest: BodyDigest;
  readonly #octets = new Uint8Array(BUFFER_BYTES);
  readonly #data = new DataView(this.#octets.buffer);

  /** @param ignored regular expressions of what is left out */
  constructor(
    plan: FindPlan,
    exchanges: ExchangeColumns,
    read: ReadOctets,
    ignored: readonly string[] = [],
    run?: RunBlanking,
  ) {
    this.#digest = bodyDigest(ignored, run);
    this.digests = new Uint32Array(new SharedArrayBuffer(8 * exchanges.message.length));
    this.#exchanges = exchanges;
    this.#steps = new ScriptSteps(plan.scripts);
    this.#streams = new SessionStreams(plan, read);
  }

  /** Digests the answers of a session, as far as they were captured. */
  add(session: number): void {
    const framer = this.#framerOf(this.#exchanges.protocol[session] & ~GREETS);
    if (framer === null) return;
    this.#streams.open(session);
    const { first, answerBytes, answerEnd, kind, marks } = this.#exchanges;
    const steps = this.#steps;
    const last = steps.end(session) + 1;
    for (let stage = steps.first(session) + 1; stage <= last; stage++) {
      const row = rowOf(session, stage);
      const start = this.#streams.awaitOf(session, stage - 1);
      for (let exchange = first[row]; exchange < first[row + 1]; exchange++) {
        const isKnown = marks[exchange] & ExchangeMark.FOLLOWED && answerBytes[exchange] > 0;
        if (!isKnown || marks[exchange] & ExchangeMark.CUT) continue;
        const end = start + answerEnd[exchange];
        const isMessage = (marks[exchange] & ExchangeMark.WEBSOCKET) !== 0;
        const own = isMessage ? this.#messages : framer;
        own.begin(kind[exchange]);
        if (!this.#read(own, end - answerBytes[exchange], end)) continue;
        this.#digest.finish();
        if (!this.#digest.isWhole) continue;
        this.digests[2 * exchange] = this.#digest.low;
        this.digests[2 * exchange + 1] = this.#digest.high;
      }
    }
  }

  #framerOf(number: number): AnswerFramer | null {
    let framer = this.#framers.get(number);
    if (framer !== undefined) return framer;
    const protocol = number === 0 ? null : followedProtocol(this.#exchanges.protocols[number - 1]);
    const isTold = this.#exchanges.protocols[number - 1] === MODULE_NAME;
    framer = isTold ? new WholeAnswer() : (protocol?.answers() ?? null);
    this.#framers.set(number, framer);
    return framer;
  }

  /** Digests the answer at `[start, end)`; false where it is not all there, or not of its protocol. */
  #read(framer: AnswerFramer, start: number, end: number): boolean {
    const { server } = this.#streams;
    const digest = this.#digest;
    const isHttp = framer instanceof Http1Answers;
    digest.begin();
    framer.steppedOver = isHttp ? digest : null;
    let outcome: Outcome = Outcome.MORE;
    for (let at = start, part = 0; at < end; at += part) {
      const most = Math.min(BUFFER_BYTES, end - at);
      part = server.knownFrom?.(at, most) ?? most;
      if (part === 0) return false;
      server.read(at, this.#octets.subarray(0, part));
      // An answer whose end is known already is still read: what is left is its body.
      if (!isHttp || outcome === Outcome.ENDS) {
        digest.onSteppedOver(this.#data, 0, part, part);
        continue;
      }
      outcome = framer.feed(this.#data, 0, part, part);
      if (outcome === Outcome.LOST) return false;
      if (outcome === Outcome.ENDS && at + framer.endBytes !== end) return false;
    }
    return !isHttp || outcome === Outcome.ENDS || framer.close() === Outcome.ENDS;
  }
}
