// Recording a latency: our columns beside hdr-histogram-js in JavaScript and in WebAssembly.
//
//   node bench/measure/histograms.bench.mjs [--smoke]
//
// One variant a process, variants alternated; minimum and median of ns per record.
import { moved } from '../figures.mjs';
import { inTurn } from '../rounds.mjs';

const SMOKE = process.argv.includes('--smoke');
const RUNS = SMOKE ? 1 : 10;
const RECORDS = SMOKE ? 10_000 : 10_000_000;
const VALUES = 65_536;
const HIGHEST = 2 ** 47 - 1;

/** Latencies from 50 µs to 5 s, all magnitudes alike: they cross the 32-bit border. */
function latencies() {
  const column = new Float64Array(VALUES);
  let state = 12_345;
  for (let i = 0; i < VALUES; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    column[i] = Math.floor(50_000 * 100_000 ** (state / 2 ** 32));
  }
  return column;
}

async function recorderOf(name) {
  if (name === 'columns') {
    const { LatencyRecorder, LatencyTable, Latency } = await import(
      '../../dist/measure/histograms.js'
    );
    const recorder = new LatencyRecorder();
    const at = () => LatencyTable.of([recorder.columns]).valueAtPercentileNs(Latency.RESPONSE, 99);
    return { record: (ns) => recorder.record(Latency.RESPONSE, ns), p99: at };
  }
  const hdr = await import('hdr-histogram-js');
  if (name === 'hdr wasm') hdr.initWebAssemblySync();
  const histogram = hdr.build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: name === 'hdr wasm',
  });
  return {
    record: (ns) => histogram.recordValue(ns),
    p99: () => histogram.getValueAtPercentile(99),
  };
}

const VARIANTS = ['columns', 'hdr wasm', 'hdr js'];

if (process.argv.includes('--variant')) {
  const { record, p99 } = await recorderOf(process.argv[process.argv.indexOf('--variant') + 1]);
  const values = latencies();
  for (let i = 0; i < RECORDS / 10; i++) record(values[i % VALUES]);
  const startedNs = process.hrtime.bigint();
  for (let i = 0; i < RECORDS; i++) record(values[i % VALUES]);
  const ns = Number(process.hrtime.bigint() - startedNs) / RECORDS;
  process.stdout.write(JSON.stringify({ ns, p99: p99() }));
} else {
  const results = inTurn(import.meta.url, VARIANTS, RUNS, SMOKE ? ['--smoke'] : []);
  console.log(`${RECORDS} records, ${RUNS} runs; ns per record`);
  console.log('variant     minimum   median   p99 (must agree)');
  for (const [name, runs] of results) {
    const sorted = runs.map((run) => moved(`${name}: ns`, run.ns)).sort((a, b) => a - b);
    moved(`${name}: p99`, runs[0].p99);
    const min = sorted[0].toFixed(1).padStart(7);
    const median = sorted[runs.length >> 1].toFixed(1).padStart(9);
    console.log(`${name.padEnd(12)}${min}${median}   ${runs[0].p99}`);
  }
}
