/**
 * What the modules of a run want with its sessions: which messages are written anew, which answers are
 * read. Asked once, before the run, and kept in columns for all threads; what a module keeps for a
 * session besides (`SessionPlan.plan`) each thread asks for again, when it first plays that session.
 */
import { assert } from '../base/assert.ts';
import { lineOf, ReplayError } from '../base/errors.ts';
import { InflatedStream } from '../rewrite/databases/mysql-compression.ts';
import type { ProtocolModule, RecordedSession, SessionPlan } from '../rewrite/module.ts';
import { storedIn } from '../session/script/http-requests.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import { roomBytes } from '../transport/room-bytes.ts';
import { RecordedTexts } from './recorded-text.ts';
import { ScriptSteps } from './script-steps.ts';
import { rowOf } from './stage-columns.ts';
import { checkEnd, ToldEnds } from './told-ends.ts';

/** What is done with a message; bits. */
export const RewriteMark = {
  /** It is written anew. */
  WRITE: 1,
  /** The stage before it is read. */
  READ: 2,
} as const;

/** A column of modules has 8 bits, and 0 is none. */
const MODULES_MAX = 255;

/** In shared memory; it can be posted to threads. */
export interface RewriteColumns {
  /** A row a session: its module, a place in the run's list, from 1; 0 where none wants it. */
  readonly module: Uint8Array;
  /** A row a session: 1 where its module talks to the server itself before the recording is taken up. */
  readonly dialogue: Uint8Array;
  /** A row a session: recorded octets of its messages that are written anew, in the turn that has most. */
  readonly turnBytes: Uint32Array;
  /** A row a session: how many such messages one turn has at most. */
  readonly turnMessages: Uint32Array;
  /** A row a session: `SessionPlan.inflatedFrom`, 0 without; absent where no session has it. */
  readonly inflatedFrom?: Uint32Array;
  /** Rows of the sessions that modules were shown before the first plan, ascending. */
  readonly surveyed: Uint32Array;
  /** A row a stage (`rowOf`): bits of RewriteMark, of the stage and the message behind it. */
  readonly marks: Uint8Array;
  /** A row a session: 1 where its module may tell where answers end. */
  readonly tells: Uint8Array;
  /**
   * Where some may: a row a stage, octets of the recorded answer to the message before it, of the first one: of what the
   * server says first; 0 where the module does not know. Else empty.
   */
  readonly toldBytes: Uint32Array;
}

/** What modules have planned, in numbers and names. */
export interface RewriteFacts {
  /** Sessions that have a module, by its name. */
  readonly sessions: ReadonlyMap<string, number>;
  readonly messages: number;
  readonly stages: number;
  readonly dialogues: number;
  /** Answers of sessions whose modules tell where answers end: those whose end they know, and others. */
  readonly told: number;
  readonly untold: number;
  /** Of one session's messages that are written anew: the octets that the longest has. */
  readonly longestBytes: number;
  /** The most that is kept for a user, as far as is known beforehand. */
  readonly roomBytes: number;
  /** Rows of sessions that cannot be played, by module and reason. */
  readonly refused: ReadonlyMap<string, readonly number[]>;
}

/** Columns, and what they hold in short. */
export interface RewritePlan {
  readonly columns: RewriteColumns;
  readonly facts: RewriteFacts;
}

/**
 * Asks the modules about each of the sessions, one a step: between steps the caller may do something else.
 * @param sessions rows of the scripts
 * @throws ReplayError ERR_MODULE_PLAN where a module throws, or its plan makes no sense
 */
export function* planRewrites(
  scripts: Scripts,
  sessions: Iterable<number>,
  modules: readonly ProtocolModule[],
  read: ReadOctets,
): Generator<void, RewritePlan> {
  assert(modules.length <= MODULES_MAX, 'a column of modules has 8 bits');
  const texts = new RecordedTexts(scripts, read);
  const rows = Uint32Array.from(sessions).sort();
  const planner = new RewritePlanner(scripts, modules, rows, texts, read);
  for (const module of modules) {
    if (module.survey === undefined) continue;
    for (const session of rows) {
      survey(module, texts.of(session));
      yield;
    }
  }
  for (const session of rows) {
    planner.plan(texts.of(session));
    yield;
  }
  return planner.finish();
}

/** Columns of a run without modules. */
export const noRewrites = ({ sessions, client }: Scripts): RewriteColumns => ({
  module: new Uint8Array(new SharedArrayBuffer(sessions)),
  dialogue: new Uint8Array(new SharedArrayBuffer(sessions)),
  marks: new Uint8Array(new SharedArrayBuffer(rowOf(sessions, client.messageEnd.length))),
  turnBytes: new Uint32Array(new SharedArrayBuffer(4 * sessions)),
  turnMessages: new Uint32Array(new SharedArrayBuffer(4 * sessions)),
  surveyed: new Uint32Array(),
  tells: new Uint8Array(new SharedArrayBuffer(sessions)),
  toldBytes: new Uint32Array(),
});

