/**
 * Plays sessions that modules change against servers that are functions: no packets, no loss. What a user
 * may send arrives at once, read as a sender reads it, and what the server says comes a while later.
 */
import { Instant } from '../../src/base/instant.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { Conversations } from '../../src/replay/conversations.ts';
import { rewritingOf } from '../../src/replay/module-parts.ts';
import { PlayTable } from '../../src/replay/play-table.ts';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import type { RewritingPlan } from '../../src/replay/replay-plan.ts';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import { PlaySendTimes } from '../../src/replay/send-times.ts';
import { Stages } from '../../src/replay/stages.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { ClientConnections } from '../../src/schedule/client-connections.ts';
import { UserConnections } from '../../src/schedule/connections.ts';
import type { Scripts } from '../../src/session/script/scripts.ts';
import type { ClientStream } from '../../src/transport/client-stream.ts';
import { withArena } from '../../src/transport/ports.ts';
import { RecordedStream } from '../../src/transport/recorded-stream.ts';
import { type SendTimes, TransportEvent } from '../../src/transport/transport.ts';
import { FrameBatch } from '../../src/wire/frame-batch.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { planOf } from '../helpers/plan.ts';
import { type RecordedSession, record } from '../helpers/recorded.ts';
import { type Arrival, type Line, Lossless } from '../transport/lossless.ts';
import { OPTIONS } from './play.ts';

/** What a server says to what it was told; `end` closes the connection behind it. */
export type Answer =
  | string
  | { readonly text: string; readonly end?: boolean; readonly delayMs?: number };

/** A connection's server: called when it is open, with nothing, and with whatever comes. */
export type TalkingServer = (heard: string, connection: number) => readonly Answer[];

interface Said extends Arrival {
  readonly line: Line;
  readonly octets: Uint8Array;
}

const DELAY_NS = NS_PER_MS;
const MSS = 50;
const NOTHING = new Uint8Array(0);
const ends = TransportEvent.PEER_FIN;

class Talk extends Lossless<Said> {
  readonly #stream: ClientStream;
  readonly #read: (offset: number, into: Uint8Array) => void;
  readonly #server: TalkingServer;
  readonly #numberOf: (user: number) => number;
  readonly #batch = new FrameBatch(1);
  closeNs = 0;
  readonly #counters: Float64Array;

  constructor(
    counters: Float64Array,
    stream: ClientStream,
    read: (offset: number, into: Uint8Array) => void,
    times: SendTimes,
    server: TalkingServer,
    numberOf: (user: number) => number,
  ) {
    super(times);
    this.#counters = counters;
    this.#stream = stream;
    this.#read = read;
    this.#server = server;
    this.#numberOf = numberOf;
  }

  protected take({ user, line, events, octets }: Said): boolean {
    if (line.isOver || this.lines.get(user) !== line) return false;
    if (events & TransportEvent.CONNECTED) this.#open(user, line);
    this.delivery.data = new DataView(octets.buffer, octets.byteOffset, octets.length);
    this.delivery.bytes = octets.length;
    this.delivery.atHandBytes = octets.length;
    return true;
  }

  #open(user: number, line: Line): void {
    line.isOpening = false;
    this.#say(user, line, '');
  }

  #say(user: number, line: Line, heard: string): void {
    for (const answer of this.#server(heard, this.#numberOf(user))) {
      const {
        text,
        end = false,
        delayMs = 0,
      } = typeof answer === 'string' ? { text: answer } : answer;
      const events = TransportEvent.ACKED | TransportEvent.DATA | (end ? ends : 0);
      this.#arrive(user, line, events, Buffer.from(text, 'latin1'), delayMs * NS_PER_MS);
    }
  }

  open(user: number): void {
    this.#arrive(user, this.begin(user), TransportEvent.CONNECTED, NOTHING, 0);
  }

  emit(user: number): void {
    const line = this.lineOf(user);
    if (line.isOpening || line.isOver) return;
    const limit = this.#stream.streamLimit(user);
    let heard = '';
    while (line.acked < limit) {
      const end = Math.min(limit, this.#stream.segmentEnd(user, line.acked, MSS));
      heard += this.#octets(user, line.acked, end);
      this.#counters[Counter.PAYLOAD_BYTES_SENT] += end - line.acked;
      this.#counters[Counter.EMBEDDED_OCTETS_CHECKED] += end - line.acked;
      line.acked = end;
    }
    if (heard !== '') {
      this.timed(user, false, limit);
      this.#arrive(user, line, TransportEvent.ACKED, NOTHING, 0);
      this.#say(user, line, heard);
    }
    if (!line.isEndAsked) return;
    line.acked = limit + 1;
    line.isEndAsked = false;
    const both = TransportEvent.ACKED | TransportEvent.PEER_FIN | TransportEvent.CLOSED;
    this.#arrive(user, line, both, NOTHING, this.closeNs);
  }

  #octets(user: number, start: number, end: number): string {
    const batch = this.#batch;
    batch.count = 0;
    this.#stream.put(user, start, end - start, MSS, batch);
    let text = '';
    for (let extent = 0; extent < batch.extentCount[0]; extent++) {
      const piece = new Uint8Array(batch.extentBytes[extent]);
      this.#read(batch.extentOffset[extent], piece);
      text += Buffer.from(piece).toString('latin1');
    }
    return text;
  }

  #arrive(user: number, line: Line, events: number, octets: Uint8Array, laterNs: number): void {
    const atNs = this.nowNs + DELAY_NS + laterNs;
    this.arrive({ atNs, line, user, events, octets });
  }
}

