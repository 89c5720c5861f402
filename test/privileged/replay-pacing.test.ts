/**
 * When a replay sends what: the target's clock against the capture's. Bounds are wide enough for a
 * machine with other work to do; a median within them cannot be luck, since the thing measured
 * would be wrong by far more.
 */
import { describe, expect, test } from 'vitest';
import { packetFields } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { signalTo, until } from '../helpers/process.ts';
import {
  completed,
  connectionsGone,
  FIRST,
  fixture,
  replay,
  withLedger,
} from '../helpers/replay.ts';
import { type Nginx, startNginx, startSlowGreeting } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'chrt', 'nginx', 'tshark', '/usr/bin/python3'];
const RANGE = CLIENTS_ROUTED.ipv4;
const GREETING = fixture('greeting.pcap');
/** The server of this test answers so late; the recorded one answered within a millisecond. */
const DELAY_MS = 300;
/** How far a busy machine may shift half of what is said. */
const BUSY_MS = 60;
const STALL_MS = 2_000;

interface Said {
  readonly atMs: number;
  readonly text: string;
}

/** Milliseconds from each line to the next, of those lines that bear a number: `line N`. */
function gapsBetweenLines(said: readonly Said[]): number[] {
  const times: number[] = [];
  for (const { atMs, text } of said) {
    for (const [, line] of text.matchAll(/says line (\d+)/g)) times[Number(line)] = atMs;
  }
  return times.slice(1).map((time, before) => time - (times[before] ?? Number.NaN));
}

/** The same of each recorded session, by its number. */
async function recordedGaps(): Promise<Map<number, number[]>> {
  const filter = 'tcp.dstport == 7000 && tcp.len > 0';
  const rows = await packetFields(GREETING, ['frame.time_epoch', 'tcp.payload'], filter);
  const sessions = new Map<number, Said[]>();
  for (const [seconds, hex = ''] of rows) {
    const text = Buffer.from(hex, 'hex').toString('latin1');
    const session = sessionOf(text);
    const said = { atMs: Number(seconds) * 1000, text };
    if (session !== null) sessions.set(session, [...(sessions.get(session) ?? []), said]);
  }
  return new Map([...sessions].map(([session, said]) => [session, gapsBetweenLines(said)]));
}

function sessionOf(text: string): number | null {
  const found = /session (\d+) says/.exec(text)?.at(1);
  return found === undefined ? null : Number(found);
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

describe.runIf(canRun('pacing of a replay', TOOLS))('pacing of a replay', () => {
  let lab: Lab;

  onLabGround({ isRouted: true }, (ground) => {
    ({ lab } = ground);
  });

  test.each([
    { name: 'think: the pause counts from the answer', pace: 'think', accel: 1, addedMs: DELAY_MS },
    { name: 'think at half the speed', pace: 'think', accel: 0.5, addedMs: DELAY_MS },
    { name: 'schedule: a late answer does not matter', pace: 'schedule', accel: 1, addedMs: 0 },
    { name: 'schedule at a quarter of the speed', pace: 'schedule', accel: 0.25, addedMs: 0 },
  ])('$name', async ({ pace, accel, addedMs }) => {
    const users = 16;
    const recorded = await recordedGaps();
    const server = await startSlowGreeting(lab.target, DELAY_MS);
    try {
      const asked = ['--pace', pace, '--accel', `${accel}`, '--users', `${users}`];
      const target = ['--target', `${lab.target.ipv4}:7000`, '--clients', RANGE];
      completed(await replay(lab.client, [GREETING, ...target, ...asked], FIRST), users);

      const off = server.connections().flatMap(({ octets, reads }) => {
        const said = reads.map((read) => ({ ...read, text: read.octets.toString('latin1') }));
        const wanted = recorded.get(sessionOf(octets.toString('latin1')) ?? -1) ?? [];
        const gaps = gapsBetweenLines(said);
        expect(gaps).toHaveLength(wanted.length);
        return gaps.map((gap, at) => gap - ((wanted[at] ?? 0) / accel + addedMs));
      });
      expect(off.length).toBeGreaterThan(2 * users);
      expect(median(off.map(Math.abs))).toBeLessThan(BUSY_MS);
    } finally {
      await server.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });

  test.each([
    { pace: 'think', stalled: 'it was asked' },
    { pace: 'schedule', stalled: 'it was to be asked' },
  ])('--pace $pace: a server that stalls answers late, counted from when $stalled', async (row) => {
    const users = 64;
    const nginx = await startNginx(lab.target);
    let stalling = Promise.resolve(Number.NaN);
    try {
      const capture = fixture('http-keepalive.pcap');
      const target = ['--target', `${lab.target.ipv4}:80`, '--clients', RANGE];
      const asked = ['--users', `${users}`, '--pace', row.pace, '--timeout', '5s'];
      const value = await replay(lab.client, [capture, ...target, ...asked], {
        ...FIRST,
        onStart: () => {
          stalling = stall(nginx);
        },
      });

      const result = completed(value, users);
      await connectionsGone(lab.target, RANGE);
      const requests = nginx.accessLog();
      expect(requests).toHaveLength(result.exchanges.intended);
      const { response, service } = result.latency;
      const stalledMs = await stalling;
      expect(response?.max).toBeGreaterThan(stalledMs * 0.8);
      expect(response?.max).toBeLessThan(stalledMs * 1.5);
      expect(service?.max).toBeGreaterThan(stalledMs * 0.8);
      // In the open loop everything due during the stall was late, in the closed loop one request
      // of each user at most.
      const least = row.pace === 'schedule' ? stalledMs * 0.1 : 0;
      expect(response?.p50).toBeGreaterThan(least);
    } finally {
      await nginx.stop();
    }
  });

  test('--request-rate: half a run of silence shows in every percentile as it must', async () => {
    const seconds = 4;
    const nginx = await startNginx(lab.target);
    let stalling = Promise.resolve(Number.NaN);
    try {
      const target = ['--target', `${lab.target.ipv4}:80`, '--clients', RANGE];
      const asked = ['--request-rate', '300/s', '--duration', `${seconds}s`];
      const capture = fixture('http-keepalive.pcap');
      const value = await replay(lab.client, [capture, ...target, ...asked], {
        ...FIRST,
        onStart: () => {
          stalling = stall(nginx);
        },
      });

      const { response } = completed(value, withLedger(value).users.planned).latency;
      const stalledMs = await stalling;
      // Requests come due evenly, and what came due in the silence waited for the rest of it: so many
      // of all waited longer than that.
      for (const [waited, share] of [
        [response?.p99, 0.01],
        [response?.p90, 0.1],
      ] as const) {
        const mustMs = stalledMs - share * seconds * 1_000;
        expect(waited).toBeGreaterThan(mustMs - 0.1 * stalledMs);
        expect(waited).toBeLessThan(mustMs + 0.1 * stalledMs);
      }
      expect(response?.p50).toBeLessThan(0.3 * stalledMs);
    } finally {
      await nginx.stop();
    }
    await connectionsGone(lab.target, RANGE);
  });
});

/** Stops nginx for a while as soon as some users are connected. @returns how long, in ms */
async function stall(nginx: Nginx): Promise<number> {
  await until('users connected', async () => (await nginx.stubStatus()).active >= 5);
  signalTo(nginx.workerPid, 'SIGSTOP');
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, STALL_MS));
  signalTo(nginx.workerPid, 'SIGCONT');
  return performance.now() - startMs;
}
