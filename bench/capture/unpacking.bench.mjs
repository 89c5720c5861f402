/**
 * Unpacking a capture into a file without a name, beside zcat and zstdcat, which write the same octets
 * to a file: `npm run build && node bench/capture/unpacking.bench.mjs [--smoke] [--rounds N]`.
 *
 * The capture is that of small packets that the bench of reading makes. One process each, taking
 * turns; seconds of wall time and of processor time (ours without loading Node and its modules).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

const SMOKE_PACKETS = 20_000;
const HERE = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    child: { type: 'string' },
  },
});

if (values.child === undefined) await run();
else await runChild(values.child);

async function runChild(file) {
  const { unpackCapture } = await import('../../dist/run/captures/unpack-capture.js');
  const start = process.hrtime.bigint();
  const before = process.cpuUsage();
  const unpacked = await unpackCapture(file, {});
  const { user, system } = process.cpuUsage(before);
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const { bytes } = unpacked.file;
  unpacked.file.close();
  process.stdout.write(JSON.stringify({ wall, cpu: (user + system) / 1e6, bytes }));
}

async function run() {
  await import('../../test/helpers/typescript.mjs');
  const { SMALL_PACKETS, writeCapture } = await import('./made-capture.ts');
  const { findTool } = await import('../../test/helpers/process.ts');
  for (const tool of ['bash', 'zcat', 'zstd', 'zstdcat']) {
    if (findTool(tool) === null) skip('unpacking', `it needs ${tool}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-'));
  try {
    const plain = join(folder, 'made.pcap');
    const packets = values.smoke ? SMOKE_PACKETS : SMALL_PACKETS.packets;
    const bytes = writeCapture(plain, { ...SMALL_PACKETS, packets });
    await pipeline(createReadStream(plain), createGzip(), createWriteStream(`${plain}.gz`));
    execFileSync('zstd', ['-q', '-k', plain]);
    heading(bytes);
    for (const [suffix, tool] of [
      ['gz', 'zcat'],
      ['zst', 'zstdcat'],
    ]) {
      compare(`${plain}.${suffix}`, tool, bytes);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rounds of both on one file, and a row of the table for each. */
function compare(packed, tool, bytes) {
  const measured = { ours: [], theirs: [] };
  for (let round = 0; round < (values.smoke ? 1 : Number(values.rounds)); round++) {
    measured.ours.push(ours(packed, bytes));
    measured.theirs.push(theirs(packed, tool, bytes));
  }
  row(`gryphon, ${tool}'s file (${megabytes(statSync(packed).size)} MB)`, measured.ours);
  row(`${tool} > file`, measured.theirs);
  const ratios = measured.ours.map(({ wall }, i) => wall / measured.theirs[i].wall);
  const [best, median] = bestAndMedian(ratios);
  process.stdout.write(`| ratio of each pair | ${best} | ${median} | | |\n`);
}

function ours(packed, bytes) {
  const text = execFileSync(process.execPath, [HERE, '--child', packed]).toString();
  const result = JSON.parse(text);
  if (result.bytes !== bytes) throw new Error(`${packed}: ${result.bytes} octets came out`);
  return result;
}

/** By bash's own clock, which does not count its start. */
function theirs(packed, tool, bytes) {
  const script = `TIMEFORMAT='%R %U %S'; time ${tool} "$0" > "$0.out"`;
  const { stderr } = spawnSync('bash', ['-c', script, packed]);
  const out = `${packed}.out`;
  if (statSync(out).size !== bytes) throw new Error(`${tool}: ${stderr}`);
  rmSync(out);
  const [wall, user, system] = stderr.toString().trim().split(' ').map(Number);
  return { wall, cpu: user + system };
}

function heading(bytes) {
  const date = new Date().toISOString().slice(0, 10);
  const machine = describeMachine();
  process.stdout.write(`${date}, ${machine}; ${megabytes(bytes)} MB, ${values.rounds} rounds\n\n`);
  process.stdout.write('| what | seconds best | median | CPU seconds best | median |\n');
  process.stdout.write('|---|---|---|---|---|\n');
}

function row(name, rounds) {
  const wall = rounds.map((each) => each.wall);
  // A smoke run is over before a processor's clock moves.
  if (!values.smoke) for (const each of wall) moved(`${name}: seconds`, each);
  moved(`${name}: rounds`, rounds.length);
  const figures = [...bestAndMedian(wall), ...bestAndMedian(rounds.map(({ cpu }) => cpu))];
  process.stdout.write(`| ${name} | ${figures.join(' | ')} |\n`);
}

function bestAndMedian(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  return [sorted[0].toFixed(2), sorted[sorted.length >>> 1].toFixed(2)];
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(0);
}
