/**
 * What a session's script says about its steps and stages (see PlayTable): arithmetic over the
 * columns of Scripts and of what was found out of them, the same for every user of the session.
 */
import { HTTP1_NAME } from '../protocol/registry.ts';
import { StreamEnd } from '../session/script/scripts.ts';
import {
  type ExchangeColumns,
  ExchangeMark,
  GREETS,
  type PushColumns,
} from './exchange-columns.ts';
import type { ReplayPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';
import { MessageMark, rowOf, type StageColumns } from './stage-columns.ts';

/** What the scripts say of steps and stages, prepared once for all users. */
export class Stages extends ScriptSteps {
  readonly #columns: StageColumns;
  readonly #saysRecorded: boolean;
  /** A row a message. */
  readonly #marks: Uint8Array;
  /** A row a stage: what it held where it ended otherwise than recorded; 0 while unknown. */
  readonly #learnedBytes: Uint32Array;
  readonly exchanges: ExchangeColumns;
  readonly #pushed: PushColumns | undefined;
  /** By `protocolOf`: 1 where that is HTTP. Names that came from another thread are compared letter by letter. */
  readonly #isHttp: Uint8Array;

  constructor(
    { scripts, saysRecorded = false }: Pick<ReplayPlan, 'scripts' | 'saysRecorded'>,
    columns: StageColumns,
    exchanges: ExchangeColumns,
  ) {
    super(scripts);
    this.#saysRecorded = saysRecorded;
    this.#columns = columns;
    this.#marks = columns.marks;
    this.#learnedBytes = new Uint32Array(columns.waitNs.length);
    this.exchanges = exchanges;
    this.#pushed = exchanges.pushed;
    this.#isHttp = Uint8Array.of(
      0,
      ...exchanges.protocols.map((name) => (name === HTTP1_NAME ? 1 : 0)),
    );
  }

  /** Where a server speaks of its own accord nobody waits for what holds no answer: it counts as empty. */
  override bytesOf(session: number, step: number): number {
    const from = this.#pushed?.from[session] ?? 0;
    if (from > 0 && step >= from) {
      const { first } = this.exchanges;
      const row = rowOf(session, step);
      if (first[row] === first[row + 1]) return 0;
    }
    return super.bytesOf(session, step);
  }

  /** Exchanges that the session's script holds. */
  exchangesOf(session: number): number {
    const { first } = this.exchanges;
    return (
      first[rowOf(session + 1, this.end(session))] - first[rowOf(session, this.first(session))]
    );
  }

  /** Whether answers are as long as the recording says: not where a server was not captured that says what it likes. */
  isLengthKnown(session: number): boolean {
    const unheard = this.scripts.areAnswersUnheard;
    return unheard === undefined || unheard[session] === 0 || this.#saysRecorded;
  }

  /** Recorded think time before the step. */
  thinkNs(session: number, step: number): number {
    const { client } = this.scripts;
    const ownNs = this.#pushed?.thinkNs[rowOf(session, step)] ?? -1;
    if (ownNs >= 0) return ownNs;
    if (step < this.end(session)) return client.messageThinkNs[step];
    return client.end[session] === StreamEnd.OPEN ? 0 : client.endThinkNs[session];
  }

  /** Recorded time of the step, from the session's first SYN. */
  offsetNs(session: number, step: number): number {
    const { client, durationNs } = this.scripts;
    if (step < this.end(session)) return client.messageOffsetNs[step];
    return client.end[session] === StreamEnd.OPEN
      ? durationNs[session]
      : client.endOffsetNs[session];
  }

  /** Whether the server waited for this step before it spoke on: then answers can be told apart. */
  isTurn(session: number, step: number): boolean {
    return step >= this.end(session) || (this.#marks[step] & MessageMark.TURN) !== 0;
  }

  /** The recorded answer's own code, as its framer has it; 0 without any. */
  codeOf(exchange: number): number {
    return this.exchanges.codes[this.exchanges.code[exchange]];
  }

  /** Whether the stage holds nothing but leave to go on with a request. */
  isLeave(session: number, stage: number): boolean {
    return stage < this.end(session) && (this.#marks[stage] & MessageMark.CONTINUED) !== 0;
  }

  /** The last stage that a user waits for. */
  lastAwaited(session: number): number {
    const end = this.end(session);
    return this.isAnswer(session, end + 1) ? end + 1 : end;
  }

  /** Octets of the stages that are awaited, from `stage` on. */
  bytesFrom(session: number, stage: number): number {
    let bytes = 0;
    for (let each = stage; each <= this.lastAwaited(session); each++) {
      bytes += this.bytesOf(session, each);
    }
    return bytes;
  }

  /** How many exchanges' requests end in the message. */
  exchangesOfMessage(message: number): number {
    const { ofMessage } = this.exchanges;
    return ofMessage[message + 1] - ofMessage[message];
  }

  /** Row of the first exchange whose answer ends in the stage or behind it. */
  firstExchange(session: number, stage: number): number {
    return this.exchanges.first[rowOf(session, stage)];
  }

  /** Row behind the last exchange whose answer ends in the stage. */
  lastExchange(session: number, stage: number): number {
    return this.exchanges.first[rowOf(session, stage) + 1];
  }

  /** What the session's framers are: a place in the exchanges' `protocols`, from 1 on; 0 without any. */
  protocolOf(session: number): number {
    return this.exchanges.protocol[session] & ~GREETS;
  }

  /** Whether nobody knows the session's protocol: none of its answers tells its end itself. */
  isUnread(session: number): boolean {
    return this.exchanges.protocol[session] === 0;
  }

  /** Whether the session's answers are followed as HTTP's. */
  isHttp(session: number): boolean {
    return this.#isHttp[this.protocolOf(session)] === 1;
  }

  /** Whether the exchange's answer is a message of a WebSocket. */
  isMessage(exchange: number): boolean {
    return (this.exchanges.marks[exchange] & ExchangeMark.WEBSOCKET) !== 0;
  }

  /** Whether what answers nothing may come before the exchange's answer. */
  isAmidPushes(exchange: number): boolean {
    const { WEBSOCKET, PUSHED } = ExchangeMark;
    return (this.exchanges.marks[exchange] & (WEBSOCKET | PUSHED)) !== 0;
  }

  /** Whether the session's server may speak of its own accord, at once or when it has become a WebSocket. */
  isPushed(session: number): boolean {
    return (this.#pushed?.from[session] ?? 0) > 0;
  }

  /** Whether the stage is what the server says first, and ends as the protocol has it. */
  isGreeting(session: number, stage: number): boolean {
    return stage === this.first(session) && (this.exchanges.protocol[session] & GREETS) !== 0;
  }

  /** Whether the exchange's answer tells its end itself. */
  isFollowed(exchange: number): boolean {
    return (this.exchanges.marks[exchange] & ExchangeMark.FOLLOWED) !== 0;
  }

  /** Whether other octets than the recorded ones stand in for some of the exchange's answer. */
  isStoodIn(exchange: number): boolean {
    return (this.exchanges.marks[exchange] & ExchangeMark.STOOD_IN) !== 0;
  }

  /** Whether the recorded server had said that this answer was the connection's last one. */
  closes(exchange: number): boolean {
    return (this.exchanges.marks[exchange] & ExchangeMark.CLOSES) !== 0;
  }

  /** Whether the exchange's answer has to keep to its protocol's rules: the recorded one did, or was not heard. */
  isRuled(exchange: number): boolean {
    const { marks } = this.exchanges;
    return (
      (marks[exchange] & (ExchangeMark.FOLLOWED | ExchangeMark.BROKEN)) === ExchangeMark.FOLLOWED
    );
  }

  /** Whether the recorded client did not wait for the end of the stage's last answer, or nobody heard it. */
  isCut(session: number, stage: number, exchange: number): boolean {
    if (exchange + 1 < this.lastExchange(session, stage)) return false;
    if (stage === this.end(session) && this.isEndWithin(session)) return true;
    return (this.exchanges.marks[exchange] & ExchangeMark.CUT) !== 0;
  }

  /** As `isCut`, of the session's last answer. */
  isLeft(session: number): boolean {
    const end = this.end(session);
    if (this.isEndWithin(session)) return true;
    const last = this.lastExchange(session, end + 1) - 1;
    const isOwn = last >= this.firstExchange(session, this.first(session));
    return isOwn && (this.exchanges.marks[last] & ExchangeMark.CUT) !== 0;
  }

  /** How long the recorded server was silent at most before the stage's end, from the request on. */
  waitNs(session: number, stage: number): number {
    return this.#columns.waitNs[rowOf(session, stage)];
  }

  /** How long the recorded server took to close once it had said all and heard all. */
  closeNs(session: number): number {
    return this.scripts.server.endThinkNs[session];
  }

  /** How long it took to accept. */
  connectNs(session: number): number {
    return this.scripts.connectNs[session];
  }

  /** The longest recorded pause between two things the server said within the stage. */
  pauseNs(session: number, stage: number): number {
    return this.#columns.pauseNs[rowOf(session, stage)];
  }

  /** The stage ended with so many octets, by quiet: the target answers otherwise than recorded. */
  learn(session: number, stage: number, bytes: number): void {
    this.#learnedBytes[rowOf(session, stage)] = bytes;
  }

  /** Whether the stage has ended with just so many octets before. */
  isLearned(session: number, stage: number, bytes: number): boolean {
    return this.#learnedBytes[rowOf(session, stage)] === bytes;
  }
}