/** Shows modules the sessions that they were shown before the run: in a thread of its own. */
export function surveyAll(
  modules: readonly ProtocolModule[],
  sessions: Uint32Array,
  texts: RecordedTexts,
): void {
  for (const module of modules) {
    if (module.survey === undefined) continue;
    for (const session of sessions) survey(module, texts.of(session));
  }
}

function survey(module: ProtocolModule, session: RecordedSession): void {
  try {
    module.survey?.(session);
  } catch (error) {
    if (error instanceof ReplayError) throw error;
    throw badPlan(module, session, lineOf(error), error);
  }
}

/** The plan of the first module that wants the session; null where none does. */
export function planOf(
  modules: readonly ProtocolModule[],
  session: RecordedSession,
): { readonly place: number; readonly plan: SessionPlan<unknown> } | null {
  for (const [place, module] of modules.entries()) {
    let plan: SessionPlan<unknown> | undefined;
    try {
      plan = module.plan(session);
    } catch (error) {
      throw badPlan(module, session, lineOf(error), error);
    }
    if (plan === undefined) continue;
    const fault = faultOf(plan, session, module);
    if (fault !== null) throw badPlan(module, session, fault);
    return { place, plan };
  }
  return null;
}

class RewritePlanner {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #clients: StreamView;
  readonly #modules: readonly ProtocolModule[];
  #columns: RewriteColumns;
  readonly #sessions = new Map<string, number>();
  readonly #refused = new Map<string, number[]>();
  readonly #ends: ToldEnds | null;
  #told = 0;
  #untold = 0;
  #messages = 0;
  #stages = 0;
  #dialogues = 0;
  #longestBytes = 0;
  #roomBytes = 0;

  constructor(
    scripts: Scripts,
    modules: readonly ProtocolModule[],
    surveyed: Uint32Array,
    texts: RecordedTexts,
    read: ReadOctets,
  ) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#clients = new StreamView(scripts.client, read);
    this.#modules = modules;
    const columns = { ...noRewrites(scripts), surveyed };
    const mayTell = modules.some(({ answerEnd }) => answerEnd !== undefined);
    const rows = mayTell ? columns.marks.length : 0;
    const toldBytes = new Uint32Array(new SharedArrayBuffer(4 * rows));
    this.#ends = mayTell ? new ToldEnds(scripts, texts, toldBytes) : null;
    this.#columns = { ...columns, toldBytes };
  }

  plan(session: RecordedSession): void {
    const planned = planOf(this.#modules, session);
    if (planned === null) return;
    const { place, plan } = planned;
    const { name } = this.#modules[place];
    const row = session.session;
    if (plan.refused !== undefined) {
      const reason = `${name}: ${plan.refused}`;
      const rows = this.#refused.get(reason);
      if (rows === undefined) this.#refused.set(reason, [row]);
      else rows.push(row);
      return;
    }
    this.#sessions.set(name, (this.#sessions.get(name) ?? 0) + 1);
    const { module, dialogue, marks } = this.#columns;
    const first = this.#scripts.client.firstMessage[row];
    module[row] = place + 1;
    if (plan.inflatedFrom !== undefined) this.#inflatedFrom()[row] = plan.inflatedFrom;
    if (plan.dialogueBefore !== undefined) {
      dialogue[row] = 1;
      this.#dialogues++;
    }
    const endOf = this.#endsOf(row, plan.inflatedFrom);
    for (const message of plan.rewrites) {
      marks[rowOf(row, first + message)] |= RewriteMark.WRITE;
      this.#longestBytes = Math.max(this.#longestBytes, endOf(message) - endOf(message - 1));
    }
    this.#measureTurns(row, plan.rewrites, endOf);
    this.#roomBytes = Math.max(this.#roomBytes, roomBytes(this.#columns, row));
    for (const stage of plan.reads) marks[rowOf(row, first + stage)] |= RewriteMark.READ;
    this.#messages += plan.rewrites.length;
    this.#stages += plan.reads.length;
    this.#tellEnds(this.#modules[place], session, plan.plan);
  }

  #tellEnds(module: ProtocolModule, session: RecordedSession, plan: unknown): void {
    if (module.answerEnd === undefined) return;
    const row = session.session;
    this.#columns.tells[row] = 1;
    const ask = (message: number, octets: Uint8Array): number => {
      let end: number | string;
      try {
        end = checkEnd(module.answerEnd?.(plan, message, octets, 0), 0);
      } catch (error) {
        throw badPlan(module, session, `answerEnd, message ${message}: ${lineOf(error)}`, error);
      }
      if (typeof end === 'number') return end;
      throw badPlan(module, session, `message ${message}: ${end}`);
    };
    const found = this.#ends?.find(row, ask);
    this.#told += found?.told ?? 0;
    this.#untold += found?.untold ?? 0;
  }

  #inflatedFrom(): Uint32Array {
    const { sessions } = this.#scripts;
    const { inflatedFrom = new Uint32Array(new SharedArrayBuffer(4 * sessions)) } = this.#columns;
    this.#columns = { ...this.#columns, inflatedFrom };
    return inflatedFrom;
  }

  /** Where messages of a session end, in what they hold where they are compressed; -1: 0. */
  #endsOf(session: number, inflatedFrom: number | undefined): (message: number) => number {
    const { firstMessage, messageEnd } = this.#scripts.client;
    const first = firstMessage[session];
    if (inflatedFrom === undefined) {
      return (message) => (message < 0 ? 0 : messageEnd[first + message]);
    }
    const packed = storedIn(this.#clients, session);
    const stream = new InflatedStream(packed, messageEnd[first + inflatedFrom - 1], true);
    return (message) => (message < 0 ? 0 : stream.offsetOf(messageEnd[first + message]));
  }

  /** What may have to be kept at a time: what is written until the server has answered. */
  #measureTurns(
    session: number,
    rewrites: readonly number[],
    endOf: (message: number) => number,
  ): void {
    const { turnBytes, turnMessages } = this.#columns;
    const first = this.#scripts.client.firstMessage[session];
    let bytes = 0;
    let messages = 0;
    let last = -1;
    for (const message of rewrites) {
      for (let each = last + 1; each <= message && messages > 0; each++) {
        if (this.#steps.bytesOf(session, first + each) === 0) continue;
        bytes = 0;
        messages = 0;
      }
      last = message;
      messages++;
      bytes += endOf(message) - endOf(message - 1);
      turnBytes[session] = Math.max(turnBytes[session], bytes);
      turnMessages[session] = Math.max(turnMessages[session], messages);
    }
  }

  finish(): RewritePlan {
    return {
      columns: this.#columns,
      facts: {
        sessions: this.#sessions,
        messages: this.#messages,
        stages: this.#stages,
        dialogues: this.#dialogues,
        told: this.#told,
        untold: this.#untold,
        longestBytes: this.#longestBytes,
        roomBytes: this.#roomBytes,
        refused: this.#refused,
      },
    };
  }
}

