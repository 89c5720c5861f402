/** Both ends of a connection, face to face in virtual time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InterceptPeer } from '../../src/intercept/intercept-peer.ts';
import {
  CAPABILITIES,
  emitFrame,
  emitHello,
  emitJson,
  emitPing,
  FrameType,
  type Hello,
  RefusalCode,
} from '../../src/intercept/protocol.ts';
import { type RegistrationRequest, requestDocument } from '../../src/intercept/registration.ts';
import { type PeerFault, ReplayPeer } from '../../src/intercept/replay-peer.ts';
import { request } from './registrations.ts';

const SECOND = 1_000_000_000;
const ANSWER = { mode: 'sink', interfaces: [], prefixBytes: 128, notes: ['captures'] };
const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: CAPABILITIES,
  bootId: new Uint8Array(16),
  software: 'gryphon test',
};

/** The intercept's end alone, with what it says. */
function makeIntercept(hello: Hello = HELLO) {
  const sent: Uint8Array[] = [];
  const requests: RegistrationRequest[] = [];
  const ends: string[] = [];
  let outbox: Uint8Array = new Uint8Array(0);
  const peer = new InterceptPeer(
    {
      hello,
      send: (octets) => sent.push(octets),
      now: () => ({ seconds: 100, nanoseconds: 0 }),
      register: (asked) => requests.push(asked),
      status: () => ({ forwarded: 5, dropped: 6, kernelDropped: 7 }),
      takeRecords: (into, at) => {
        into.set(outbox, at);
        const bytes = outbox.length;
        outbox = new Uint8Array(0);
        return bytes;
      },
      end: (reason) => ends.push(reason),
    },
    0,
  );
  const fill = (octets: Uint8Array): void => {
    outbox = octets;
  };
  return { peer, sent, requests, ends, fill };
}

/** Both ends; `pass` carries everything over until both are quiet, in pieces of `bytes`. */
function makePair(hellos: { intercept?: Partial<Hello>; replay?: Partial<Hello> } = {}) {
  const intercept = makeIntercept({ ...HELLO, ...hellos.intercept });
  const sent: Uint8Array[] = [];
  const faults: PeerFault[] = [];
  const records: number[][] = [];
  const seen = { mode: '', clocks: 0 };
  const replay = new ReplayPeer(
    {
      hello: { ...HELLO, ...hellos.replay },
      request: request('10.0.0.0/24'),
      send: (octets) => sent.push(octets),
      now: () => ({ seconds: 100, nanoseconds: 0 }),
      onRegistered: ({ mode }) => {
        seen.mode = mode;
      },
      onRecords: (data, start, end) => {
        records.push(Array.from({ length: end - start }, (_, i) => data.getUint8(start + i)));
      },
      onClockKnown: () => {
        seen.clocks++;
      },
      end: (fault) => faults.push(fault),
    },
    0,
  );
  const pass = (nowNs = 0, bytes = 1_000_000): void => {
    while (sent.length + intercept.sent.length > 0) {
      for (const octets of sent.splice(0)) {
        for (let at = 0; at < octets.length; at += bytes) {
          intercept.peer.onOctets(octets.subarray(at, at + bytes), nowNs);
        }
      }
      for (const octets of intercept.sent.splice(0)) {
        for (let at = 0; at < octets.length; at += bytes) {
          replay.onOctets(octets.subarray(at, at + bytes), nowNs);
        }
      }
    }
  };
  return { intercept, replay, faults, records, seen, pass };
}

function register(pair: ReturnType<typeof makePair>, bytes?: number): void {
  pair.pass(0, bytes);
  pair.intercept.peer.accept(ANSWER, 0);
  pair.pass(0, bytes);
}

/** Calls the replay whenever it is due, up to that time. @returns how often */
function untilOver(replay: ReplayPeer, endNs: number): number {
  let calls = 0;
  for (let nowNs = replay.nextDueNs(); nowNs <= endNs; nowNs = replay.nextDueNs()) {
    replay.onTimeout(nowNs);
    calls++;
  }
  return calls;
}

test.each([1, 2, 3, 7, 1_000])('a replay registers and gets records, in pieces of %d', (bytes) => {
  const pair = makePair();
  register(pair, bytes);
  expect(pair.intercept.requests).toEqual([request('10.0.0.0/24')]);
  expect(pair.seen.mode).toBe('sink');
  expect(pair.replay.isLive && pair.intercept.peer.isLive).toBe(true);
  pair.intercept.fill(Uint8Array.of(1, 2, 3));
  expect(pair.intercept.peer.flushRecords()).toBe(true);
  expect(pair.intercept.peer.flushRecords()).toBe(false);
  pair.pass(0, bytes);
  expect(pair.records).toEqual([[1, 2, 3]]);
  expect(pair.faults).toEqual([]);
});

