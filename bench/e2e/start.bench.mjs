/**
 * What a replay takes until its first packet: time, CPU of all its threads, and memory.
 *
 *     npm run build && sudo node bench/e2e/start.bench.mjs [--smoke] [--rounds 5] [--beside DIR]
 *
 * One user each of a small capture, and of one of 500 MB that the bench makes, without and with its index. The
 * target answers nothing but a reset; tcpdump says when the first SYN leaves, the kernel's scheduler what each thread
 * has run until then. DIR is another build to compare with, whose rounds alternate with these.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';

const { CLIENTS_ROUTED, inside, makeLab, mustInside, routeClients } = await import(
  '../../test/helpers/netns.ts'
);
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');
const { SMALL_PACKETS, writeCapture } = await import('../capture/made-capture.ts');

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    beside: { type: 'string' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const missing = missingFor(['ip', 'tcpdump']);
if (missing !== null) skip('start', `it needs ${missing}`);

const folder = makeFolder('bench');
const lab = await makeLab();
try {
  await routeClients(lab);
  const made = join(folder.path, 'made.pcap');
  writeCapture(made, { ...SMALL_PACKETS, ...(values.smoke ? { packets: 10_000 } : {}) });
  const cases = {
    small: [join(ROOT, 'fixtures/http-keepalive.pcap')],
    large: [made],
    'large, with its index': [made, '--index'],
  };
  const builds = { here: ROOT, ...(values.beside ? { beside: values.beside } : {}) };
  for (const [name, argv] of Object.entries(cases)) {
    const found = Object.fromEntries(Object.keys(builds).map((build) => [build, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [build, root] of Object.entries(builds)) {
        // Each build has its own form of it.
        if (argv.includes('--index'))
          await mustInside(lab.client, command(root, [...argv, '--dry-run']));
        found[build].push(await start(root, argv));
      }
    }
    for (const [build, all] of Object.entries(found)) print(`${name}, ${build}`, all);
  }
} finally {
  await lab.close();
  folder.remove();
}

function command(root, [capture, ...argv]) {
  const program = [process.execPath, join(root, 'bin/gryphon.js'), 'replay', capture];
  const way = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
  return [...program, ...way, '--users', '1', '--threads', '1', '--quiet', ...argv];
}

/** Starts a replay, and ends it when its first packet has left. */
async function start(root, argv) {
  const listen = ['tcpdump', '-n', '-l', '--immediate-mode', '-c', '1', '-i', lab.client.device];
  const [, ...dump] = inside(lab.client, [...listen, 'tcp[tcpflags] & tcp-syn != 0']);
  const watcher = spawn('ip', dump, { stdio: ['ignore', 'pipe', 'pipe'] });
  await once(watcher.stderr, 'data');
  const [, ...replay] = inside(lab.client, command(root, argv));
  const env = { ...process.env };
  // Node reads a file of certificates at its start where there is one more: that is the machine's.
  delete env.NODE_EXTRA_CA_CERTS;
  const begun = performance.now();
  const player = spawn('ip', replay, { env, stdio: 'ignore' });
  const ended = once(player, 'exit');
  const [why] = await Promise.race([once(watcher.stdout, 'data'), ended]);
  const seconds = (performance.now() - begun) / 1e3;
  if (typeof why === 'number') throw new Error(`${argv.join(' ')} ended with ${why}`);
  const cpu = cpuOf(player.pid);
  const mib = peakOf(player.pid);
  player.kill('SIGKILL');
  await ended;
  return { seconds, cpu, mib };
}

/** Seconds that the threads of a process have run (Documentation/scheduler/sched-stats.rst). */
function cpuOf(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => {
    const [ran] = readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1e9;
  }, 0);
}

function peakOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function print(name, all) {
  const figures = ['seconds', 'cpu', 'mib'].map((figure) => {
    const sorted = all
      .map((each) => moved(`${name}: ${figure}`, each[figure]))
      .sort((a, b) => a - b);
    const digits = figure === 'mib' ? 0 : 3;
    return `${figure} ${sorted[0].toFixed(digits)} (${sorted[sorted.length >> 1].toFixed(digits)})`;
  });
  process.stdout.write(`${name}: best (median) ${figures.join(', ')}\n`);
}
