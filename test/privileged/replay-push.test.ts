/**
 * `--close server`: connections that are held for what the server pushes. The oracles are what crosses the
 * target's link, the target's own connections, and the process's own time in /proc.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packetFields, startCapture } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  connectionsWith,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, signalTo, until } from '../helpers/process.ts';
import { completed, connectionsGone, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'tcpdump', 'tshark', '/usr/bin/python3'];
const SERVER = fileURLToPath(new URL('servers/push.mjs', import.meta.url));
const RANGE = CLIENTS_ROUTED.ipv4;
const PORT = 9_000;
const USERS = 400;
/** How long nothing happens but keep-alive. */
const IDLE_MS = 1_500;
/**
 * Of a core, with a probe a second for each. Wide: 3 to 8 % were seen on one machine within minutes; what depends on it less
 * is counted: how often the process wakes. (10,000 without probes take 1 %: bench/README.md.)
 */
const IDLE_SHARE_MAX = 0.15;
/** Wakings of all threads for each probe: those that come together wake it once, so it is 0.2. */
const WAKINGS_MAX = 1;
/** A delayed acknowledgement is due after 40 ms; one that were missing would come after 200 ms and more. */
const ACK_MS_MEDIAN = 100;

/** Processor time of a process and its threads so far, in ms (proc(5): fields 14 and 15, in ticks). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How often the threads of a process have given their core up to wait, and woken again (proc(5)). */
function wakings(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const status = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'));
  const counts = status.map((text) => Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}

describe.runIf(canRun('connections that are held', TOOLS))('connections that are held', () => {
  let lab: Lab;
  let folder: Folder;
  let server: Running;

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
    await mustInside(lab.target, ['sysctl', '-qw', 'net.core.somaxconn=4096']);
    folder = makeFolder('push');
    server = startInside(lab.target, [process.execPath, SERVER, `${PORT}`, '1000']);
    await until('the server listens', async () => {
      const text = await mustInside(lab.target, ['ss', '-Hltn', `sport = :${PORT}`]);
      return text !== '';
    });
  });

  afterAll(async () => {
    await server?.stop();
    await lab?.close();
    folder?.remove();
  });

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
    let busyMs = Number.NaN;
    let woken = Number.NaN;
    let pushedAt = Number.NaN;
    let isStillHeld = false;
    let held: Promise<void> = Promise.resolve();
    const target = ['--target', `${lab.target.ipv4}:${PORT}`, '--clients', RANGE];
    const load = ['--users', `${USERS}`, '--rate', '2000', '--close', 'server'];
    const argv = [asked, ...target, ...load, '--duration', '5s', '--no-progress'];
    const replayed = await replay(lab.client, argv, {
      onStart: ({ pid = 0 }) => {
        held = until('all are held', isHeld).then(async () => {
          await new Promise((resolve) => setTimeout(resolve, 500));
          const before = { cpu: cpuMs(pid), wakings: wakings(pid) };
          await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
          busyMs = cpuMs(pid) - before.cpu;
          woken = wakings(pid) - before.wakings;
          pushedAt = Date.now() / 1000;
          signalTo(server.pid, 'SIGUSR2');
          await new Promise((resolve) => setTimeout(resolve, 500));
          isStillHeld = await isHeld();
        });
        held.catch(() => undefined);
      },
    });
    await held;
    await capture.stop();
    const { exchanges } = completed(replayed, USERS);
    expect(isStillHeld).toBe(true);
    expect(exchanges.unsolicited).toBe(USERS);
    await connectionsGone(lab.target, RANGE);

    expect(busyMs / IDLE_MS).toBeLessThanOrEqual(IDLE_SHARE_MAX);
    const due = (USERS * IDLE_MS) / 1000;
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
