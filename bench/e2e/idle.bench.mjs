/**
 * Connections that are held for minutes while nothing happens but keep-alive: what do they take?
 *
 *     npm run build && sudo node bench/e2e/idle.bench.mjs [--smoke] [--users 10000] [--minutes 3]
 *         [--probe-seconds 15]
 *
 * A server that answers once, then probes each connection every 15 s, or so many (it ends one that does not answer within
 * 10 s), and in the end pushes a line to all at once; of as many processes as descriptors ask for. Bars: processor time of the generator's process while
 * nothing is pushed, probes sent by the target's kernel, connections that it has at the end, and when it got
 * the acknowledgements of the push, by what crosses its link.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';

const { packetFields, startCapture } = await import('../../test/helpers/capture.ts');
const {
  CLIENTS_ROUTED,
  DEVICE,
  connectionsWith,
  kernelCount,
  makeLab,
  mustInside,
  routeClients,
  runInside,
  startInside,
} = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { signalTo, until } = await import('../../test/helpers/process.ts');
const { replayCommand } = await import('../../test/helpers/replay.ts');
const { listening, makeFolder } = await import('../../test/helpers/servers.ts');

const SERVER = fileURLToPath(new URL('../../test/privileged/servers/push.mjs', import.meta.url));
const PORT = 9_000;
const RATE_MIN = 2_000;
/** All are there so many seconds after the first, at the latest. */
const RAMP_SECONDS = 20;
/** Of the server's processes each has so many connections at most: they are dealt out in turn. */
const CONNECTIONS_EACH = 15_000;
/** Of a core. */
const CORE_SHARE_MAX = 0.02;
/**
 * Due after 30 ms (RFC 1122, section 4.2.3.2, admits 500), so that ten thousand at once are there before a
 * Linux client's would be; a server repeats after 200 ms.
 */
const ACK_MS_P99_MAX = 40;
/** From the start of the process until all are there, on a machine with other work: and so many ms a connection. */
const HELD_MS_MAX = 60_000;
const HELD_MS_EACH = 1;
/** What a process of the server pushes to in a second, and what tcpdump takes of it, at least. */
const PUSHES_PER_SECOND = 10_000;
/** How often the kernel counts processor time (USER_HZ). */
const TICKS_PER_SECOND = 100;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    users: { type: 'string' },
    minutes: { type: 'string', default: '3' },
    'probe-seconds': { type: 'string', default: '15' },
  },
});
const missing = missingFor(['bash', 'ip', 'ethtool', 'ss', 'nstat', 'tcpdump', 'tshark']);
if (missing !== null) skip('idle', `it needs ${missing}`);
const users = Number(values.users ?? (values.smoke ? 200 : 10_000));
const idleSeconds = values.smoke ? 2 : Number(values.minutes) * 60;
const probeSeconds = values.smoke ? 1 : Number(values['probe-seconds']);
const rate = Math.max(RATE_MIN, Math.ceil(users / RAMP_SECONDS));
const processes = Math.ceil(users / CONNECTIONS_EACH);
const pushSeconds = Math.max(1, users / PUSHES_PER_SECOND);
/** Beside the idle time: until all are there and what they need is compiled, and the push. */
const otherSeconds =
  Math.ceil(users / rate + 2 * pushSeconds + (HELD_MS_EACH * users) / 1_000) +
  (values.smoke ? 5 : 30);

