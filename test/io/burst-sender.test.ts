/** Batches with bursts against a kernel that refuses some: each frame is sent once, in order, or charged once. */

import { afterEach, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { BurstSender } from '../../src/io/send/burst-sender.ts';
import { FrameMessages } from '../../src/io/send/frame-messages.ts';
import type { SendCalls } from '../../src/io/send/send-calls.ts';
import { SendFaults } from '../../src/io/send/send-faults.ts';
import { Errno } from '../../src/io/sys/errno.ts';
import { EXTENTS_PER_FRAME } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import { ACK, PSH } from '../../src/wire/tcp.ts';

const MESSAGE_BYTES = 64;
const SINGLES = 3;
const BURSTS = 4;
const MSS = 1000;
/** A system call of the made-up kernel. */
const CALL_TAKES_NS = 10_000;
/** Segments of each connection's turn. */
const TURNS = [3, 1, 1, 2, 4, 1];
/** Frames of the bursts, in order. */
const BURST_FRAMES = [
  [0, 1, 2],
  [5, 6],
  [7, 8, 9, 10],
];
const ALL = Array.from({ length: 12 }, (_, frame) => frame);

const opened: { close: () => void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** A sender whose kernel takes what it is told to take. */
function makeSender(isAble = true) {
  const taken: number[] = [];
  const singleAt = { first: -1 };
  const burstAt = { first: -1 };
  let errno = 0;
  const kernel = {
    /** The errno that a message meets, 0: it is taken. */
    refuse: (_fd: number, _index: number): number => 0,
    /** Messages a call takes at most. */
    atOnce: 99,
    calls: [] as number[],
  };
  let nowNs = 0;
  const calls: SendCalls = {
    sendmmsg: (fd, messages, count) => {
      kernel.calls.push(fd);
      nowNs += CALL_TAKES_NS;
      const base = fd === SINGLES ? singleAt : burstAt;
      if (base.first < 0) base.first = messages;
      const from = (messages - base.first) / MESSAGE_BYTES;
      for (let i = 0; i < count; i++) {
        if (i === kernel.atOnce) return i;
        errno = kernel.refuse(fd, from + i);
        if (errno !== 0) return i > 0 ? i : -1;
        taken.push(...(fd === SINGLES ? [from + i] : BURST_FRAMES[from + i]));
      }
      return count;
    },
    lastErrno: () => errno,
    ppoll: () => 0,
  };
  const now = new Instant();
  const clock = {
    now,
    read: () => {
      now.ns = nowNs;
    },
  };
  const messages = new FrameMessages(16, 0, 0, 0, calls, clock);
  const socket = { fd: BURSTS, trySetOption: () => isAble, close: () => undefined };
  const sender = new BurstSender(socket, 16, 0, 0, calls);
  opened.push(messages, sender);
  fill(messages);
  // Learn where messages lie, frame 0 and burst 0 first.
  messages.prepare();
  messages.send(SINGLES, 0, 1, new SendFaults());
  if (sender.prepare(messages.batch)) sender.send(messages, SINGLES, new SendFaults());
  const flush = () => {
    taken.length = 0;
    kernel.calls.length = 0;
    const faults = new SendFaults();
    const hasBursts = sender.prepare(messages.batch);
    if (hasBursts) sender.send(messages, SINGLES, faults);
    const calledAt = [...messages.batch.laterNs.slice(0, messages.batch.count)].map(
      (laterNs) => laterNs / CALL_TAKES_NS,
    );
    return { hasBursts, taken: [...taken], faults, calls: [...kernel.calls], calledAt };
  };
  return { kernel, flush };
}

function fill({ batch }: FrameMessages): void {
  const writer = new FrameWriter(batch, { family: 4 });
  const link = Uint8Array.of(...Array(12).keys(), 8, 0);
  const route = writer.addRoute(link, Uint8Array.of(10, 0, 0, 1), Uint8Array.of(10, 1, 0, 0));
  for (const [turn, segments] of TURNS.entries()) {
    for (let i = 0; i < segments; i++) {
      const frame = batch.count;
      const flags = i === segments - 1 ? ACK | PSH : ACK;
      const seq = 7 + i * MSS;
      const port = 5000 + turn;
      writer.writeTcp(
        ...([route, 1, port, 80, frame, seq, 1, flags, 9, OptionsKind.NONE, 0, 0, MSS, 0] as const),
      );
      batch.extentCount[frame] = 1;
      batch.extentOffset[frame * EXTENTS_PER_FRAME] = frame * MSS;
      batch.extentBytes[frame * EXTENTS_PER_FRAME] = MSS;
      batch.count++;
    }
  }
}

test('each call has a stamp of its own, which its frames bear', () => {
  const { flush } = makeSender();
  const { calls, calledAt } = flush();
  const sizes = calls.map((_, call) => calledAt.filter((at) => at === call).length);
  expect(calledAt).toEqual(sizes.flatMap((size, call) => Array(size).fill(call)));
  expect(Math.min(...sizes)).toBeGreaterThan(0);
});

test('bursts and what lies between them go out in order', () => {
  const { flush } = makeSender();
  const { taken, faults, calls } = flush();
  expect(taken).toEqual(ALL);
  expect(faults.total).toBe(0);
  // Bursts that follow each other are one call.
  expect(calls).toEqual([BURSTS, SINGLES, BURSTS, SINGLES]);
});

test('the kernel may take one message at a time', () => {
  const { kernel, flush } = makeSender();
  kernel.atOnce = 1;
  const { taken, faults } = flush();
  expect(taken).toEqual(ALL);
  expect(faults.total).toBe(0);
});

test.each(['ENOBUFS', 'EPERM', 'EINVAL', 'EMSGSIZE', 'ENOMEM'] as const)(
  'a burst that is refused by %s goes frame by frame',
  (name) => {
    for (const which of BURST_FRAMES.keys()) {
      const { kernel, flush } = makeSender();
      kernel.refuse = (fd, index) => (fd === BURSTS && index === which ? Errno[name] : 0);
      const { taken, faults } = flush();
      expect(taken).toEqual(ALL);
      expect(faults.total).toBe(0);
    }
  },
);

test.each(['EPERM', 'ENETDOWN', 'ENOBUFS'] as const)(
  'where all are refused by %s each frame is charged once',
  (name) => {
    const { kernel, flush } = makeSender();
    kernel.refuse = () => Errno[name];
    const { taken, faults } = flush();
    expect(taken).toEqual([]);
    expect(faults.total).toBe(ALL.length);
  },
);

test('an interface that knows of no segments is asked once', () => {
  const { kernel, flush } = makeSender();
  kernel.refuse = (fd) => (fd === BURSTS ? Errno.EINVAL : 0);
  expect(flush().taken).toEqual(ALL);
  expect(flush().hasBursts).toBe(false);
});

test('a kernel that knows of none is not asked', () => {
  expect(makeSender(false).flush().hasBursts).toBe(false);
});
