/** What a user takes, and that its columns hold all that the scripts may put there. */
import { expect, test, vi } from 'vitest';
import { EmbeddedTarget } from '../../src/embedded/embedded-target.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { Replay } from '../../src/replay/replay.ts';
import { STATE_BYTES_MAX, stateBytesOf } from '../../src/replay/state-bytes.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import { clientDirectory } from '../../src/run/threads/embedded-thread.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade, type SessionSpec } from '../helpers/scripts.ts';
import { OPTIONS, play } from './play.ts';

/** One message, its answer, our end, and what the server says behind it. */
const asking = (bytes: number): SessionSpec => ({
  said: [
    { from: 'client', text: bytes },
    { from: 'server', text: 'a' },
  ],
  end: 'half-close',
});

const completedOf = (specs: readonly SessionSpec[], users: number, iterations = 1): number =>
  play(specs, { users, iterations }).counters[Counter.COMPLETED];

// Steps and stages are counted through all sessions: at these numbers they need another octet.
test.each([250, 251, 252, 253, 254, 255, 256, 257])(
  'sessions of %d messages in all are played to their ends',
  (messages) => {
    const specs = Array.from({ length: messages }, () => asking(1));
    expect(completedOf(specs, messages)).toBe(messages);
  },
);

test.each([254, 255, 256, 257, 65_535, 65_536])('so is a stream of %d octets', (octets) => {
  expect(completedOf([asking(1), asking(octets)], 2)).toBe(2);
});

test.each([255, 256, 257])('so are %d plays of one user', (iterations) => {
  expect(completedOf([asking(1)], 1, iterations)).toBe(iterations);
});

const KINDS = [
  Uint8Array,
  Uint16Array,
  Uint32Array,
  Int8Array,
  Int16Array,
  Int32Array,
  Float32Array,
  Float64Array,
] as const;
/** No other table of an engine has so many rows. */
const USERS = 10_007;

/** Octets of a row of all columns that an engine makes for USERS users. */
function columnBytes(specs: readonly SessionSpec[], iterations: number): number {
  const { scripts, capture } = handMade(specs);
  const plan = planOf(scripts, { ...OPTIONS, users: USERS, iterations });
  const engine = enginePlan(plan, 0, 1, [new Uint8Array(0)]);
  const prepared = prepareSessions(engine, capture);
  const counters = createCounters();
  const clients = clientDirectory(plan);
  const given = { scripts, capture, clients, users: 1, accel: 1, seed: 1, counters };
  const target = new EmbeddedTarget(given);
  const latency = new LatencyRecorder();
  let bytes = 0;
  for (const Kind of KINDS) {
    const construct = (_: unknown, args: [number]): object => {
      if (args[0] === USERS) bytes += Kind.BYTES_PER_ELEMENT;
      return Reflect.construct(Kind, args);
    };
    vi.stubGlobal(Kind.name, new Proxy(Kind, { construct }));
  }
  // Rows of several fields are one buffer, and views of it.
  const Rows = ArrayBuffer;
  const construct = (_: unknown, args: [number]): object => {
    if (args[0] % USERS === 0) bytes += args[0] / USERS;
    return Reflect.construct(Rows, args);
  };
  vi.stubGlobal('ArrayBuffer', new Proxy(Rows, { construct }));
  try {
    new Replay(engine, target, target, capture, latency, counters, prepared);
  } finally {
    vi.unstubAllGlobals();
  }
  return bytes;
}

const one = asking(1);

test.each([
  { name: 'one session', specs: [one], iterations: 1, bytes: 124 },
  { name: 'long streams and many plays', specs: [asking(256)], iterations: 256, bytes: 126 },
  { name: 'many sessions', specs: Array(300).fill(one), iterations: 1, bytes: 127 },
  { name: 'a stream of 64 KiB', specs: [asking(65_536)], iterations: 1, bytes: 127 },
])('of $name a user takes $bytes octets', ({ specs, iterations, bytes }) => {
  const plan = planOf(handMade(specs).scripts, { ...OPTIONS, users: 1, iterations });
  expect(stateBytesOf(plan)).toBe(bytes);
  expect(bytes).toBeLessThanOrEqual(STATE_BYTES_MAX);
  expect(columnBytes(specs, iterations)).toBe(bytes);
});
