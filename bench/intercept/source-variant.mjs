/**
 * One run of one source, in the namespace that it was started in:
 * `node source-variant.mjs VARIANT TARGET PACKETS`. It says `ready`, takes what comes until every
 * packet was taken or dropped, or nothing has come for a second, and says its figures as JSON.
 */
import { addressBytes, parseAddress } from '../../dist/base/address.js';
import { openSource } from '../../dist/io/intercept/intercept-source.js';
import { Waiter } from '../../dist/io/receive/wait.js';

const [variant, target, packetsText] = process.argv.slice(2);
const packets = Number(packetsText);
const [mode] = variant.split('-');
const queues = variant === 'nfqueue-4-queues' ? { first: 0, last: 3 } : { first: 0, last: 0 };

const source = openSource(mode, { queues });
const { prefix, low } = parseAddress('198.18.0.0');
source.setRegistrations([
  {
    id: 1,
    prefixBytes: 0,
    family: 4,
    ranges: [{ prefix, start: low, count: 131_072 }],
    ports: { first: 1_024, last: 65_535 },
    targets: [{ address: addressBytes(parseAddress(target)), port: 80 }],
  },
]);
const waiter = new Waiter(source.fds);
let taken = 0;
let hash = 0;
let firstAt = 0;
let lastAt = 0;
const sink = {
  onPacket(start, bytes, _seconds, nanoseconds) {
    taken++;
    hash = (hash + source.data.getUint32(start + 16) + bytes + nanoseconds) | 0;
  },
};
process.stdout.write('ready\n');
let cpuBefore = process.cpuUsage();
let idleSince = performance.now();
while (taken < packets) {
  const came = source.receive(256, sink);
  if (came > 0) {
    lastAt = performance.now();
    idleSince = lastAt;
    if (firstAt === 0) {
      firstAt = lastAt;
      cpuBefore = process.cpuUsage();
    }
    continue;
  }
  const isOver = firstAt > 0 && performance.now() - idleSince > 1_000;
  if (isOver || performance.now() - idleSince > 10_000) break;
  waiter.wait(1e8);
}
const cpu = process.cpuUsage(cpuBefore);
const dropped = source.readDropped();
source.close();
const seconds = (lastAt - firstAt) / 1e3;
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
console.log(JSON.stringify({ taken, dropped, seconds, cpuSeconds, hash }));
