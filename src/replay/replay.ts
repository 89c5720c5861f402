/**
 * The engine: plays every user's script through TCP, step by step, and measures the answers.
 *
 * Sans-IO: packets come in by `onPacket`, time by `onTimeout`, frames go out through the sender's
 * batch. `nextDueNs` says when `onTimeout` has something to do; a spurious call is harmless.
 *
 * A user's event always runs the same way: TCP first, then the script (which stage is complete,
 * which step is due), then one `emit` that carries data and acknowledgement together, then the
 * user's timer is set to the earliest thing it waits for.
 */
import { seqAdd } from '../base/seq.ts';
import { NEVER_NS } from '../base/time.ts';
import { Counter } from '../measure/counters.ts';
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import { TimingWheel } from '../schedule/timing-wheel.ts';
import { StreamEnd } from '../session/script/scripts.ts';
import { TcpClient } from '../tcp/tcp-client.ts';
import { TcpEvent } from '../tcp/tcp-event.ts';
import { State, UserTable } from '../tcp/user-table.ts';
import type { CaptureBytes, PacketSink, Receiver, Sender } from '../transport/ports.ts';
import { IpView } from '../wire/ip-view.ts';
import { ACK, FIN, RST, SYN, TCP_HEADER_BYTES_MIN, TcpView } from '../wire/tcp.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { WireFault } from '../wire/wire-fault.ts';
import { Answers, type Delivery } from './answers.ts';
import { FrameOutput } from './frame-output.ts';
import { Pacer } from './pacer.ts';
import { NO_USER, PathMessages } from './path-messages.ts';
import { PlayFlag, PlayTable } from './play-table.ts';
import { Close, type ReplayPlan } from './replay-plan.ts';
import { Stages } from './stages.ts';

