/**
 * `--close server`: connections that are held for what the server pushes. The oracles are what crosses the
 * target's link, the target's own connections, and the time of the process's threads in /proc beside that of another program.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { packetFields, startCapture } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import {
  CLIENTS_ROUTED,
  connectionsWith,
  type Lab,
  mustInside,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, signalTo, until } from '../helpers/process.ts';
import { completed, connectionsGone, FIRST, replay } from '../helpers/replay.ts';
import { type Folder, listening } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'chrt', 'tcpdump', 'tshark', '/usr/bin/python3'];
const SERVER = fileURLToPath(new URL('servers/push.mjs', import.meta.url));
const LEAST = fileURLToPath(new URL('servers/least-answerer.py', import.meta.url));
const RANGE = CLIENTS_ROUTED.ipv4;
const PORT = 9_000;
const USERS = 400;
/** Until what answers probes is compiled, and for how long then nothing happens but keep-alive. */
const WARM_MS = 1_000;
const IDLE_MS = 1_500;
/**
 * The engine's thread, with a probe a second for each, of what a program takes that has the least to do for them, beside
 * it in the same seconds: it was 1.5 to 3.2 beside one and beside five busy programs. (10,000 without probes take 1 % of
 * a core: bench/README.md.)
 */
const IDLE_RATIO_MAX = 4.5;
/** Wakings of all threads for each probe: those that come together wake it once; it was 0.09 to 0.23. */
const WAKINGS_MAX = 0.5;
/** Before a Linux client's would be (it waits 40 ms at least); how late the last are is the machine's load. */
const ACK_MS_FIRST = 40;
/** One that were missing would come after 200 ms and more. */
const ACK_MS_MEDIAN = 100;

/** What a thread has used so far: processor time, and how often it has given its core up to wait (proc(5)). */
interface Used {
  readonly thread: string;
  readonly cpuNs: number;
  readonly wakings: number;
}

function usedBy(pid: number): readonly Used[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const folder = `/proc/${pid}/task/${thread}`;
    const [cpuNs] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ');
    const status = readFileSync(`${folder}/status`, 'utf8');
    const [, wakings] = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(status) ?? [];
    return { thread, cpuNs: Number(cpuNs), wakings: Number(wakings) };
  });
}

/** What each thread has used since; one that there was not began with nothing. */
const usedSince = (before: readonly Used[], pid: number): readonly Used[] =>
  usedBy(pid).map(({ thread, cpuNs, wakings }) => {
    const then = before.find((each) => each.thread === thread);
    return {
      thread,
      cpuNs: cpuNs - (then?.cpuNs ?? 0),
      wakings: wakings - (then?.wakings ?? 0),
    };
  });

