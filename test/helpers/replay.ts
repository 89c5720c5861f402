/** Runs the built command inside a lab and reads what it says of itself. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Ledger } from '../../src/measure/result.ts';
import { parseResult } from '../../src/report/json.ts';
import { packetFields, startCapture } from './capture.ts';
import { connectionsWith, type Host, type Lab, runInside } from './netns.ts';
import { FIRST_OF_ALL, type Finished, type RunOptions, until } from './process.ts';
import { makeFolder } from './servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMMAND = join(ROOT, 'bin/gryphon.js');
/** A target may keep what is left of a user's connection this long after the run. */
const CONNECTIONS_GONE_MS = 5_000;

interface LatencyRow {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The parts of `gryphon.result/1` that these tests read. */
export interface ReplayResult {
  readonly schema: string;
  readonly durationSeconds: number;
  /** Why it ended before its time, or did not begin. */
  readonly failure: string | null;
  readonly capture: {
    readonly sessions: {
      readonly total: number;
      readonly replayable: number;
      readonly skipped: Readonly<Record<string, number>>;
    };
  };
  readonly users: Ledger & {
    readonly peakEstablished: number;
    readonly reasons: Readonly<
      Record<'reset' | 'timedOut' | 'aborted', Readonly<Record<string, number>>>
    >;
  };
  readonly exchanges: {
    readonly planned: number;
    readonly intended: number;
    readonly sent: number;
    readonly answered: number;
    readonly unanswered: number;
    readonly mismatched: number;
    readonly unsent: number;
    readonly unsolicited: number;
    readonly unfollowed: number;
    readonly pingsAnswered: number;
    readonly pushesAnswered: number;
    readonly failed: number;
    readonly statuses: Readonly<Record<string, number>>;
  };
  /** How the ends of answers were told. */
  readonly answerRules: Readonly<Record<string, number>>;
  readonly packets: {
    readonly sent: number;
    readonly received: number;
    readonly retransmitted: number;
    readonly synRetransmitted: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly path: {
      readonly mtu: number | null;
      readonly messages: number;
      readonly smallerTried: number;
    };
  };
  readonly bytes: { readonly planned: number; readonly sent: number; readonly received: number };
  readonly latency: Readonly<Record<string, LatencyRow>>;
  /** HdrHistogram, V2 compressed, base64; of nanoseconds. */
  readonly histograms: Readonly<Record<'lag', string>>;
}

export interface Replayed extends Finished {
  /** Null when the run wrote none. */
  readonly result: ReplayResult | null;
}

/** Options of a replay whose times are judged: that its generator waits for a core `lag` tells. */
export const FIRST: { readonly prefix: readonly string[] } = { prefix: FIRST_OF_ALL };

/** The path of a file in fixtures/. */
export function fixture(name: string): string {
  return join(ROOT, 'fixtures', name);
}

/** The command line of `gryphon replay`, to be started in the background. */
export const replayCommand = (argv: readonly string[]): string[] => [
  process.execPath,
  COMMAND,
  'replay',
  ...argv,
];

/**
 * Runs `gryphon replay CAPTURE --json …` inside a host to its end.
 * @param argv the capture and further options
 */
export async function replay(
  host: Host,
  argv: readonly string[],
  options: RunOptions & { readonly prefix?: readonly string[] } = {},
): Promise<Replayed> {
  const folder = makeFolder('replay');
  const json = join(folder.path, 'result.json');
  const prefix = options.prefix ?? [];
  const command = [...prefix, ...replayCommand([...argv, '--json', json])];
  try {
    const env = { ...process.env, NO_COLOR: '1' };
    const finished = await runInside(host, command, { timeoutMs: 90_000, env, ...options });
    if (!existsSync(json)) return { ...finished, result: null };
    const text = readFileSync(json, 'utf8');
    // Throws where it is not as its schema says.
    await parseResult(text, json);
    return { ...finished, result: JSON.parse(text) as ReplayResult };
  } finally {
    folder.remove();
  }
}

/** The result of a run that must have ended well: exit 0, a result, a ledger that adds up. */
export function completed(replayed: Replayed, users: number): ReplayResult {
  const { code, stderr, stdout } = replayed;
  expect({ code, said: code === 0 ? '' : stderr + stdout }).toEqual({ code: 0, said: '' });
  const result = withLedger(replayed);
  const { planned, completed } = result.users;
  const said = completed === users ? '' : stderr + stdout;
  expect({ planned, completed, said }).toEqual({ planned: users, completed: users, said: '' });
  const { intended, sent, answered, unanswered } = result.exchanges;
  expect({ sent, answered, unanswered }).toEqual({
    sent: intended,
    answered: intended,
    unanswered: 0,
  });
  return result;
}

/**
 * The result of a run that found no way to its target: exit 5, nobody started, and a document that
 * says why as stderr does.
 */
export function unreached(replayed: Replayed, users: number): ReplayResult {
  expect(replayed).toMatchObject({ code: 5, stdout: '' });
  const result = withLedger(replayed);
  expect(result.users).toMatchObject({ planned: users, waiting: users, live: 0, completed: 0 });
  expect(result.packets.sent).toBe(0);
  expect(result.failure).not.toBeNull();
  expect(replayed.stderr).toContain(result.failure);
  return result;
}

/** The result of a run that wrote one, after its sums were checked. */
export function withLedger(replayed: Replayed): ReplayResult {
  const { result, stderr } = replayed;
  if (result === null) throw new Error(`the run wrote no result:\n${stderr}`);
  expect(result.schema).toBe('gryphon.result/1');
  const { waiting, live, completed, refused, reset, timedOut, aborted, planned } = result.users;
  expect(waiting + live + completed + refused + reset + timedOut + aborted).toBe(planned);
  const { total, replayable, skipped } = result.capture.sessions;
  expect(replayable + Object.values(skipped).reduce((sum, count) => sum + count, 0)).toBe(total);
  const { intended, sent, answered, unanswered } = result.exchanges;
  expect(sent).toBeLessThanOrEqual(intended);
  expect(answered + unanswered).toBeLessThanOrEqual(intended);
  return result;
}

/** Waits until the target has no connection with the range; an error shows what is left. */
export async function connectionsGone(host: Host, range: string): Promise<void> {
  let left: string[] = [];
  const isGone = async () => {
    left = await connectionsWith(host, range);
    return left.length === 0;
  };
  await until('no connection left', isGone, CONNECTIONS_GONE_MS).catch(() => undefined);
  expect(left).toEqual([]);
}

/** What the target saw of the clients while something ran. */
export interface Seen {
  /** TCP packets from client to target, and those of them whose IP or TCP checksum is wrong. */
  readonly packets: number;
  readonly wrong: number;
  /** Distinct `address:port` of those who sent a SYN, and SYNs in all. */
  readonly clients: number;
  readonly syns: number;
  readonly resets: number;
  /** The longest payload in one packet. */
  readonly payloadBytesMax: number;
  /** What the SYNs offered: each MSS once; and how many of the packets bear a timestamp. */
  readonly mssOffered: readonly number[];
  readonly timestamps: number;
  readonly portMin: number;
  readonly portMax: number;
}

/** Runs something while tcpdump listens on the target's side, then lets tshark judge. */
export async function watched<Value>(
  lab: Lab,
  port: number,
  run: () => Promise<Value>,
): Promise<{ value: Value; seen: Seen }> {
  const folder = makeFolder('watched');
  const path = join(folder.path, 'target.pcap');
  try {
    const capture = await startCapture(lab.target, path, { filter: `tcp dst port ${port}` });
    const value = await run();
    await capture.stop();
    return { value, seen: await judge(path) };
  } finally {
    folder.remove();
  }
}

async function judge(path: string): Promise<Seen> {
  const fields = ['ip.src', 'ipv6.src', 'tcp.srcport', 'ip.checksum.status', 'tcp.checksum.status'];
  const options = ['tcp.options.mss_val', 'tcp.options.timestamp.tsval'];
  const rows = await packetFields(path, [
    ...fields,
    'tcp.flags.syn',
    'tcp.flags.reset',
    'tcp.len',
    ...options,
  ]);
  const all = rows.map(([ipv4 = '', ipv6 = '', port, ip, tcp, syn, rst, length, mss, time]) => ({
    client: `${ipv4}${ipv6}:${port}`,
    port: Number(port),
    // 1 is "good"; IPv6 has no header checksum.
    isRight: (ipv4 === '' || ip === '1') && tcp === '1',
    isSyn: isSet(syn),
    isRst: isSet(rst),
    payloadBytes: Number(length),
    mss,
    time,
  }));
  // What an earlier run left at the target may be said once more, and is reset for it.
  const begun = new Set(all.filter(({ isSyn }) => isSyn).map(({ client }) => client));
  const packets = withoutProbe(all.filter(({ client }) => begun.has(client)));
  const syns = packets.filter(({ isSyn }) => isSyn);
  const ports = packets.map(({ port }) => port);
  return {
    packets: packets.length,
    wrong: packets.filter(({ isRight }) => !isRight).length,
    clients: new Set(syns.map(({ client }) => client)).size,
    syns: syns.length,
    resets: packets.filter(({ isRst }) => isRst).length,
    payloadBytesMax: Math.max(0, ...packets.map(({ payloadBytes }) => payloadBytes)),
    mssOffered: [...new Set(syns.map(({ mss }) => Number(mss)))],
    timestamps: packets.filter(({ time }) => time !== undefined && time !== '').length,
    portMin: Math.min(...ports),
    portMax: Math.max(...ports),
  };
}

/** Without the probe that comes before a run, which is reset before it is a connection. */
function withoutProbe<P extends { client: string; isSyn: boolean; isRst: boolean }>(
  packets: readonly P[],
): P[] {
  const client = packets.at(0)?.client;
  const own = packets.filter((packet) => packet.client === client);
  const isProbe = own.some(({ isRst }) => isRst) && own.every(({ isSyn, isRst }) => isSyn || isRst);
  return packets.filter((packet) => !isProbe || packet.client !== client);
}

/** tshark writes a flag as 1 or as True, as its version likes. */
function isSet(flag: string | undefined): boolean {
  return flag === '1' || flag === 'True';
}