test('pings are answered with the totals, and ten of them make the clock known', () => {
  const pair = makePair();
  register(pair);
  let nowNs = 0;
  for (let i = 0; i < 12; i++) {
    nowNs = pair.replay.nextDueNs();
    pair.replay.onTimeout(nowNs);
    pair.pass(nowNs);
  }
  expect(nowNs).toBeLessThan(3 * SECOND);
  expect(pair.replay.status).toEqual({ forwarded: 5, dropped: 6, kernelDropped: 7 });
  expect(pair.seen.clocks).toBe(1);
});

test('ends of one kernel share its clock, ends whose kernel is not known do not', () => {
  const bootId = new Uint8Array(16).fill(3);
  const pair = makePair({ intercept: { bootId }, replay: { bootId } });
  register(pair);
  expect(pair.replay.sharesClock).toBe(true);
  const unknown = makePair();
  register(unknown);
  expect(unknown.replay.sharesClock).toBe(false);
});

test('nothing is sent to a replay before it has been accepted', () => {
  const pair = makePair();
  pair.pass();
  pair.intercept.fill(Uint8Array.of(1));
  expect(pair.intercept.peer.flushRecords()).toBe(false);
});

describe('a refusal reaches the replay with its reason', () => {
  test('an overlap, which is final', () => {
    const pair = makePair();
    pair.pass();
    pair.intercept.peer.refuse(RefusalCode.OVERLAP, 'build:7 has registered them');
    pair.pass();
    expect(pair.faults).toEqual([
      {
        kind: 'refused',
        code: RefusalCode.OVERLAP,
        text: 'build:7 has registered them',
        isFinal: true,
      },
    ]);
    expect(pair.intercept.ends).toHaveLength(1);
  });

  test.each([
    { name: 'a later replay', hellos: { replay: { oldest: 2, newest: 2 } } },
    { name: 'a later intercept', hellos: { intercept: { oldest: 2, newest: 3 } } },
    { name: 'an older replay', hellos: { replay: { oldest: 0, newest: 0 } } },
    { name: 'a capability that is missing', hellos: { replay: { required: 0x80 } } },
  ])('another version: $name', ({ hellos }) => {
    const pair = makePair(hellos);
    pair.pass();
    expect(pair.faults).toMatchObject([{ code: RefusalCode.VERSION, isFinal: true }]);
    expect(pair.intercept.requests).toEqual([]);
    expect(pair.intercept.ends).toHaveLength(1);
  });

  test('the end of the intercept, after which it may come back', () => {
    const pair = makePair();
    register(pair);
    pair.intercept.peer.refuse(RefusalCode.ENDING, 'it was ended');
    pair.pass();
    expect(pair.faults).toMatchObject([{ code: RefusalCode.ENDING, isFinal: false }]);
  });
});

describe('silence', () => {
  test('before a hello, and before a registration, ends a stranger after three seconds', () => {
    const { peer, ends } = makeIntercept();
    peer.onTimeout(3 * SECOND - 1);
    expect(ends).toEqual([]);
    peer.onTimeout(3 * SECOND);
    expect(ends).toEqual(['it did not register in time']);
    const second = makeIntercept();
    second.peer.onOctets(emitHello(HELLO), SECOND);
    second.peer.onTimeout(4 * SECOND - 1);
    expect(second.ends).toEqual([]);
    second.peer.onTimeout(4 * SECOND);
    expect(second.ends).toHaveLength(1);
  });

  test('a hello in drops does not buy more time', () => {
    const { peer, ends } = makeIntercept();
    const hello = emitHello(HELLO);
    for (let i = 0; i < hello.length - 1; i++)
      peer.onOctets(hello.subarray(i, i + 1), i * SECOND * 0.1);
    peer.onTimeout(3 * SECOND);
    expect(ends).toHaveLength(1);
  });

  test('ends a replay after five seconds, and its pings keep it', () => {
    const pair = makePair();
    register(pair);
    for (let nowNs = SECOND; nowNs < 20 * SECOND; nowNs += SECOND) {
      pair.replay.onTimeout(nowNs);
      pair.pass(nowNs);
      pair.intercept.peer.onTimeout(nowNs);
    }
    expect(pair.intercept.ends).toEqual([]);
    pair.intercept.peer.onTimeout(24 * SECOND);
    expect(pair.intercept.ends).toEqual(['it was silent']);
  });

  test('of the intercept is a lost connection for the replay after three seconds', () => {
    const pair = makePair();
    register(pair);
    const calls = untilOver(pair.replay, 3 * SECOND - 1);
    expect(calls).toBeGreaterThan(5);
    expect(pair.faults).toEqual([]);
    expect(pair.replay.silentNs(3 * SECOND - 1)).toBe(3 * SECOND - 1);
    untilOver(pair.replay, 3 * SECOND);
    expect(pair.faults).toMatchObject([{ kind: 'lost', isFinal: false }]);
  });

  test('in which the replay itself stood still proves nothing', () => {
    const pair = makePair();
    register(pair);
    untilOver(pair.replay, SECOND / 10);
    pair.pass(SECOND / 10);
    // Stopped for a minute: the timer is the first to be heard, though answers lie in the socket.
    pair.replay.onTimeout(60 * SECOND);
    expect(pair.faults).toEqual([]);
    pair.pass(60 * SECOND);
    expect(pair.replay.silentNs(60 * SECOND)).toBe(0);
    expect(pair.replay.isLive).toBe(true);
    untilOver(pair.replay, 64 * SECOND);
    expect(pair.faults).toMatchObject([{ kind: 'lost' }]);
  });

  test('of the intercept that ends in time is a pause, whose length is known', () => {
    const pair = makePair();
    register(pair);
    untilOver(pair.replay, SECOND / 5);
    pair.pass(SECOND / 5);
    untilOver(pair.replay, 2 * SECOND);
    pair.pass(2 * SECOND);
    expect(pair.replay.silentBeforeNs).toBe(1.8 * SECOND);
    // An answer that is merely late is none.
    untilOver(pair.replay, 2.9 * SECOND);
    pair.pass(2.9 * SECOND);
    expect(pair.replay.silentNs(2.9 * SECOND)).toBe(1.8 * SECOND);
  });
});

