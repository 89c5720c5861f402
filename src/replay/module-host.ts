/**
 * The modules of a thread: asked for messages, told of answers. Modules may be anybody's: whatever they
 * throw, and whatever they return that makes no sense, ends the connection that it was for, under a
 * reason of its own, and nothing else.
 */
import { lineOf } from '../base/errors.ts';
import { Counter } from '../measure/counters.ts';
import { type ProtocolModule, RewriteOutcome } from '../rewrite/module.ts';
import type { RewrittenStream } from '../transport/rewritten-stream.ts';
import { type CheckedStep, checkStep } from './dialogue-step.ts';
import { MessageDraft } from './message-draft.ts';
import type { ModuleClient, ModuleClients } from './module-clients.ts';
import type { PlayTable } from './play-table.ts';
import type { RecordedTexts } from './recorded-text.ts';
import { planOf, type RewriteColumns, RewriteMark } from './rewrite-columns.ts';
import { rowOf } from './stage-columns.ts';
import { checkEnd } from './told-ends.ts';

/** Recorded messages that are written anew are kept in memory; beyond so many octets from the start again. */
const RECORDED_BYTES_MAX = 64 << 20;
/** A module may write so much at once although the memory is smaller: it is told to be full. */
const DRAFT_BYTES_MIN = 64 << 20;
/** Different texts of failures that are kept. */
const FAILURES_MAX = 3;

/** What came of asking for a message. */
export const Written = {
  /** The stream has it, of whatever length. */
  READY: 0,
  WAIT: 1,
  /** It is left out. */
  SKIP: 2,
  /** The module has failed; the user ends. */
  FAILED: 3,
  /** It is longer than anybody had reckoned with, and what is left of the memory is used up. */
  NO_ROOM: 4,
} as const;
export type Written = (typeof Written)[keyof typeof Written];

/** A session as its module plays it in this thread. */
interface PlannedSession {
  readonly place: number;
  readonly module: ProtocolModule;
  readonly plan: unknown;
}

/** A user's connection while a module has to do with it. */
export interface Engagement {
  readonly planned: PlannedSession;
  /** What the module keeps for it. */
  readonly connection: unknown;
  readonly client: ModuleClient;
  /** When the connection was accepted; of those with a dialogue. */
  connectedNs: number;
  /** When the next message was due that the module lets wait; NaN while none does. */
  waitsSinceNs: number;
  /** Nobody is left who could tell what it waits for. */
  isInVain: boolean;
  /** Exchanges of the script that were left out, or belong to what the module says itself. */
  leftOut: number;
  /** Whether the module has failed here. */
  hasFailed: boolean;
  /** What it has written, while there is no room for it; and when that was due, NaN while there is. */
  unplaced: Uint8Array | null;
  roomlessSinceNs: number;
}

/** Asks the modules of one thread. */
export class ModuleHost {
  /** Texts of failures, the first few different ones, and how often each came. */
  readonly failures = new Map<string, number>();
  readonly #columns: RewriteColumns;
  readonly #modules: readonly ProtocolModule[];
  readonly #plays: PlayTable;
  readonly #texts: RecordedTexts;
  readonly #firstMessage: Uint32Array;
  readonly #clients: ModuleClients;
  readonly #stream: RewrittenStream;
  readonly #counters: Float64Array;
  readonly #draft: MessageDraft;
  readonly #planned = new Map<number, PlannedSession>();
  readonly #engaged: (Engagement | undefined)[];
  /** Users whose connection has failed before it began for its module. */
  readonly #stillborn = new Set<number>();
  /** Recorded messages, by their rows. */
  readonly #recorded = new Map<number, Uint8Array<ArrayBuffer>>();
  #recordedBytes = 0;

  constructor(
    columns: RewriteColumns,
    parts: {
      readonly modules: readonly ProtocolModule[];
      readonly plays: PlayTable;
      readonly texts: RecordedTexts;
      readonly firstMessage: Uint32Array;
      readonly clients: ModuleClients;
      readonly stream: RewrittenStream;
      /** Octets that all messages in flight have room in. */
      readonly arenaBytes: number;
      readonly counters: Float64Array;
    },
  ) {
    this.#columns = columns;
    this.#modules = parts.modules;
    this.#plays = parts.plays;
    this.#texts = parts.texts;
    this.#firstMessage = parts.firstMessage;
    this.#clients = parts.clients;
    this.#stream = parts.stream;
    this.#draft = new MessageDraft(Math.max(DRAFT_BYTES_MIN, parts.arenaBytes));
    this.#counters = parts.counters;
    const users = parts.plays.session.length;
    this.#engaged = new Array<Engagement | undefined>(users).fill(undefined);
  }

