/**
 * What it costs to have whole packets handed over: by the mapped ring (TPACKET_V2) or by `recvmmsg`, with the
 * kernel's stamp of each.
 *
 *     npm run build && sudo node bench/io/receivers.bench.mjs [--smoke] [--runs 7] [--megabytes 500]
 *
 * One TCP connection of the kernel's own crosses a veth pair, once with segments merged (up to 64 KiB, as TSO and GRO leave
 * them), once without. A ring is filled while the packet arrives, by whoever brings it, and `recvmmsg` copies later, so
 * what counts is the processor time of all three: sender, receiver, and who listens, less that of the first two alone. Either
 * way 144 MB may wait; a ring for whole packets has a frame of 64 KiB for each, however short it is.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const { makeLab, inside } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const CHILD = fileURLToPath(new URL('./receive-variant.mjs', import.meta.url));
const PORT = '9000';
const LISTENERS = ['none', 'ring', 'recvmmsg'];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    runs: { type: 'string', default: '7' },
    megabytes: { type: 'string', default: '500' },
  },
});
const runs = values.smoke ? 1 : Number(values.runs);
const bytes = (values.smoke ? 4 : Number(values.megabytes)) * 1e6;

const missing = missingFor(['ip', 'ethtool']);
if (missing !== null) skip('receivers', `it needs ${missing}`);
const at = describeMachine();
console.log(`${new Date().toISOString().slice(0, 10)}, ${at}; ${runs} runs of ${bytes / 1e6} MB\n`);
console.log(
  '| packets | listener | bytes a packet | CPU µs a packet, min (median) | its own | taken |',
);
console.log('|---|---|---|---|---|---|');
for (const offload of [true, false]) await measure(offload);

async function measure(offload) {
  const lab = await makeLab({ offload });
  try {
    const measured = new Map(LISTENERS.map((each) => [each, []]));
    for (let run = 0; run < runs; run++) {
      // Each run begins with another one, so that none always follows the same.
      for (let i = 0; i < LISTENERS.length; i++) {
        const listener = LISTENERS[(run + i) % LISTENERS.length];
        measured.get(listener).push(await transfer(lab, listener));
      }
    }
    report(offload ? 'merged' : 'single', measured);
  } finally {
    await lab.close();
  }
}

async function transfer({ client, target }, listener) {
  const part = (host, ...argv) => start(inside(host, [process.execPath, CHILD, ...argv]));
  const sink = await part(client, 'sink', PORT).ready;
  const tap = listener === 'none' ? null : await part(client, listener, client.device).ready;
  const sender = part(target, 'send', client.ipv4, PORT, `${bytes}`);
  const [sent, sunk, tapped] = await Promise.all([sender.told, sink.told, tap?.told]);
  if (tapped !== undefined && tapped.stamps < tapped.packets)
    throw new Error(`${listener} took ${tapped.packets} packets, ${tapped.stamps} with a stamp`);
  const own = tapped?.cpuSeconds ?? 0;
  return { ...tapped, own, cpuSeconds: sent.cpuSeconds + sunk.cpuSeconds + own };
}

/** Starts a part. `ready`: it, once it says so; `told`: what it says at its end. */
function start([command, ...argv]) {
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const told = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text.trim().split('\n').at(-1)));
      else reject(new Error(`${argv.join(' ')} ended with ${code}`));
    });
  });
  const ready = new Promise((resolve, reject) => {
    told.catch(reject);
    child.stdout.on('data', (octets) => {
      text += octets;
      if (text.includes('ready')) resolve({ told });
    });
  });
  ready.catch(() => undefined);
  return { told, ready };
}

function report(packets, measured) {
  const without = least(measured.get('none'), ({ cpuSeconds }) => cpuSeconds);
  const middleWithout = middle(measured.get('none'), ({ cpuSeconds }) => cpuSeconds);
  for (const listener of LISTENERS.slice(1)) {
    const taken = measured.get(listener);
    const count = middle(taken, (run) => run.packets);
    const micros = (seconds) => ((seconds * 1e6) / count).toFixed(2);
    moved(`${packets}, ${listener}: packets`, count);
    const total = micros(least(taken, ({ cpuSeconds }) => cpuSeconds) - without);
    const median = micros(middle(taken, ({ cpuSeconds }) => cpuSeconds) - middleWithout);
    const own = micros(middle(taken, (run) => run.own));
    const [run] = taken;
    const size = Math.round(run.bytes / run.packets).toLocaleString('en');
    // Repetitions are taken, too.
    const share = Math.min(1, least(taken, (each) => each.bytes) / bytes);
    const figures = `${size} | ${total} (${median}) | ${own} | ${(100 * share).toFixed(1)} %`;
    console.log(`| ${packets} | ${listener} | ${figures} |`);
  }
}

function least(all, pick) {
  return Math.min(...all.map(pick));
}

function middle(all, pick) {
  return all.map(pick).sort((a, b) => a - b)[all.length >> 1];
}