describe('what is no replay', () => {
  test('random octets end that connection only once, and ask for nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 600 }), { minLength: 1 }),
        (list) => {
          const { peer, ends, requests } = makeIntercept();
          for (const piece of list) peer.onOctets(piece, 0);
          peer.onTimeout(10 * SECOND);
          expect(ends).toHaveLength(1);
          expect(requests).toEqual([]);
        },
      ),
    );
  });

  const hello = emitHello(HELLO);
  const registration = emitJson(FrameType.REGISTER, requestDocument(request('10.0.0.0/24')));
  test.each([
    { name: 'a registration without a hello', frames: [registration] },
    { name: 'two hellos', frames: [hello, hello] },
    {
      name: 'a ping before the registration',
      frames: [hello, emitPing({ seconds: 0, nanoseconds: 0 })],
    },
    {
      name: 'a registration that is no JSON',
      frames: [hello, emitFrame(FrameType.REGISTER, Buffer.from('{'))],
    },
    { name: 'a registration of nothing', frames: [hello, emitJson(FrameType.REGISTER, {})] },
    { name: 'two registrations', frames: [hello, registration, registration] },
    {
      name: 'records of its own',
      frames: [hello, registration, emitFrame(FrameType.RECORDS, new Uint8Array(20))],
    },
    {
      name: 'a ping that is cut',
      frames: [hello, registration, emitFrame(FrameType.PING, new Uint8Array(7))],
    },
  ])('$name ends the connection', ({ frames }) => {
    const { peer, ends } = makeIntercept();
    for (const frame of frames) peer.onOctets(frame, 0);
    expect(ends).toHaveLength(1);
    peer.accept(ANSWER, 0);
    expect(peer.isLive).toBe(false);
  });

  test('pings without end are a fault', () => {
    const pair = makePair();
    register(pair);
    for (let i = 0; i < 300; i++)
      pair.intercept.peer.onOctets(emitPing({ seconds: 0, nanoseconds: 0 }), 1);
    expect(pair.intercept.ends).toEqual(['it pings too often']);
  });
});

describe('what is no intercept', () => {
  test.each([
    { name: 'TLS', octets: Uint8Array.of(0x15, 3, 3, 0, 2, 2, 10), kind: 'secret' },
    { name: 'HTTP', octets: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), kind: 'refused' },
  ])('$name is recognised and final', ({ octets, kind }) => {
    const pair = makePair();
    pair.replay.onOctets(octets, 0);
    expect(pair.faults).toMatchObject([{ kind, isFinal: true }]);
  });

  test('random octets never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (list) => {
        const pair = makePair();
        for (const piece of list) pair.replay.onOctets(piece, 0);
        expect(pair.faults.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test('a replay that says goodbye is forgotten', () => {
  const pair = makePair();
  register(pair);
  pair.replay.sayBye();
  pair.pass();
  expect(pair.intercept.ends).toEqual(['it has finished']);
  expect(pair.faults).toEqual([]);
});