/** What is played, by whom, and to whom. */
export interface TalkOptions {
  readonly sessions: readonly RecordedSession[];
  readonly modules: readonly ProtocolModule[];
  readonly server: TalkingServer;
  readonly scripts?: Partial<Scripts>;
  readonly options?: Partial<ReplayOptions>;
  readonly rewriting?: Partial<RewritingPlan>;
  readonly arenaBytes?: number;
  /** How long servers take to close when their clients have. */
  readonly closeMs?: number;
  /** When the run is interrupted; a second later what is open is cut off. */
  readonly interruptMs?: number;
}

/** Plays everything, in virtual time; throws where the sums do not come out even. */
export function talk(given: TalkOptions) {
  const recorded = record(given.sessions);
  const { capture } = recorded;
  const plain = planOf({ ...recorded.scripts, ...given.scripts }, { ...OPTIONS, ...given.options });
  const read = (offset: number, into: Uint8Array): void => capture.read(offset, into);
  const { scripts, played } = plain;
  const { columns, facts } = playThrough(planRewrites(scripts, played, given.modules, read));
  const rewriting = {
    columns,
    readsAnswers: facts.stages > 0,
    bindTimeoutNs: 5 * NS_PER_SECOND,
    answerBytesMax: 1 << 16,
    ...given.rewriting,
  };
  const links = plain.targets.map(() => new Uint8Array(0));
  // Functions say what they like.
  const plan = { ...enginePlan(plain, 0, 1, links), rewriting, saysRecorded: false };
  const { perClient } = plan;
  const connections =
    perClient === undefined
      ? new UserConnections(plan, plan.iterations)
      : new ClientConnections({ ...plan, perClient });
  const counters = createCounters();
  const plays = new PlayTable(connections.count, scripts);
  const prepared = prepareSessions(plan, capture);
  const stages = new Stages(plan, prepared.stages, prepared.exchanges);
  const stream = new RecordedStream(scripts, capture, plays.session, prepared.segments);
  const arena = new Uint8Array(given.arenaBytes ?? 1 << 16);
  const modules = { modules: given.modules, arena, nowMs: () => 0 };
  const changed = {
    modules,
    recorded: stream,
    plays,
    connections,
    capture,
    counters,
    pushed: prepared.exchanges.pushed ?? null,
  };
  const ends = rewritingOf(plan, changed);
  const latency = new LatencyRecorder();
  const times = new PlaySendTimes(plays, stages, ends.stream, latency);
  const sent = withArena(capture, arena);
  const transport = new Talk(
    counters,
    ends.stream,
    (offset, into) => sent.read(offset, into),
    times,
    given.server,
    (user) => connections.numberOf(user),
  );
  transport.closeNs = (given.closeMs ?? 0) * NS_PER_MS;
  const parts = { connections, plays, stages, stream: ends.stream, times, transport, latency };
  const conversations = new Conversations(plan, {
    ...parts,
    counters,
    classes: null,
    rewriting: ends,
  });
  let nowNs = 0;
  let interruptNs = (given.interruptMs ?? Number.POSITIVE_INFINITY) * NS_PER_MS;
  let isInterrupted = false;
  for (let turn = 0; !conversations.isDone; turn++) {
    if (turn > 100_000) throw new Error(`not done at ${nowNs}`);
    const dueNs = Math.min(conversations.nextDueNs(), transport.nextArrivalNs(), interruptNs);
    nowNs = Math.max(nowNs, dueNs);
    if (nowNs >= interruptNs) {
      if (isInterrupted) conversations.abortAll(nowNs, 1_000);
      else conversations.interrupt(nowNs);
      isInterrupted = true;
      interruptNs = nowNs + NS_PER_SECOND;
    }
    conversations.beginTurn(new Instant(nowNs));
    transport.receive(nowNs, conversations.listener);
    conversations.onTimeout(nowNs);
    conversations.flush();
  }
  const clients = counters[Counter.CLIENTS_STARTED];
  const faults = ledgerFaults(counters, counters[Counter.STARTED]);
  if (faults.length > 0 && clients === 0) throw new Error(faults.join('; '));
  return {
    counters,
    endMs: nowNs / NS_PER_MS,
    latency: LatencyTable.of([latency.columns]),
    failures: ends.host.failures,
    arenaBytes: ends.arena.usedBytes,
  };
}