const folder = makeFolder('idle');
const lab = await makeLab({ offload: true });
const faults = [];
try {
  await routeClients(lab);
  for (const setting of ['net.core.somaxconn=65535', 'net.ipv4.tcp_max_syn_backlog=65535']) {
    await mustInside(lab.target, ['sysctl', '-qw', setting]);
  }
  for (const host of [lab.client, lab.target]) await receiveByAll(host);
  const argv = [process.execPath, SERVER, `${PORT}`, `${1_000 * probeSeconds}`, `${processes}`];
  const server = startInside(lab.target, argv);
  await listening(lab.target, server, PORT);
  await holdAll(server, await recordOne());
  await server.stop();
} finally {
  await lab.close();
  folder.remove();
}
// With --smoke it is too short to hold a bar.
if (!values.smoke && faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`);
  process.exitCode = 1;
}

/**
 * Has the link's packets received by all processors, as a card with queues does it: what a server's timer sends at once,
 * a hundred thousand probes in 60 parts, is more than one of them lets wait (netdev_max_backlog), and is lost.
 */
async function receiveByAll(host) {
  const mask = (2 ** Math.min(32, cpus().length) - 1).toString(16);
  const queue = `/sys/class/net/${DEVICE}/queues/rx-0/rps_cpus`;
  await mustInside(host, ['bash', '-c', `echo ${mask} > ${queue}`]);
}

/** One client that asks once. */
async function recordOne() {
  const path = join(folder.path, 'asked.pcap');
  const capture = await startCapture(lab.client, path, { filter: `tcp port ${PORT}` });
  const ask = `require('node:net').connect(${PORT}, '${lab.target.ipv4}', function () {
    this.on('data', () => this.end()).write('hello\\n');
  });`;
  await mustInside(lab.client, [process.execPath, '-e', ask]);
  await capture.stop();
  return path;
}

async function holdAll(server, capture) {
  const json = join(folder.path, 'result.json');
  const argv = [capture, '--target', `${lab.target.ipv4}:${PORT}`, '--clients'];
  argv.push(CLIENTS_ROUTED.ipv4, '--users', `${users}`, '--rate', `${rate}/s`, '--close', 'server');
  argv.push('--duration', `${idleSeconds + otherSeconds}s`, '--iterations', '1');
  argv.push('--json', json, '--quiet', '--no-progress');
  let watching = Promise.resolve();
  const { code, stderr } = await runInside(lab.client, replayCommand(argv), {
    timeoutMs: 1_000 * (idleSeconds + 2 * otherSeconds + 60),
    onStart: ({ pid }) => {
      watching = watch(pid, server.pid);
      watching.catch(() => undefined);
    },
  });
  await watching;
  if (code !== 0) throw new Error(`the replay ended with ${code}: ${stderr}`);
  const { users: ended, exchanges } = JSON.parse(readFileSync(json, 'utf8'));
  process.stdout.write(`${ended.completed} completed, ${exchanges.unsolicited} pushes\n`);
  if (ended.completed !== users) faults.push('not all users completed');
}

/** Waits until all are there, leaves them alone, and pushes. */
async function watch(pid, serverPid) {
  const patienceMs = HELD_MS_MAX + HELD_MS_EACH * users;
  await until('all are held', async () => (await held()) === users, patienceMs);
  // What answers probes is compiled when it has become hot.
  await sleep(values.smoke ? 0.5 : probeSeconds);
  const [beforeTicks, beforeMs] = [ticksOf(pid), performance.now()];
  const beforeProbes = await probesSent();
  await sleep(idleSeconds);
  const seconds = (performance.now() - beforeMs) / 1_000;
  const share = (ticksOf(pid) - beforeTicks) / TICKS_PER_SECOND / seconds;
  const probes = (await probesSent()) - beforeProbes;
  const left = await held();
  moved('probes', probes);
  process.stdout.write(
    `${left} of ${users} connections held for ${seconds.toFixed(0)} s: ${probes} probes, ` +
      `${(100 * share).toFixed(2)} % of a core (at most ${100 * CORE_SHARE_MAX})\n`,
  );
  if (left !== users) faults.push('not all are held');
  if (!(share < CORE_SHARE_MAX)) faults.push('idle connections take too much');
  if (probes < users * Math.floor(seconds / probeSeconds - 1)) faults.push('too few probes');
  await push(serverPid);
}

async function push(serverPid) {
  const path = join(folder.path, 'push.pcap');
  // Headers alone: tcpdump's buffer has room for as many packets as they are short.
  const options = ['-s', '96'];
  const capture = await startCapture(lab.target, path, { filter: `tcp port ${PORT}`, options });
  signalTo(serverPid, 'SIGUSR2');
  await sleep(pushSeconds);
  await capture.stop();
  const fields = ['tcp.analysis.ack_rtt', 'tcp.stream'];
  const acks = await packetFields(path, fields, `tcp.dstport == ${PORT} && ${fields[0]}`);
  const times = acks.map(([rtt]) => Number(rtt) * 1_000).sort((a, b) => a - b);
  const at = (share) => times[Math.ceil(share * times.length) - 1] ?? Number.NaN;
  moved('acknowledgements', times.length);
  const acknowledged = new Set(acks.map(([, stream]) => stream)).size;
  if (acknowledged !== users) faults.push('not all pushes are acknowledged');
  process.stdout.write(
    `${acknowledged} pushes acknowledged after ` +
      `${(times[0] ?? Number.NaN).toFixed(1)} ms at first, ` +
      `${at(0.5).toFixed(1)} p50, ${at(0.99).toFixed(1)} p99, ${at(1).toFixed(1)} at last\n`,
  );
  if (!(at(0.99) <= ACK_MS_P99_MAX)) faults.push('pushes are acknowledged late');
}

async function held() {
  return (await connectionsWith(lab.target, CLIENTS_ROUTED.ipv4)).length;
}

function probesSent() {
  return kernelCount(lab.target, 'TcpExtTCPKeepAlive');
}

function sleep(seconds) {
  return new Promise((done) => setTimeout(done, 1_000 * seconds));
}

/** Processor time of a process, user and system (proc(5)). */
function ticksOf(pid) {
  const [, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[10]) + Number(fields[11]);
}
