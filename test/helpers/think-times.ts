/** How long clients thought, by packets at their server, against the plan and what a run says of its own lag. */
import { expect } from 'vitest';
import { percentileOf } from './answer-times.ts';
import { packetFields } from './capture.ts';
import { readHdrV2, type ValueCounts } from './hdr-v2.ts';
import type { ReplayResult } from './replay.ts';

/** A request, and what came before it. */
interface Thought {
  /** From the last packet of the server's, an opened connection at first, to the request's first packet. */
  readonly pauseMs: number;
  /** Whether the server said anything to it. */
  isAnswered: boolean;
}

/** Where a capture was made. A client's own thinks from when it has acknowledged the end of the handshake. */
type Side = 'client' | 'server';

/**
 * What each connection thought, in the order in which they were opened; of those that said something.
 * @param filter which packets are parts of requests and answers, in tshark's language
 */
async function thoughtsOf(
  path: string,
  side: Side,
  { port, filter = 'tcp.len > 0' }: Pick<ThinkTimes, 'port' | 'filter'>,
): Promise<Thought[][]> {
  const fields = ['tcp.stream', 'tcp.dstport', 'frame.time_epoch', 'tcp.len'];
  const opened = 'tcp.len == 0 && tcp.seq == 1 && tcp.ack == 1 && tcp.flags.fin == 0';
  const wanted = `((${filter}) || tcp.flags.syn == 1 || (${opened})) && !tcp.analysis.retransmission`;
  const heardMs = new Map<string, number>();
  const thoughts = new Map<string, Thought[]>();
  for (const [stream = '', toPort, seconds, bytes] of await packetFields(path, fields, wanted)) {
    const of = thoughts.get(stream) ?? [];
    thoughts.set(stream, of);
    const atMs = Number(seconds) * 1_000;
    const lastMs = heardMs.get(stream);
    if (toPort !== `${port}`) {
      const last = of.at(-1);
      if (last !== undefined) last.isAnswered = true;
      heardMs.set(stream, atMs);
    } else if (bytes === '0') {
      if (side === 'client' && lastMs !== undefined && of.length === 0) heardMs.set(stream, atMs);
    } else if (lastMs !== undefined) {
      of.push({ pauseMs: atMs - lastMs, isAnswered: false });
      // What else is said before the server speaks again is part of the same.
      heardMs.delete(stream);
    }
  }
  return [...thoughts.values()].filter((of) => of.length > 0);
}

/** By so much may the clocks of a capture, of the kernel and of a run differ within one pause. */
const CLOCKS_MS = 0.1;
/** How far a think time may be from the plan, but for lag that the run itself tells. */
const THINK_MS = 2;
/** A packet in so many may be held up behind its stamp: by a machine whose cores have other work, and by nobody's plan. */
const HELD_UP_SHARE = 200;

/** What is compared: captures, at the client and at the server, and what the run says. */
export interface ThinkTimes {
  readonly recorded: string;
  readonly played: string;
  /** The server's. */
  readonly port: number;
  /** As `turnsOf` has it. */
  readonly filter?: string;
  readonly users: number;
  readonly result: ReplayResult;
}

/**
 * Every think time of a run in a closed loop is that of the plan: none is shorter, nine of ten are longer by 2 ms at
 * most, and all but one in two hundred by as much as the run tells as lag, to within 2 ms: in ascending order, each
 * against the lag of its rank. Of what nobody answers no lag is told: there nine of ten are looked at. Users play the
 * sessions in turn, and open their connections in order: by one thread.
 */
export async function expectThinkTimes(compared: ThinkTimes): Promise<void> {
  const { users, result } = compared;
  const sessions = await thoughtsOf(compared.recorded, 'client', compared);
  const played = await thoughtsOf(compared.played, 'server', compared);
  expect(played).toHaveLength(users);
  const late: number[] = [];
  const lastLate: number[] = [];
  for (const [user, thoughts] of played.entries()) {
    const session = sessions[user % sessions.length];
    const answered = (of: readonly Thought[]): boolean[] => of.map((each) => each.isAnswered);
    expect(answered(thoughts), `user ${user}`).toEqual(answered(session));
    for (const [i, { pauseMs, isAnswered }] of thoughts.entries()) {
      (isAnswered ? late : lastLate).push(pauseMs - session[i].pauseMs);
    }
  }
  late.sort((a, b) => a - b);
  const lags = millisecondsOf(readHdrV2(result.histograms.lag));
  expect(lags).toHaveLength(late.length);
  const off = late.map((ms, i) => Math.abs(ms - lags[i]));
  expect(Math.min(...late, ...lastLate), 'none is early').toBeGreaterThan(-CLOCKS_MS);
  expect(percentileOf(late, 90), 'nine of ten').toBeLessThanOrEqual(THINK_MS);
  const beyond = off.filter((ms) => ms > THINK_MS);
  expect(beyond.length, `others than the lag: ${beyond}`).toBeLessThanOrEqual(
    late.length / HELD_UP_SHARE,
  );
  if (lastLate.length === 0) return;
  lastLate.sort((a, b) => a - b);
  expect(percentileOf(lastLate, 90), 'unanswered').toBeLessThanOrEqual(THINK_MS);
}

/** In ascending order. */
const millisecondsOf = (counts: ValueCounts): number[] =>
  [...counts].flatMap(([ns, count]) => Array.from({ length: count }, () => ns / 1e6));
