/**
 * What packets cost that come in while the threads of a run listen, each by itself or all together: a packet passes every
 * listener, whoever it is for.
 *
 *     npm run build && sudo chrt -r 1 node bench/io/listeners.bench.mjs [--smoke] [--runs 5] [--packets 200000]
 *         [--threads 1,2,4,16,32]
 *
 * Packets of one connection that no thread has, over a veth pair between two namespaces: what the receiving kernel does is
 * charged to who sends (send-variant.mjs). Variants alternate; the figure is its CPU a packet less that without a listener.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { spawn } from 'node:child_process';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const { inside, makeLab, mustInside, DEVICE } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const [SENDER, LISTENER] = ['./send-variant.mjs', './listen-variant.mjs'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
);
const CLIENT = '198.51.100.1';
const SOURCE = '198.18.0.0';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    packets: { type: 'string', default: '200000' },
    threads: { type: 'string', default: '1,2,4,16,32' },
  },
});
const runs = values.smoke ? 1 : Number(values.runs);
const packets = values.smoke ? 2_000 : Number(values.packets);
const sizes = (values.smoke ? '3' : values.threads).split(',').map(Number);

const missing = missingFor(['ip']);
if (missing !== null) skip('listeners', `it needs ${missing}`);
console.log(`listeners: ${new Date().toISOString().slice(0, 10)}, ${describeMachine()}`);
const lab = await makeLab();
try {
  await mustInside(lab.client, ['ip', 'route', 'add', CLIENT, 'via', lab.target.ipv4]);
  await report();
} finally {
  await lab.close();
}

async function report() {
  const variants = [{ how: 'alone', threads: 0 }];
  for (const threads of sizes)
    for (const how of ['alone', 'together']) variants.push({ how, threads });
  const costs = variants.map(() => []);
  for (let run = 0; run < runs; run++) {
    for (let i = 0; i < variants.length; i++) {
      const at = (run + i) % variants.length;
      costs[at].push(await costOf(variants[at]));
    }
  }
  const [none, ...others] = costs.map((each) => each.toSorted((a, b) => a - b));
  console.log('\n| threads | listening | CPU µs a packet more than without, min (median) |');
  console.log('|---|---|---|');
  for (const [i, each] of others.entries()) {
    const { how, threads } = variants[i + 1];
    const more = [0, each.length >> 1].map((at) => (each[at] - none[at]).toFixed(2));
    console.log(`| ${threads} | ${how} | ${more[0]} (${more[1]}) |`);
  }
  console.log(`\nwithout: ${none[0].toFixed(2)} (${none[none.length >> 1].toFixed(2)})`);
}

/** CPU of a packet, in µs. */
async function costOf({ how, threads }) {
  const [program, ...argv] = inside(lab.target, [
    ...[process.execPath, LISTENER, how, `${threads}`, DEVICE, SOURCE, CLIENT],
  ]);
  const listener = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: listener.stdout })[Symbol.asyncIterator]();
  try {
    const { value: said } = await lines.next();
    if (said !== 'ready') throw new Error(`the listener said ${said}`);
    const [{ address }] = JSON.parse(
      await mustInside(lab.target, ['ip', '-json', 'link', 'show', DEVICE]),
    );
    const send = [process.execPath, SENDER, 'packet', DEVICE, CLIENT, address, `${packets}`, 'one'];
    const { sent, cpuSeconds } = JSON.parse(await mustInside(lab.client, send));
    listener.stdin.end();
    const { value: taken } = await lines.next();
    if (taken !== '0') throw new Error(`${taken} listeners took what was for none of them`);
    return (1e6 * moved(`${threads} ${how}: CPU`, cpuSeconds)) / sent;
  } finally {
    listener.stdin.end();
    if (listener.exitCode === null) await once(listener, 'exit');
  }
}
