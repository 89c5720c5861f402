/**
 * All conversations of one thread, over whatever transport: users start, play, end, and may be
 * interrupted; time comes in here.
 */
import { assert } from '../base/assert.ts';
import { Instant } from '../base/instant.ts';
import { Counter } from '../measure/counters.ts';
import type { LatencyRecorder } from '../measure/histograms.ts';
import type { ClassRecorder } from '../measure/request-classes.ts';
import { MODULE_NAME } from '../protocol/registry.ts';
import { ClientConnections } from '../schedule/client-connections.ts';
import type { UserConnections } from '../schedule/connections.ts';
import { TimingWheel } from '../schedule/timing-wheel.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { MessageArena } from '../transport/message-arena.ts';
import type { RewrittenStream } from '../transport/rewritten-stream.ts';
import type { Transport, TransportListener } from '../transport/transport.ts';
import type { FramingOf } from './answer-framing.ts';
import { AnswerOctets } from './answer-octets.ts';
import { Answers } from './answers.ts';
import { ClientStarts } from './client-starts.ts';
import type { PushColumns } from './exchange-columns.ts';
import { type AnswerListener, ExchangeRecorder } from './exchange-recorder.ts';
import { Fates } from './fates.ts';
import { Interruption } from './interruption.ts';
import { LiveReplies } from './live-replies.ts';
import type { ModuleHost } from './module-host.ts';
import { Pacer } from './pacer.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import { Player } from './player.ts';
import { ReadAnswers } from './read-answers.ts';
import type { RecordedTexts } from './recorded-text.ts';
import type { ReplayPlan, RewritingPlan } from './replay-plan.ts';
import { ReplyingAnswers } from './replying-answers.ts';
import { ReplyingPlayer } from './replying-player.ts';
import { type RewritingParts, RewritingPlayer } from './rewriting-player.ts';
import type { PlaySendTimes } from './send-times.ts';
import type { Stages } from './stages.ts';
import type { StartParts, Starts } from './starts.ts';
import { StrippedMessages } from './stripped-messages.ts';
import { ToldFraming } from './told-answers.ts';
import { UserStarts } from './user-starts.ts';
import { UserTimers } from './user-timers.ts';

/** What came in and was not taken yet, when timers and starts have their turn. */
export const Backlog = {
  NONE: 0,
  SOME: 1,
  /** Soon the queue will have no room. */
  CROWDED: 2,
} as const;
export type Backlog = (typeof Backlog)[keyof typeof Backlog];

/**
 * By Backlog: timers handled and users started in one `onTimeout`, since a turn of the loop must stay
 * short. Each brings replies: while some wait, no more are asked for than are taken in a turn.
 */
const TIMERS_PER_TURN = [1_024, 256, 32];
const STARTS_PER_TURN = [256, 16, 0];

/** What conversations are made of; the transport tells `times` when octets left. */
export interface ConversationParts {
  /** Of clients where the plan has some. */
  readonly connections: UserConnections | ClientConnections;
  readonly plays: PlayTable;
  readonly stages: Stages;
  readonly stream: ClientStream;
  readonly times: PlaySendTimes;
  readonly transport: Transport;
  readonly latency: LatencyRecorder;
  readonly counters: Float64Array;
  readonly classes: ClassRecorder | null;
  /** Who is told of every answered exchange, where somebody wants to know. */
  readonly answerListener?: AnswerListener;
  /** Where modules change what is said. */
  readonly rewriting?: RewritingEnds;
}

/** What modules' changes go through. */
export interface RewritingEnds extends Pick<RewritingPlan, 'bindTimeoutNs' | 'answerBytesMax'> {
  readonly host: ModuleHost;
  readonly stream: RewrittenStream;
  readonly arena: MessageArena;
  readonly texts: RecordedTexts;
  /** Sessions that become WebSockets; null without any. */
  readonly pushed: PushColumns | null;
}

