/**
 * The stages of the server's stream: which one is open, when it is complete, and what that says of
 * the exchange whose answer it is. A closed loop has one exchange open at a time; an open loop may
 * have several, whose answers come one after another.
 */
import { NEVER_NS, NS_PER_MS, NS_PER_US } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import type { ClassRecorder } from '../measure/request-classes.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import { AnswerStart, Tail } from './answer-start.ts';
import type { Pacer } from './pacer.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/**
 * An answer that is not as long as recorded is over when nothing has come for this long after a
 * push (or for two round trips, or for twice the longest pause of the recorded answer, where those
 * are longer). Less would cut answers in two that the server writes in pieces, or of which a packet
 * was lost: its repetition takes a server 200 ms. An answer's time is that of its last octet, so
 * this delays what comes next, but no figure.
 */
const QUIET_NS = 300 * NS_PER_MS;
/** And where the same answer has ended with just as many octets before. */
const QUIET_LEARNED_NS = 10 * NS_PER_MS;

/** Flags that speak of the open stage alone. */
const OF_OPEN_STAGE =
  PlayFlag.FIRST_BYTE |
  PlayFlag.QUIET |
  PlayFlag.FRAMED |
  PlayFlag.CHUNKED |
  PlayFlag.UNASKED |
  PlayFlag.UNLIKE |
  PlayFlag.OTHER_STATUS;

/** Says when stages are complete, and records latencies. */
export class Answers {
  readonly #plays: PlayTable;
  readonly #transport: Transport;
  readonly #start: AnswerStart;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  readonly #latency: LatencyRecorder;
  readonly #counters: Float64Array;
  /** `null` where no request has a class. */
  readonly #classes: ClassRecorder | null;
  /** Send times of turns whose answers wait behind the open one; only when a server lags behind. */
  readonly #laterSentNs = new Map<number, number[]>();

  constructor(
    plays: PlayTable,
    transport: Transport,
    stream: ClientStream,
    stages: Stages,
    pacer: Pacer,
    latency: LatencyRecorder,
    counters: Float64Array,
    classes: ClassRecorder | null,
  ) {
    this.#plays = plays;
    this.#transport = transport;
    this.#start = new AnswerStart(plays, stages, transport, stream, counters);
    this.#stages = stages;
    this.#pacer = pacer;
    this.#latency = latency;
    this.#counters = counters;
    this.#classes = classes;
  }

