/**
 * A mutation fuzzer over the captures in fixtures/: changes files at random and reads them as a
 * whole run would, from octets to scripts.
 *
 *   npm run fuzz                                   30 seconds, a seed of its own
 *   npm run fuzz -- --seconds 600 --seed 7
 *   npm run fuzz -- --executions 1000000
 *
 * It fails on anything but a CaptureError, on an account that does not add up, on a script that
 * contradicts itself or points outside the file, on an index with changed tables that passes its
 * check and leads astray, on an index file whose changed octets keep its capture from being read, on a file that takes too long, and on memory out of proportion to the
 * packets. What fails is written to a file that `gryphon inspect` opens.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../src/base/prng.ts';
import { CaptureError } from '../../src/capture/capture-error.ts';
import { openFzstd, ZstdUnpacker } from '../../src/capture/zstd-frames.ts';
import { openLibzstd } from '../../src/io/sys/libzstd.ts';
import { IndexOctets } from './index-octets.ts';
import { mutate } from './mutate.ts';
import { readWhole } from './read-whole.ts';

const FOLDERS = ['.', 'public', 'conformance', 'malformed'];
/** Larger files take longer and have no more ways to go wrong; they are cut to this. */
const SEED_BYTES_MAX = 12_000;
/** A reading of so small a file takes well under a millisecond: of the process's own time, whoever else wants the core. */
const SLOW_CPU_MS = 2000;
const REPORT_EVERY_MS = 5000;
/** An index is a file, and read as one: as often as this costs a tenth of the time. */
const INDEX_EVERY = 256;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    executions: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Date.now() >>> 0) },
  },
});

const fixtures = new URL('../../fixtures/', import.meta.url).pathname;
const corpus = FOLDERS.flatMap((folder) =>
  readdirSync(join(fixtures, folder))
    .filter((name) => /\.(?:pcap|pcapng|zst)$/.test(name))
    .map((name) => {
      const octets = readFileSync(join(fixtures, folder, name));
      return { name, octets: new Uint8Array(octets.subarray(0, SEED_BYTES_MAX)) };
    }),
);

const prng = new Prng(Number(values.seed));
const executionsMax =
  values.executions === '' ? Number.POSITIVE_INFINITY : Number(values.executions);
const secondsMax = values.executions === '' ? Number(values.seconds) : Number.POSITIVE_INFINITY;
const startMs = performance.now();
let reportedMs = startMs;
let executions = 0;
let packets = 0;
let sessions = 0;
let tampered = 0;
let refused = 0;

const index = new IndexOctets();
process.once('exit', () => index.close());
await index.open(join(fixtures, 'http-short.pcap'));
let indexes = 0;

console.log(`fuzzing captures with seed ${values.seed}, ${corpus.length} files`);
while (executions < executionsMax && performance.now() - startMs < secondsMax * 1000) {
  const chosen = corpus[prng.nextUint32() % corpus.length];
  const other = corpus[prng.nextUint32() % corpus.length];
  const octets = mutate(chosen.octets, other.octets, prng);
  const began = process.cpuUsage();
  try {
    if (chosen.name.endsWith('.zst')) unpack(octets);
    else {
      const found = readWhole(octets, prng);
      packets += found.packets;
      sessions += found.sessions;
      tampered += found.tampered;
    }
  } catch (fault) {
    if (!(fault instanceof CaptureError)) fail(chosen.name, octets, fault);
    refused++;
  }
  const took = process.cpuUsage(began);
  const tookMs = (took.user + took.system) / 1000;
  if (tookMs > SLOW_CPU_MS) fail(chosen.name, octets, new Error(`it took ${tookMs.toFixed(0)} ms`));
  executions++;
  if (executions % INDEX_EVERY === 0) {
    indexes++;
    await index.readChanged(prng);
  }
  if (executions % 1000 === 0) report(false);
}
report(true);

/** What is damaged may be said by any error; what is unpacked must stay within bounds. */
function unpack(octets: Uint8Array): void {
  let bytes = 0;
  const count = (piece: Uint8Array) => {
    bytes += piece.length;
  };
  // Every other one by the system's library: what is wrong in how it is fed would show here.
  const system = executions % 2 === 0 ? openLibzstd(count) : null;
  const unpacker = new ZstdUnpacker(system ?? openFzstd(count));
  try {
    unpacker.push(octets);
    unpacker.end();
  } catch (fault) {
    if (fault instanceof CaptureError) throw fault;
    refused++;
  } finally {
    unpacker.close();
  }
  // A block of three octets can repeat one octet 128 KiB long.
  if (bytes > octets.length * 131_072) throw new Error(`${bytes} octets came out`);
}

function fail(name: string, octets: Uint8Array, fault: unknown): never {
  const path = join(tmpdir(), `gryphon-fuzz-${values.seed}-${executions}.pcap`);
  writeFileSync(path, octets);
  console.error(`FAILED after ${executions} executions, made from ${name}, kept as ${path}`);
  throw fault;
}

function report(isLast: boolean): void {
  const nowMs = performance.now();
  if (!isLast && nowMs - reportedMs < REPORT_EVERY_MS) return;
  reportedMs = nowMs;
  const perSecond = Math.round((executions / (nowMs - startMs)) * 1000);
  const memory = Math.round(process.memoryUsage.rss() / 1e6);
  const counts = `${packets} packets, ${sessions} sessions, ${tampered} changed tables and ${indexes} index files, ${refused} refused`;
  console.log(`${executions} executions (${perSecond}/s), ${counts}, ${memory} MB`);
}