/** The engine of one thread, whatever the transport: a turn is what came in, then what is due. */
export class Conversations {
  /** Who is to be told what comes in. */
  readonly listener: TransportListener;
  readonly #plays: PlayTable;
  readonly #transport: Transport;
  readonly #counters: Float64Array;
  readonly #player: Player;
  readonly #starts: Starts;
  readonly #timers: UserTimers;
  readonly #interruption: Interruption;
  readonly #wheel: TimingWheel;
  /** Null where nothing is written during the run. */
  readonly #arena: MessageArena | null;
  /** When the turn began. */
  #turnNs = -0;
  /** What had arrived by then has been handed over. */
  readonly #heard = new Instant();
  /** When what is brought about happens: the turn's time, or a packet's that has come since. */
  protected readonly now: Instant;

  constructor(plan: ReplayPlan, given: ConversationParts) {
    const { connections, plays, stages, stream, transport, times } = given;
    const pacer = new Pacer(plan, stages, plays);
    const recorder = new ExchangeRecorder(given);
    const { rewriting } = given;
    const octets = new AnswerOctets(rewriting?.answerBytesMax ?? 0);
    const answersOf = [plays, transport, stream, stages, pacer, recorder, times.exchanges] as const;
    const replies = new LiveReplies();
    const readOf = [...answersOf, rewriting && framingOf(stages, rewriting)] as const;
    const read = rewriting && readAnswersOf([readOf, rewriting.host, octets], rewriting, replies);
    const answers = read ?? new Answers(...answersOf);
    const wheel = new TimingWheel(connections.count);
    const timers = new UserTimers(plan, plays, transport, stages, answers, wheel);
    const parts = {
      ...given,
      pacer,
      answers,
      timers,
      ...(rewriting && { onClientEnd: (client: number) => rewriting.host.endClient(client) }),
      ...(read && { onRoomless: (row: number) => read.onRoomless(row) }),
    };
    const starts = startsOf(plan, parts);
    const fates = new Fates(plan, { ...parts, starts });
    const played = { ...parts, starts, fates };
    const player =
      read === undefined || rewriting === undefined
        ? new Player(plan, played)
        : rewritingPlayerOf(plan, { ...played, ...rewriting, answers: read, octets }, replies);
    this.#arena = rewriting?.arena ?? null;
    this.listener = player;
    this.#plays = plays;
    this.now = plays.now;
    this.#transport = transport;
    this.#counters = given.counters;
    this.#player = player;
    this.#starts = starts;
    this.#timers = timers;
    this.#interruption = new Interruption(plays, transport, timers, starts, fates);
    this.#wheel = wheel;
  }

  /** Whether every user that will ever start has an end state. */
  get isDone(): boolean {
    return this.#starts.isDone;
  }

  /** When the turn began: what comes in and is older happens now all the same. */
  protected get turnNs(): number {
    return this.#turnNs;
  }

  /** A turn of the loop begins. */
  beginTurn(begins: Instant): void {
    this.#turnNs = begins.ns;
    this.now.ns = begins.ns;
  }