/** What is wrong with a plan; null if nothing is. Modules may be anybody's, and unchecked JavaScript. */
function faultOf(
  plan: SessionPlan<unknown>,
  { messages }: RecordedSession,
  module: ProtocolModule,
): string | null {
  const { rewrites, reads, dialogueBefore, inflatedFrom, refused } = plan as Partial<
    SessionPlan<unknown>
  >;
  if (refused !== undefined) return typeof refused === 'string' ? null : 'refused is no text';
  if (!isAscending(rewrites, messages)) {
    return `rewrites are not ascending numbers of its ${messages} messages`;
  }
  if (!isAscending(reads, messages + 1)) {
    return `reads are not ascending numbers of its ${messages + 1} stages`;
  }
  if (rewrites.length > 0 && module.rewrite === undefined) {
    return 'it names messages to write, and has no function rewrite';
  }
  if (reads.length > 0 && module.onAnswer === undefined) {
    return 'it names answers to read, and has no function onAnswer';
  }
  if (inflatedFrom !== undefined && !endsWithAll(rewrites, inflatedFrom, messages)) {
    return 'inflatedFrom is no message behind its first from which on all are written';
  }
  if (dialogueBefore === undefined) return null;
  if (module.dialogue === undefined) return 'it wants a dialogue, and has no function dialogue';
  const isMessage = Number.isInteger(dialogueBefore) && dialogueBefore >= 0;
  return isMessage && dialogueBefore <= messages ? null : 'dialogueBefore is no message of it';
}

/** Whether the last ones of ascending numbers are all from one on, which is none of nothing and not the first. */
const endsWithAll = (numbers: readonly number[], from: number, end: number): boolean =>
  Number.isInteger(from) && from > 0 && from < end && numbers.at(from - end) === from;

function isAscending(
  numbers: readonly number[] | undefined,
  end: number,
): numbers is readonly number[] {
  if (!Array.isArray(numbers)) return false;
  return numbers.every(
    (each: unknown, i) =>
      Number.isInteger(each) &&
      Number(each) >= 0 &&
      Number(each) < end &&
      (i === 0 || Number(each) > numbers[i - 1]),
  );
}

const badPlan = (
  { name }: ProtocolModule,
  { session }: RecordedSession,
  why: string,
  cause?: unknown,
): ReplayError =>
  new ReplayError({
    code: 'ERR_MODULE_PLAN',
    kind: 'usage',
    message: `module ${name}: plan of session ${session}: ${why}`,
    hint: 'mend the module; docs/modules.md says what a plan is',
    cause,
  });
