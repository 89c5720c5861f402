/** The exchanges of recorded sessions whose answers' ends a module tells, found before anybody plays them. */
import { MODULE_NAME } from '../protocol/registry.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { ClassMarks } from './class-marks.ts';
import { type ExchangeColumnsBuilder, ExchangeMark } from './exchange-columns.ts';
import { UNHEARD } from './found-exchanges.ts';
import type { RewriteColumns } from './rewrite-columns.ts';
import { ScriptSteps } from './script-steps.ts';
import { rowOf } from './stage-columns.ts';

/** Adds them stage by stage, one session after another. */
export class ToldExchanges {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #exchanges: ExchangeColumnsBuilder;
  readonly #classes: ClassMarks;
  readonly #told: Pick<RewriteColumns, 'tells' | 'toldBytes'> | null;
  /** Of the session at hand: the first message that has not been answered yet. */
  #from = 0;

  /** @param told what modules say; null without any */
  constructor(
    scripts: Scripts,
    exchanges: ExchangeColumnsBuilder,
    classes: ClassMarks,
    told: Pick<RewriteColumns, 'tells' | 'toldBytes'> | null,
  ) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#exchanges = exchanges;
    this.#classes = classes;
    this.#told = told;
  }

  /** Another session is at hand. @returns whether a module tells its answers' ends */
  begin(session: number): boolean {
    this.#from = this.#steps.first(session);
    if (this.#told === null || this.#told.tells[session] === 0) return false;
    const { protocol, protocols } = this.#exchanges;
    protocol[session] = protocols.indexOf(MODULE_NAME) + 1 || protocols.push(MODULE_NAME);
    return true;
  }

  /** Whether the module knows the end of what the server says first. */
  isGreeting(session: number, stage: number): boolean {
    return this.#bytesAt(session, stage) > 0;
  }

  /**
   * Adds the exchanges whose answers end in the stage.
   * @param isUnheard whether nobody has captured what the server said
   * @returns false where the module does not know; then none is added
   */
  addStage(session: number, stage: number, isUnheard: boolean): boolean {
    const from = this.#from;
    const end = Math.min(stage, this.#steps.end(session));
    this.#from = end;
    if (isUnheard) {
      // Of several messages nobody knows whether they have one answer together.
      if (end !== from + 1) return false;
      this.#add(session, from, from, UNHEARD);
      return true;
    }
    if (this.#bytesAt(session, end) === 0) return false;
    let isEach = true;
    for (let message = from; message < end; message++) {
      isEach &&= this.#bytesAt(session, message + 1) > 0;
    }
    let answerEnd = 0;
    for (let message = isEach ? from : end - 1; message < end; message++) {
      const answerBytes = this.#bytesAt(session, message + 1);
      answerEnd += answerBytes;
      const answer = { ...UNHEARD, answerBytes, answerEnd, marks: ExchangeMark.FOLLOWED };
      this.#add(session, isEach ? message : from, message, answer);
    }
    return true;
  }

  #bytesAt(session: number, stage: number): number {
    return this.#told?.toldBytes[rowOf(session, stage)] ?? 0;
  }

  #add(session: number, beginMessage: number, message: number, answer: typeof UNHEARD): void {
    const first = this.#steps.first(session);
    const { messageEnd } = this.#scripts.client;
    const start = beginMessage === first ? 0 : messageEnd[beginMessage - 1];
    // A greeting's kind is 0.
    this.#exchanges.add({ beginMessage, message, kind: message - first + 1, ...answer });
    this.#classes.add(null, start, messageEnd[message]);
  }
}