  /** Whether a message of the user's session is written anew. */
  isWritten(user: number, message: number): boolean {
    return (this.#marks(user, message) & RewriteMark.WRITE) !== 0;
  }

  /** Whether a stage of the user's session is read. */
  isRead(user: number, stage: number): boolean {
    return (this.#marks(user, stage) & RewriteMark.READ) !== 0;
  }

  #marks(user: number, row: number): number {
    return this.#columns.marks[rowOf(this.#plays.session[user], row)];
  }

  /** Whether the module talks to the server first. */
  hasDialogue(user: number): boolean {
    return this.#columns.dialogue[this.#plays.session[user]] !== 0;
  }

  /** The user's connection, as far as its module has had to do with it. */
  engagementOf(user: number): Engagement | undefined {
    return this.#engaged[user];
  }

  /** Whether the module has failed at the user's connection. */
  hasFailed(user: number): boolean {
    return this.#engaged[user]?.hasFailed === true || this.#stillborn.has(user);
  }

  /**
   * The user's connection is over: its module is told what it will not hear any more.
   * @returns the client's rows that may wait for that; null without any
   */
  end(user: number): ReadonlySet<number> | null {
    const isPlanned = this.#columns.module[this.#plays.session[user]] !== 0;
    // What was never begun matters to the client's other connections alone.
    const engaged =
      this.#engaged[user] ??
      (isPlanned && this.#clients.haveSeveral && !this.#stillborn.has(user)
        ? this.engage(user)
        : null);
    if (engaged === null) return null;
    const { planned, connection, client } = engaged;
    client.waiting?.delete(user);
    try {
      planned.module.onEnd?.(connection);
    } catch (error) {
      this.#note(planned.module, lineOf(error));
    }
    return client.waiting;
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#stream.forget(user);
    this.#stillborn.delete(user);
    const engaged = this.#engaged[user];
    if (engaged === undefined) return;
    engaged.client.waiting?.delete(user);
    this.#engaged[user] = undefined;
  }

  /** A client with several connections has ended its play. */
  endClient(client: number): void {
    this.#clients.end(client);
  }

  /** The user's connection, which begins for its module where it has not yet; null where that fails. */
  engage(user: number): Engagement | null {
    const known = this.#engaged[user];
    if (known !== undefined) return known.hasFailed ? null : known;
    const session = this.#plays.session[user];
    let engaged: Engagement;
    try {
      engaged = this.#begin(user, session);
    } catch (error) {
      this.#note(this.#modules[this.#columns.module[session] - 1], lineOf(error));
      this.#stillborn.add(user);
      return null;
    }
    this.#engaged[user] = engaged;
    return engaged;
  }

  #begin(user: number, session: number): Engagement {
    const planned = this.#plannedOf(session);
    const { place, module, plan } = planned;
    const client = this.#clients.of(user);
    const { states } = client;
    if (!(place in states)) states[place] = module.client(client.info);
    const connection = module.connection(states[place], plan);
    return {
      planned,
      connection,
      client,
      connectedNs: 0,
      waitsSinceNs: Number.NaN,
      isInVain: false,
      leftOut: 0,
      hasFailed: false,
      unplaced: null,
      roomlessSinceNs: Number.NaN,
    };
  }

  #plannedOf(session: number): PlannedSession {
    const known = this.#planned.get(session);
    if (known !== undefined) return known;
    const found = planOf(this.#modules, this.#texts.of(session));
    if (found === null || found.place + 1 !== this.#columns.module[session]) {
      throw new Error(`plans session ${session} otherwise than before the run`);
    }
    const module = this.#modules[found.place];
    const planned = { place: found.place, module, plan: found.plan.plan };
    this.#planned.set(session, planned);
    return planned;
  }

  /** Asks for a message that is due. @param isLate whether it may not wait any longer */
  write(user: number, message: number, isLate: boolean): Written {
    const engaged = this.engage(user);
    if (engaged === null) return Written.FAILED;
    const { module } = engaged.planned;
    const draft = this.#draft;
    const session = this.#plays.session[user];
    const recorded = this.#recordedOf(session, message);
    if (engaged.unplaced !== null) return this.#placeLate(user, message, engaged, recorded.length);
    draft.begin(recorded, isLate);
    let outcome: RewriteOutcome | undefined;
    try {
      outcome = module.rewrite?.(engaged.connection, message - this.#firstMessage[session], draft);
    } catch (error) {
      return this.#failed(engaged, lineOf(error));
    }
    switch (outcome) {
      case RewriteOutcome.READY:
        return this.#keep(user, message, engaged, recorded.length);
      case RewriteOutcome.SKIP:
        return this.#leaveOut(user, message, recorded.length);
      case RewriteOutcome.WAIT:
        return isLate
          ? this.#failed(engaged, `still waits at message ${message}, although it is late`)
          : Written.WAIT;
      case RewriteOutcome.FAIL:
        return this.#failed(engaged, lineOf(draft.reason) || 'failed without saying why');
      default:
        return this.#failed(engaged, `rewrite has returned ${lineOf(outcome)}`);
    }
  }

  /** What was written when there was no room for it: modules are asked for a message once. */
  #placeLate(user: number, message: number, engaged: Engagement, recordedBytes: number): Written {
    const { unplaced } = engaged;
    if (unplaced === null) return Written.NO_ROOM;
    this.#draft.begin(NOTHING, false);
    this.#draft.put(unplaced);
    engaged.unplaced = null;
    return this.#keep(user, message, engaged, recordedBytes);
  }

