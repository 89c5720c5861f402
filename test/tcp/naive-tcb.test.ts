/** After each segment the whole TCB is what RFC 9293 says it is, whatever has come and gone before. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seqAdd, seqDiff } from '../../src/base/seq.ts';
import { TcpEvent } from '../../src/tcp/tcp-event.ts';
import { State } from '../../src/tcp/user-table.ts';
import { ACK, FIN, PSH, RST, SYN } from '../../src/wire/tcp.ts';
import { Harness, IRS, ISS, MS, USER, WINDOW_BYTES } from './harness.ts';
import { type NaiveSegment, NaiveTcb } from './naive-tcb.ts';

/** Octets of the peer's stream; its FIN lies behind them. */
const PEER_BYTES = 30;

/** A segment, by where its numbers lie from those of the moment. */
interface Drawn {
  readonly kind: 'segment';
  readonly flags: number;
  /** Where it begins, from RCV.NXT. */
  readonly from: number;
  readonly payloadBytes: number;
  /** Share of what is outstanding that it acknowledges; below 0 it is old, above 1 of nothing sent. */
  readonly acked: number;
  readonly window: number;
  /** From the newest timestamp that the peer has sent. */
  readonly later: number;
}

type Step =
  | Drawn
  | { readonly kind: 'write'; readonly octets: number }
  | { readonly kind: 'finish' | 'timer' }
  | { readonly kind: 'wait'; readonly ms: number };

const among = <T>(...weighted: readonly (readonly [number, T])[]): fc.Arbitrary<T> =>
  fc.oneof(...weighted.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

const segments = fc.record({
  kind: fc.constant('segment' as const),
  flags: among(
    [8, ACK],
    [4, ACK | PSH],
    [12, FIN | ACK],
    [1, RST],
    [1, RST | ACK],
    [1, SYN],
    [2, SYN | ACK],
    [1, PSH],
    [1, 0],
  ),
  from: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.integer({ min: -15, max: 30 }) },
    { weight: 1, arbitrary: fc.constantFrom(WINDOW_BYTES - 1, WINDOW_BYTES, 2 ** 31, -(2 ** 30)) },
  ),
  payloadBytes: fc.integer({ min: 0, max: 20 }),
  acked: among([4, 1], [4, 0], [3, 0.5], [1, -1], [1, 2]),
  window: fc.oneof(fc.constantFrom(0, 1, 9_000), fc.integer({ min: 0, max: 65_535 })),
  later: among([4, 1], [4, 0], [1, -1], [1, 100]),
});

const steps = fc.oneof(
  { weight: 12, arbitrary: segments },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      octets: fc.integer({ min: 1, max: 4_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finish' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('timer' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 30, 60, 500),
    }),
  },
);

/** A connection and its twin, which are told the same. */
class Pair {
  readonly #h: Harness;
  readonly #twin: NaiveTcb;
  readonly #hasTimestamps: boolean;
  readonly #windowShift: number;
  #timestamp = 1_000;
  /** Whether our stream is at its end: nothing more is written. */
  #isFinished = false;

  /** Nothing that was sent is given up: the peer may be away for as long as it likes. */
  constructor(hasTimestamps: boolean, windowShift: number) {
    this.#hasTimestamps = hasTimestamps;
    this.#windowShift = windowShift;
    this.#h = new Harness({ timestamps: hasTimestamps, dataRetriesMax: 100, synRetriesMax: 100 });
    this.#twin = new NaiveTcb(ISS, WINDOW_BYTES, { hasTimestamps, windowShift });
    this.#h.open();
    this.#tellSent();
  }

  get state(): number {
    return this.#h.state;
  }

  take(step: Step): void {
    const h = this.#h;
    if (step.kind === 'segment') this.#receive(this.#segmentOf(step));
    else if (step.kind === 'wait') h.nowNs += step.ms * MS;
    else if (step.kind === 'timer') {
      if (Number.isFinite(h.users.dueNs[USER])) {
        expect(h.timeout() & TcpEvent.GAVE_UP, 'nothing is given up').toBe(0);
      }
    } else if (h.state !== State.SYN_SENT) {
      if (step.kind === 'write') {
        if (!this.#isFinished) h.write(step.octets);
      } else {
        this.#isFinished = true;
        h.finish();
      }
    }
    this.#tellSent();
    this.#compare(step.kind);
  }

  #segmentOf({ flags, from, payloadBytes, acked, window, later }: Drawn): NaiveSegment {
    const twin = this.#twin;
    const isSyn = twin.state === 'SYN_SENT';
    const seq = isSyn ? IRS : seqAdd(twin.rcvNxt, from);
    const ack = seqAdd(twin.una, Math.round(acked * Math.max(1, seqDiff(twin.nxt, twin.una))));
    if (later > 0) this.#timestamp += later;
    const timestamp = later < 0 ? this.#timestamp + later : this.#timestamp;
    // The peer's octets are what they are: none lies behind its FIN, and its FIN behind the last.
    const left = PEER_BYTES - seqDiff(seq, seqAdd(IRS, 1));
    const bytes = isSyn ? 0 : Math.max(0, Math.min(payloadBytes, left));
    const hasFin = bytes === left && !isSyn;
    const ends = hasFin ? flags : flags & ~FIN;
    return { seq, ack, flags: ends, window, payloadBytes: bytes, timestamp };
  }