/** Timers and starts handled in one `onTimeout`: a turn of the loop must stay short. */
const TIMERS_PER_TURN = 1_024;
const STARTS_PER_TURN = 256;
const INTERRUPTS_PER_TURN = 512;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Replay implements PacketSink {
  readonly users: UserTable;
  readonly plays: PlayTable;
  readonly counters: Float64Array;

  readonly #plan: ReplayPlan;
  readonly #sender: Sender;
  readonly #latency: LatencyRecorder;
  readonly #output: FrameOutput;
  readonly #tcp: TcpClient;
  readonly #paths: PathMessages;
  readonly #stages: Stages;
  readonly #pacer: Pacer;
  readonly #answers: Answers;
  readonly #wheel: TimingWheel;
  readonly #data: DataView;
  readonly #ip = new IpView();
  readonly #segment = new TcpView();
  readonly #options = new TcpOptions();
  /** A pool address whose first 12 octets all clients of an IPv6 pool have in common. */
  readonly #prefix = new Uint8Array(16);
  /** Users of this engine, and the next one to start. */
  readonly #localUsers: number;
  #nextUser = 0;
  /** How far `interrupt` and `abortAll` have got: users below are dealt with. */
  #interruptedUsers = 0;
  #abortedUsers = 0;
  /** What the packet at hand brought. */
  readonly #delivery: Mutable<Delivery>;
  #live = 0;
  #nowNs = 0;
  /** What had arrived by then has been handed over. */
  #heardNs = 0;
  #isInterrupted = false;

  constructor(
    plan: ReplayPlan,
    sender: Sender,
    receiver: Receiver,
    capture: CaptureBytes,
    latency: LatencyRecorder,
    counters: Float64Array,
  ) {
    const localUsers = Math.max(0, Math.ceil((plan.users - plan.shard) / plan.shards));
    this.#plan = plan;
    this.#sender = sender;
    this.#data = receiver.data;
    this.#latency = latency;
    this.counters = counters;
    this.#localUsers = localUsers;
    this.users = new UserTable(localUsers);
    this.plays = new PlayTable(localUsers);
    this.#output = new FrameOutput(plan, sender, capture, this.users, this.plays, counters);
    this.#output.flush = () => this.flush();
    const { family, prefix } = plan.pool.clients;
    this.#prefix.set(prefix);
    this.#tcp = new TcpClient(this.users, this.#output, this.#output, plan.tcp, family);
    this.#paths = new PathMessages(plan, this.#output, this.#tcp, counters);
    this.#stages = new Stages(plan.scripts, capture);
    this.#pacer = new Pacer(plan, this.#stages, this.plays);
    this.#answers = new Answers(
      this.plays,
      this.#tcp,
      this.#stages,
      this.#pacer,
      latency,
      counters,
    );
    this.#delivery = {
      bytes: 0,
      isPushed: false,
      arrivedNs: 0,
      data: receiver.data,
      payloadBytes: 0,
      payloadStart: 0,
      payloadCapturedBytes: 0,
    };
    this.#wheel = new TimingWheel(localUsers);
  }

  /** Cut and sum up the streams for the segment size that the target most likely agrees to. */
  prepare(): void {
    const { mss, timestamps } = this.#plan.tcp;
    this.#output.prepare(timestamps ? mss - 12 : mss);
  }

  /** The target with this row in the plan is reached by another link header from now on. */
  setLink(target: number, link: Uint8Array): void {
    this.#output.setLink(target, link);
  }

  /** Whether every user that will ever start has an end state. */
  get isDone(): boolean {
    return this.#live === 0 && this.#nextStartNs() === NEVER_NS;
  }

  get live(): number {
    return this.#live;
  }

  /** When to call `onTimeout` again; may lie in the past when the last call stopped at its limit. */
  nextDueNs(): number {
    if (this.isInterrupting) return this.#nowNs;
    return Math.min(this.#wheel.nextDueNs(), this.#nextStartNs());
  }

  #nextStartNs(): number {
    if (this.#nextUser >= this.#localUsers || this.#isInterrupted) return NEVER_NS;
    const { arrivals, shard, shards, stopStartingNs } = this.#plan;
    const startNs = arrivals.startNs(this.#nextUser * shards + shard);
    return startNs > stopStartingNs ? NEVER_NS : startNs;
  }

  /** What packets bring about from here on happens now, whenever they had arrived. */
  beginTurn(nowNs: number): void {
    this.#nowNs = nowNs;
  }

  /**
   * Timers that are due and users that are to start; at most some hundreds a call.
   * @param heardNs what had arrived by then has been handed over; where later packets still wait to
   *   be, a timer that is due later may wait for what lies among them
   */
  onTimeout(nowNs: number, heardNs: number = nowNs): void {
    this.#nowNs = nowNs;
    this.#heardNs = heardNs;
    this.counters[Counter.CLOCK_NS] = nowNs;
    this.#wheel.advance(heardNs, TIMERS_PER_TURN, this);
    if (this.isInterrupting) this.#interruptSome(nowNs);
    for (let started = 0; started < STARTS_PER_TURN; started++) {
      const startNs = this.#nextStartNs();
      if (startNs > nowNs) break;
      this.#start(this.#nextUser++, startNs, nowNs);
    }
  }

  /** Hand the batch over and take the time at which it left. */
  flush(): void {
    if (this.#sender.batch.count > 0) this.#stampSent(this.#sender.flush());
  }

  /**
   * This thread stood still within the turn that began at `sinceNs`: what was sent in it may have left
   * as late as `untilNs`, and is waited for from then on.
   */
  onStandstill(sinceNs: number, untilNs: number): void {
    const { flags, progressNs } = this.plays;
    for (let user = 0; user < this.#nextUser; user++) {
      if (!(flags[user] & PlayFlag.LIVE)) continue;
      this.#tcp.hasLeftLate(user, sinceNs, untilNs - sinceNs);
      if (progressNs[user] >= sinceNs) this.#progress(user, untilNs);
    }
  }

  /**
   * Start nothing more and close what is open: FIN where a stream can end, RST where not. Some users
   * at once, the others in the next turns (`onTimeout`), so that replies are read meanwhile.
   */
  interrupt(nowNs: number): void {
    this.#isInterrupted = true;
    this.#nowNs = Math.max(this.#nowNs, nowNs);
    this.#interruptSome(this.#nowNs);
  }

  /** Whether some users have not heard of an interrupt yet. */
  get isInterrupting(): boolean {
    return this.#isInterrupted && this.#live > 0 && this.#interruptedUsers < this.#localUsers;
  }

  #interruptSome(nowNs: number): void {
    let interrupted = 0;
    while (this.#interruptedUsers < this.#localUsers && interrupted < INTERRUPTS_PER_TURN) {
      const user = this.#interruptedUsers++;
      if (!(this.plays.flags[user] & PlayFlag.LIVE)) continue;
      this.#interruptUser(user, nowNs);
      interrupted++;
    }
  }

  #interruptUser(user: number, nowNs: number): void {
    const { users, plays } = this;
    plays.flags[user] |= PlayFlag.INTERRUPTED;
    if (users.state[user] === State.SYN_SENT) {
      this.#tcp.abort(user, nowNs);
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED, nowNs);
      return;
    }
    // What is written must go before the FIN; what is not written stays unsaid.
    plays.flags[user] |= PlayFlag.ENDED;
    plays.stepDueNs[user] = NEVER_NS;
    this.#tcp.finish(user);
    this.#tcp.emit(user, nowNs);
    this.#arm(user, nowNs);
  }

  /** Reset whatever is still open; afterwards no user is live. At most `limit` a call. */
  abortAll(nowNs: number, limit: number): void {
    this.#isInterrupted = true;
    let aborted = 0;
    while (this.#abortedUsers < this.#localUsers && aborted < limit) {
      const user = this.#abortedUsers++;
      if (!(this.plays.flags[user] & PlayFlag.LIVE)) continue;
      this.#tcp.abort(user, nowNs);
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED, nowNs);
      aborted++;
    }
  }

  // ---- users start and end ----------------------------------------------------------------

  #start(user: number, startNs: number, nowNs: number): void {
    const plan = this.#plan;
    const { plays } = this;
    const global = user * plan.shards + plan.shard;
    // By connection, so that few users with many iterations still play all sessions in turn.
    const connection = global + plays.iteration[user] * plan.users;
    const session = plan.played[connection % plan.played.length];
    plays.session[user] = session;
    plays.nextStep[user] = this.#stages.first(session);
    plays.flags[user] = PlayFlag.LIVE;
    plays.intendedNs[user] = startNs;
    plays.sentNs[user] = nowNs;
    this.#answers.onStart(user);
    this.#pacer.onStart(user, startNs);
    this.#progress(user, nowNs);
    this.#live++;
    this.counters[Counter.STARTED]++;
    this.counters[Counter.EXCHANGES_PLANNED] += this.#stages.exchangesOf(session);
    this.counters[Counter.OCTETS_PLANNED] += this.#stages.clientBytesOf(session);
    const lagNs = nowNs - startNs;
    if (lagNs > this.counters[Counter.START_LAG_NS_MAX]) {
      this.counters[Counter.START_LAG_NS_MAX] = lagNs;
    }
    plays.flags[user] |= PlayFlag.STAMP;
    this.#tcp.open(user, this.#output.issOf(user, nowNs), nowNs, this.#plan.syn.sackPermitted);
    this.#arm(user, nowNs);
  }

  /** Every exchange of the user's play was answered, and the connection ended as it should. */
  #completeUser(user: number, nowNs: number): void {
    const { counters } = this;
    const session = this.plays.session[user];
    counters[Counter.EXCHANGES_OF_COMPLETED] += this.#stages.exchangesOf(session);
    // Beyond the stream lies the FIN; an RST may have overtaken the last acknowledgements.
    const ackedBytes = Math.min(this.#tcp.ackedBytes(user), this.#stages.clientBytesOf(session));
    counters[Counter.OCTETS_OF_COMPLETED] += ackedBytes;
    if (this.plays.flags[user] & PlayFlag.FAILED) counters[Counter.COMPLETED_WITH_FAILURES]++;
    this.#finishUser(user, Counter.COMPLETED, -1, nowNs);
  }

  /** The user's play is over; it plays again where iterations are left. */
  #finishUser(user: number, end: number, reason: number, nowNs: number): void {
    const { plays, counters } = this;
    if (plays.flags[user] & PlayFlag.CONNECTED) counters[Counter.ESTABLISHED]--;
    if (this.#pacer.isOpenLoop) {
      counters[Counter.EXCHANGES_INTENDED] += this.#pacer.countMissedTurns(user, nowNs);
    }
    plays.flags[user] = 0;
    this.#answers.forget(user);
    counters[end]++;
    if (reason >= 0) counters[reason]++;
    this.#live--;
    this.#wheel.cancel(user);
    const again = plays.iteration[user] + 1;
    if (again >= this.#plan.iterations || this.#isInterrupted) return;
    if (nowNs > this.#plan.stopStartingNs) return;
    plays.iteration[user] = again;
    this.#start(user, nowNs, nowNs);
  }

  // ---- packets ----------------------------------------------------------------------------

  onPacket(start: number, capturedBytes: number, arrivedNs: number): void {
    const { counters } = this;
    const ip = this.#ip;
    ip.wrap(this.#data, start, capturedBytes);
    const fault = ip.check();
    if (fault !== WireFault.OK) {
      if (fault === WireFault.NOT_TCP) this.#onNotTcp(start, capturedBytes, arrivedNs);
      else counters[Counter.DROPPED_MALFORMED]++;
      return;
    }
    const segment = this.#segment;
    segment.wrap(this.#data, start + ip.headerBytes, capturedBytes - ip.headerBytes);
    const payloadBytes =
      segment.check() === WireFault.OK ? ip.payloadBytes - segment.headerBytes : -1;
    const optionsAt = start + ip.headerBytes + TCP_HEADER_BYTES_MIN;
    const options = this.#options;
    if (
      payloadBytes < 0 ||
      options.parse(this.#data, optionsAt, segment.headerBytes - TCP_HEADER_BYTES_MIN) !==
        WireFault.OK
    ) {
      counters[Counter.DROPPED_MALFORMED]++;
      return;
    }
    const { pool, users, shards, shard } = this.#plan;
    const { family } = pool.clients;
    const isFamily = ip.version === family && (family === 4 || ip.dstMatches(this.#prefix, 12));
    const connection = isFamily ? pool.connectionOf(ip.dstLow32, segment.dstPort) : -1;
    if (connection < 0 || (connection % users) % shards !== shard) {
      counters[Counter.DROPPED_NOT_OURS]++;
      return;
    }
    counters[Counter.PACKETS_RECEIVED]++;
    counters[Counter.PAYLOAD_BYTES_RECEIVED] += payloadBytes;
    const delivery = this.#delivery;
    const headerBytes = ip.headerBytes + segment.headerBytes;
    delivery.payloadBytes = payloadBytes;
    delivery.payloadStart = start + headerBytes;
    delivery.payloadCapturedBytes = Math.min(
      payloadBytes,
      Math.max(0, capturedBytes - headerBytes),
    );
    this.#onSegment(connection, payloadBytes, arrivedNs);
  }

  #onNotTcp(start: number, capturedBytes: number, arrivedNs: number): void {
    const nowNs = Math.max(this.#nowNs, arrivedNs);
    const user = this.#paths.onPacket(this.#data, start, capturedBytes, this.#ip, nowNs);
    if (user !== NO_USER && this.plays.flags[user] & PlayFlag.LIVE) this.#arm(user, nowNs);
  }

  #onSegment(connection: number, payloadBytes: number, arrivedNs: number): void {
    const { users: totalUsers, shards, targets } = this.#plan;
    const { users, plays } = this;
    const segment = this.#segment;
    const user = Math.floor((connection % totalUsers) / shards);
    const isCurrent = this.#output.connectionOf(user) === connection;
    const state = isCurrent ? users.state[user] : State.CLOSED;
    const nowNs = Math.max(this.#nowNs, arrivedNs);
    if (state === State.CLOSED) {
      this.counters[Counter.DROPPED_STALE]++;
      this.#rejectSegment(connection, payloadBytes, nowNs);
      return;
    }
    const target = targets[this.#output.targetOf(user)];
    if (segment.srcPort !== target.port || !this.#ip.srcMatches(target.address)) {
      this.counters[Counter.DROPPED_NOT_OURS]++;
      return;
    }
    const events = this.#tcp.onSegment(user, segment, this.#options, payloadBytes, nowNs);
    if (events & TcpEvent.OUT_OF_WINDOW) {
      this.counters[Counter.DROPPED_OUT_OF_WINDOW]++;
      if (events & TcpEvent.OLD_CONNECTION) this.counters[Counter.OLD_CONNECTIONS]++;
    }
    if (events & TcpEvent.OUT_OF_ORDER_LOST) this.counters[Counter.DROPPED_OUT_OF_ORDER]++;
    if (!(plays.flags[user] & PlayFlag.LIVE)) {
      // Over, but a repeated FIN still wants its acknowledgement (TIME-WAIT).
      this.#tcp.emit(user, nowNs);
      return;
    }
    if (events & (TcpEvent.REFUSED | TcpEvent.RESET)) {
      this.#onReset(user, events, nowNs);
      return;
    }
    this.#onProgress(user, events, arrivedNs, nowNs);
  }

  #onProgress(user: number, events: number, arrivedNs: number, nowNs: number): void {
    const moved = TcpEvent.CONNECTED | TcpEvent.ACKED | TcpEvent.PEER_FIN;
    // A bare acknowledgement tells nothing of an answer that may be over.
    if (events & TcpEvent.DATA) this.plays.progressNs[user] = arrivedNs;
    else if (events & moved) this.#progress(user, arrivedNs);
    if (events & TcpEvent.CONNECTED) this.#onConnected(user, arrivedNs);
    if (this.#paths.hasLearnt) this.#paths.limit(user);
    if (events & TcpEvent.DATA) this.#onData(user, arrivedNs);
    if (events & TcpEvent.PEER_FIN) this.#onPeerFin(user, arrivedNs, nowNs);
    if (!(events & TcpEvent.CLOSED)) this.#playSteps(user, nowNs);
    if (!(this.plays.flags[user] & PlayFlag.LIVE)) return;
    this.#emit(user, nowNs);
    if (events & TcpEvent.CLOSED) this.#onClosed(user, nowNs);
    else this.#arm(user, nowNs);
  }

  /** RFC 9293, section 3.10.7.1: no such connection (a killed run's, perhaps). */
  #rejectSegment(connection: number, payloadBytes: number, nowNs: number): void {
    const segment = this.#segment;
    const { flags } = segment;
    if (flags & RST) return;
    const target = this.#plan.targets.findIndex(
      ({ port, address }) => port === segment.srcPort && this.#ip.srcMatches(address),
    );
    if (target < 0) return;
    const segLen = payloadBytes + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
    if (flags & ACK) {
      this.#output.emitReset(target, connection, segment.ack, 0, false, nowNs);
    } else {
      const ack = seqAdd(segment.seq, segLen);
      this.#output.emitReset(target, connection, 0, ack, true, nowNs);
    }
  }

  #onConnected(user: number, arrivedNs: number): void {
    const { plays, counters } = this;
    plays.flags[user] |= PlayFlag.CONNECTED;
    counters[Counter.CONNECTED]++;
    counters[Counter.ESTABLISHED]++;
    if (counters[Counter.ESTABLISHED] > counters[Counter.PEAK_ESTABLISHED]) {
      counters[Counter.PEAK_ESTABLISHED] = counters[Counter.ESTABLISHED];
    }
    this.#latency.record(Latency.CONNECT, Math.max(0, arrivedNs - plays.sentNs[user]));
    if (!this.#pacer.isOpenLoop) this.#pacer.onTrigger(user, arrivedNs);
  }

  #onPeerFin(user: number, arrivedNs: number, nowNs: number): void {
    const { plays } = this;
    plays.flags[user] |= PlayFlag.PEER_FIN;
    this.#answers.onPeerFin(user, arrivedNs);
    const session = plays.session[user];
    const end = this.#stages.end(session);
    // What needs no answer may still be said: a client's goodbye after the server's end. And what
    // the server would have said after our end was not waited for.
    if (!this.#answers.isAllAnswered(user)) plays.flags[user] |= PlayFlag.CLOSED_EARLY;
    if (plays.flags[user] & PlayFlag.ENDED) return;
    if (plays.flags[user] & PlayFlag.CLOSED_EARLY || this.#plan.close === Close.SERVER) {
      this.#endStream(user, nowNs);
    } else if (plays.nextStep[user] <= end) {
      const isAwaited =
        plays.nextStep[user] === end && this.#plan.scripts.client.endAfterPeer[session] === 1;
      if (isAwaited || plays.stepDueNs[user] === NEVER_NS) this.#pacer.onTrigger(user, arrivedNs);
    }
  }

  #onReset(user: number, events: number, nowNs: number): void {
    const { plays } = this;
    const session = plays.session[user];
    if (events & TcpEvent.REFUSED) {
      this.#finishUser(user, Counter.REFUSED, -1, nowNs);
      return;
    }
    if (plays.flags[user] & PlayFlag.INTERRUPTED) {
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED, nowNs);
      return;
    }
    const isOver = this.#answers.isAllAnswered(user);
    const isSaid = plays.nextStep[user] >= this.#stages.end(session);
    const { server } = this.#plan.scripts;
    const hasPeerEnded = (plays.flags[user] & PlayFlag.PEER_FIN) !== 0;
    // Where our end came in the middle of an answer, nobody reads the rest.
    const hasLeft = (plays.flags[user] & PlayFlag.ENDED) !== 0 && this.#stages.isEndWithin(session);
    const isExpected = hasPeerEnded || hasLeft || (isSaid && server.end[session] === StreamEnd.RST);
    if (isOver && isExpected) {
      // It had said all; or the recorded server ended the same way.
      this.#completeUser(user, nowNs);
    } else if (isOver && isSaid) {
      this.#finishUser(user, Counter.RESET, Counter.RESET_AFTER_ANSWER, nowNs);
    } else if (plays.flags[user] & PlayFlag.FIRST_BYTE) {
      this.#finishUser(user, Counter.RESET, Counter.RESET_DURING_ANSWER, nowNs);
    } else {
      this.#finishUser(user, Counter.RESET, Counter.RESET_BEFORE_ANSWER, nowNs);
    }
  }

  #onClosed(user: number, nowNs: number): void {
    const flags = this.plays.flags[user];
    if (flags & PlayFlag.INTERRUPTED) {
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED, nowNs);
    } else if (flags & PlayFlag.CLOSED_EARLY) {
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_CLOSED_EARLY, nowNs);
    } else {
      this.#completeUser(user, nowNs);
    }
  }

  // ---- answers and steps ------------------------------------------------------------------

  #onData(user: number, arrivedNs: number): void {
    const delivery = this.#delivery;
    delivery.bytes = this.#tcp.deliveredBytes;
    delivery.isPushed = this.#tcp.deliveredPush;
    delivery.arrivedNs = arrivedNs;
    this.#answers.onData(user, delivery);
    // The server may hold the rest back until it has our acknowledgement (Nagle).
    if (this.#answers.expectedBytes(user) > 0) this.#tcp.acknowledgeNow(user);
  }

  /** Play every step that is due. */
  #playSteps(user: number, nowNs: number): void {
    const { plays } = this;
    if (!(plays.flags[user] & PlayFlag.CONNECTED)) return;
    const session = plays.session[user];
    const end = this.#stages.end(session);
    while (plays.stepDueNs[user] <= nowNs && !(plays.flags[user] & PlayFlag.ENDED)) {
      if (plays.nextStep[user] >= end) {
        // Everything is said; the end waits for the answers even in an open loop.
        if (plays.openStage[user] > end) this.#endStream(user, nowNs);
        return;
      }
      this.#playMessage(user, nowNs);
    }
  }

  #playMessage(user: number, nowNs: number): void {
    const { plays } = this;
    const step = plays.nextStep[user];
    const dueNs = plays.stepDueNs[user];
    plays.nextStep[user] = step + 1;
    const answer = this.#stages.answerOf(plays.session[user], step);
    if (answer >= 0 && this.#answers.openTurn(user, answer, dueNs, nowNs)) {
      plays.flags[user] |= PlayFlag.STAMP;
    }
    this.#progress(user, nowNs);
    this.#pacer.onPlayed(user, step, dueNs);
    // The server may have said it all before it was asked (both sides talking).
    if (plays.stageBytes[user] > 0) this.#answers.judge(user, false, nowNs);
    if (plays.stepDueNs[user] === NEVER_NS) this.#pacer.onTrigger(user, dueNs);
  }

  /** Our stream ends as the script, or `--close`, wants it. */
  #endStream(user: number, nowNs: number): void {
    const { plays } = this;
    const { close, scripts } = this.#plan;
    const session = plays.session[user];
    const isEarly = (plays.flags[user] & PlayFlag.CLOSED_EARLY) !== 0;
    const isHeld = close === Close.SERVER && !(plays.flags[user] & PlayFlag.PEER_FIN);
    if (isHeld && nowNs < this.#plan.stopStartingNs) {
      // The connection stays open for what the server pushes, until the run's time is up.
      plays.stepDueNs[user] = this.#plan.stopStartingNs;
      return;
    }
    // A half-closed client's answer is still to come.
    const isAwaited = !this.#answers.isAllAnswered(user);
    const isReset =
      (close === Close.RESET && !isAwaited) ||
      (close === Close.RECORDED && scripts.client.end[session] === StreamEnd.RST);
    plays.flags[user] |= PlayFlag.ENDED;
    plays.stepDueNs[user] = NEVER_NS;
    this.#progress(user, nowNs);
    if (isReset && !isEarly) {
      // What was said a moment ago goes before the RST.
      this.#tcp.emit(user, nowNs);
      this.#tcp.abort(user, nowNs);
      this.#completeUser(user, nowNs);
      return;
    }
    this.#tcp.finish(user);
    if (isEarly) return;
    plays.nextStep[user] = this.#stages.end(session) + 1;
    if (plays.stageBytes[user] > 0) this.#answers.judge(user, false, nowNs);
  }

  // ---- time -------------------------------------------------------------------------------

  #stampSent(sentNs: number): void {
    const { plays } = this;
    const { stamped } = this.#output;
    for (const user of stamped) {
      const flags = plays.flags[user];
      if (flags & PlayFlag.HELD) {
        plays.flags[user] &= ~PlayFlag.HELD;
        this.#latency.record(Latency.HELD, Math.max(0, sentNs - plays.sentNs[user]));
      } else if (flags & PlayFlag.CONNECTED) {
        this.#latency.record(Latency.LAG, Math.max(0, sentNs - plays.intendedNs[user]));
      }
      plays.sentNs[user] = sentNs;
    }
    stamped.length = 0;
  }

  #progress(user: number, nowNs: number): void {
    // While an answer may be over, the time of its last octet is kept.
    if (!(this.plays.flags[user] & PlayFlag.QUIET)) this.plays.progressNs[user] = nowNs;
  }

  /** The wheel says that something of the user's is due. */
  onDue(user: number): void {
    const nowNs = this.#nowNs;
    const heardNs = this.#heardNs;
    const { plays } = this;
    if (!(plays.flags[user] & PlayFlag.LIVE)) return;
    if (this.#paths.hasLearnt) this.#paths.limit(user);
    const timedOut = this.users.dueNs[user] <= heardNs ? this.#tcp.onTimeout(user, nowNs) : 0;
    if (timedOut & TcpEvent.MSS_LOWERED) this.counters[Counter.SMALLER_TRIED]++;
    if (timedOut & TcpEvent.GAVE_UP) {
      const isConnecting = this.users.state[user] === State.SYN_SENT;
      this.#timeOut(
        user,
        isConnecting ? Counter.TIMED_OUT_CONNECTING : Counter.TIMED_OUT_RETRANSMITTING,
        nowNs,
      );
      return;
    }
    if (this.#answers.quietDueNs(user) <= heardNs) this.#answers.onQuiet(user, nowNs);
    if (this.#timeoutDueNs(user) <= heardNs) {
      this.#onAnswerTimeout(user, nowNs);
      return;
    }
    this.#playSteps(user, nowNs);
    if (!(plays.flags[user] & PlayFlag.LIVE)) return;
    this.#emit(user, nowNs);
    this.#arm(user, nowNs);
  }

  /** Send what may be sent; a turn that a full window holds back is not late by our fault. */
  #emit(user: number, nowNs: number): void {
    const { plays } = this;
    this.#tcp.emit(user, nowNs);
    if ((plays.flags[user] & (PlayFlag.STAMP | PlayFlag.HELD)) !== PlayFlag.STAMP) return;
    plays.flags[user] |= PlayFlag.HELD;
    this.#latency.record(Latency.LAG, Math.max(0, nowNs - plays.intendedNs[user]));
    plays.sentNs[user] = nowNs;
  }

  #onAnswerTimeout(user: number, nowNs: number): void {
    const { plays, counters } = this;
    if (this.users.state[user] === State.SYN_SENT) {
      this.#timeOut(user, Counter.TIMED_OUT_CONNECTING, nowNs);
      return;
    }
    const isAnswered =
      (plays.flags[user] & PlayFlag.ENDED) !== 0 && this.#answers.isAllAnswered(user);
    const clientBytes = this.#stages.clientBytesOf(plays.session[user]);
    const isFinUnacked = this.#tcp.isOutstanding(user);
    const isRead = this.#tcp.ackedBytes(user) >= clientBytes;
    if (!isAnswered || !isRead) {
      const isRepeating = this.#tcp.isRetransmitting(user);
      this.#timeOut(
        user,
        isRepeating ? Counter.TIMED_OUT_RETRANSMITTING : Counter.TIMED_OUT_WAITING,
        nowNs,
      );
    } else if (!isFinUnacked) {
      // Only the server's FIN is missing, which it may never send: all that was asked is answered.
      this.#tcp.abort(user, nowNs);
      this.#onClosed(user, nowNs);
    } else if (plays.flags[user] & PlayFlag.PEER_FIN) {
      // It has closed, and has forgotten the connection before our FIN came.
      if (!(plays.flags[user] & (PlayFlag.INTERRUPTED | PlayFlag.CLOSED_EARLY))) {
        counters[Counter.COMPLETED_UNACKED_FIN]++;
      }
      this.#tcp.abort(user, nowNs);
      this.#onClosed(user, nowNs);
    } else this.#timeOut(user, Counter.TIMED_OUT_CLOSING, nowNs);
  }

  #timeOut(user: number, reason: number, nowNs: number): void {
    this.#tcp.abort(user, nowNs);
    if (this.plays.flags[user] & PlayFlag.INTERRUPTED) {
      this.#finishUser(user, Counter.ABORTED, Counter.ABORTED_INTERRUPTED, nowNs);
    } else {
      this.#finishUser(user, Counter.TIMED_OUT, reason, nowNs);
    }
  }

  #timeoutDueNs(user: number): number {
    const { plays } = this;
    const isExpecting =
      !(plays.flags[user] & PlayFlag.CONNECTED) ||
      (plays.flags[user] & PlayFlag.ENDED) !== 0 ||
      this.#answers.expectedBytes(user) > 0 ||
      this.#tcp.isOutstanding(user);
    if (!isExpecting) return NEVER_NS;
    return plays.progressNs[user] + this.#plan.timeoutNs + this.#answers.recordedWaitNs(user);
  }

  /** Whether only answers are waited for before the stream ends. */
  #isEndBlocked(user: number): boolean {
    const { plays } = this;
    const end = this.#stages.end(plays.session[user]);
    return plays.nextStep[user] >= end && plays.openStage[user] <= end;
  }

  #arm(user: number, nowNs: number): void {
    const { plays } = this;
    let dueNs = this.users.dueNs[user];
    const isConnected = (plays.flags[user] & PlayFlag.CONNECTED) !== 0;
    if (isConnected && plays.stepDueNs[user] < dueNs && !this.#isEndBlocked(user)) {
      dueNs = plays.stepDueNs[user];
    }
    const quietNs = this.#answers.quietDueNs(user);
    if (quietNs < dueNs) dueNs = quietNs;
    const timeoutNs = this.#timeoutDueNs(user);
    if (timeoutNs < dueNs) dueNs = timeoutNs;
    this.#wheel.arm(user, Math.max(dueNs, nowNs));
  }
}
