/**
 * A long run at a moderate rate: does anything grow, get lost, or drift?
 *
 *     npm run build && sudo node bench/e2e/soak.bench.mjs [--smoke] [--minutes 20] [--rate 1000]
 *
 * nginx with one worker and a page of 1 KB; sessions of ten requests, started so that `--rate` requests a second
 * come due, open loop. Bars: the memory of the generator's process between the second and the last quarter, the
 * ledger with nginx's own count beside it, each second's share of the schedule, and requests served between the
 * first and the last look at nginx by this program's clock.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';
import { withPageServer } from './page-server.mjs';

const { CLIENTS_ROUTED, routeClients, runInside } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { replayCommand } = await import('../../test/helpers/replay.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');

const REQUESTS_PER_SESSION = 10;
const LOOKS = 120;
/**
 * Beside the table of users, which the plan announces and the kernel gives as they start: rows of seconds stay
 * until the end, and where collections of garbage fall is chance.
 */
const GROWTH_MIB_PER_MINUTE_MAX = 0.5;
/** By share, of each second and of the whole. */
const SECOND_MAX = 0.02;
const DRIFT_MAX = 0.001;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '20' },
    rate: { type: 'string', default: '1000' },
  },
});
const missing = missingFor(['ip', 'ethtool', 'nginx', 'curl', 'tcpdump']);
if (missing !== null) skip('soak', `it needs ${missing}`);
const seconds = values.smoke ? 4 : Number(values.minutes) * 60;
const rate = values.smoke ? 200 : Number(values.rate);
const faults = [];
const write = (text) => process.stdout.write(`${text}\n`);
const folder = makeFolder('soak');
try {
  await withPageServer(REQUESTS_PER_SESSION, async ({ lab, capture, nginx }) => {
    await routeClients(lab);
    const before = await nginx.stubStatus();
    const { result, looks, bytesPerUser } = await watched(lab, capture, nginx);
    const after = await nginx.stubStatus();
    judgeLedger(result, after.requests - before.requests);
    judgeMemory(looks, (bytesPerUser * result.users.planned) / seconds);
    judgeTimes(result, looks);
  });
} finally {
  folder.remove();
}
// With --smoke it is too short to hold a bar.
if (!values.smoke && faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`);
  process.exitCode = 1;
}

/** Plays, and looks at the process and the server meanwhile. */
async function watched({ client, target }, capture, nginx) {
  const json = join(folder.path, 'result.json');
  const load = ['--request-rate', `${rate}/s`, '--duration', `${seconds}s`];
  const argv = [capture, '--target', `${target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
  argv.push(...load, '--json', json, '--quiet', '--no-progress');
  const plan = (await runInside(client, replayCommand([...argv, '--dry-run']))).stdout;
  const bytesPerUser = Number(/(\d+) bytes a user/.exec(plan)?.[1]);
  let pid = 0;
  let isOver = false;
  const ran = runInside(client, replayCommand(argv), {
    timeoutMs: (seconds + 120) * 1_000,
    onStart: (child) => {
      pid = child.pid;
    },
  }).finally(() => {
    isOver = true;
  });
  const looks = [];
  const everyMs = (1_000 * seconds) / LOOKS;
  for (let nextMs = performance.now() + everyMs; !isOver; nextMs += everyMs) {
    await Promise.race([ran, new Promise((done) => setTimeout(done, nextMs - performance.now()))]);
    if (isOver) break;
    const atMs = performance.now();
    const { requests } = await nginx.stubStatus();
    const mib = memoryOf(pid);
    if (mib !== null) looks.push({ atMs, requests, mib });
  }
  const { code, stderr } = await ran;
  if (code !== 0) throw new Error(`the replay ended with ${code}: ${stderr}`);
  return { result: JSON.parse(readFileSync(json, 'utf8')), looks, bytesPerUser };
}

/** Resident, in MiB; null where the process has ended. */
function memoryOf(pid) {
  const path = `/proc/${pid}/status`;
  const found = existsSync(path) && /^VmRSS:\s+(\d+)/m.exec(readFileSync(path, 'utf8'));
  return found ? Number(found[1]) / 1024 : null;
}

function judgeLedger({ users, exchanges, faults: uneven }, served) {
  const { planned, completed } = users;
  const { intended, answered } = exchanges;
  write(`${moved('requests answered', answered)} of ${intended} requests, nginx served ${served}`);
  write(`${completed} of ${planned} sessions`);
  for (const fault of uneven) faults.push(`ledger: ${fault}`);
  if (intended !== answered || answered !== served) faults.push('not each request once');
  if (completed !== planned) faults.push('not all sessions completed');
}

/** @param plannedBytes a second, of the table of users */
function judgeMemory(looks, plannedBytes) {
  const quarter = Math.floor(looks.length / 4);
  const [from, to] = [looks.slice(quarter, 2 * quarter), looks.slice(-quarter)];
  const minutes = (median(to, 'atMs') - median(from, 'atMs')) / 60_000;
  const [first, last] = [median(from, 'mib'), median(to, 'mib')];
  const planned = (plannedBytes * 60) / 1024 ** 2;
  const growth = (last - first) / minutes - planned;
  moved('RSS', first);
  write(`RSS ${first.toFixed(1)} MiB in the second quarter, ${last.toFixed(1)} MiB in the last:`);
  write(`${planned.toFixed(2)} MiB a minute of it were planned for users who start,`);
  write(`${growth.toFixed(2)} MiB a minute were not (at most ${GROWTH_MIB_PER_MINUTE_MAX})`);
  if (!(growth <= GROWTH_MIB_PER_MINUTE_MAX)) faults.push('memory grows');
}

function judgeTimes({ timeline, latency, durationSeconds, wallSeconds }, looks) {
  // What was due is counted from the start on, and the last second is not a whole one.
  const whole = timeline.intervals.filter(({ endSeconds }) => endSeconds < seconds);
  const shares = whole.map(({ startSeconds, endSeconds, due }, i) => {
    const dueInIt = due - (whole[i - 1]?.due ?? 0);
    return dueInIt / ((endSeconds - startSeconds) * rate) - 1;
  });
  const worst = Math.max(...shares.map(Math.abs));
  // While requests come due; the looks at the ends are as exact as one question is short.
  const within = looks.slice(Math.floor(looks.length / 10), -Math.floor(looks.length / 10));
  const [first, last] = [within.at(0), within.at(-1)];
  const expected = (rate * (last.atMs - first.atMs)) / 1_000;
  const drift = (last.requests - first.requests) / expected - 1;
  write(`${shares.length} seconds: due in each within ${(100 * worst).toFixed(2)} % of the rate`);
  write(`served by this program's clock: ${(100 * drift).toFixed(3)} % beside the schedule`);
  write(`run ${durationSeconds.toFixed(3)} s, of the wall clock ${wallSeconds.toFixed(3)} s`);
  write(`lag p50 ${latency.lag.p50} ms, p99 ${latency.lag.p99} ms, max ${latency.lag.max} ms`);
  if (!(worst <= SECOND_MAX)) faults.push('a second has not its share');
  if (!(Math.abs(drift) <= DRIFT_MAX)) faults.push('the schedule drifts');
}

function median(looks, what) {
  const values = looks.map((look) => look[what]).sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)];
}
