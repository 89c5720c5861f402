/**
 * One measurement of the channel, in a process of its own: an intercept with made-up packets in
 * another process, the channel thread and one shard here. Prints a line of JSON.
 *
 *     node bench/intercept/channel-variant.mjs '{"rate":1000,"seconds":5,"secret":true,"users":1000}'
 *
 * `rate` 0: as fast as the channel carries them.
 */
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../../dist/base/address.js';
import { PREFIX_BYTES } from '../../dist/base/prefix-bytes.js';
import { parseClients } from '../../dist/cli/values/clients.js';
import { ChannelReceiver } from '../../dist/io/channel/channel-receiver.js';
import { keyOfToken } from '../../dist/io/channel/channel-secret.js';
import { openRunClock, runStartsNow } from '../../dist/io/receive/run-clock.js';
import { Waiter } from '../../dist/io/receive/wait.js';
import { ChannelThread } from '../../dist/run/channel/channel-thread.js';

const given = JSON.parse(process.argv[2] ?? '{}');
const { rate = 0, seconds = 5, secret = true, users = 1000 } = given;
/** Before the measurement; and how many times a bare timer is waited for. */
const { warmUpNs = 500e6, wakeUps = 500 } = given;
const TOKEN = 'a secret for the bench alone';

const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = server.address();
    server.close(() => resolve(free));
  });
});
const script = fileURLToPath(new URL('./made-up-intercept.mjs', import.meta.url));
const child = spawn(process.execPath, [script, String(port), ...(secret ? [TOKEN] : [])], {
  env: { ...process.env, MADE_UP_RATE: String(rate) },
  stdio: ['ignore', 'ignore', 'pipe'],
});
// However this process ends, the other does not go on without it.
process.once('exit', () => child.kill());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
child.once('exit', (code) => {
  process.stderr.write(`the made-up intercept ended with ${code}: ${said}\n`);
  process.exit(1);
});
let said = '';
child.stderr.setEncoding('utf8');
child.stderr.on('data', (text) => {
  said += text;
});
const until = async (is) => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10));
};
await until(() => said.includes('"msg":"ready"') && /echo: \d+\n/.test(said));
const echoPort = Number(/echo: (\d+)\n/.exec(said)[1]);

/** CPU microseconds and memory of the intercept so far. */
async function usage() {
  said = '';
  child.kill('SIGUSR1');
  await until(() => /usage: .*\n/.test(said));
  return JSON.parse(/usage: (.*)\n/.exec(said)[1]);
}

const nowOf = () => performance.now() * 1e6;

/** How late this machine wakes a thread that waits for nothing but a timer: the ground under p99. */
function wakeUpLatenessUs() {
  const idle = new Waiter([]);
  const late = [];
  for (let i = 0; i < wakeUps; i++) {
    const dueNs = nowOf() + 500_000;
    idle.wait(500_000);
    late.push((nowOf() - dueNs) / 1e3);
  }
  idle.close();
  return late.sort((a, b) => a - b).at(Math.floor(wakeUps * 0.99) - 1);
}
/**
 * Half of how long the same two processes take to send 100 octets there and back, with nothing but Node's sockets: the
 * ground under p50. A record crosses from process to process once, as a ping does each way, and from thread to thread
 * twice more.
 */
async function loopbackUs() {
  const socket = connect({ port: echoPort, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve) => socket.once('connect', resolve));
  const idle = new Waiter([]);
  const ping = Buffer.alloc(100);
  const halves = [];
  for (let i = 0; i < wakeUps; i++) {
    idle.wait(500_000);
    const sentNs = nowOf();
    socket.write(ping);
    await new Promise((resolve) => socket.once('data', resolve));
    halves.push((nowOf() - sentNs) / 2e3);
  }
  idle.close();
  socket.destroy();
  halves.sort((a, b) => a - b);
  const at = (share) => Math.round(halves[Math.ceil(wakeUps * share) - 1] * 10) / 10;
  return { p50: at(0.5), p99: at(0.99) };
}
// Before there are records, which would wait meanwhile.
const latenessP99Us = Math.round(wakeUpLatenessUs() * 10) / 10;
const loopback = await loopbackUs();

const clients = parseClients('198.18.0.0/15');
const plan = {
  clients,
  ports: { first: 1024, last: 65_535 },
  order: 'ip',
  firstPort: 1024,
  users,
  targets: [{ address: parseAddress('10.77.0.1'), port: 80 }],
};
const channel = await ChannelThread.open(plan, {
  intercepts: [{ host: '127.0.0.1', port }],
  key: secret ? keyOfToken(TOKEN, 'the bench') : null,
  version: '0.0.0-bench',
  shards: 1,
  prefixBytes: PREFIX_BYTES,
  followed: '',
  onWarning: (text) => process.stderr.write(`${text}\n`),
});
const clock = openRunClock(runStartsNow());
const receiver = new ChannelReceiver(channel.inboxes[0], clock);
const waiter = new Waiter([receiver.fd]);
const latencies = new Float64Array(4_000_000);
let received = 0;
let timed = 0;
let octets = 0;
let nowNs = 0;
let isWarm = false;
const sink = {
  onPacket: (_, bytes, arrived) => {
    received++;
    octets += bytes;
    if (isWarm && timed < latencies.length) latencies[timed++] = nowNs - arrived.ns;
  },
};
function play(forNs) {
  const endNs = clock.nowNs() + forNs;
  for (nowNs = clock.nowNs(); nowNs < endNs; nowNs = clock.nowNs()) {
    if (receiver.receive(256, sink) < 256) waiter.wait(20e6);
  }
}
play(warmUpNs);
const before = { ...(await usage()), cpu: process.cpuUsage(), received, at: clock.nowNs() };
isWarm = true;
play(seconds * 1e9);
const took = (clock.nowNs() - before.at) / 1e9;
const count = received - before.received;
const own = process.cpuUsage(before.cpu);
const after = await usage();
await channel.close();
child.removeAllListeners('exit');
child.kill('SIGTERM');
waiter.close();
const sorted = latencies.subarray(0, timed).sort();
const at = (share) => Math.round(sorted[Math.min(timed - 1, Math.floor(timed * share))] / 100) / 10;
console.log(
  JSON.stringify({
    rate,
    secret,
    users,
    recordsPerSecond: Math.round(count / took),
    bytesPerRecord: Math.round(octets / received),
    latenessP99Us,
    loopbackUs: loopback,
    latencyUs: { p50: at(0.5), p99: at(0.99), p999: at(0.999) },
    interceptCpuUsPerRecord: Math.round(((after.cpuUs - before.cpuUs) / count) * 1000) / 1000,
    replayCpuUsPerRecord: Math.round(((own.user + own.system) / count) * 1000) / 1000,
    interceptRssMb: Math.round(after.rss / 1e5) / 10,
  }),
);
process.exit(0);