  #receive(segment: NaiveSegment): void {
    const h = this.#h;
    const { timestamp, ...rest } = segment;
    h.arrive({
      ...rest,
      mss: 1_460,
      windowScale: this.#windowShift,
      ...(this.#hasTimestamps ? { timestamps: [timestamp, Math.floor(h.nowNs / MS)] } : {}),
    });
    this.#twin.onSegment(segment, h.nowNs / MS);
    const mustAnswer = this.#twin.mustAnswer;
    const answered = this.#tellSent();
    this.#compare('arrived');
    h.client.emit(USER);
    const left = answered + this.#tellSent();
    if (mustAnswer) expect(left, 'an answer at once').toBeGreaterThan(0);
  }

  /** @returns how many segments have left */
  #tellSent(): number {
    const sent = this.#h.take();
    const twin = this.#twin;
    for (const each of sent) {
      twin.onSent(each);
      if (each.flags & ACK) expect(each.ack, 'what leaves acknowledges RCV.NXT').toBe(twin.rcvNxt);
      // One octet more is a window probe.
      const end = seqDiff(seqAdd(each.seq, each.payloadBytes), twin.una);
      if (each.payloadBytes > 1) expect(end, 'within the window').toBeLessThanOrEqual(twin.wnd);
    }
    return sent.length;
  }

  #compare(when: string): void {
    const { users } = this.#h;
    const twin = this.#twin;
    expect(users.state[USER], when).toBe(State[twin.state]);
    if (twin.state === 'CLOSED') return;
    const found = {
      iss: users.iss[USER],
      una: users.sndUna[USER],
      nxt: users.sndMax[USER],
      ...(twin.state === 'SYN_SENT'
        ? {}
        : {
            wnd: users.sndWnd[USER],
            wl1: users.sndWl1[USER],
            // Kept nowhere, since it is SND.UNA.
            wl2: users.sndUna[USER],
            rcvNxt: users.rcvNxt[USER],
            ...(this.#hasTimestamps ? { tsRecent: users.tsRecent[USER] } : {}),
          }),
    };
    expect({ ...twin, iss: ISS }, when).toMatchObject(found);
    const next = seqDiff(users.sndNxt[USER], twin.una);
    expect(next, 'SND.NXT').toBeGreaterThanOrEqual(0);
    expect(next, 'SND.NXT').toBeLessThanOrEqual(seqDiff(twin.nxt, twin.una));
  }
}

const SYN_ACK: Drawn = {
  kind: 'segment',
  flags: SYN | ACK,
  from: 0,
  payloadBytes: 0,
  acked: 1,
  window: 9_000,
  later: 0,
};

const FIN_ACK: Drawn = { ...SYN_ACK, flags: FIN | ACK, payloadBytes: PEER_BYTES, acked: 0 };
const ACKED: Drawn = { ...SYN_ACK, flags: ACK };
const FINISH: Step = { kind: 'finish' };

test.each<{ from: keyof typeof State; begin: readonly Step[] }>([
  { from: 'SYN_SENT', begin: [] },
  { from: 'ESTABLISHED', begin: [SYN_ACK] },
  { from: 'FIN_WAIT_1', begin: [SYN_ACK, FINISH] },
  { from: 'FIN_WAIT_2', begin: [SYN_ACK, FINISH, ACKED] },
  { from: 'CLOSING', begin: [SYN_ACK, FINISH, FIN_ACK] },
  { from: 'TIME_WAIT', begin: [SYN_ACK, FINISH, FIN_ACK, ACKED] },
  { from: 'CLOSE_WAIT', begin: [SYN_ACK, FIN_ACK] },
  { from: 'LAST_ACK', begin: [SYN_ACK, FIN_ACK, FINISH] },
])('from $from on each segment leaves the TCB that RFC 9293 says', ({ from, begin }) => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.constantFrom(0, 2),
      fc.array(steps, { minLength: 1, maxLength: 30 }),
      (hasTimestamps, windowShift, drawn) => {
        const pair = new Pair(hasTimestamps, windowShift);
        for (const step of begin) pair.take(step);
        expect(pair.state).toBe(State[from]);
        for (const step of drawn) pair.take(step);
      },
    ),
    { numRuns: 150 },
  );
});
