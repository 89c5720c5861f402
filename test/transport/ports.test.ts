import { describe, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { Conversations } from '../../src/replay/conversations.ts';
import { PlayTable } from '../../src/replay/play-table.ts';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import type { ReplayPlan } from '../../src/replay/replay-plan.ts';
import { PlaySendTimes } from '../../src/replay/send-times.ts';
import { Stages } from '../../src/replay/stages.ts';
import { UserConnections } from '../../src/schedule/connections.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import type { ClientStream } from '../../src/transport/client-stream.ts';
import { Owners } from '../../src/transport/owners.ts';
import { PacketIntake } from '../../src/transport/packet-intake.ts';
import { RecordedStream } from '../../src/transport/recorded-stream.ts';
import { TcpTransport } from '../../src/transport/tcp-transport.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { MemoryCapture, type RecordedSession, randomOctets, said } from '../helpers/recorded.ts';
import { makeEnds } from '../sim/simulation.ts';
import { SinkServer } from '../sim/sink-server.ts';
import { Loopback } from './loopback.ts';
import { MadeUpStream } from './made-up-stream.ts';

const FIN = { how: StreamEnd.FIN };
const ANSWER_BYTES = 6;

/** Two requests, each of which is answered. */
const SESSION: RecordedSession = {
  messages: [
    said('client', 'first request', NS_PER_MS),
    said('server', 'answer', NS_PER_MS),
    said('client', 'second', 3 * NS_PER_MS),
    said('server', 'answer', NS_PER_MS),
  ],
  clientEnd: FIN,
  serverEnd: { ...FIN, afterPeer: true },
};

/** What plays a plan's users: the transport is made by whoever asks. */
function playersOf<Made extends Transport>(
  plan: ReplayPlan,
  {
    capture,
    counters,
    streamOf,
    transportOf,
  }: {
    readonly capture: MemoryCapture;
    readonly counters: Float64Array;
    /** Absent: the recorded one. */
    readonly streamOf?: () => ClientStream;
    readonly transportOf: (
      stream: ClientStream,
      times: PlaySendTimes,
      connections: UserConnections,
      now: Instant,
    ) => Made;
  },
) {
  const connections = new UserConnections(plan, plan.iterations);
  const plays = new PlayTable(plan.users, plan.scripts);
  const prepared = prepareSessions(plan, capture);
  const stages = new Stages(plan, prepared.stages, prepared.exchanges);
  const stream =
    streamOf?.() ?? new RecordedStream(plan.scripts, capture, plays.session, prepared.segments);
  const latency = new LatencyRecorder();
  const times = new PlaySendTimes(plays, stages, stream, latency);
  const transport = transportOf(stream, times, connections, plays.now);
  const parts = { connections, plays, stages, stream, times, transport, latency, counters };
  const conversations = new Conversations(plan, { ...parts, classes: null });
  return { conversations, transport, connections, plays, latency };
}

describe('a second stream', () => {
  test('is sent by TCP, in octets and lengths that nobody recorded', () => {
    const octets = randomOctets(50_000, 7);
    const { plan, recorded, counters } = makeEnds({
      sessions: [{ ...SESSION, messages: SESSION.messages.slice(0, 2) }],
      users: 1,
      seed: 1,
    });
    const arena = recorded.capture.octets.length;
    const memory = new MemoryCapture(Buffer.concat([recorded.capture.octets, octets]));
    const server = new SinkServer({
      capture: memory,
      stream: octets,
      answerBytes: ANSWER_BYTES,
      ack: { segments: 2, delayNs: 40 * NS_PER_MS },
      mss: 1_460,
      windowBytes: 1 << 20,
      timestamps: true,
    });
    const owners = new Owners(plan);
    const { conversations, transport, connections } = playersOf(plan, {
      capture: memory,
      counters,
      streamOf: () => new MadeUpStream(octets, arena, [octets.length]),
      transportOf: (stream, times, rows, now) =>
        new TcpTransport(plan, stream, rows, owners, server, times, server.data, counters, now),
    });
    const { listener } = conversations;
    const intake = new PacketIntake(connections, owners, transport, listener, counters);
    for (let nowNs = 0; !conversations.isDone; ) {
      nowNs = Math.max(nowNs, Math.min(conversations.nextDueNs(), server.nextDueNs()));
      server.onTimeout(nowNs);
      conversations.beginTurn(new Instant(nowNs));
      server.receive(100, {
        onPacket: (start, bytes, arrived) => intake.onPacket(start, bytes, arrived),
      });
      conversations.onTimeout(nowNs);
      conversations.flush();
    }
    expect(server.wrongOctets).toBe(0);
    expect(server.payloadBytes).toBe(octets.length);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.OCTETS_OF_COMPLETED]).toBe(octets.length);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(1);
  });
});

describe('a second transport', () => {
  const USERS = 50;
  const DELAY_NS = 4 * NS_PER_MS;

  test('plays the same script, without TCP', () => {
    const { plan, recorded } = makeEnds({ sessions: [SESSION], users: USERS, seed: 1 });
    const counters = createCounters();
    const replies = [
      { asked: 'first request'.length, bytes: ANSWER_BYTES },
      { asked: 'first request'.length + 'second'.length, bytes: ANSWER_BYTES },
    ];
    const { conversations, transport, latency } = playersOf(plan, {
      capture: recorded.capture,
      counters,
      transportOf: (stream, times) => new Loopback(stream, times, replies, DELAY_NS),
    });
    let nowNs = 0;
    while (!conversations.isDone) {
      nowNs = Math.max(nowNs, Math.min(conversations.nextDueNs(), transport.nextArrivalNs()));
      conversations.beginTurn(new Instant(nowNs));
      transport.receive(nowNs, conversations.listener);
      conversations.onTimeout(nowNs);
      conversations.flush();
    }
    expect(counters[Counter.COMPLETED]).toBe(USERS);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(2 * USERS);
    expect(counters[Counter.OCTETS_OF_COMPLETED]).toBe(19 * USERS);
    const table = LatencyTable.of([latency.columns]);
    expect(table.row(Latency.CONNECT)).toMatchObject({ count: USERS });
    expect(table.row(Latency.CONNECT).p50).toBeCloseTo(4, 1);
    expect(table.row(Latency.SERVICE)).toMatchObject({ count: 2 * USERS });
    expect(table.row(Latency.SERVICE).p50).toBeCloseTo(4, 1);
    expect(table.row(Latency.LAG)).toMatchObject({ count: 2 * USERS, max: 0 });
  });

  test('ends users as TCP does when the run is interrupted', () => {
    const { plan, recorded } = makeEnds({ sessions: [SESSION], users: USERS, seed: 1 });
    const counters = createCounters();
    const { conversations, transport } = playersOf(plan, {
      capture: recorded.capture,
      counters,
      // A server that never answers.
      transportOf: (stream, times) => new Loopback(stream, times, [], DELAY_NS),
    });
    for (let nowNs = 0; nowNs < 100 * NS_PER_MS; nowNs += NS_PER_MS) {
      conversations.beginTurn(new Instant(nowNs));
      transport.receive(nowNs, conversations.listener);
      conversations.onTimeout(nowNs);
      conversations.flush();
    }
    const started = counters[Counter.STARTED];
    expect(started).toBe(USERS);
    conversations.interrupt(100 * NS_PER_MS);
    conversations.beginTurn(new Instant(200 * NS_PER_MS));
    transport.receive(200 * NS_PER_MS, conversations.listener);
    expect(conversations.isDone).toBe(true);
    expect(counters[Counter.ABORTED_INTERRUPTED]).toBe(started);
  });
});
