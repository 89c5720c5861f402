/**
 * A whole replay against nginx, with wrk beside it: the same server, the same requests, the same
 * minutes.
 *
 *     npm run build && sudo node bench/e2e/nginx-wrk.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * nginx has one worker and a page of 1 KB. Both clients keep so many connections and send the next
 * request as soon as the answer is there: the replay plays a capture of curl's (one connection,
 * many GETs of wrk's own octets) with `--pace none`, wrk runs for as long as the replay took.
 * Rounds alternate. What is measured is requests a second while requests were sent, and the client
 * process's whole CPU time, its start included, by request. On a veth pair a packet's way up the
 * receiver's stack is charged to whoever sent it: both clients' figures hold that share of the
 * server's kernel.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';

const { startCapture } = await import('../../test/helpers/capture.ts');
const { CLIENTS_ROUTED, makeLab, mustInside, routeClients, runInside } = await import(
  '../../test/helpers/netns.ts'
);
const { makeFolder, startNginx } = await import('../../test/helpers/servers.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const RECORDED_SESSIONS = 4;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '2000' },
    users: { type: 'string', default: '1000' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const requestsPerUser = values.smoke ? 10 : Number(values.requests);
const users = values.smoke ? 20 : Number(values.users);

const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'wrk', 'curl', 'tcpdump', 'bash']);
if (missing !== null) {
  process.stdout.write(`nginx-wrk: skipped, since it needs ${missing}\n`);
  process.exit(0);
}
const folder = makeFolder('bench');
// Offloads stay on, as on any machine: wrk would pay for their absence, the replay would not.
const lab = await makeLab({ offload: true });
try {
  await routeClients(lab);
  await mustInside(lab.target, ['sysctl', '-qw', 'net.core.somaxconn=4096']);
  await mustInside(lab.target, ['sysctl', '-qw', 'net.ipv4.tcp_max_syn_backlog=8192']);
  const nginx = await startNginx(lab.target, 'nginx-bench');
  const capture = await recordSessions(lab, join(folder.path, 'curl.pcap'));
  const measured = { gryphon: [], wrk: [] };
  for (let round = 0; round < rounds; round++) {
    const replayed = await replayOnce(lab, capture);
    measured.gryphon.push(replayed);
    measured.wrk.push(await wrkOnce(lab, Math.max(1, Math.round(replayed.seconds))));
    process.stderr.write(`round ${round + 1}: ${line(measured, -1)}\n`);
  }
  await nginx.stop();
  print(measured);
} finally {
  await lab.close();
  folder.remove();
}

/** Some connections with as many GETs as a user is to send, of the same octets as wrk's. */
async function recordSessions({ client, target }, path) {
  const recording = await startCapture(target, path, { filter: 'tcp port 80' });
  const bare = ['-H', 'User-Agent:', '-H', 'Accept:', '-o', '/dev/null'];
  const url = `http://${target.ipv4}/page.html#[1-${requestsPerUser}]`;
  for (let session = 0; session < RECORDED_SESSIONS; session++) {
    await mustInside(client, ['curl', '-sS', ...bare, url]);
  }
  await recording.stop();
  return path;
}

async function replayOnce({ client, target }, capture) {
  const play = ['--target', `${target.ipv4}:80`, '--users', `${users}`, '--pace', 'none'];
  const clients = ['--clients', CLIENTS_ROUTED.ipv4, '--rate', '20000/s'];
  const outputs = ['--json', '-', '--quiet', '--no-progress'];
  const argv = [process.execPath, COMMAND, 'replay', capture, ...play, ...clients, ...outputs];
  const { stdout, cpuSeconds } = await timed(client, argv);
  const result = JSON.parse(stdout);
  const { completed, planned } = result.users;
  if (completed !== planned) {
    throw new Error(`${completed} of ${planned} users: ${JSON.stringify(result.users)}`);
  }
  const requests = result.exchanges.answered;
  const seconds = result.durationSeconds;
  return { requests, seconds, perSecond: requests / seconds, cpu: (cpuSeconds / requests) * 1e6 };
}

async function wrkOnce({ client, target }, seconds) {
  const url = `http://${target.ipv4}/page.html`;
  const argv = ['wrk', '-t', '1', '-c', `${users}`, '-d', `${seconds}s`, '--timeout', '10s', url];
  const { stdout, cpuSeconds } = await timed(client, argv);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.at(1));
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.at(1));
  return { requests, seconds, perSecond, cpu: (cpuSeconds / requests) * 1e6 };
}

/** Runs a program and learns from the shell what it and its threads cost, user and system. */
async function timed(host, argv) {
  const script = 'TIMEFORMAT="cpu %U %S"; time "$@"';
  const ran = await runInside(host, ['bash', '-c', script, 'timed', ...argv], {
    timeoutMs: 120_000,
  });
  if (ran.code !== 0) throw new Error(`${argv.join(' ')}: ${ran.code}\n${ran.stderr}${ran.stdout}`);
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(ran.stderr) ?? [];
  return { ...ran, cpuSeconds: Number(user) + Number(system) };
}

function line({ gryphon, wrk }, at) {
  const text = ({ perSecond, cpu }) => `${Math.round(perSecond)} requests/s ${cpu.toFixed(2)} µs`;
  return `gryphon ${text(gryphon.at(at))}, wrk ${text(wrk.at(at))}`;
}

function print(measured) {
  const at = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`;
  process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${at}\n`);
  process.stdout.write(`${rounds} rounds, ${users} connections, ${requestsPerUser} GETs each\n\n`);
  process.stdout.write('| client | requests/s best | median | CPU µs/request best | median |\n');
  process.stdout.write('|---|---|---|---|---|\n');
  for (const [name, runs] of Object.entries(measured)) {
    const rates = runs.map(({ perSecond }) => perSecond).sort((a, b) => b - a);
    const costs = runs.map(({ cpu }) => cpu).sort((a, b) => a - b);
    const figures = [rates[0], median(rates)].map((rate) => Math.round(rate).toLocaleString('en'));
    const micros = [costs[0], median(costs)].map((cost) => cost.toFixed(2));
    process.stdout.write(`| ${name} | ${[...figures, ...micros].join(' | ')} |\n`);
  }
  const ratio = ([one, other], pick) => median(one.map(pick)) / median(other.map(pick));
  const both = [measured.gryphon, measured.wrk];
  const rate = ratio(both, ({ perSecond }) => perSecond).toFixed(2);
  const cost = ratio(both, ({ cpu }) => cpu).toFixed(2);
  process.stdout.write(`\ngryphon ÷ wrk, medians: requests/s ${rate}, CPU per request ${cost}\n`);
}

function median(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2;
}
