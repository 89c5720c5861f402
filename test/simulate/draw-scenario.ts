/** A scenario from a seed: everything in it is drawn, and nothing else is. */
import { PREFIX_BYTES_MAX } from '../../src/base/prefix-bytes.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Fault, Scenario, ServerFault, Session, SessionMessage, Way } from './scenario.ts';

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
const WAYS: readonly Way[] = ['toServer', 'toClient'];

class Dice {
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  unit(): number {
    return this.#prng.nextUnit();
  }

  chance(probability: number): boolean {
    return this.#prng.nextUnit() < probability;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.#prng.nextUnit() * (to - from + 1));
  }

  /** Small ones are likelier. */
  small(from: number, to: number): number {
    return from + Math.floor(this.#prng.nextUnit() ** 4 * (to - from + 1));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)];
  }
}

/** Memory for what is written anew: enough for all of it, or for some users only. */
const ARENA_BYTES = { enough: 1 << 22, scarce: 1 << 15 };

/** Drawn apart, so that what else a seed brings is the same with and without it. */
function drawRewriting(seed: number): Pick<Scenario, 'rewriting' | 'arenaBytes'> {
  const dice = new Dice(~seed);
  return {
    rewriting: dice.chance(0.3) ? dice.between(1, 1e6) : 0,
    arenaBytes: dice.chance(0.2) ? ARENA_BYTES.scarce : ARENA_BYTES.enough,
  };
}

export function drawScenario(seed: number): Scenario {
  const dice = new Dice(seed);
  const { rewriting, arenaBytes } = drawRewriting(seed);
  const sessions = Array.from({ length: dice.small(1, 3) }, () => drawSession(dice));
  const users = dice.small(1, 20);
  const iterations = dice.chance(0.2) ? 2 : 1;
  const isPassing = dice.chance(0.5);
  const byIntercept = dice.chance(0.3);
  const connections = users * iterations;
  const faults = [
    ...drawPacketFaults(dice, connections),
    ...drawPathFaults(dice, byIntercept, isPassing),
    ...drawServerFaults(dice, connections, sessions, isPassing),
  ];
  const hasTimestamps = dice.chance(0.7);
  return {
    seed,
    family: dice.chance(0.7) ? 4 : 6,
    users,
    iterations,
    ratePerSecond: dice.of([5, 100, 1000, 10_000]),
    sessions,
    server: {
      mss: dice.of([536, 1220, 1460, 1460]),
      bufferBytes: dice.of([2_000, 8_000, 65_535, 65_535, 262_144]),
      windowScale: dice.of([-1, 0, 2, 7]),
      timestamps: dice.chance(0.7),
      sack: dice.chance(0.6),
      ackEvery: dice.of([1, 2, 2, 3]),
      ackDelayNs: dice.of([0, 40, 200]) * NS_PER_MS,
      rtoNs: dice.of([200, 300, 1000]) * NS_PER_MS,
      retriesMax: isPassing ? 40 : 8,
      burst: dice.of([2, 10, 40]),
      finWithData: dice.chance(0.3),
    },
    client: {
      mss: dice.of([536, 1220, 1460, 1460]),
      windowBytes: dice.of([4_096, 32_768, 262_144, 262_144]),
      timestamps: hasTimestamps,
      sack: dice.chance(0.6),
      windowScale: 7,
      timeoutNs: (isPassing ? 40_000 : dice.of([2, 10, 30])) * NS_PER_SECOND,
      retriesMax: isPassing ? 30 : 6,
      pace: dice.of([0, 0, 0, 1, 2]),
      close: isPassing ? 0 : dice.of([0, 0, 1, 2]),
    },
    delayNs: {
      toServer: Math.floor(dice.unit() ** 3 * 300 * NS_PER_MS),
      toClient: Math.floor(dice.unit() ** 3 * 300 * NS_PER_MS),
    },
    byIntercept,
    capturedBytesMax: dice.of([128, 1_100, byIntercept ? PREFIX_BYTES_MAX : 65_000]),
    rewriting,
    // Where users may find no room, not all of them are completed.
    arenaBytes: isPassing ? ARENA_BYTES.enough : arenaBytes,
    mustComplete: isPassing,
    faults,
  };
}

function drawSession(dice: Dice): Session {
  const messages: SessionMessage[] = [];
  const spoken = { client: 0, server: 0 };
  const awaited = { client: 0, server: 0 };
  const count = dice.small(1, 10);
  let from: 'client' | 'server' = dice.chance(0.8) ? 'client' : 'server';
  for (let i = 0; i < count; i++) {
    const peer = from === 'client' ? 'server' : 'client';
    const bytes = dice.chance(0.1) ? dice.between(5_000, 40_000) : dice.small(1, 4_000);
    const all = spoken[peer];
    const awaits = Math.max(awaited[from], dice.chance(0.85) ? all : dice.between(0, all));
    awaited[from] = awaits;
    messages.push({
      from,
      bytes,
      seed: dice.between(0, 90_000),
      thinkNs: Math.floor(dice.unit() ** 3 * 100 * NS_PER_MS),
      awaits,
    });
    spoken[from] += bytes;
    if (dice.chance(0.8)) from = peer;
  }
  return {
    messages,
    endsFirst: dice.of(['client', 'server']),
    endThinkNs: Math.floor(dice.unit() ** 2 * 20 * NS_PER_MS),
  };
}

/** By packet: the rates differ from run to run, and are none in some. */
function drawPacketFaults(dice: Dice, connections: number): Fault[] {
  const faults: Fault[] = [];
  const packets = Math.min(600, 20 * connections + 20);
  for (const way of WAYS) {
    const rate = () => (dice.chance(0.4) ? dice.unit() ** 3 * 0.3 : 0);
    const rates = { lose: rate(), duplicate: rate(), delay: rate(), harm: rate() * 0.3 };
    const lateNsMax = dice.of([1, 20, 300, 3_000]) * NS_PER_MS;
    for (let index = 0; index < packets; index++) {
      const lateNs = Math.floor(dice.unit() * lateNsMax);
      if (dice.chance(rates.lose)) faults.push({ kind: 'lose', way, index });
      if (dice.chance(rates.duplicate)) faults.push({ kind: 'duplicate', way, index, lateNs });
      if (dice.chance(rates.delay)) faults.push({ kind: 'delay', way, index, lateNs });
      if (!dice.chance(rates.harm)) continue;
      if (way === 'toServer') {
        faults.push({ kind: 'corrupt', way, index, bit: dice.between(0, 12_000) });
      } else if (dice.chance(0.5)) {
        faults.push({ kind: 'cut', way, index, bytes: dice.between(0, 39) });
      } else {
        const bytes = dice.between(0, 90);
        faults.push({ kind: 'garbage', index, seed: dice.between(0, 1e6), bytes });
      }
    }
  }
  return faults;
}

function drawPathFaults(dice: Dice, byIntercept: boolean, isPassing: boolean): Fault[] {
  const faults: Fault[] = [];
  const time = () => ({
    fromNs: Math.floor(dice.unit() ** 2 * 3 * NS_PER_SECOND),
    forNs: Math.floor(dice.unit() ** 3 * 8 * NS_PER_SECOND),
  });
  for (const way of WAYS) {
    if (dice.chance(0.15)) faults.push({ kind: 'blackout', way, ...time() });
    if (dice.chance(0.1)) {
      const bytesPerSecond = dice.of([20_000, 200_000, 2_000_000]);
      faults.push({ kind: 'throttle', way, bytesPerSecond, queueBytes: dice.of([6_000, 60_000]) });
    }
    if (dice.chance(0.2)) {
      faults.push({ kind: 'merge', way, everyNs: dice.of([0.1, 1, 10]) * NS_PER_MS });
    }
  }
  while (dice.chance(0.15)) faults.push({ kind: 'pause', ...time() });
  while (byIntercept && dice.chance(0.3)) faults.push({ kind: 'intercept-gone', ...time() });
  if (!isPassing && dice.chance(0.1)) faults.push({ kind: 'interrupt', atNs: time().fromNs });
  return faults;
}

function drawServerFaults(
  dice: Dice,
  connections: number,
  sessions: readonly Session[],
  isPassing: boolean,
): Fault[] {
  const faults: Fault[] = [];
  const rate = dice.chance(0.6) ? dice.unit() * 0.6 : 0;
  for (let connection = 0; connection < connections; connection++) {
    while (dice.chance(rate)) {
      const { messages } = sessions[connection % sessions.length];
      faults.push(drawServerFault(dice, connection, messages, isPassing));
    }
  }
  return faults;
}

function drawServerFault(
  dice: Dice,
  connection: number,
  messages: readonly SessionMessage[],
  isPassing: boolean,
): ServerFault {
  const afterSegments = dice.small(0, 30);
  const afterBytes = dice.small(0, 20_000);
  const passing: ServerFault[] = [
    { kind: 'keep-alive', connection, afterSegments },
    { kind: 'challenge', connection, afterSegments },
    { kind: 'urgent', connection, afterSegments },
    { kind: 'blind-reset', connection, afterSegments },
    { kind: 'blind-syn', connection, afterSegments },
    { kind: 'ack-unsent', connection, afterSegments },
    {
      kind: 'stop-reading',
      connection,
      afterBytes,
      forNs: Math.floor(dice.unit() ** 2 * 30 * NS_PER_SECOND),
      tells: dice.chance(0.5),
    },
    { kind: 'shrink', connection, afterBytes, bufferBytes: dice.between(500, 3_000) },
  ];
  if (isPassing) return dice.of(passing);
  const message = dice.between(0, messages.length - 1);
  return dice.of<ServerFault>([
    ...passing,
    { kind: 'refuse', connection },
    { kind: 'mute', connection },
    { kind: 'silent', connection, message },
    { kind: 'early', connection, message },
    { kind: 'length', connection, message, bytes: dice.between(-3_000, 3_000) },
    { kind: 'close-early', connection, afterSegments, isHalf: dice.chance(0.5) },
    { kind: 'reset', connection, afterSegments },
  ]);
}
