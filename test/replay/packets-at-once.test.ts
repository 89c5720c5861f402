/** What may wait for a thread at once, by what the recorded servers said between two requests. */
import { describe, expect, test } from 'vitest';
import { answerPacketsOf, packetsAtOnce } from '../../src/replay/packets-at-once.ts';
import { Pace } from '../../src/replay/replay-plan.ts';
import { ScriptSteps } from '../../src/replay/script-steps.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { type RecordedSession, randomOctets, record } from '../helpers/recorded.ts';

const MSS = 1_000;
const TCP = {
  synRtoNs: 1e9,
  synRetriesMax: 6,
  dataRetriesMax: 15,
  windowBytes: 1 << 20,
  mss: MSS,
  timestamps: false,
};
const client = (bytes: number) => ({ from: 'client' as const, octets: randomOctets(bytes, 1) });
const server = (bytes: number) => ({ from: 'server' as const, octets: randomOctets(bytes, 2) });
const ENDED = { clientEnd: { how: StreamEnd.FIN } };

const CASES: readonly { name: string; session: RecordedSession; closed: number; open: number }[] = [
  {
    name: 'requests in turn',
    session: { messages: [client(9), server(3), client(9), server(7), client(9), server(2)] },
    closed: 7,
    open: 12,
  },
  {
    name: 'the longest answer comes first',
    session: { messages: [client(9), server(8), client(9), server(1)], ...ENDED },
    closed: 8,
    open: 9,
  },
  {
    name: 'a greeting',
    session: { messages: [server(6), client(9), server(2)] },
    closed: 6,
    open: 8,
  },
  {
    name: 'two requests before their answers',
    session: { messages: [client(9), client(9), server(3), server(4)] },
    closed: 7,
    open: 7,
  },
  {
    name: "what comes behind the client's end",
    session: {
      messages: [client(9), server(2), server(5)],
      clientEnd: { how: StreamEnd.FIN, awaits: 2 },
    },
    closed: 5,
    open: 7,
  },
  { name: 'a server that says nothing', session: { messages: [client(9)] }, closed: 0, open: 0 },
];

describe('the most packets that a server may send without hearing from its client', () => {
  test.each(CASES)('$name', ({ session, closed, open }) => {
    // A session before it, whose extents and steps are others. Each octet was a packet.
    const before = { messages: [client(3), server(50), client(3), server(40)] };
    const { scripts } = record([before, session], { extentBytesMax: 1 });
    const steps = new ScriptSteps(scripts);
    const of = (pace: Pace): number =>
      answerPacketsOf({ scripts, pace, tcp: TCP }, steps, steps, 1);
    expect(of(Pace.THINK)).toBe(closed);
    expect(of(Pace.NONE)).toBe(closed);
    expect(of(Pace.SCHEDULE)).toBe(open);
  });

  test('are at least as many as the segment size that the client offers makes of it', () => {
    const { scripts } = record([{ messages: [client(9), server(5 * MSS + 1), client(9)] }], {
      extentBytesMax: 64 * MSS,
    });
    expect(scripts.server.extentStart.length).toBeLessThan(6);
    const steps = new ScriptSteps(scripts);
    expect(answerPacketsOf({ scripts, pace: Pace.NONE, tcp: TCP }, steps, steps, 0)).toBe(6);
    const stamped = { ...TCP, timestamps: true };
    expect(answerPacketsOf({ scripts, pace: Pace.NONE, tcp: stamped }, steps, steps, 0)).toBe(6);
    const small = { ...TCP, mss: 100 };
    expect(answerPacketsOf({ scripts, pace: Pace.NONE, tcp: small }, steps, steps, 0)).toBe(51);
  });
});

test('every connection has room for twice its answer and what TCP says beside it', () => {
  expect(packetsAtOnce(0, 1)).toBe(0);
  expect(packetsAtOnce(1_000, 1)).toBe(10_000);
  expect(packetsAtOnce(3, 70)).toBe(3 * 148);
});
