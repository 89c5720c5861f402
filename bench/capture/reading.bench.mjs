/**
 * Reading captures of small and of large packets to the index of their sessions, beside what others
 * do with the same files: `npm run build && node bench/capture/reading.bench.mjs [--smoke] [--rounds N]`.
 *
 * tcpdump copies every packet to /dev/null, tshark makes its table of conversations, pcap-parser
 * only emits its events (it reads no nanoseconds, so the file's are microseconds). One process each,
 * taking turns; seconds of wall time (of the two in JavaScript without loading Node and their modules),
 * and the process's peak memory.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { moved } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const SMOKE_PACKETS = 20_000;
/** What a program prints beyond this is not kept. */
const OUTPUT_KEPT = 1 << 16;
const POLL_MS = 10;
const HERE = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    child: { type: 'string' },
    file: { type: 'string' },
  },
});

/** What each program does with the file. */
const WHAT = {
  gryphon: 'gryphon: decode, sessions, index',
  'pcap-parser': 'pcap-parser: bare read',
  tcpdump: 'tcpdump -r … -w /dev/null',
  tshark: 'tshark -q -z conv,tcp',
};

/** What runs in a process of its own, by name. */
const CHILDREN = {
  gryphon: async () => {
    const { indexCaptures } = await import('../../dist/run/captures/index-captures.js');
    return async (file) => {
      const index = await indexCaptures([file], { seed: 1 });
      const { packets } = index.files[0];
      index.close();
      return { packets, sessions: index.sessions.replayable, indexBytes: index.indexBytes };
    };
  },
  'pcap-parser': async () => {
    const { default: pcapParser } = await import('pcap-parser');
    return async (file) => {
      let packets = 0;
      const parser = pcapParser.parse(file);
      parser.on('packet', () => {
        packets++;
      });
      await new Promise((resolve, reject) => {
        parser.on('end', resolve);
        parser.on('error', reject);
      });
      return { packets };
    };
  },
};

if (values.child === undefined) await run();
else await runChild(values.child, values.file);

async function runChild(name, file) {
  const play = await CHILDREN[name]();
  const start = process.hrtime.bigint();
  const found = await play(file);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  process.stdout.write(JSON.stringify({ seconds, ...found }));
}

async function run() {
  await import('../../test/helpers/typescript.mjs');
  const { LARGE_PACKETS, SMALL_PACKETS } = await import('./made-capture.ts');
  await compare('small packets', SMALL_PACKETS, ['gryphon', 'pcap-parser', 'tcpdump', 'tshark']);
  await compare('large packets', LARGE_PACKETS, ['gryphon', 'pcap-parser', 'tcpdump', 'tshark']);
}

/** Each of some programs reads a made capture, taking turns. */
async function compare(title, shape, programs) {
  const { writeCapture } = await import('./made-capture.ts');
  const { findTool } = await import('../../test/helpers/process.ts');
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-'));
  try {
    const file = join(folder, 'made.pcap');
    const packets = values.smoke ? SMOKE_PACKETS : shape.packets;
    writeCapture(file, { ...shape, packets });
    const child = (name) => [process.execPath, HERE, '--child', name, '--file', file];
    const commands = {
      gryphon: child('gryphon'),
      'pcap-parser': child('pcap-parser'),
      tcpdump: ['tcpdump', '-r', file, '-w', '/dev/null'],
      tshark: ['tshark', '-n', '-r', file, '-q', '-z', 'conv,tcp'],
    };
    const results = new Map(programs.map((name) => [name, []]));
    const rounds = values.smoke ? 1 : Number(values.rounds);
    for (let round = 0; round < rounds; round++) {
      for (const name of programs) {
        // tshark keeps every conversation and takes minutes: once is enough.
        if (round > 0 && name === 'tshark') continue;
        const command = commands[name];
        if (findTool(command[0]) === null) {
          process.stdout.write(`${name} is not installed: left out\n`);
          continue;
        }
        results.get(name).push(await measure(command));
      }
    }
    report(title, results, packets, statSync(file).size, rounds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a program to its end; its peak memory is read from /proc while it runs. */
async function measure([program, ...args]) {
  const start = process.hrtime.bigint();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    if (stdout.length < OUTPUT_KEPT) stdout += text;
  });
  child.stderr.on('data', (text) => {
    if (stderr.length < OUTPUT_KEPT) stderr += text;
  });
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
  }, POLL_MS);
  const [code] = await once(child, 'close');
  clearInterval(timer);
  const wallSeconds = Number(process.hrtime.bigint() - start) / 1e9;
  const seconds = args.includes('--child') ? JSON.parse(stdout).seconds : wallSeconds;
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return { seconds, peakBytes, stdout };
}

/** VmHWM: the most memory the process has had so far; 0 once it is gone. */
function peakOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function report(title, results, packets, bytes, rounds) {
  const write = (text) => process.stdout.write(`${text}\n`);
  const date = new Date().toISOString().slice(0, 10);
  write(`${date}, ${describeMachine()}`);
  write(`${title}: ${packets}, ${(bytes / 1e6).toFixed(0)} MB; ${rounds} rounds\n`);
  write('| what | seconds best | median | M packets/s, median | peak memory MB |');
  write('|---|---|---|---|---|');
  for (const [program, measured] of results) {
    if (measured.length === 0) continue;
    const name = WHAT[program];
    const seconds = measured
      .map((each) => moved(`${name}: seconds`, each.seconds))
      .sort((a, b) => a - b);
    const median = seconds[seconds.length >>> 1];
    write(
      `| ${name} | ${seconds[0].toFixed(2)} | ${median.toFixed(2)} | ` +
        `${(packets / median / 1e6).toFixed(2)} | ` +
        `${(Math.max(...measured.map((each) => each.peakBytes)) / 1e6).toFixed(0)} |`,
    );
  }
  const ours = results.get('gryphon').at(0);
  if (ours === undefined) return;
  moved(`${title}: sessions found`, JSON.parse(ours.stdout).sessions);
  write(`\ngryphon found ${ours.stdout}\n`);
}
