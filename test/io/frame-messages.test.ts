/** A batch against a kernel that refuses frames: each is sent once, or charged once under its reason. */

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Instant } from '../../src/base/instant.ts';
import { CALL_NS } from '../../src/io/send/call-stamps.ts';
import { FrameMessages } from '../../src/io/send/frame-messages.ts';
import type { SendCalls } from '../../src/io/send/send-calls.ts';
import { SendFaults } from '../../src/io/send/send-faults.ts';
import { Errno } from '../../src/io/sys/errno.ts';

const FRAMES = 8;
const MESSAGE_BYTES = 64;
/** 10 ms of waits of 0.2 ms, as frame-messages.ts has it. */
const WAITS_PER_FLUSH = 50;

const opened: FrameMessages[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** What happened to a batch: which frames were taken, in order, and how often it was waited for room. */
interface Flushed {
  readonly taken: readonly number[];
  readonly faults: SendFaults;
  readonly calls: number;
  readonly waits: number;
}

/**
 * Sends a batch of eight frames.
 * @param refuse the errno that frame `frame` meets at its `attempt`-th time (from 0); 0: it is taken
 * @param atOnce how many frames a call takes at most
 */
function flush(refuse: (frame: number, attempt: number) => number, atOnce = FRAMES): Flushed {
  const taken: number[] = [];
  const attempts = new Map<number, number>();
  let [first, errno, calls, waits] = [-1, 0, 0, 0];
  const made: SendCalls = {
    // As sendmmsg(2): it stops at the frame that is refused, and says why only where that is the first.
    sendmmsg: (_fd, messages, count) => {
      calls += 1;
      if (first < 0) first = messages;
      const from = (messages - first) / MESSAGE_BYTES;
      for (let i = 0; i < Math.min(count, atOnce); i++) {
        const frame = from + i;
        const attempt = attempts.get(frame) ?? 0;
        const refusal = refuse(frame, attempt);
        if (refusal !== 0) {
          if (i > 0) return i;
          attempts.set(frame, attempt + 1);
          errno = refusal;
          return -1;
        }
        taken.push(frame);
      }
      return Math.min(count, atOnce);
    },
    lastErrno: () => errno,
    ppoll: () => {
      waits += 1;
      return 0;
    },
  };
  const messages = new FrameMessages(FRAMES, 0, 0, 0, made);
  opened.push(messages);
  messages.batch.count = FRAMES;
  messages.prepare();
  const faults = new SendFaults();
  messages.send(3, 0, FRAMES, faults);
  return { taken, faults, calls, waits };
}

const ALL = Array.from({ length: FRAMES }, (_, frame) => frame);
const without = (frame: number): number[] => ALL.filter((one) => one !== frame);

const REFUSALS: readonly {
  readonly name: keyof typeof Errno;
  readonly reason: keyof SendFaults;
}[] = [
  { name: 'EPERM', reason: 'notPermitted' },
  { name: 'EACCES', reason: 'notPermitted' },
  { name: 'EMSGSIZE', reason: 'tooLong' },
  { name: 'ENETDOWN', reason: 'interfaceDown' },
  { name: 'ENXIO', reason: 'interfaceDown' },
  { name: 'ENODEV', reason: 'interfaceDown' },
  { name: 'ENETUNREACH', reason: 'other' },
  { name: 'EHOSTUNREACH', reason: 'other' },
  { name: 'EINVAL', reason: 'other' },
  { name: 'EFAULT', reason: 'other' },
];
const PASSING = ['ENOBUFS', 'EAGAIN', 'ENOMEM', 'EINTR'] as const;

describe('a frame that is refused for good', () => {
  test.each(REFUSALS)('by $name is charged to $reason, at each place, and no other is', (row) => {
    for (const place of ALL) {
      const { taken, faults, waits } = flush((frame) => (frame === place ? Errno[row.name] : 0));
      expect(taken).toEqual(without(place));
      expect(faults).toMatchObject({ [row.reason]: 1, total: 1 });
      // Nothing that it could wait for.
      expect(waits).toBe(0);
    }
  });

  test.each(REFUSALS)('by $name, as all others are: each is charged once', ({ name, reason }) => {
    const { taken, faults, calls } = flush(() => Errno[name]);
    expect(taken).toEqual([]);
    expect(faults).toMatchObject({ [reason]: FRAMES, total: FRAMES });
    expect(calls).toBe(FRAMES);
  });
});

describe('a frame that is refused for now', () => {
  test.each(PASSING)('by %s is tried again at each place, and sent', (name) => {
    for (const place of ALL) {
      const { taken, faults } = flush((frame, attempt) =>
        frame === place && attempt < 3 ? Errno[name] : 0,
      );
      expect(taken).toEqual(ALL);
      expect(faults.total).toBe(0);
    }
  });

  test.each(PASSING)('by %s again and again is given up, with all behind it', (name) => {
    const { taken, faults, calls, waits } = flush((frame) => (frame >= 2 ? Errno[name] : 0));
    expect(taken).toEqual([0, 1]);
    expect(faults.total).toBe(FRAMES - 2);
    if (name !== 'EINTR') expect(faults.noBuffers).toBe(FRAMES - 2);
    // One time for the whole batch, and not one a frame.
    expect(calls).toBe(1 + WAITS_PER_FLUSH + FRAMES - 2);
    expect(waits).toBe(name === 'EINTR' ? 0 : WAITS_PER_FLUSH);
  });
});

describe('stamps', () => {
  /** Sends one batch after another, on a clock that only the kernel moves: so long a frame. */
  function stamped(frames: number, takesNs: (frame: number) => number, batches = 1) {
    let nowNs = 1_000;
    let first = -1;
    let sent = 0;
    const leftNs: number[] = [];
    const calls: number[] = [];
    const made: SendCalls = {
      sendmmsg: (_fd, messages, count) => {
        if (first < 0) first = messages;
        const from = (messages - first) / MESSAGE_BYTES;
        calls.push(count);
        for (let i = 0; i < count; i++) {
          leftNs[from + i] = nowNs;
          nowNs += takesNs(sent++);
        }
        return count;
      },
      lastErrno: () => 0,
      ppoll: () => 0,
    };
    const now = new Instant();
    const clock = {
      now,
      read: () => {
        now.ns = nowNs;
      },
    };
    const messages = new FrameMessages(frames, 0, 0, 0, made, clock);
    opened.push(messages);
    let errors: number[] = [];
    for (let batch = 0; batch < batches; batch++) {
      calls.length = 0;
      messages.batch.count = frames;
      messages.prepare();
      messages.sendStamped(3, 0, frames, new SendFaults());
      errors = leftNs.map(
        (at, frame) => at - (messages.batch.firstNs + messages.batch.laterNs[frame]),
      );
    }
    return { errors, calls };
  }

  test.each([200, 1_000, 5_000, 40_000])('err by 50 µs at most where a frame takes %i ns', (ns) => {
    const { errors, calls } = stamped(256, () => ns, 3);
    expect(Math.min(...errors)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...errors)).toBeLessThanOrEqual(CALL_NS);
    // And no more calls than that takes, but for one that is not full.
    expect(calls.length).toBeLessThanOrEqual(Math.ceil(256 / Math.floor(CALL_NS / ns)) + 1);
  });

  test('are those of each frame while somebody else takes the core at every one', () => {
    const { errors } = stamped(64, () => 3_000_000, 2);
    expect(Math.max(...errors)).toBe(0);
  });

  test('are exact again behind a frame at which the core was lost', () => {
    const { errors } = stamped(64, (frame) => (frame === 12 ? 10_000_000 : 1_000));
    const late = errors.filter((error) => error > CALL_NS);
    // Those behind it in the same call.
    expect(late.length).toBeLessThan(20);
    expect(Math.max(...errors.slice(-32))).toBeLessThanOrEqual(CALL_NS);
  });
});

test('whatever is refused where, a frame is sent once and in its turn, or charged once', () => {
  const errnos = [...REFUSALS.map(({ name }) => name), ...PASSING].map((name) => Errno[name]);
  const frame = fc.array(fc.constantFrom(0, ...errnos), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: FRAMES, maxLength: FRAMES }),
      fc.integer({ min: 1, max: FRAMES }),
      (frames, atOnce) => {
        const { taken, faults } = flush((at, attempt) => frames[at][attempt] ?? 0, atOnce);
        expect(taken).toEqual([...taken].sort((a, b) => a - b));
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.length + faults.total).toBe(FRAMES);
        for (const one of opened.splice(0)) one.close();
      },
    ),
    { numRuns: 200 },
  );
});
