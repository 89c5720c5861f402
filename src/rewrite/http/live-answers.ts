/** Reads the answers that a connection gets, as far as something is to be learnt from them. */
import { type Answer, AnswerReader } from './answers.ts';
import { type CookiePlace, parseSetCookie } from './cookie-jar.ts';
import type { RecordedExchange } from './exchanges.ts';
import type { Site } from './sites.ts';
import type { HttpClient } from './values.ts';

/** An answer in stages that are read. */
export interface AnswerPlan {
  /** Which exchange of its session it is. */
  readonly turn: number;
  /** What the framer calls it, by its request. */
  readonly kind: number;
  readonly stages: { readonly first: number; readonly last: number };
  readonly sites: readonly Site[];
  /** Where its request went. */
  readonly place: CookiePlace;
}

/**
 * Answers that have to be read: those that have a site, and those that lie before them in the same
 * stages.
 * @param sites by exchange
 * @param allBefore all answers to requests before this one are read: they may set cookies
 * @param placeOf where the request of an exchange goes
 */
export function answersToRead(
  exchanges: readonly RecordedExchange[],
  sites: ReadonlyMap<number, readonly Site[]>,
  allBefore: number,
  placeOf: (exchange: RecordedExchange) => CookiePlace,
): readonly AnswerPlan[] {
  const read = new Set<number>();
  for (const [turn, { stages }] of exchanges.entries()) {
    if (stages === undefined || !(turn < allBefore || sites.has(turn))) continue;
    let { first } = stages;
    read.add(turn);
    for (let before = turn - 1; before >= 0; before--) {
      const other = exchanges[before]?.stages;
      if (other === undefined || other.last < first) break;
      first = Math.min(first, other.first);
      read.add(before);
    }
  }
  return exchanges.flatMap((exchange, turn) => {
    const { request, stages } = exchange;
    if (stages === undefined || !read.has(turn)) return [];
    const own = sites.get(turn) ?? [];
    return [{ turn, kind: request.answerKind, stages, sites: own, place: placeOf(exchange) }];
  });
}

/** The answers of one connection. */
export class AnswersOfConnection {
  readonly #client: HttpClient;
  readonly #answers: readonly AnswerPlan[];
  readonly #reader = new AnswerReader();
  /** The next answer, and the stage that was read last. */
  #next = 0;
  #stage = -1;
  /** Exchanges whose requests are left out. */
  readonly #leftOut = new Set<number>();

  constructor(client: HttpClient, answers: readonly AnswerPlan[]) {
    this.#client = client;
    this.#answers = answers;
  }

  /** @param isWhole whether these are all octets of the stage */
  onStage(stage: number, octets: Uint8Array, isWhole: boolean): void {
    // Answers whose stages have gone by will not come any more.
    while ((this.#open?.stages.last ?? stage) < stage) this.#settle(null);
    if (stage !== this.#stage + 1) this.#reader.clear();
    this.#stage = stage;
    this.#reader.add(octets);
    for (
      let open = this.#open;
      open !== undefined && open.stages.first <= stage;
      open = this.#open
    ) {
      if (this.#reader.isEmpty) break;
      const answer = this.#reader.take(open.kind, !isWhole || open.stages.last <= stage);
      if (answer === 'more') break;
      if (answer === 'lost') {
        this.#reader.clear();
        break;
      }
      this.#settle(answer);
    }
    while ((this.#open?.stages.last ?? stage + 1) <= stage) this.#settle(null);
    if (isWhole) this.#reader.keep();
    else this.#reader.clear();
  }

  /** The request of an exchange is not sent: its answer will not come. */
  leaveOut(turn: number): void {
    this.#leftOut.add(turn);
    const plan = this.#answers.find((each) => each.turn === turn);
    if (plan !== undefined) this.#settleSites(plan);
  }

  /** The connection is over: no answer will come any more. */
  end(): void {
    while (this.#open !== undefined) this.#settle(null);
  }

  /** The next answer that comes, or has not come yet. */
  get #open(): AnswerPlan | undefined {
    let open = this.#answers[this.#next];
    while (open !== undefined && this.#leftOut.has(open.turn)) open = this.#answers[++this.#next];
    return open;
  }

  /** Takes from the next answer what is wanted of it. @param answer null: it did not come */
  #settle(answer: Answer | null): void {
    const plan = this.#open;
    this.#next++;
    if (plan === undefined) return;
    if (answer !== null) this.#learn(plan, answer);
    this.#settleSites(plan);
  }

  #settleSites({ sites }: AnswerPlan): void {
    for (const { id } of sites) this.#client.settled.add(id);
  }

  #learn({ sites, place }: AnswerPlan, answer: Answer): void {
    const { jar, info, values, aliases } = this.#client;
    const cookies = new Map<string, string>();
    for (const { name, value } of answer.fields) {
      const cookie = name === 'set-cookie' ? parseSetCookie(value) : null;
      if (cookie === null) continue;
      // One that is taken back elsewhere, beside one that is set, is not the one that counts.
      const isKept = jar.set(cookie, place, info.nowMs());
      if (isKept || !cookies.has(cookie.name)) cookies.set(cookie.name, cookie.value);
    }
    for (const { rule, name, recorded, escaped } of sites) {
      const learnt = rule?.extract(answer);
      const value = rule === null ? cookies.get(name) : learnt?.value;
      if (value === undefined) continue;
      if (rule !== null) values.set(name, value);
      if (recorded !== undefined) aliases.set(recorded, value);
      if (escaped !== null) aliases.set(escaped.text, learnt?.written ?? value);
    }
  }
}