describe.runIf(canRun('connections that are held', TOOLS))('connections that are held', () => {
  let lab: Lab;
  let folder: Folder;
  let server: Running;

  onLabGround({ isRouted: true }, async (ground) => {
    ({ lab, folder } = ground);
    await mustInside(lab.target, ['sysctl', '-qw', 'net.core.somaxconn=4096']);
    server = startInside(lab.target, [process.execPath, SERVER, `${PORT}`, '1000']);
    await listening(lab.target, server, PORT);
  });

  afterAll(() => server?.stop());

  /** One client that asks once, captured. */
  const record = async (): Promise<string> => {
    const path = join(folder.path, 'asked.pcap');
    const capture = await startCapture(lab.client, path, { filter: `tcp port ${PORT}` });
    const ask = `import socket; s = socket.create_connection(("${lab.target.ipv4}", ${PORT}))
s.sendall(b"hello\\n"); assert s.recv(9) == b"ok\\n"; s.close()`;
    await mustInside(lab.client, ['/usr/bin/python3', '-c', ask]);
    await capture.stop();
    return path;
  };

  test('cost next to nothing, answer probes, and acknowledge what is pushed', async () => {
    const asked = await record();
    const path = join(folder.path, 'held.pcap');
    const capture = await startCapture(lab.target, path, { filter: `tcp port ${PORT}` });
    const isHeld = async () => (await connectionsWith(lab.target, RANGE)).length === USERS;
    const least = startInside(lab.client, [
      '/usr/bin/python3',
      LEAST,
      lab.client.device,
      `${PORT}`,
    ]);
    await until('the other program is ready', () => least.output().includes('ready'));
    let used: readonly Used[] = [];
    let leastNs = Number.NaN;
    let pushedAt = Number.NaN;
    let isStillHeld = false;
    let held: Promise<void> = Promise.resolve();
    const target = ['--target', `${lab.target.ipv4}:${PORT}`, '--clients', RANGE];
    const load = ['--users', `${USERS}`, '--rate', '2000', '--close', 'server'];
    const argv = [asked, ...target, ...load, '--duration', '7s', '--no-progress'];
    const replayed = await replay(lab.client, argv, {
      ...FIRST,
      onStart: ({ pid = 0 }) => {
        held = until('all are held', isHeld).then(async () => {
          await new Promise((resolve) => setTimeout(resolve, WARM_MS));
          const before = { ours: usedBy(pid), least: usedBy(least.pid) };
          await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
          used = usedSince(before.ours, pid);
          leastNs = usedSince(before.least, least.pid).reduce((sum, { cpuNs }) => sum + cpuNs, 0);
          pushedAt = Date.now() / 1000;
          signalTo(server.pid, 'SIGUSR2');
          await new Promise((resolve) => setTimeout(resolve, 500));
          isStillHeld = await isHeld();
        });
        held.catch(() => undefined);
      },
    });
    await held;
    await least.stop();
    await capture.stop();
    const { exchanges } = completed(replayed, USERS);
    expect(isStillHeld).toBe(true);
    expect(exchanges.unsolicited).toBe(USERS);
    await connectionsGone(lab.target, RANGE);

    // The busiest is the engine's: the others draw progress, or compile what has become hot, once.
    expect(leastNs).toBeGreaterThan(0);
    const engineNs = Math.max(...used.map(({ cpuNs }) => cpuNs));
    expect(engineNs / leastNs).toBeLessThanOrEqual(IDLE_RATIO_MAX);
    const due = (USERS * IDLE_MS) / 1000;
    const woken = used.reduce((sum, { wakings }) => sum + wakings, 0);
    expect(woken).toBeGreaterThan(0);
    expect(woken).toBeLessThanOrEqual(WAKINGS_MAX * due);

    const rtts = await packetFields(
      path,
      ['frame.time_epoch', 'tcp.analysis.ack_rtt'],
      `tcp.dstport == ${PORT} && tcp.analysis.ack_rtt`,
    );
    const acks = rtts
      .filter(([time]) => Number(time) > pushedAt && Number(time) < pushedAt + 0.5)
      .map(([, rtt]) => Number(rtt) * 1000)
      .sort((a, b) => a - b);
    expect(acks).toHaveLength(USERS);
    expect(acks[0]).toBeLessThan(ACK_MS_FIRST);
    expect(acks[USERS / 2]).toBeLessThan(ACK_MS_MEDIAN);
    // Before the push: one that crosses a probe makes the answer look like another acknowledgement.
    const fields = ['frame.time_epoch', 'tcp.stream'];
    const probes = (await packetFields(path, fields, 'tcp.analysis.keep_alive')).filter(
      ([time]) => Number(time) < pushedAt - 0.2,
    );
    const answers = await packetFields(path, fields, 'tcp.analysis.keep_alive_ack');
    expect(probes.length).toBeGreaterThan(USERS / 2);
    // Each within the second that the next one comes after.
    const unanswered = probes.filter(
      ([probed, stream]) =>
        !answers.some(
          ([time, of]) =>
            of === stream && Number(time) >= Number(probed) && Number(time) < Number(probed) + 0.9,
        ),
    );
    expect(unanswered).toEqual([]);
  });
});
