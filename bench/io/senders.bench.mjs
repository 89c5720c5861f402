/**
 * How fast packets leave, and at what cost: raw-socket and tcpreplay (where it is installed) against our
 * four senders, from one network namespace to another over a veth pair that the bench makes and removes.
 *
 *     npm run build && sudo node bench/io/senders.bench.mjs [--smoke] [--runs 10] [--packets 400000]
 *
 * IPv4 packets of 100 octets (TCP, 60 of payload out of a mapped file) to an address behind the
 * peer, which drops them: what the receiving kernel does is part of the figure. One process a
 * variant and run, variants alternated; the peer's counter must show every packet.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const VARIANTS = ['raw-socket', 'raw-socket-sender', 'ip-sendto', 'ip-sendmmsg', 'packet', 'xdp'];
if (hasTcpreplay()) VARIANTS.push('tcpreplay');
const CHILD = fileURLToPath(new URL('./send-variant.mjs', import.meta.url));
const DEVICE = 'bench0';
const [FROM, TO] = ['from', 'to'].map((side) => `gryphon-bench-${process.pid}-${side}`);
const TARGET = '198.51.100.1';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    runs: { type: 'string', default: '10' },
    packets: { type: 'string', default: '400000' },
    variants: { type: 'string', default: VARIANTS.join(',') },
  },
});
const runs = values.smoke ? 1 : Number(values.runs);
const packets = values.smoke ? 2_000 : Number(values.packets);
const variants = values.variants.split(',');

const ip = (...argv) => execFileSync('ip', argv, { encoding: 'utf8' });
const sysctl = (namespace, setting) =>
  execFileSync('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', setting]);

if (process.getuid() !== 0) skip('senders', 'network namespaces need root');
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
process.on('exit', removeNamespaces);
console.log(`senders: ${new Date().toISOString().slice(0, 10)}, ${describeMachine()}`);
console.log(`command: node bench/io/senders.bench.mjs --runs ${runs} --packets ${packets}`);
const mac = makeNamespaces();
report(measure());

function measure() {
  const results = new Map(variants.map((variant) => [variant, []]));
  for (let run = 0; run < runs; run++) {
    // Each run begins with another variant, so that none always follows the same one.
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[(run + i) % variants.length];
      results.get(variant).push(runVariant(variant));
    }
  }
  return results;
}

function runVariant(variant) {
  const before = packetsReceived();
  const argv = ['netns', 'exec', FROM, process.execPath, CHILD];
  const text = ip(...argv, variant, DEVICE, TARGET, mac, String(packets));
  const arrived = packetsReceived() - before;
  const result = JSON.parse(text);
  // Others' packets (IPv6 housekeeping) may be counted as well, ours may not be missing.
  if (arrived < result.sent) throw new Error(`${variant}: ${arrived} of ${result.sent} arrived`);
  return result;
}

function report(results) {
  const rows = [...results].map(([variant, runs]) => ({
    variant,
    rate: summary(variant, 'packets/s', runs, ({ sent, seconds }) => sent / seconds),
    cpu: summary(variant, 'CPU', runs, ({ sent, cpuSeconds }) => (cpuSeconds * 1e6) / sent),
  }));
  console.log('\n| way to send | packets/s median (max) | CPU µs per packet median (min) |');
  console.log('|---|---|---|');
  for (const { variant, rate, cpu } of rows) {
    const rates = `${millions(rate.median)} (${millions(rate.max)})`;
    console.log(`| ${variant} | ${rates} | ${cpu.median.toFixed(2)} (${cpu.min.toFixed(2)}) |`);
  }
  const best = rows.find(({ variant }) => variant === 'packet');
  for (const peer of ['raw-socket', 'tcpreplay']) {
    const base = rows.find(({ variant }) => variant === peer);
    if (base === undefined || best === undefined) continue;
    const ratio = best.rate.median / base.rate.median;
    console.log(`\nAF_PACKET sends ${ratio.toFixed(2)} times what ${peer} does (medians)`);
  }
  const xdp = rows.find(({ variant }) => variant === 'xdp');
  if (xdp === undefined || best === undefined) return;
  const ratio = xdp.rate.median / best.rate.median;
  console.log(`\nAF_XDP sends ${ratio.toFixed(2)} times what AF_PACKET does (medians)`);
}

function summary(variant, what, runs, figureOf) {
  const numbers = runs.map((run) => moved(`${variant}: ${what}`, figureOf(run)));
  const sorted = numbers.toSorted((a, b) => a - b);
  return { min: sorted[0], median: sorted[sorted.length >> 1], max: sorted.at(-1) };
}

function hasTcpreplay() {
  return spawnSync('tcpreplay', ['--version']).error === undefined;
}

function millions(rate) {
  return `${(rate / 1e6).toFixed(3)} M`;
}

/** @returns the MAC to send to */
function makeNamespaces() {
  for (const name of [FROM, TO]) {
    ip('netns', 'add', name);
    // IPv6 would send packets of its own.
    sysctl(name, 'net.ipv6.conf.default.disable_ipv6=1');
    sysctl(name, 'net.ipv4.ip_forward=0');
  }
  const peer = ['peer', 'name', DEVICE, 'netns', TO];
  ip('link', 'add', DEVICE, 'netns', FROM, 'type', 'veth', ...peer);
  for (const [name, address] of [
    [FROM, '10.255.0.1/30'],
    [TO, '10.255.0.2/30'],
  ]) {
    ip('-n', name, 'address', 'add', address, 'dev', DEVICE);
    ip('-n', name, 'link', 'set', DEVICE, 'up');
  }
  const [{ address }] = JSON.parse(ip('-n', TO, '-json', 'link', 'show', DEVICE));
  ip('-n', FROM, 'neighbour', 'replace', '10.255.0.2', 'lladdr', address, 'dev', DEVICE);
  ip('-n', FROM, 'route', 'add', TARGET, 'via', '10.255.0.2');
  return address;
}

function packetsReceived() {
  const [link] = JSON.parse(ip('-n', TO, '-json', '-s', 'link', 'show', DEVICE));
  return link.stats64.rx.packets;
}

function removeNamespaces() {
  for (const name of [FROM, TO]) {
    if (existsSync(`/run/netns/${name}`)) execFileSync('ip', ['netns', 'delete', name]);
  }
}