  #keep(user: number, message: number, engaged: Engagement, recordedBytes: number): Written {
    const { octets, bytes } = this.#draft;
    if (bytes === 0) return this.#leaveOut(user, message, recordedBytes);
    if (!this.#stream.write(user, message, octets, bytes)) {
      engaged.unplaced = octets.slice(0, bytes);
      return Written.NO_ROOM;
    }
    this.#counters[Counter.MESSAGES_REWRITTEN]++;
    this.#counters[Counter.OCTETS_PLANNED] += bytes - recordedBytes;
    return Written.READY;
  }

  #leaveOut(user: number, message: number, recordedBytes: number): Written {
    this.#stream.write(user, message, this.#draft.octets, 0);
    this.#counters[Counter.OCTETS_PLANNED] -= recordedBytes;
    return Written.SKIP;
  }

  /** A stage that is read is over. @returns whether the module has taken it */
  onAnswer(user: number, stage: number, octets: Uint8Array, isWhole: boolean): boolean {
    const engaged = this.engage(user);
    if (engaged === null) return false;
    const { module } = engaged.planned;
    const place = stage - this.#firstMessage[this.#plays.session[user]];
    this.#counters[Counter.ANSWERS_READ]++;
    if (!isWhole) this.#counters[Counter.ANSWERS_READ_PART]++;
    try {
      module.onAnswer?.(engaged.connection, place, octets, isWhole);
    } catch (error) {
      this.#failed(engaged, lineOf(error));
      return false;
    }
    return true;
  }

  /**
   * Where the user's answer ends, which begins with these octets.
   * @param message that is answered, from 0 in its session; -1: what the server says first
   * @param seen how many of them the module has been shown before
   * @returns octets of the answer; NOT_YET; FAILED where the module has
   */
  answerEnd(user: number, message: number, octets: Uint8Array, seen: number): number {
    const session = this.#plays.session[user];
    let end: number | string;
    try {
      const { module, plan } = this.#plannedOf(session);
      end = checkEnd(module.answerEnd?.(plan, message, octets, seen), seen);
    } catch (error) {
      end = lineOf(error);
    }
    if (typeof end === 'number') return end;
    const engaged = this.engage(user);
    if (engaged !== null) this.#failed(engaged, end);
    return FAILED;
  }

  /**
   * The module's turn in a dialogue.
   * @param octets what the server has said and was not taken yet
   * @returns null where it has failed
   */
  dialogue(user: number, octets: Uint8Array): CheckedStep | null {
    const engaged = this.engage(user);
    if (engaged === null) return null;
    let step: unknown;
    try {
      step = engaged.planned.module.dialogue?.(engaged.connection, octets);
    } catch (error) {
      this.#failed(engaged, lineOf(error));
      return null;
    }
    const session = this.#plays.session[user];
    const messages = this.#firstMessage[session + 1] - this.#firstMessage[session];
    const checked = checkStep(step, octets.length, messages);
    if (typeof checked !== 'string') return checked;
    this.#failed(engaged, checked);
    return null;
  }

  /** What the server said in a dialogue cannot be shown to the module. */
  failDialogue(user: number, reason: string): void {
    const engaged = this.engage(user);
    if (engaged !== null) this.#failed(engaged, reason);
  }

  /** What is to be said in a dialogue has no room, and cannot wait. */
  runOutOfRoom(user: number, nowNs: number): void {
    const engaged = this.engage(user);
    if (engaged === null) return;
    engaged.hasFailed = true;
    engaged.roomlessSinceNs = nowNs;
  }

  #failed(engaged: Engagement, reason: string): Written {
    engaged.hasFailed = true;
    this.#note(engaged.planned.module, reason);
    return Written.FAILED;
  }

  #note({ name }: ProtocolModule, reason: string): void {
    // A server may have said it, and people read it on a terminal.
    const text = `${name}: ${reason.split('\n', 1)[0].replace(/\p{Cc}/gu, '?')}`;
    const before = this.failures.get(text);
    if (before === undefined && this.failures.size >= FAILURES_MAX) return;
    this.failures.set(text, (before ?? 0) + 1);
  }

  #recordedOf(session: number, message: number): Uint8Array<ArrayBuffer> {
    const known = this.#recorded.get(message);
    if (known !== undefined) return known;
    const octets = this.#texts.message(session, message);
    if (this.#recordedBytes + octets.length > RECORDED_BYTES_MAX) {
      this.#recorded.clear();
      this.#recordedBytes = 0;
    }
    this.#recorded.set(message, octets);
    this.#recordedBytes += octets.length;
    return octets;
  }
}

/** Instead of an answer's end. */
const FAILED = -1;
const NOTHING = new Uint8Array(0);
