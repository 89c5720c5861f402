/**
 * What it costs to pick replies up: packets a second and CPU time a packet of each source, with the
 * target's kernel making the replies.
 *
 *     npm run build && sudo node bench/intercept/sources.bench.mjs [--smoke] [--runs 5] [--packets 300000]
 *
 * A client in one namespace sends bare ACKs of connections that do not exist, as fast as it can; the
 * target in another answers each with an RST of 40 octets, which the source picks up: `advanced` at
 * the client's end of the link, `nfqueue` and `sink` on the target. `none` picks nothing up: what
 * sender and kernel take for themselves. The kernel's work for a reply is done in the sender's time
 * (the link is a veth pair), so the sum of both processes is given beside the source's own. With
 * --rate the sender spins between batches, and the sum says nothing.
 *
 * What is neither taken nor dropped was never made: RSTs leave by a socket of the kernel's own, one
 * for each processor, whose send buffer holds about 280 of them, and one that waits in a queue
 * still counts (IpOutDiscards of nstat). Answers of real connections do not share that.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const VARIANTS = ['none', 'advanced', 'sink', 'nfqueue', 'nfqueue-4-queues'];
const [SOURCE, CLIENT] = ['source-variant', 'ack-sender'].map((name) =>
  fileURLToPath(new URL(`./${name}.mjs`, import.meta.url)),
);
const DEVICE = 'bench0';
const [FROM, TO] = ['client', 'target'].map((side) => `gryphon-bench-${process.pid}-${side}`);
const [CLIENT_ADDRESS, TARGET_ADDRESS] = ['10.255.0.1', '10.255.0.2'];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    packets: { type: 'string', default: '300000' },
    variants: { type: 'string', default: VARIANTS.join(',') },
    /** Packets a second that the sender aims at; 0 is as many as it can. */
    rate: { type: 'string', default: '0' },
  },
});
const runs = values.smoke ? 1 : Number(values.runs);
const packets = values.smoke ? 2_000 : Number(values.packets);
const variants = values.variants.split(',');

if (process.getuid() !== 0) skip('sources', 'network namespaces need root');
const ip = (...argv) => execFileSync('ip', argv, { encoding: 'utf8' });
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
process.on('exit', removeNamespaces);
console.log(`sources: ${new Date().toISOString().slice(0, 10)}, ${describeMachine()}`);
console.log(
  `command: node bench/intercept/sources.bench.mjs --runs ${runs} --packets ${packets} --rate ${values.rate}`,
);
makeNamespaces();
report(await measure());

async function measure() {
  const results = new Map(variants.map((variant) => [variant, []]));
  for (let run = 0; run < runs; run++) {
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(run + i) % variants.length];
      results.get(variant).push(await runVariant(variant));
    }
  }
  return results;
}

async function runVariant(variant) {
  // The sink's own routes must be the only ones for the clients.
  const isSink = variant === 'sink';
  if (!isSink) ip('-n', TO, 'route', 'add', '198.18.0.0/15', 'via', CLIENT_ADDRESS);
  const host = variant === 'advanced' ? FROM : TO;
  const source = variant === 'none' ? null : await startSource(host, variant);
  const sender = JSON.parse(
    ip(
      'netns',
      'exec',
      FROM,
      process.execPath,
      CLIENT,
      DEVICE,
      TARGET_ADDRESS,
      String(packets),
      values.rate,
    ),
  );
  const result = source === null ? { taken: packets, dropped: 0, cpuSeconds: 0 } : await source();
  if (!isSink) ip('-n', TO, 'route', 'del', '198.18.0.0/15');
  const bothSeconds = result.cpuSeconds + sender.cpuSeconds;
  return { ...result, seconds: result.seconds ?? sender.seconds, bothSeconds };
}

/** @returns a function that ends the source and gives its figures */
async function startSource(host, variant) {
  const argv = [
    'netns',
    'exec',
    host,
    process.execPath,
    SOURCE,
    variant,
    TARGET_ADDRESS,
    String(packets),
  ];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const ready = new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('ready\n')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${variant} ended with ${code}`)));
  });
  await ready;
  const ended = new Promise((resolve) => child.once('close', resolve));
  return async () => {
    await ended;
    return JSON.parse(text.slice(text.indexOf('ready\n') + 6));
  };
}

function report(results) {
  console.log(
    '\n| source | packets/s median (max) | taken, dropped | CPU µs per packet, its own: median (min) | with sender: median (min) |',
  );
  console.log('|---|---|---|---|---|');
  for (const [variant, rows] of results) {
    const figures = (what, figureOf) =>
      summary(rows.map((row) => moved(`${variant}: ${what}`, figureOf(row))));
    const rate = figures('packets/s', ({ taken, seconds }) => taken / seconds);
    const all = figures('CPU with sender', ({ bothSeconds, taken }) => (bothSeconds * 1e6) / taken);
    const ownOf = ({ taken, cpuSeconds }) => (cpuSeconds * 1e6) / taken;
    // Where nothing is picked up there is nobody whose time it could take.
    const own = variant === 'none' ? summary(rows.map(ownOf)) : figures('its own CPU', ownOf);
    const taken = rows.reduce((sum, row) => sum + row.taken, 0) / (rows.length * packets);
    const dropped = rows.reduce((sum, row) => sum + row.dropped, 0) / (rows.length * packets);
    console.log(
      `| ${variant} | ${(rate.median / 1e6).toFixed(3)} M (${(rate.max / 1e6).toFixed(3)} M) ` +
        `| ${(taken * 100).toFixed(1)} %, ${(dropped * 100).toFixed(1)} % | ${own.median.toFixed(2)} (${own.min.toFixed(2)}) ` +
        `| ${all.median.toFixed(2)} (${all.min.toFixed(2)}) |`,
    );
  }
}

function summary(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return { min: sorted[0], median: sorted[sorted.length >> 1], max: sorted.at(-1) };
}

function makeNamespaces() {
  for (const name of [FROM, TO]) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    for (const setting of [
      'net.ipv6.conf.default.disable_ipv6=1',
      'net.ipv4.ip_forward=0',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
    ]) {
      ip('netns', 'exec', name, 'sysctl', '-qw', setting);
    }
  }
  const peer = ['peer', 'name', DEVICE, 'netns', TO];
  ip('link', 'add', DEVICE, 'netns', FROM, 'type', 'veth', ...peer);
  for (const [name, address] of [
    [FROM, CLIENT_ADDRESS],
    [TO, TARGET_ADDRESS],
  ]) {
    ip('-n', name, 'address', 'add', `${address}/30`, 'dev', DEVICE);
    ip('-n', name, 'link', 'set', DEVICE, 'up');
  }
}

function removeNamespaces() {
  for (const name of [FROM, TO]) {
    if (existsSync(`/run/netns/${name}`)) execFileSync('ip', ['netns', 'delete', name]);
  }
}