  /** When to call `onTimeout` again; may lie in the past when the last call stopped at its limit. */
  nextDueNs(): number {
    if (this.isInterrupting) return this.#turnNs;
    return Math.min(this.#wheel.nextDueNs(), this.#starts.nextDueNs());
  }

  /**
   * Timers that are due and users that are to start; at most some hundreds a call.
   * @param heardNs what had arrived by then has been handed over; where later packets still wait to
   *   be, a timer that is due later may wait for what lies among them
   */
  onTimeout(nowNs: number, heardNs: number = nowNs, backlog: Backlog = Backlog.NONE): void {
    this.#turnNs = nowNs;
    this.#heard.ns = heardNs;
    this.onTurn(this.#heard, backlog);
  }

  /** The same, at the time at which the turn began. @param heard as `heardNs` */
  onTurn(heard: Instant, backlog: Backlog): void {
    this.now.ns = this.#turnNs;
    this.#heard.ns = heard.ns;
    this.#counters[Counter.CLOCK_NS] = Math.floor(this.#turnNs);
    this.#wheel.advance(this.#heard, TIMERS_PER_TURN[backlog], this);
    if (this.isInterrupting) this.#interruption.goOn();
    this.#starts.onTimeout(STARTS_PER_TURN[backlog], backlog === Backlog.NONE);
  }

  /** Time goes on, and `nextDueNs` says that nothing is due: `onTimeout` would find nothing to do. */
  pass(nowNs: number): void {
    this.#turnNs = nowNs;
    this.#counters[Counter.CLOCK_NS] = Math.floor(nowNs);
  }

  /** The wheel says that something of the user's is due. */
  onDue(user: number): void {
    this.#player.onDue(user, this.#heard);
  }

  /**
   * This thread stood still within the turn that began at `sinceNs`: what was sent in it may have left
   * as late as `until`, and is waited for from then on.
   */
  onStandstill(sinceNs: number, until: Instant): void {
    const { flags } = this.#plays;
    for (let user = 0; user < this.#starts.rowsBegun; user++) {
      if (flags[user] & PlayFlag.LIVE) this.#timers.onLeftLate(user, sinceNs, until);
    }
  }

  /**
   * Start nothing more and close what is open: FIN where a stream can end, RST where not. Some users
   * at once, the others in the next turns (`onTimeout`), so that replies are read meanwhile.
   */
  interrupt(nowNs: number): void {
    this.#turnNs = Math.max(this.#turnNs, nowNs);
    this.now.ns = this.#turnNs;
    this.#starts.stop();
    this.#interruption.goOn();
  }

  /** Whether some users have not heard of an interrupt yet. */
  get isInterrupting(): boolean {
    return this.#interruption.isUnderWay;
  }

  /** Reset whatever is still open; afterwards no user is live. At most `limit` a call. */
  abortAll(nowNs: number, limit: number): void {
    this.now.ns = nowNs;
    this.#starts.stop();
    this.#interruption.abortSome(limit);
  }

  /** Hand over what was written, and take the time at which it left. */
  flush(): void {
    this.#transport.flush();
    this.#arena?.settle();
    this.#starts.onFlushed();
  }

  /** How long the way is of ended users whose last packets may have to be sent again: see Transport. */
  lingerRoundTripUs(): number {
    return this.#transport.lingerRoundTripUs();
  }
}

/** Who starts when: users that are connections, or clients that have some. */
function startsOf(
  plan: ReplayPlan,
  parts: StartParts & Pick<ConversationParts, 'connections'>,
): Starts {
  const { connections } = parts;
  if (!(connections instanceof ClientConnections)) return new UserStarts(plan, connections, parts);
  const { perClient } = plan;
  assert(perClient !== undefined, 'connections of clients are of the clients of the plan');
  return new ClientStarts(plan, perClient, connections, parts);
}

/** Answers of who does not say just what was recorded. */
function readAnswersOf(
  parts: ConstructorParameters<typeof ReadAnswers>,
  { pushed }: RewritingEnds,
  replies: LiveReplies,
): ReadAnswers {
  if (pushed === null) return new ReadAnswers(...parts);
  return new ReplyingAnswers(parts, pushed.from, replies);
}

/** Undefined where nobody but the protocols tells where answers end. */
function framingOf(
  { exchanges }: Stages,
  { host, answerBytesMax }: RewritingEnds,
): FramingOf | undefined {
  if (!exchanges.protocols.includes(MODULE_NAME)) return undefined;
  return (...parts) => new ToldFraming(parts, host, answerBytesMax);
}

function rewritingPlayerOf(
  plan: ReplayPlan,
  parts: RewritingParts & Pick<RewritingEnds, 'pushed' | 'texts'>,
  replies: LiveReplies,
): RewritingPlayer {
  const { pushed, texts } = parts;
  if (pushed === null) return new RewritingPlayer(plan, parts);
  return new ReplyingPlayer(plan, parts, pushed.replyMarks, replies, new StrippedMessages(texts));
}
