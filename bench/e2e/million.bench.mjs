/**
 * Connections that are open at the same time: how long they take to open, and what each costs.
 *
 *     npm run build && sudo node bench/e2e/million.bench.mjs [--smoke] [--users 1000,10000,100000,1000000]
 *         [--rate 30000]
 *
 * nginx with as many workers as descriptors ask for; every user connects, asks once, and stays
 * (`--close server`) until all are there, and longer; then all say goodbye. How many are open is
 * counted at the target, by the kernel. What the generator takes is its own account (peak RSS).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';

const { startCapture } = await import('../../test/helpers/capture.ts');
const { CLIENTS_ROUTED, makeLab, mustInside, routeClients, runInside, startInside } = await import(
  '../../test/helpers/netns.ts'
);
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { until } = await import('../../test/helpers/process.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
/** A worker has descriptors for its logs and pages besides those of connections. */
const OTHER_DESCRIPTORS = 500;
/** Connections fall to workers by chance: so much room is left. */
const WORKER_SHARE = 0.9;
/** How long all stay at least once they are there, which may take so many times as long as the rate has it. */
const HELD_SECONDS = 5;
const SLOWNESS_MAX = 4;
const POLL_MS = 200;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    users: { type: 'string' },
    rate: { type: 'string', default: '30000' },
  },
});
const sizes = (values.users ?? (values.smoke ? '200' : '1000,10000,100000,1000000'))
  .split(',')
  .map(Number);
const rate = Number(values.rate);

const missing = missingFor(['ip', 'nginx', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('million', `it needs ${missing}`);
process.stdout.write(
  '| users | open at once | ramp, connections/s | completed | RSS, MiB | CPU s |\n',
);
process.stdout.write('|---|---|---|---|---|---|\n');
for (const users of sizes) await holdOpen(users);

async function holdOpen(users) {
  const folder = makeFolder('million');
  const lab = await makeLab({ offload: true });
  try {
    await routeClients(lab);
    for (const setting of ['net.core.somaxconn=65535', 'net.ipv4.tcp_max_syn_backlog=65535']) {
      await mustInside(lab.target, ['sysctl', '-qw', setting]);
    }
    const server = await startServer(lab.target, folder.path, users);
    const capture = await recordOne(lab, folder.path);
    const { result, openMost } = await replay(lab, capture, users);
    const { completed } = result.users;
    const rampSeconds = rampOf(result, users);
    row(users, openMost, rampSeconds, completed, result.generator);
    process.kill(server.pid, 'SIGTERM');
    await server.exited;
  } finally {
    await lab.close();
    folder.remove();
  }
}

async function startServer(target, path, users) {
  const connections = descriptors() - OTHER_DESCRIPTORS;
  const workers = Math.max(1, Math.ceil(users / (connections * WORKER_SHARE)));
  writeFileSync(join(path, 'page.html'), 'x'.repeat(100));
  writeFileSync(
    join(path, 'nginx.conf'),
    `daemon off; pid nginx.pid; error_log error.log warn; user root;
worker_processes ${workers}; worker_rlimit_nofile ${descriptors()};
events { worker_connections ${connections}; accept_mutex off; multi_accept on; }
http {
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  access_log off; keepalive_timeout 3600s; reset_timedout_connection on;
  client_header_buffer_size 512; connection_pool_size 256; request_pool_size 1k;
  server { listen 80 backlog=65535 reuseport; root .; }
}
`,
  );
  const argv = ['nginx', '-p', path, '-c', join(path, 'nginx.conf'), '-e', 'error.log'];
  const program = startInside(target, argv, { cwd: path });
  await until('nginx listens', async () => {
    const { stdout } = await runInside(target, ['ss', '-Hltn', 'sport = :80']);
    return stdout.includes(':80');
  });
  return program;
}

/** As many as a process may have here. */
function descriptors() {
  const found = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return Number(found?.[1]);
}

async function recordOne({ client, target }, path) {
  const capture = join(path, 'one.pcap');
  const recording = await startCapture(target, capture, { filter: 'tcp port 80' });
  await mustInside(client, ['curl', '-sS', '-o', '/dev/null', `http://${target.ipv4}/page.html`]);
  await recording.stop();
  return capture;
}

/** Plays, and asks the target's kernel meanwhile how many are open. */
async function replay({ client, target }, capture, users) {
  const heldSeconds = values.smoke ? 1 : HELD_SECONDS;
  const seconds = Math.ceil((SLOWNESS_MAX * users) / rate) + heldSeconds;
  const argv = [process.execPath, COMMAND, 'replay', capture, '--target', `${target.ipv4}:80`];
  argv.push('--clients', CLIENTS_ROUTED.ipv4, '--users', `${users}`, '--rate', `${rate}/s`);
  argv.push('--close', 'server', '--duration', `${seconds}s`, '--iterations', '1');
  argv.push('--json', '-', '--quiet', '--no-progress');
  let isOver = false;
  const ran = runInside(client, argv, { timeoutMs: 600_000 }).finally(() => {
    isOver = true;
  });
  let openMost = 0;
  while (!isOver) {
    const { stdout } = await runInside(target, ['cat', '/proc/net/sockstat']);
    openMost = Math.max(openMost, Number(/^TCP: inuse (\d+)/m.exec(stdout)?.[1] ?? 0));
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  const { code, stdout, stderr } = await ran;
  if (stdout === '') throw new Error(`${argv.join(' ')}: ${code}\n${stderr}`);
  return { result: JSON.parse(stdout), openMost };
}

/** Until so many were established, by the replay's own intervals. */
function rampOf({ timeline }, users) {
  const full = timeline.intervals.find(({ established }) => established >= users * 0.999);
  return full?.endSeconds ?? Number.NaN;
}

function row(users, openMost, rampSeconds, completed, { peakRssBytes, cpuSeconds }) {
  moved(`${users} users: open at once`, openMost);
  const figures = [
    users.toLocaleString('en'),
    openMost.toLocaleString('en'),
    Number.isNaN(rampSeconds) ? '–' : Math.round(users / rampSeconds).toLocaleString('en'),
    completed.toLocaleString('en'),
    (moved(`${users} users: RSS`, peakRssBytes) / 2 ** 20).toFixed(0),
    cpuSeconds.toFixed(1),
  ];
  process.stdout.write(`| ${figures.join(' | ')} |\n`);
}
