/**
 * The engine of one thread: conversations whose transport is TCP and whose streams are the recorded
 * ones.
 *
 * Sans-IO: packets come in by `onPacket`, time by `onTimeout`, frames go out through the sender's
 * batch. `nextDueNs` says when `onTimeout` has something to do; a spurious call is harmless.
 */
import type { Instant } from '../base/instant.ts';
import { PREFIX_BYTES } from '../base/prefix-bytes.ts';
import { AnswersSeen } from '../measure/answers-seen.ts';
import { DifferenceRecorder } from '../measure/differences.ts';
import { createExchangeFigures, type ExchangeFigures } from '../measure/exchange-figures.ts';
import type { LatencyRecorder } from '../measure/histograms.ts';
import { ClassRecorder } from '../measure/request-classes.ts';
import { ClientConnections } from '../schedule/client-connections.ts';
import { type Connections, UserConnections } from '../schedule/connections.ts';
import { HeldOctets } from '../transport/held-octets.ts';
import { Owners } from '../transport/owners.ts';
import { PacketIntake } from '../transport/packet-intake.ts';
import type { CaptureBytes, PacketSink, Receiver, Sender } from '../transport/ports.ts';
import { RecordedStream } from '../transport/recorded-stream.ts';
import { TcpTransport } from '../transport/tcp-transport.ts';
import { AnswerCheck } from './answer-check.ts';
import { AnswerListeners, AnswerTally } from './answer-tally.ts';
import { Conversations, type RewritingEnds } from './conversations.ts';
import type { AnswerListener } from './exchange-recorder.ts';
import { type ModuleParts, rewritingOf } from './module-parts.ts';
import { octetsNeeded } from './octets-needed.ts';
import { PlayTable } from './play-table.ts';
import { type PreparedSessions, prepareSessions } from './prepared-sessions.ts';
import { Check, type ReplayPlan } from './replay-plan.ts';
import { PlaySendTimes } from './send-times.ts';
import { Stages } from './stages.ts';

/** The engine of one thread: users, their timers, what comes in and what goes out. */
export class Replay extends Conversations implements PacketSink {
  readonly connections: Connections;
  readonly transport: TcpTransport;
  readonly plays: PlayTable;
  readonly counters: Float64Array;
  /** Where something else is said than was recorded; else null. */
  readonly rewriting: RewritingEnds | null;

  readonly #intake: PacketIntake;

  /**
   * @param prepared what threads share; made here where nobody has made it
   * @param figures where figures of classes of requests and of differences go
   * @param modules who writes, where the plan is rewriting or sessions become WebSockets
   */
  constructor(
    plan: ReplayPlan,
    sender: Sender,
    receiver: Receiver,
    capture: CaptureBytes,
    latency: LatencyRecorder,
    counters: Float64Array,
    prepared: PreparedSessions = prepareSessions(plan, capture),
    figures: ExchangeFigures = createExchangeFigures(prepared.exchanges.classNames.length),
    modules: ModuleParts | null = null,
  ) {
    const { perClient } = plan;
    const connections =
      perClient === undefined
        ? new UserConnections(plan, plan.iterations)
        : new ClientConnections({ ...plan, perClient });
    const plays = new PlayTable(connections.count, plan.scripts);
    const stages = new Stages(plan, prepared.stages, prepared.exchanges);
    const recorded = new RecordedStream(plan.scripts, capture, plays.session, prepared.segments);
    const rewriting =
      modules === null
        ? null
        : rewritingOf(plan, {
            ...{ modules, recorded, plays, connections, capture, counters },
            pushed: prepared.exchanges.pushed ?? null,
          });
    const stream = rewriting?.stream ?? recorded;
    const times = new PlaySendTimes(plays, stages, stream, latency);
    const owners = new Owners(plan);
    const transport = new TcpTransport(
      plan,
      stream,
      connections,
      owners,
      sender,
      times,
      receiver.data,
      counters,
      plays.now,
      octetsNeeded(prepared.exchanges, plan.rewriting?.readsAnswers) > PREFIX_BYTES
        ? new HeldOctets()
        : null,
    );
    const classes = figures.classes === null ? null : new ClassRecorder(figures.classes);
    const differences = new DifferenceRecorder(figures.differences);
    const checked = { plays, stages, counters, classes, differences };
    super(plan, {
      connections,
      plays,
      stages,
      stream,
      times,
      transport,
      latency,
      counters,
      classes,
      ...(rewriting === null ? {} : { rewriting }),
      ...(plan.check === Check.OFF
        ? {}
        : { answerListener: listenerOf(new AnswerCheck(plan.check, checked), plan, figures) }),
    });
    this.rewriting = rewriting;
    this.connections = connections;
    this.transport = transport;
    this.plays = plays;
    this.counters = counters;
    this.#intake = new PacketIntake(connections, owners, transport, this.listener, counters);
  }

  /** The target with this row in the plan is reached by another link header from now on. */
  setLink(target: number, link: Uint8Array): void {
    this.transport.setLink(target, link);
  }

  onPacket(start: number, capturedBytes: number, arrived: Instant): void {
    this.now.ns = Math.max(this.turnNs, arrived.ns);
    this.#intake.onPacket(start, capturedBytes, arrived);
  }
}

/** Where somebody asks what each request was answered, that is kept, too. */
const listenerOf = (
  check: AnswerCheck,
  plan: ReplayPlan,
  { answers }: ExchangeFigures,
): AnswerListener =>
  answers === null
    ? check
    : new AnswerListeners([check, new AnswerTally(plan.check, new AnswersSeen(answers))]);
