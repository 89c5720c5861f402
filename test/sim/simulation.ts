/** Runs an engine against the embedded target, through a bad network, in virtual time. */

import { NEVER_NS, NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { parsePorts } from '../../src/cli/values/ports.ts';
import { EmbeddedTarget, type EmbeddedTargetOptions } from '../../src/embedded/embedded-target.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { Replay } from '../../src/replay/replay.ts';
import { Check, Close, Pace, type ReplayPlan } from '../../src/replay/replay-plan.ts';
import { AddressPool } from '../../src/schedule/address-pool.ts';
import { planArrivals } from '../../src/schedule/arrivals.ts';
import { wholeRun } from '../../src/schedule/run-share.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { type RecordedSession, record } from '../helpers/recorded.ts';
import { type Faults, FaultyLink } from './faulty-link.ts';

export interface SimulationOptions {
  readonly sessions: readonly RecordedSession[];
  readonly users: number;
  readonly seed: number;
  readonly family?: 4 | 6;
  /** Whether clients offer SACK; they do not without it. */
  readonly sack?: boolean;
  /** New users per virtual second; 1000 without it. */
  readonly ratePerSecond?: number;
  readonly toServer?: Faults;
  readonly toClient?: Faults;
  readonly plan?: Partial<ReplayPlan>;
  readonly target?: Partial<EmbeddedTargetOptions>;
  readonly layout?: Parameters<typeof record>[1];
  /** Virtual time after which the run counts as hung. */
  readonly limitNs?: number;
}

const TURNS_MAX = 2_000_000;
const TARGET = { 4: Uint8Array.of(192, 0, 2, 80), 6: new Uint8Array(16).fill(0x20) };

export interface SimulationResult {
  readonly counters: Float64Array;
  readonly endNs: number;
  readonly target: EmbeddedTarget;
  readonly replay: Replay;
  readonly link: FaultyLink;
  readonly latency: LatencyRecorder;
  /** Octets that the users' clients have to say, all together. */
  readonly clientBytes: number;
  readonly serverBytes: number;
}

/** An engine's plan and a server, not yet connected. */
export interface Ends {
  readonly plan: ReplayPlan;
  readonly target: EmbeddedTarget;
  readonly recorded: ReturnType<typeof record>;
  readonly counters: Float64Array;
  /** To be set when there is an engine: the number of a user's present connection. */
  presentOf: (user: number) => number;
}

export function makeEnds(options: SimulationOptions): Ends {
  const { users, seed, family = 4 } = options;
  const recorded = record(options.sessions, options.layout);
  const { scripts, capture } = recorded;
  const counters = createCounters();
  const clients = parseClients(family === 4 ? '198.18.0.0/22' : '2001:2::/118');
  const pool = new AddressPool({
    clients,
    ports: parsePorts('1024-65535'),
    order: 'ip',
    firstPort: 1024,
  });
  const iterations = options.plan?.iterations ?? 1;
  const played = Uint32Array.from(options.sessions, (_, session) => session);
  const target = new EmbeddedTarget({
    scripts,
    capture,
    users,
    accel: 1,
    seed,
    counters,
    clients: {
      userOf: (low, port) => {
        const connection = pool.connectionOf(low, port);
        return connection < 0 || connection >= users * iterations ? -1 : connection % users;
      },
      // Only a user's present connection is known: a late SYN of an older one is nobody's.
      sessionOf: (low, port) => {
        const connection = pool.connectionOf(low, port);
        const isPresent = ends.presentOf(connection % users) === connection;
        return isPresent ? played[connection % played.length] : -1;
      },
    },
    ...options.target,
  });
  const plan: ReplayPlan = {
    scripts,
    played,
    targets: [{ address: TARGET[family], port: 80, link: new Uint8Array(0) }],
    targetOf: new Uint16Array(scripts.endpoints.length),
    pool,
    arrivals: planArrivals({
      sessionStartsNs: scripts.startNs,
      sessionDurationNs: NS_PER_SECOND,
      users,
      accel: 1,
      rate: options.ratePerSecond ?? 1000,
    }),
    share: wholeRun(users),
    users,
    shard: 0,
    shards: 1,
    iterations,
    stopStartingNs: NEVER_NS,
    accel: 1,
    pace: Pace.THINK,
    close: Close.RECORDED,
    check: Check.STATUS,
    // Nobody is given up: whatever is lost must come through in the end.
    timeoutNs: 12 * 3600 * NS_PER_SECOND,
    seed,
    epochMs: 0,
    tcp: {
      synRtoNs: NS_PER_SECOND,
      synRetriesMax: 30,
      dataRetriesMax: 30,
      windowBytes: 1 << 18,
      mss: 1460,
      timestamps: true,
    },
    syn: { mss: 1460, windowScale: 7, timestamps: true, sackPermitted: options.sack ?? false },
    ...options.plan,
  };
  const ends: Ends = { plan, target, recorded, counters, presentOf: (user) => user };
  return ends;
}

/** Plays everything, and on until the server has nothing to do either. */
export function simulate(options: SimulationOptions): SimulationResult {
  const { seed, users, limitNs = 24 * 3600 * NS_PER_SECOND } = options;
  const ends = makeEnds(options);
  const { plan, target, recorded, counters } = ends;
  const link = new FaultyLink(target, seed, options.toServer ?? {}, options.toClient ?? {});
  const latency = new LatencyRecorder();
  const replay = new Replay(plan, link, link, recorded.capture, latency, counters);
  ends.presentOf = (user) => replay.connections.numberOf(user);
  const endNs = run(replay, target, link, limitNs, seed);
  const faults = ledgerFaults(counters, users * plan.iterations);
  if (faults.length > 0) throw new Error(`seed ${seed}: ${faults.join('; ')}`);
  let clientBytes = 0;
  let serverBytes = 0;
  for (let connection = 0; connection < users * plan.iterations; connection++) {
    const session = connection % options.sessions.length;
    clientBytes += recorded.streamOf('client', session).length;
    serverBytes += recorded.streamOf('server', session).length;
  }
  return { counters, endNs, target, replay, link, latency, clientBytes, serverBytes };
}

/** Takes turns until the engine and the server have nothing to do any more. @returns when that is */
export function run(
  replay: Replay,
  target: EmbeddedTarget,
  link: FaultyLink,
  limitNs: number,
  seed: number,
): number {
  let nowNs = 0;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const engineNs = replay.isDone ? NEVER_NS : replay.nextDueNs();
    const dueNs = Math.min(engineNs, target.nextDueNs(), link.nextDueNs());
    if (dueNs === NEVER_NS && replay.isDone) return nowNs;
    nowNs = Math.max(nowNs, dueNs);
    if (nowNs > limitNs) break;
    target.onTimeout(nowNs);
    link.onTimeout(nowNs);
    link.receive(4096, replay);
    replay.onTimeout(nowNs);
    replay.flush();
  }
  throw new Error(`seed ${seed}: not done after ${nowNs / NS_PER_MS} ms; ${stateOf(replay)}`);
}

