/** What the simulator has found, each with the least that it takes. */
import { expect, test } from 'vitest';
import { Close } from '../../src/replay/replay-plan.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario, Session } from './scenario.ts';

const NS_PER_MS = 1e6;

/** One upload, which the server ends; no answer is awaited. */
const UPLOAD: Session = {
  messages: [{ from: 'client', bytes: 1_171, seed: 77, thinkNs: 60 * NS_PER_MS, awaits: 0 }],
  endsFirst: 'server',
  endThinkNs: 6 * NS_PER_MS,
};

/** A run without faults, of one user over a path of 2 ms. */
const CALM: Scenario = {
  seed: 1,
  family: 4,
  users: 1,
  iterations: 1,
  ratePerSecond: 1_000,
  sessions: [UPLOAD],
  server: {
    mss: 1_460,
    bufferBytes: 65_535,
    windowScale: 2,
    timestamps: true,
    sack: true,
    ackEvery: 2,
    ackDelayNs: 40 * NS_PER_MS,
    rtoNs: 1_000 * NS_PER_MS,
    retriesMax: 8,
    burst: 10,
    finWithData: false,
  },
  client: {
    mss: 1_460,
    windowBytes: 262_144,
    timestamps: true,
    sack: true,
    windowScale: 7,
    timeoutNs: 30_000 * NS_PER_MS,
    retriesMax: 6,
    pace: 0,
    close: Close.RECORDED,
  },
  delayNs: { toServer: NS_PER_MS, toClient: NS_PER_MS },
  byIntercept: false,
  capturedBytesMax: 1_100,
  rewriting: 0,
  arenaBytes: 0,
  mustComplete: true,
  faults: [],
};

test('nothing goes wrong where nothing is wrong', () => {
  const verdict = runScenario(CALM);
  expect(verdict).toMatchObject({ faults: [], users: 1, completed: 1, repeated: 0 });
});

// The server takes an old SYN for a new one: its SYN-ACK and each acknowledgement of ours were answered by
// the other side's acknowledgement, a round trip at a time, until it gave up after minutes.
test('an old SYN that comes after the end starts no war of acknowledgements', () => {
  const verdict = runScenario({
    ...CALM,
    // Who ends first is in TIME-WAIT when the SYN comes; its numbers are past the new window.
    sessions: [
      { ...UPLOAD, messages: [{ ...UPLOAD.messages[0], bytes: 5_000 }], endsFirst: 'client' },
    ],
    server: { ...CALM.server, bufferBytes: 2_000 },
    client: { ...CALM.client, timestamps: false },
    faults: [{ kind: 'duplicate', way: 'toServer', index: 0, lateNs: 1_000 * NS_PER_MS }],
  });
  expect(verdict.faults).toEqual([]);
  expect(verdict.frames).toBeLessThan(40);
});

// With --close server the server's end ended the user's stream at once, which counted as completed with
// one octet (the FIN) of a request that had never been sent.
test('--close server: who has not said all when the server ends still says it', () => {
  const verdict = runScenario({
    ...CALM,
    client: { ...CALM.client, close: Close.SERVER },
    faults: [{ kind: 'close-early', connection: 0, afterSegments: 0, isHalf: true }],
  });
  expect(verdict).toMatchObject({ faults: [], users: 1, completed: 1 });
});

// What a server had said before it was asked counted as its answer when it closed: the user completed with
// an exchange that was never sent, and the sums did not come out even.
test.each([
  { name: 'as it closed', isHalf: false },
  { name: 'which still reads', isHalf: true },
])('a server that has said all before it was asked, $name: the rest is asked', ({ isHalf }) => {
  const messages = [
    { from: 'client', bytes: 322, seed: 1, thinkNs: 64 * NS_PER_MS, awaits: 0 },
    { from: 'server', bytes: 235, seed: 2, thinkNs: 40 * NS_PER_MS, awaits: 322 },
    { from: 'client', bytes: 2_018, seed: 3, thinkNs: 44 * NS_PER_MS, awaits: 10 },
  ] as const;
  const verdict = runScenario({
    ...CALM,
    sessions: [{ messages, endsFirst: 'client', endThinkNs: NS_PER_MS }],
    mustComplete: false,
    faults: [{ kind: 'close-early', connection: 0, afterSegments: 2, isHalf }],
  });
  expect(verdict).toMatchObject({ faults: [], users: 1, completed: 1 });
});

// The model's own fault: it forgot a connection that was over sooner than the path lets go of a packet, and took its
// repeated SYN for another connection, of which the client, whose FIN nobody had acknowledged, never heard an end.
test("a SYN that comes again behind a connection's end begins no other one", () => {
  const blackout = { kind: 'blackout', way: 'toClient', fromNs: 73 * NS_PER_MS } as const;
  const verdict = runScenario({
    ...CALM,
    sessions: [{ ...UPLOAD, messages: [{ ...UPLOAD.messages[0], bytes: 2_153 }] }],
    server: { ...CALM.server, bufferBytes: 2_000, ackEvery: 1, ackDelayNs: 0 },
    faults: [
      { kind: 'duplicate', way: 'toServer', index: 0, lateNs: 2_400 * NS_PER_MS },
      { ...blackout, forNs: 2_450 * NS_PER_MS },
    ],
  });
  expect(verdict).toMatchObject({ faults: [], users: 1, completed: 1 });
});
