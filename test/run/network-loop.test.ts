/** The loop of a real run, in virtual time, with a process that stands still for a while. */

import { describe, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { REPLY_SLOT_BYTES } from '../../src/embedded/capture-cache.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency, LatencyRecorder, LatencyTable } from '../../src/measure/histograms.ts';
import { IntervalRecorder, type Timeline } from '../../src/measure/intervals.ts';
import { Replay } from '../../src/replay/replay.ts';
import { networkTurns } from '../../src/run/threads/network-loop.ts';
import { CONTROL_WORDS } from '../../src/run/threads/thread-job.ts';
import type { PacketSink, QueueingReceiver, Sender } from '../../src/transport/ports.ts';
import { type RecordedMessage, randomOctets } from '../helpers/recorded.ts';
import { type Faults, FaultyLink } from '../sim/faulty-link.ts';
import { makeEnds, type SimulationOptions } from '../sim/simulation.ts';

/** Every look at the clock takes this long, so that time passes within a turn. */
const LOOK_NS = 1_000;
const ONE_WAY_NS = 2 * NS_PER_MS;
const TURNS_MAX = 1_000_000;
/** Room in the ring that replies wait in. */
const RING_PACKETS = 2_048;

/** Where in a turn the process can stand still. */
type Where = 'waiting' | 'receiving' | 'sending';

interface Stall {
  /** The first time that it is there from then on. */
  readonly atNs: number;
  readonly where: Where;
  readonly forNs: number;
  /** Whether it stands still each time that it is there. */
  readonly isRepeated?: boolean;
  /** How long afterwards the receiver is still empty: another thread has to bring the replies. */
  readonly relayNs: number;
}

interface Target {
  nextDueNs(): number;
  onTimeout(nowNs: number): void;
}

/** Target and network, which go on whatever the process does; what they send lies in a ring. */
class World implements QueueingReceiver {
  readonly #slot = new Uint8Array(REPLY_SLOT_BYTES);
  readonly data = new DataView(this.#slot.buffer);
  readonly arrived = new Instant();
  readonly now = new Instant();
  nowNs = 0;
  /** Called when the process stops. */
  onStall: () => void = () => undefined;
  /** The most packets that ever lay in the ring. */
  backlog = 0;
  /** Waits although something was there. */
  needlessWaits = 0;
  turns = 0;
  pauses = 0;
  pauseNsMax = 0;
  #isRelayedNs = 0;
  #hasStalled = false;
  readonly #ring: { readonly octets: Uint8Array; readonly arrivedNs: number }[] = [];
  readonly #link: FaultyLink;
  readonly #target: Target;
  readonly #stall: Stall;
  readonly #packetNs: number;

  constructor(link: FaultyLink, target: Target, stall: Stall, packetNs: number) {
    this.#link = link;
    this.#target = target;
    this.#stall = stall;
    this.#packetNs = packetNs;
  }

  read(): void {
    this.goOn(this.nowNs + LOOK_NS);
    this.now.ns = this.nowNs;
  }

  get isWaiting(): boolean {
    return this.#ring.length > 0 && this.nowNs >= this.#isRelayedNs;
  }

  get isCrowded(): boolean {
    return this.#ring.length >= RING_PACKETS / 4;
  }

  /** That takes the process so long. */
  work(packets: number): void {
    if (this.#packetNs > 0) this.goOn(this.nowNs + packets * this.#packetNs);
  }

  /** The process is about to do that: it may be stopped before. */
  comeTo(where: Where): void {
    const { atNs, forNs, relayNs, isRepeated = false } = this.#stall;
    if (this.#hasStalled || where !== this.#stall.where || this.nowNs < atNs) return;
    this.#hasStalled = !isRepeated;
    this.onStall();
    this.goOn(this.nowNs + forNs);
    this.#isRelayedNs = this.nowNs + relayNs;
  }

  wait(timeoutNs: number): void {
    const untilNs = this.nowNs + timeoutNs;
    if (this.isWaiting) this.needlessWaits++;
    this.comeTo('waiting');
    while (this.nowNs < untilNs && (this.#ring.length === 0 || this.nowNs < this.#isRelayedNs)) {
      this.goOn(Math.min(untilNs, Math.max(this.#nextNs(), this.nowNs + LOOK_NS)));
    }
  }

  pause(ns: number): void {
    this.pauses++;
    this.pauseNsMax = Math.max(this.pauseNsMax, ns);
    this.goOn(this.nowNs + ns);
  }

  receive(limit: number, sink: PacketSink): number {
    this.turns++;
    if (this.nowNs < this.#isRelayedNs) return 0;
    const packets = this.#ring.splice(0, limit);
    for (const { octets, arrivedNs } of packets) {
      this.comeTo('receiving');
      this.work(1);
      this.#slot.set(octets);
      this.arrived.ns = arrivedNs;
      sink.onPacket(0, octets.length, this.arrived);
    }
    return packets.length;
  }

  goOn(untilNs: number): void {
    for (let nextNs = this.#nextNs(); nextNs <= untilNs; nextNs = this.#nextNs()) {
      this.#step(nextNs);
    }
    this.#step(untilNs);
  }

  #nextNs(): number {
    return Math.min(this.#target.nextDueNs(), this.#link.nextDueNs());
  }

  #step(atNs: number): void {
    this.nowNs = Math.max(this.nowNs, atNs);
    this.#target.onTimeout(this.nowNs);
    this.#link.onTimeout(this.nowNs);
    this.#link.receive(Number.POSITIVE_INFINITY, {
      onPacket: (start, bytes, arrived) => {
        const octets = new Uint8Array(this.#link.data.buffer, start, bytes).slice();
        this.#ring.push({ octets, arrivedNs: arrived.ns });
      },
    });
    this.backlog = Math.max(this.backlog, this.#ring.length);
  }
}

interface Played {
  readonly counters: Float64Array;
  readonly timeline: Timeline;
  readonly backlog: number;
  readonly needlessWaits: number;
  readonly world: World;
  readonly latency: LatencyRecorder;
  /** Looks at neighbours. */
  readonly looks: number;
  readonly endNs: number;
  /** Exchanges that had been answered when the process stopped. */
  readonly answeredBefore: number;
}

interface Path {
  readonly toServer?: Faults;
  readonly oneWayNs?: number;
  /** How long the process takes over a packet that comes in, or goes out. */
  readonly packetNs?: number;
  /** How long replies may lie until more have come. */
  readonly wakeupNs?: number;
}

function play(options: SimulationOptions, stall: Stall, path: Path = {}): Played {
  const { toServer = {}, oneWayNs = ONE_WAY_NS, packetNs = 0, wakeupNs = 0 } = path;
  const ends = makeEnds(options);
  const { plan, target, recorded, counters } = ends;
  const delay = { delayNs: oneWayNs };
  const link = new FaultyLink(target, options.seed, { ...delay, ...toServer }, delay);
  const world = new World(link, target, stall, packetNs);
  let answeredBefore = 0;
  let looks = 0;
  world.onStall = () => {
    answeredBefore = counters[Counter.EXCHANGES_ANSWERED];
  };
  const latency = new LatencyRecorder();
  const sender: Sender = {
    batch: link.batch,
    flush: () => {
      world.comeTo('sending');
      world.work(link.batch.count);
      link.flush();
      link.batch.firstNs = world.nowNs;
    },
  };
  const replay = new Replay(plan, sender, world, recorded.capture, latency, counters);
  const intervals = new IntervalRecorder(latency, counters);
  const turns = networkTurns({
    replay,
    receiver: world,
    intervals,
    control: new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS)),
    clock: world,
    wait: (timeoutNs) => world.wait(timeoutNs),
    wakeupNs,
    pause: (ns) => {
      expect(world.nowNs + ns).toBeLessThanOrEqual(replay.nextDueNs());
      world.pause(ns);
    },
    answerNeighbours: () => {
      looks++;
    },
    readCounts: () => undefined,
  });
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const { done, value } = turns.next();
    if (done === true) {
      const timeline = intervals.finish(value);
      const { backlog, needlessWaits } = world;
      const seen = { counters, timeline, backlog, needlessWaits, world, latency, looks };
      return { ...seen, endNs: value, answeredBefore };
    }
  }
  throw new Error('the loop does not end');
}

const USERS = 800;
const EXCHANGES = 30;

/** One request after the other, each answered 10 ms later: every user's is under way in a stall. */
const KEEPALIVE: SimulationOptions = {
  sessions: [
    {
      messages: Array.from({ length: EXCHANGES }, (_, i): RecordedMessage[] => [
        { from: 'client', octets: randomOctets(200, i) },
        { from: 'server', octets: randomOctets(300, 100 + i), thinkNs: 6 * NS_PER_MS },
      ]).flat(),
    },
  ],
  users: USERS,
  seed: 7,
  ratePerSecond: 10_000,
};

const STALL: Stall = {
  atNs: 200 * NS_PER_MS,
  where: 'waiting',
  forNs: 400 * NS_PER_MS,
  relayNs: 0,
};

const NO_STALL: Stall = { atNs: NS_PER_SECOND * 1e6, where: 'waiting', forNs: 0, relayNs: 0 };

describe('a process that stands still for longer than a retransmission timeout', () => {
  test.each([{ where: 'waiting' }, { where: 'receiving' }, { where: 'sending' }] as const)(
    'repeats nothing whose acknowledgement lies in the ring: $where',
    ({ where }) => {
      const { counters, backlog } = play(KEEPALIVE, { ...STALL, where });
      // More than two turns take, or the test says nothing.
      expect(backlog).toBeGreaterThan(512);
      expect(counters[Counter.COMPLETED]).toBe(USERS);
      expect(counters[Counter.RETRANSMITTED]).toBe(0);
    },
  );

  test('repeats nothing whose acknowledgement another thread has still to bring', () => {
    const { counters, backlog } = play(KEEPALIVE, { ...STALL, relayNs: 5 * NS_PER_MS });
    expect(backlog).toBeGreaterThan(512);
    expect(counters[Counter.COMPLETED]).toBe(USERS);
    expect(counters[Counter.RETRANSMITTED]).toBe(0);
  });

  test.each([{ where: 'waiting' }, { where: 'sending' }] as const)(
    'repeats what is lost, even where it stands still in each turn: $where',
    (stall) => {
      const isLost = ({ index }: { readonly index: number }): boolean => index % 10 === 3;
      const { counters } = play(
        { ...KEEPALIVE, users: 40 },
        { atNs: 0, forNs: 60 * NS_PER_MS, relayNs: 0, isRepeated: true, ...stall },
        { toServer: { drop: isLost } },
      );
      expect(counters[Counter.RETRANSMITTED]).toBeGreaterThan(0);
      expect(counters[Counter.COMPLETED]).toBe(40);
    },
  );

  test('handles what it finds then in the second in which it does, not in the one it left', () => {
    const { timeline, counters, answeredBefore } = play(KEEPALIVE, {
      ...STALL,
      forNs: 2_500 * NS_PER_MS,
    });
    const [first, second] = timeline.intervals;
    expect([first.endNs, second.startNs]).toEqual([NS_PER_SECOND, 2 * NS_PER_SECOND]);
    expect(first.counters[Counter.EXCHANGES_ANSWERED]).toBe(answeredBefore);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(USERS * EXCHANGES);
  });
});

test('replies that keep coming cost no system calls beside their own', () => {
  const { needlessWaits, looks, endNs } = play(KEEPALIVE, {
    ...STALL,
    atNs: Number.POSITIVE_INFINITY,
  });
  expect(needlessWaits).toBe(0);
  // Neighbours are looked at once a millisecond, and while the loop ends.
  expect(looks).toBeGreaterThan(0);
  expect(looks).toBeLessThan(endNs / NS_PER_MS + 100);
});

describe('more users than the process can start in the time that it has', () => {
  const SHORT: SimulationOptions = {
    sessions: [
      {
        messages: [
          { from: 'client', octets: randomOctets(200, 1) },
          { from: 'server', octets: randomOctets(300, 2) },
        ],
      },
    ],
    users: 6_000,
    seed: 7,
    ratePerSecond: 1_000_000,
  };
  const { counters, backlog } = play(SHORT, NO_STALL, {
    oneWayNs: 50_000,
    packetNs: 3_000,
  });

  test('bring no more replies than the ring has room for', () => {
    expect(backlog).toBeLessThan(RING_PACKETS);
    expect(counters[Counter.COMPLETED]).toBe(SHORT.users);
    expect(counters[Counter.SYN_RETRANSMITTED]).toBe(0);
    expect(counters[Counter.RETRANSMITTED]).toBe(0);
  });

  test('are counted as late, and as held back by none but this machine', () => {
    expect(counters[Counter.STARTED_LATE]).toBeGreaterThan(SHORT.users / 2);
    expect(counters[Counter.STARTED_HELD]).toBe(0);
  });

  test('do not all wait for a target that opens connections and has said nothing yet', () => {
    const [{ messages }] = SHORT.sessions;
    const [request, answer] = messages;
    const slow = { ...answer, thinkNs: 150 * NS_PER_MS };
    const options = { ...SHORT, sessions: [{ messages: [request, slow] }], users: 3_000 };
    const { counters: played, timeline } = play(options, NO_STALL, {
      oneWayNs: 50_000,
      packetNs: 10_000,
    });
    expect(played[Counter.COMPLETED]).toBe(options.users);
    const peaks = timeline.intervals.map(({ counters: of }) => of[Counter.PEAK_ESTABLISHED]);
    expect(Math.max(...peaks)).toBeLessThan(1_500);
  });
});

describe('with a bound on how long replies may lie', () => {
  const WAKEUP_NS = 50_000;
  const options = { ...KEEPALIVE, users: 200 };
  const load = { oneWayNs: 50_000, packetNs: 1_000 };
  const usual = play(options, NO_STALL, load);
  const bounded = play(options, NO_STALL, { ...load, wakeupNs: WAKEUP_NS });

  test('turns take more of them each, and none lies longer', () => {
    expect(usual.world.pauses).toBe(0);
    expect(bounded.world.pauses).toBeGreaterThan(100);
    expect(bounded.world.pauseNsMax).toBeLessThanOrEqual(WAKEUP_NS);
    expect(bounded.world.turns).toBeLessThan(0.7 * usual.world.turns);
    expect(bounded.counters[Counter.COMPLETED]).toBe(options.users);
  });

  test('answers take as long as without', () => {
    const p99 = ({ latency }: Played): number =>
      LatencyTable.of([latency.columns]).valueAtPercentileNs(Latency.SERVICE, 99) ?? 0;
    expect(p99(usual)).toBeGreaterThan(0);
    expect(p99(bounded)).toBeLessThan(1.01 * p99(usual));
  });
});
