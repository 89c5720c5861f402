/** The main thread of an intercept without threads, sockets or a clock. */
import { beforeEach, expect, test } from 'vitest';
import { TALLIES } from '../../src/intercept/intercept-core.ts';
import {
  CAPABILITIES,
  emitHello,
  emitJson,
  emitPing,
  FrameReader,
  FrameType,
  type Hello,
  parseRefused,
  RefusalCode,
} from '../../src/intercept/protocol.ts';
import { requestDocument } from '../../src/intercept/registration.ts';
import type { ChannelStream, StreamEvents } from '../../src/io/channel/channel-socket.ts';
import { InterceptServer } from '../../src/run/intercept/intercept-server.ts';
import { request } from '../intercept/registrations.ts';

const SECOND = 1_000_000_000;
const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: CAPABILITIES,
  bootId: new Uint8Array(16),
  software: 'gryphon test',
};

let nowNs: number;
let server: InterceptServer;
let owners: number;
let refusal: string | null;

beforeEach(() => {
  nowNs = 0;
  owners = 0;
  refusal = null;
  server = new InterceptServer({
    hello: HELLO,
    mode: 'sink',
    prefixBytes: 64,
    prefixBytesMax: 4_096,
    interfaces: [],
    tally: new Float64Array(TALLIES),
    nowNs: () => nowNs,
    now: () => ({ seconds: 1, nanoseconds: 0 }),
    refusalOf: () => refusal,
    setOwners: async (list) => {
      owners = list.length;
      return { failure: null, lines: [] };
    },
    log: () => undefined,
  });
});

/** A replay that has said hello and registered: what it is told, and what happens to its stream. */
async function connect() {
  const frames: { readonly type: number; readonly payload: Uint8Array }[] = [];
  const seen = { isClosed: false, isWelcome: false };
  const reader = new FrameReader();
  const sink = {
    onFrame: (type: number, start: number, bytes: number) => {
      frames.push({ type, payload: reader.octets.slice(start, start + bytes) });
      return true;
    },
  };
  const stream: ChannelStream = {
    peer: '127.0.0.1:5',
    peerUser: () => 1000,
    pendingBytes: () => 0,
    send: (octets) => reader.push(octets, sink),
    close: () => {
      seen.isClosed = true;
    },
    welcome: () => {
      seen.isWelcome = true;
    },
  };
  const events: StreamEvents = server.onStream(stream);
  events.onOctets(emitHello(HELLO));
  events.onOctets(emitJson(FrameType.REGISTER, requestDocument(request('10.0.0.0/24'))));
  await new Promise<void>((resolve) => setImmediate(resolve));
  return { frames, seen, events };
}

const runTo = (endNs: number): void => {
  for (; nowNs < endNs; nowNs += SECOND / 10) server.onTick();
};

test('a replay registers, and is no stranger from then on', async () => {
  const { frames, seen } = await connect();
  expect(frames.map(({ type }) => type)).toEqual([FrameType.HELLO, FrameType.REGISTERED]);
  expect(seen).toEqual({ isClosed: false, isWelcome: true });
  expect(owners).toBe(1);
});

test('whoever may not register is told why, and stays a stranger', async () => {
  refusal = 'it is run by user 1000';
  const { frames, seen } = await connect();
  expect(frames.map(({ type }) => type)).toEqual([FrameType.HELLO, FrameType.REFUSED]);
  expect(parseRefused(frames[1]?.payload ?? new Uint8Array(0))).toEqual({
    code: RefusalCode.USER,
    text: 'it is run by user 1000',
  });
  expect(seen).toEqual({ isClosed: true, isWelcome: false });
  expect(owners).toBe(0);
});

test('a replay that is silent is ended, but not for a pause of the intercept itself', async () => {
  const { seen, events } = await connect();
  runTo(2 * SECOND);
  // Stopped for a minute; the ping that came meanwhile is read behind the first tick.
  nowNs = 60 * SECOND;
  server.onTick();
  expect(seen.isClosed).toBe(false);
  events.onOctets(emitPing({ seconds: 1, nanoseconds: 0 }));
  runTo(64 * SECOND);
  expect(seen.isClosed).toBe(false);
  runTo(66 * SECOND);
  expect(seen.isClosed).toBe(true);
});