  /** The user starts: the stage before its first step is open, unless that has nothing to hold. */
  onStart(user: number): void {
    const plays = this.#plays;
    const session = plays.session[user];
    const first = this.#stages.first(session);
    plays.openStage[user] = first;
    plays.stageBytes[user] = 0;
    if (this.#stages.bytesOf(session, first) === 0) this.#openNext(user);
  }

  /** The user has ended. */
  forget(user: number): void {
    this.#laterSentNs.delete(user);
    this.#start.forget(user);
  }

  /** Whether every exchange of the script is answered. */
  isAllAnswered(user: number): boolean {
    const session = this.#plays.session[user];
    const end = this.#stages.end(session);
    const last = this.#stages.isAnswer(session, end + 1) ? end + 1 : end;
    return this.#plays.openStage[user] > last;
  }

  /** Octets of the server's stream have come in. */
  onData(user: number, delivery: Delivery): void {
    const plays = this.#plays;
    const { arrivedNs } = delivery;
    plays.flags[user] &= ~PlayFlag.QUIET;
    let { bytes } = delivery;
    if (!(plays.flags[user] & PlayFlag.FIRST_BYTE)) {
      bytes = this.#start.ownBytes(user, delivery);
      if (bytes === 0) return;
      this.#onFirstByte(user, arrivedNs);
      if (this.#isTurnOpen(user) && plays.stageBytes[user] === 0) {
        this.#start.read(user, delivery, bytes);
      }
    } else if (!(plays.flags[user] & PlayFlag.FRAMED)) this.#start.follow(user, delivery);
    if (plays.flags[user] & PlayFlag.FRAMED) this.#fillFramed(user, bytes, arrivedNs);
    else this.#fill(user, bytes, arrivedNs);
    const tail = plays.flags[user] & PlayFlag.CHUNKED ? this.#start.tailOf(delivery) : Tail.UNKNOWN;
    this.judge(user, delivery.isPushed, arrivedNs, tail);
  }

  #onFirstByte(user: number, arrivedNs: number): void {
    const plays = this.#plays;
    plays.flags[user] |= PlayFlag.FIRST_BYTE;
    if (!this.#isTurnOpen(user)) return;
    this.#latency.record(Latency.FIRST_BYTE, Math.max(0, arrivedNs - plays.sentNs[user]));
  }

  /** Octets of an answer that says itself how long it is; what lies beyond it begins the next one. */
  #fillFramed(user: number, delivered: number, arrivedNs: number): void {
    const beyond = this.#start.take(user, delivered);
    if (beyond === 0 || !this.#isShared(user)) return;
    this.#complete(user, Counter.ANSWER_BY_PROTOCOL, arrivedNs, arrivedNs);
    this.#carry(user, beyond, arrivedNs);
  }

  /**
   * Whether octets beyond the open stage belong to the next one: both sides were talking, more has
   * been asked already (open loop), or the client did not wait for the answer's end.
   */
  #isShared(user: number): boolean {
    const plays = this.#plays;
    const stage = plays.openStage[user];
    const session = plays.session[user];
    if (plays.nextStep[user] > stage || !this.#stages.isTurn(session, stage)) return true;
    return stage === this.#stages.end(session) && this.#stages.isEndWithin(session);
  }

  /** The stage that is open now begins with octets that came with the end of the one before. */
  #carry(user: number, bytes: number, arrivedNs: number): void {
    this.#onFirstByte(user, arrivedNs);
    this.#fill(user, bytes, arrivedNs);
  }

