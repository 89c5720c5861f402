/** An engine made for a scenario, as `run/` makes one for a run: whole frames out, replies in by a ring. */
import { NEVER_NS, NS_PER_SECOND } from '../../src/base/time.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { parsePorts } from '../../src/cli/values/ports.ts';
import { createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { PlayFlag } from '../../src/replay/play-table.ts';
import { Replay } from '../../src/replay/replay.ts';
import {
  Check,
  Close,
  Pace,
  type ReplayPlan,
  type RewritingPlan,
} from '../../src/replay/replay-plan.ts';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { AddressPool } from '../../src/schedule/address-pool.ts';
import { planArrivals } from '../../src/schedule/arrivals.ts';
import { wholeRun } from '../../src/schedule/run-share.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type CaptureBytes, type Sender, withArena } from '../../src/transport/ports.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';
import { type Recorded, type RecordedSession, record } from '../helpers/recorded.ts';
import { ChannelRing, KernelRing, type ReplyRing } from './reply-ring.ts';
import { splicing } from './rewritten.ts';
import type { Scenario, Session } from './scenario.ts';

const TARGET = { 4: Uint8Array.of(192, 0, 2, 80), 6: new Uint8Array(16).fill(0x20) };
const CLIENTS = { 4: '198.18.0.0/22', 6: '2001:2::/118' };
const FRAMES_PER_BATCH = 64;

/** Octets that messages are cut from, so that no run has to draw them. */
const OCTETS = Uint8Array.from(
  { length: 1 << 17 },
  (_, i) => (Math.imul(i, 0x9e3779b1) >>> 24) ^ i,
);

/** The recorded form of a scenario's session. */
export function recordedOf({ messages, endsFirst, endThinkNs }: Session): RecordedSession {
  const end = (afterPeer: boolean) => ({ how: StreamEnd.FIN, afterPeer, thinkNs: endThinkNs });
  return {
    connectNs: 1e6,
    messages: messages.map(({ from, bytes, seed, thinkNs, awaits }) => ({
      from,
      octets: OCTETS.subarray(seed, seed + bytes),
      thinkNs,
      awaits,
    })),
    clientEnd: end(endsFirst === 'server'),
    serverEnd: end(endsFirst === 'client'),
  };
}

/** Memory for what is written: the runs that need it have it in turn. */
const ARENA = new Uint8Array(1 << 22);

/** A frame as it leaves, to be compared with what it was. */
const LEAVING = new Uint8Array(1 << 16);

/** Latencies are measured and not judged; tables of a run of their own would cost more than the run. */
const LATENCY = new LatencyRecorder();

/** The engine of one scenario, and where its frames and replies go. */
export class Engine implements Sender {
  readonly batch = new FrameBatch(FRAMES_PER_BATCH);
  readonly replay: Replay;
  readonly plan: ReplayPlan;
  readonly recorded: Recorded;
  readonly counters = createCounters();
  readonly ring: ReplyRing;
  readonly #onFrame: (packet: Uint8Array) => void;
  nowNs = 0;
  /** Frames whose octets were others when they left than when they were written. */
  changed = 0;
  #shown = 0;
  #unsent: Uint8Array[] = [];
  readonly #sent: CaptureBytes;

  /** @param onFrame takes a frame as it leaves */
  constructor(scenario: Scenario, onFrame: (packet: Uint8Array) => void) {
    this.#onFrame = onFrame;
    this.recorded = record(scenario.sessions.map(recordedOf), { seed: scenario.seed });
    this.plan = planOf(scenario, this.recorded);
    this.ring = scenario.byIntercept
      ? channelOf(scenario, this.plan)
      : new KernelRing(scenario.capturedBytesMax);
    const receiver = { data: this.ring.data, receive: () => 0 };
    const { capture } = this.recorded;
    const { rewriting } = scenario;
    const arena = ARENA.subarray(0, rewriting === 0 ? 0 : scenario.arenaBytes);
    this.#sent = withArena(capture, arena);
    const modules = rewriting === 0 ? [] : [splicing(rewriting)];
    const parts = modules.length === 0 ? null : { modules, arena, nowMs: () => 0 };
    const plan =
      modules.length === 0 ? this.plan : { ...this.plan, rewriting: this.#rewritingOf(modules) };
    const shared = [plan, this, receiver, capture, LATENCY, this.counters] as const;
    this.replay = new Replay(...shared, undefined, undefined, parts);
  }

  #rewritingOf(modules: readonly ProtocolModule[]): RewritingPlan {
    const { scripts, capture } = this.recorded;
    const read = (offset: number, into: Uint8Array): void => capture.read(offset, into);
    const planning = planRewrites(scripts, this.plan.played, modules, read);
    const { columns, facts } = playThrough(planning);
    return {
      columns,
      readsAnswers: facts.stages > 0,
      bindTimeoutNs: NS_PER_SECOND,
      answerBytesMax: 1 << 14,
    };
  }

  flush(): void {
    this.show();
    for (const [frame, packet] of this.#unsent.entries()) {
      // What was written must not change before it leaves.
      const leaving = LEAVING.subarray(0, this.#bytesOf(frame));
      this.#write(frame, leaving);
      if (Buffer.compare(packet, leaving) !== 0) this.changed++;
    }
    this.#unsent = [];
    this.batch.count = 0;
    this.#shown = 0;
    this.batch.firstNs = this.nowNs;
  }

  /** Shows what was written since the last call: it was decided on what is known by now. */
  show(): void {
    while (this.#shown < this.batch.count) {
      const frame = this.#shown++;
      const packet = new Uint8Array(this.#bytesOf(frame));
      this.#write(frame, packet);
      this.#unsent.push(packet);
      this.#onFrame(packet);
    }
  }

  /** The number of the client's connection, or -1. */
  connectionOf(address: Uint8Array, port: number): number {
    const { byteLength, buffer, byteOffset } = address;
    const low = new DataView(buffer, byteOffset, byteLength).getUint32(byteLength - 4);
    return this.plan.pool.connectionOf(low, port, 0);
  }

  /** Whether that connection is its user's present one, and the user has no end state yet. */
  isLive(connection: number): boolean {
    const user = connection % this.plan.users;
    const { plays, connections } = this.replay;
    return (plays.flags[user] & PlayFlag.LIVE) !== 0 && connections.numberOf(user) === connection;
  }

  #bytesOf(frame: number): number {
    const { batch } = this;
    const first = frame * EXTENTS_PER_FRAME;
    let bytes = batch.headerBytes[frame];
    for (let i = 0; i < batch.extentCount[frame]; i++) bytes += batch.extentBytes[first + i];
    return bytes;
  }

  #write(frame: number, packet: Uint8Array): void {
    const { batch } = this;
    const first = frame * EXTENTS_PER_FRAME;
    const start = frame * HEADER_SLOT_BYTES;
    packet.set(batch.headers.subarray(start, start + batch.headerBytes[frame]));
    let at = batch.headerBytes[frame];
    for (let i = 0; i < batch.extentCount[frame]; i++) {
      const row = first + i;
      this.#sent.read(batch.extentOffset[row], packet.subarray(at, at + batch.extentBytes[row]));
      at += batch.extentBytes[row];
    }
  }
}

function planOf(scenario: Scenario, { scripts }: Recorded): ReplayPlan {
  const { family, users, client, seed } = scenario;
  const { mss, timestamps, windowScale, sack } = client;
  return {
    scripts,
    played: Uint32Array.from(scenario.sessions, (_, session) => session),
    targets: [{ address: TARGET[family], port: 80, link: new Uint8Array(0) }],
    targetOf: new Uint16Array(scripts.endpoints.length),
    pool: poolOf(family),
    arrivals: planArrivals({
      sessionStartsNs: scripts.startNs,
      sessionDurationNs: NS_PER_SECOND,
      users,
      accel: 1,
      rate: scenario.ratePerSecond,
    }),
    share: wholeRun(users),
    users,
    shard: 0,
    shards: 1,
    iterations: scenario.iterations,
    stopStartingNs: NEVER_NS,
    accel: 1,
    pace: paceOf(client.pace),
    close: closeOf(client.close),
    check: Check.STATUS,
    timeoutNs: client.timeoutNs,
    seed,
    epochMs: 0,
    tcp: {
      synRtoNs: NS_PER_SECOND,
      synRetriesMax: client.retriesMax,
      dataRetriesMax: client.retriesMax,
      windowBytes: client.windowBytes,
      mss,
      timestamps,
    },
    syn: { mss, windowScale, timestamps, sackPermitted: sack },
  };
}

const poolOf = (family: 4 | 6): AddressPool =>
  new AddressPool({
    clients: parseClients(CLIENTS[family]),
    ports: parsePorts('1024-65535'),
    order: 'ip',
    firstPort: 1024,
  });

const paceOf = (pace: number): Pace =>
  Object.values(Pace).find((each) => each === pace) ?? Pace.THINK;
const closeOf = (close: number): Close =>
  Object.values(Close).find((each) => each === close) ?? Close.RECORDED;

function channelOf(scenario: Scenario, plan: ReplayPlan): ChannelRing {
  const { family, ranges } = plan.pool.clients;
  const [{ address, port }] = plan.targets;
  return new ChannelRing({
    pool: poolOf(family),
    users: plan.users,
    request: {
      name: 'simulation:1',
      run: `seed ${scenario.seed}`,
      family,
      ranges,
      ports: { first: 1024, last: 65_535 },
      targets: [{ address, port }],
      prefixBytes: scenario.capturedBytesMax,
    },
    seed: scenario.seed,
    gone: scenario.faults.filter((fault) => fault.kind === 'intercept-gone'),
  });
}