/** The first few users that are still live. */
function stateOf(replay: Replay): string {
  const { plays, counters } = replay;
  const { users } = replay.transport;
  const stuck: string[] = [];
  for (let user = 0; user < users.users && stuck.length < 5; user++) {
    if ((plays.flags[user] & 1) === 0) continue;
    const sent = users.sndMax[user] - users.iss[user];
    const acked = users.sndUna[user] - users.iss[user];
    stuck.push(
      `user ${user}: state ${users.state[user]} step ${plays.nextStep[user]} stage ` +
        `${plays.openStage[user]} (${plays.stageBytes[user]}) acked ${acked}/${sent} ` +
        `flags ${plays.flags[user].toString(16)}/${users.flags[user].toString(16)} ` +
        `due ${users.dueNs[user]}/${plays.stepDueNs[user]}`,
    );
  }
  return `${counters[Counter.COMPLETED]} of ${counters[Counter.STARTED]} completed; ${stuck.join('; ')}`;
}

/** What STARTED must come to, at any time. */
export const ledgerOf = (counters: Float64Array): number =>
  counters[Counter.COMPLETED] +
  counters[Counter.REFUSED] +
  counters[Counter.RESET] +
  counters[Counter.TIMED_OUT] +
  counters[Counter.ABORTED];
