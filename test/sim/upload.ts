/** One client's upload to the sink server over a path of a given length and badness, and what it cost. */
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { Replay } from '../../src/replay/replay.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type Recorded, randomOctets, record } from '../helpers/recorded.ts';
import { type Faults, FaultyLink } from './faulty-link.ts';
import { makeEnds } from './simulation.ts';
import { type AckPolicy, SinkServer } from './sink-server.ts';

export const MSS = 1460;
/** IW10 of RFC 6928. */
const INITIAL_SEGMENTS = 10;
const TURNS_MAX = 1_000_000;
const ANSWER_BYTES = 50;

/** How peers acknowledge: RFC 9293, 3.8.6.3; Linux in quick-acknowledgement mode; behind GRO. */
export const ACK_POLICIES = {
  each: { segments: 1, delayNs: 0 },
  second: { segments: 2, delayNs: 40 * NS_PER_MS },
  delayed: { segments: 1000, delayNs: 40 * NS_PER_MS },
  stretched: { segments: 44, delayNs: NS_PER_MS },
} as const satisfies Record<string, AckPolicy>;
export type AckPolicyName = keyof typeof ACK_POLICIES;

export interface UploadOptions {
  readonly bytes: number;
  readonly rttMs: number;
  readonly ack?: AckPolicyName;
  readonly timestamps?: boolean;
  /** Whether both sides speak SACK. */
  readonly sack?: boolean;
  readonly windowBytes?: number;
  readonly seed?: number;
  readonly toServer?: Faults;
  readonly toClient?: Faults;
}

export interface Upload {
  /** From the SYN to the arrival of the last octet. */
  readonly ms: number;
  readonly completed: number;
  readonly wrongOctets: number;
  /** Segments with payload or FIN that the client sent again, and SYNs. */
  readonly repeats: number;
  readonly synRepeats: number;
  /** Payload octets that the client sent, repetitions included. */
  readonly sentBytes: number;
  readonly lost: readonly [toServer: number, toClient: number];
}

const recordings = new Map<number, Recorded>();

function recordingOf(bytes: number): Recorded {
  let recorded = recordings.get(bytes);
  if (recorded === undefined) {
    recorded = record(
      [
        {
          messages: [
            { from: 'client', octets: randomOctets(bytes, bytes) },
            { from: 'server', octets: randomOctets(ANSWER_BYTES, 2) },
          ],
          clientEnd: { how: StreamEnd.FIN },
          serverEnd: { how: StreamEnd.FIN, afterPeer: true },
        },
      ],
      { extentBytesMax: 1 << 24 },
    );
    recordings.set(bytes, recorded);
  }
  return recorded;
}

export function upload(options: UploadOptions): Upload {
  const {
    bytes,
    rttMs,
    timestamps = true,
    sack = false,
    seed = 1,
    windowBytes = 1 << 22,
  } = options;
  const recorded = recordingOf(bytes);
  const { plan } = makeEnds({
    sessions: [],
    users: 1,
    seed,
    plan: {
      scripts: recorded.scripts,
      played: Uint32Array.of(0),
      targetOf: new Uint16Array(1),
      syn: { mss: MSS, windowScale: 7, timestamps, sackPermitted: sack },
    },
  });
  const server = new SinkServer({
    capture: recorded.capture,
    stream: recorded.streamOf('client', 0),
    answerBytes: ANSWER_BYTES,
    ack: ACK_POLICIES[options.ack ?? 'second'],
    mss: MSS,
    windowBytes,
    timestamps,
    sack,
  });
  const delayNs = (rttMs * NS_PER_MS) / 2;
  const link = new FaultyLink(
    server,
    seed,
    { delayNs, ...options.toServer },
    { delayNs, ...options.toClient },
  );
  const counters = createCounters();
  const tcp = { ...plan.tcp, timestamps };
  const replay = new Replay(
    { ...plan, tcp },
    link,
    link,
    recorded.capture,
    new LatencyRecorder(),
    counters,
  );
  run(replay, server, link);
  return {
    ms: server.takenNs / NS_PER_MS,
    completed: counters[Counter.COMPLETED],
    wrongOctets: server.wrongOctets,
    repeats: counters[Counter.RETRANSMITTED],
    synRepeats: counters[Counter.SYN_RETRANSMITTED],
    sentBytes: counters[Counter.PAYLOAD_BYTES_SENT],
    lost: link.harmed.lost,
  };
}

function run(replay: Replay, server: SinkServer, link: FaultyLink): void {
  let nowNs = 0;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const engineNs = replay.isDone ? NEVER_NS : replay.nextDueNs();
    const dueNs = Math.min(engineNs, server.nextDueNs(), link.nextDueNs());
    if (dueNs === NEVER_NS) return;
    nowNs = Math.max(nowNs, dueNs);
    if (nowNs > 24 * 3600 * NS_PER_SECOND) break;
    server.onTimeout(nowNs);
    link.onTimeout(nowNs);
    link.receive(4096, replay);
    replay.onTimeout(nowNs);
    replay.flush();
    if (replay.isDone && server.takenNs !== NEVER_NS) return;
  }
  throw new Error(`not done after ${nowNs / NS_PER_MS} ms`);
}

/**
 * Round trips that an upload takes at least without loss: one for the handshake, then windows that
 * double from ten segments on; half of one for the last octet to arrive.
 */
export function idealRoundTrips(bytes: number): number {
  let left = Math.ceil(bytes / (MSS - 12));
  let roundTrips = 1;
  for (let window = INITIAL_SEGMENTS; left > window; window *= 2) {
    left -= window;
    roundTrips++;
  }
  return roundTrips + 0.5;
}