  /** More octets of the open stage; of pipelined requests each has an exchange of its own. */
  #fill(user: number, bytes: number, arrivedNs: number): void {
    const plays = this.#plays;
    const before = plays.stageBytes[user];
    const after = before + bytes;
    plays.stageBytes[user] = after;
    const ends = this.#stages.innerEnds(plays.session[user], plays.openStage[user]);
    if (ends.length === 0 || !this.#isTurnOpen(user)) return;
    const classes = this.#stages.innerClasses(plays.openStage[user]);
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i];
      if (before < end && end <= after) {
        this.#recordAnswer(user, classes[i], Counter.ANSWER_BY_LENGTH, arrivedNs);
      }
      if (before <= end && end < after) {
        this.#latency.record(Latency.FIRST_BYTE, Math.max(0, arrivedNs - plays.sentNs[user]));
      }
    }
  }

  #recordAnswer(user: number, requestClass: number, rule: number, doneNs: number): void {
    const plays = this.#plays;
    const responseNs = Math.max(0, doneNs - plays.intendedNs[user]);
    this.#latency.record(Latency.RESPONSE, responseNs);
    if (this.#classes !== null) this.#classes.onAnswered(requestClass, responseNs);
    this.#latency.record(Latency.SERVICE, Math.max(0, doneNs - plays.sentNs[user]));
    this.#counters[Counter.EXCHANGES_ANSWERED]++;
    this.#counters[rule]++;
  }

  /** Whether the open stage is the answer to a turn that has been sent. */
  #isTurnOpen(user: number): boolean {
    const plays = this.#plays;
    const stage = plays.openStage[user];
    if (plays.nextStep[user] < stage) return false;
    return this.#stages.isAnswer(plays.session[user], stage);
  }

  /** Octets that the open stage should have; 0 when nothing is expected now. */
  expectedBytes(user: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    if (stage > this.#stages.end(session) + 1 || stage > plays.nextStep[user]) return 0;
    return this.#stages.bytesOf(session, stage);
  }

  /**
   * Is the answer complete? It is when it has the recorded length; when it is longer, at a push;
   * when it is shorter, or no push comes, after a while of quiet. Where both sides were talking
   * pushes mean nothing and the length alone counts. In chunks it is complete at the last one, where
   * that is at hand; a push says nothing there. Where the server was not captured its length is none
   * to go by, and a while of quiet behind a push must do.
   */
  judge(user: number, isPushed: boolean, arrivedNs: number, tail: Tail = Tail.UNKNOWN): void {
    const plays = this.#plays;
    for (;;) {
      const expected = this.expectedBytes(user);
      if (expected === 0) return;
      const got = plays.stageBytes[user];
      if (plays.flags[user] & PlayFlag.FRAMED) {
        if (got > 0) return;
        this.#complete(user, Counter.ANSWER_BY_PROTOCOL, arrivedNs, arrivedNs);
        return;
      }
      if (this.#start.isFollowed(user)) return;
      const isShared = this.#isShared(user);
      const isChunked = !isShared && (plays.flags[user] & PlayFlag.CHUNKED) !== 0;
      if (isChunked && tail === Tail.LAST_CHUNK) {
        this.#complete(user, Counter.ANSWER_BY_PROTOCOL, arrivedNs, arrivedNs);
        return;
      }
      const isKnown = isShared || this.#stages.isLengthKnown(plays.session[user]);
      const isComplete = isChunked
        ? isKnown && got === expected && tail === Tail.UNKNOWN
        : isKnown && (got === expected || (got > expected && (isPushed || isShared)));
      if (!isComplete) {
        if (isPushed || got > expected) plays.flags[user] |= PlayFlag.QUIET;
        return;
      }
      this.#complete(user, Counter.ANSWER_BY_LENGTH, arrivedNs, arrivedNs);
      if (!isShared || got === expected) return;
      this.#carry(user, got - expected, arrivedNs);
    }
  }

  /**
   * The open stage is over.
   * @param rule the counter of the rule by which that was seen
   * @param doneNs when its last octet came
   * @param seenNs when it was seen to be over: the next step's think time begins here
   */
  #complete(user: number, rule: number, doneNs: number, seenNs: number): void {
    const plays = this.#plays;
    const counters = this.#counters;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    const expected = this.#stages.bytesOf(session, stage);
    const got = plays.stageBytes[user];
    const isFramed = (plays.flags[user] & PlayFlag.FRAMED) !== 0;
    if (this.#isTurnOpen(user)) {
      // Of pipelined requests those that have not been answered yet are so now, all at once.
      const ends = this.#stages.innerEnds(session, stage);
      for (let i = 0; i < ends.length; i++) {
        if (ends[i] <= got) continue;
        this.#recordAnswer(user, this.#stages.innerClasses(stage)[i], rule, doneNs);
      }
      this.#recordAnswer(user, this.#stages.classOf(session, stage), rule, doneNs);
      if (isFramed) {
        if (plays.flags[user] & PlayFlag.UNLIKE) counters[Counter.EXCHANGES_OTHER_LENGTH]++;
      } else if (this.#stages.isLengthKnown(session)) {
        const isLonger = got > expected && !this.#isShared(user);
        if (got < expected || isLonger) counters[Counter.EXCHANGES_MISMATCHED]++;
      }
      if (plays.flags[user] & PlayFlag.OTHER_STATUS) {
        counters[Counter.EXCHANGES_FAILED]++;
        plays.flags[user] |= PlayFlag.FAILED;
      }
    }
    plays.stageBytes[user] = 0;
    plays.flags[user] &= ~OF_OPEN_STAGE;
    this.#openNext(user);
    if (this.#pacer.isOpenLoop) this.#recallTurn(user);
    else if (plays.nextStep[user] === stage) this.#pacer.onTrigger(user, seenNs);
  }

  #openNext(user: number): void {
    const plays = this.#plays;
    const session = plays.session[user];
    const last = this.#stages.end(session) + 1;
    let stage = plays.openStage[user] + 1;
    while (stage <= last && this.#stages.bytesOf(session, stage) === 0) stage++;
    plays.openStage[user] = stage;
  }

  /** Open loop: the next turn's answer is awaited now, and its times are looked up again. */
  #recallTurn(user: number): void {
    const plays = this.#plays;
    const later = this.#laterSentNs.get(user);
    if (later === undefined) return;
    plays.sentNs[user] = later.shift() ?? plays.sentNs[user];
    if (later.length === 0) this.#laterSentNs.delete(user);
    const intendedNs = this.#pacer.intendedNs(user, plays.openStage[user] - 1);
    if (intendedNs !== NEVER_NS) plays.intendedNs[user] = intendedNs;
  }

  /** The server has ended its stream: what it had begun to say is all there is. */
  onPeerFin(user: number, arrivedNs: number): void {
    const plays = this.#plays;
    plays.flags[user] &= ~PlayFlag.QUIET;
    // An answer that says how long it is, and is cut short, is none.
    const isCut = this.#start.isFollowed(user)
      ? !this.#start.endsWithClose(user)
      : (plays.flags[user] & PlayFlag.FRAMED) !== 0;
    const isExchange = plays.openStage[user] <= this.#stages.end(plays.session[user]);
    if (isExchange && plays.stageBytes[user] > 0 && !isCut) {
      this.#complete(user, Counter.ANSWER_BY_CLOSE, arrivedNs, arrivedNs);
    }
  }

  /**
   * A turn's last message goes out.
   * @param stage the stage that is its answer
   * @returns whether the turn is the open one, whose send time the flush will tell
   */
  openTurn(user: number, stage: number, dueNs: number, nowNs: number): boolean {
    const plays = this.#plays;
    const session = plays.session[user];
    const exchanges = 1 + this.#stages.innerEnds(session, stage).length;
    this.#counters[Counter.EXCHANGES_INTENDED] += exchanges;
    this.#counters[Counter.EXCHANGES_SENT] += exchanges;
    if (this.#classes !== null) {
      this.#classes.onSent(this.#stages.classOf(session, stage));
      if (exchanges > 1) {
        for (const each of this.#stages.innerClasses(stage)) this.#classes.onSent(each);
      }
    }
    if (plays.openStage[user] < stage) {
      const later = this.#laterSentNs.get(user);
      if (later === undefined) this.#laterSentNs.set(user, [nowNs]);
      else later.push(nowNs);
      this.#latency.record(Latency.LAG, Math.max(0, nowNs - dueNs));
      return false;
    }
    plays.intendedNs[user] = dueNs;
    if (this.#stages.isTurn(session, stage - 1)) {
      // Whatever came before belongs to no answer of ours.
      plays.stageBytes[user] = 0;
      plays.flags[user] &= ~(OF_OPEN_STAGE & ~PlayFlag.UNASKED);
      if (this.#start.isFollowed(user)) this.#start.forget(user);
    }
    return true;
  }

  /** When the open stage counts as complete because nothing more has come. */
  quietDueNs(user: number): number {
    const plays = this.#plays;
    if (!(plays.flags[user] & PlayFlag.QUIET) || this.#transport.hasHole(user)) return NEVER_NS;
    const session = plays.session[user];
    const stage = plays.openStage[user];
    const isLearned = this.#stages.isLearned(session, stage, plays.stageBytes[user]);
    const quietNs = Math.max(
      isLearned ? QUIET_LEARNED_NS : QUIET_NS,
      2 * this.#transport.roundTripUs(user) * NS_PER_US,
      isLearned ? 0 : 2 * this.#stages.pauseNs(session, stage),
    );
    return plays.progressNs[user] + quietNs;
  }

  /** That time has come. */
  onQuiet(user: number, nowNs: number): void {
    const plays = this.#plays;
    this.#stages.learn(plays.session[user], plays.openStage[user], plays.stageBytes[user]);
    this.#complete(user, Counter.ANSWER_BY_QUIET, plays.progressNs[user], nowNs);
  }

  /** How long the recorded server was silent where the user waits for it now; not accelerated. */
  recordedWaitNs(user: number): number {
    const plays = this.#plays;
    const session = plays.session[user];
    if (!(plays.flags[user] & PlayFlag.CONNECTED)) return this.#stages.connectNs(session);
    const stage = plays.openStage[user];
    const end = this.#stages.end(session);
    const waitNs = stage > end + 1 ? 0 : this.#stages.waitNs(session, stage);
    return plays.flags[user] & PlayFlag.ENDED && stage > end
      ? Math.max(waitNs, this.#stages.closeNs(session))
      : waitNs;
  }
}
