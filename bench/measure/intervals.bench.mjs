/**
 * A run's seconds: what an hour of them takes in a thread's memory, in the result and in its reports.
 *
 *     npm run build && node bench/measure/intervals.bench.mjs [--smoke] [--seconds 3600] [--rate 1000,20000]
 *
 * One process a rate; times are the processor's. Of each request the time to the first byte, response, service and lag are
 * recorded, with a spread of a factor of six either way around 300 µs (the lag: 30 µs), so that steps
 * are many; no two seconds are alike. What lies between is the bench's own: making up the values.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved } from '../figures.mjs';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '3600' },
    rate: { type: 'string', default: '1000,20000' },
    variant: { type: 'string' },
  },
});
const seconds = values.smoke ? 20 : Number(values.seconds);
const s = (ms) => (ms / 1_000).toFixed(1);
const rates = values.smoke ? [100] : values.rate.split(',').map(Number);

async function measure(rate) {
  const { NS_PER_SECOND } = await import('../../dist/base/time.js');
  const { Counter, createCounters } = await import('../../dist/measure/counters.js');
  const { Latency, LatencyRecorder, LatencyTable } = await import(
    '../../dist/measure/histograms.js'
  );
  const { IntervalRecorder } = await import('../../dist/measure/intervals.js');
  const { resultOf } = await import('../../dist/measure/record-result.js');
  const { measuredOf } = await import('../../dist/measure/measured.js');
  const { jsonReport, parseResult } = await import('../../dist/report/json.js');
  const { htmlReport } = await import('../../dist/report/html/html-report.js');
  const { kernelFiles } = await import('../../dist/cli/files.js');
  const { sampleRunRecord } = await import('../../test/measure/sample-record.ts');

  const recorder = new LatencyRecorder();
  const counters = createCounters();
  const before = held();
  const intervals = new IntervalRecorder(recorder, counters);
  const spread = factors();
  const kinds = [
    [Latency.FIRST_BYTE, 280_000],
    [Latency.RESPONSE, 310_000],
    [Latency.SERVICE, 300_000],
    [Latency.LAG, 30_000],
  ];
  const rolls = [];
  for (let second = 0, at = 0; second < seconds; second++) {
    rolls.push(timed(() => intervals.roll(second * NS_PER_SECOND))[1]);
    for (let i = 0; i < rate; i++) {
      for (const [kind, ns] of kinds) {
        at = at + 1 === spread.length ? 0 : at + 1;
        recorder.record(kind, ns * spread[at]);
      }
    }
    counters[Counter.EXCHANGES_ANSWERED] += rate;
    counters[Counter.CLOCK_NS] = second * NS_PER_SECOND;
  }
  const timeline = intervals.finish(seconds * NS_PER_SECOND);
  const heldMb = moved('memory', (held() - before) / 1e6);
  const record = {
    ...sampleRunRecord({ responseMs: [1], durationSeconds: seconds }),
    latency: LatencyTable.of([recorder.columns]),
    timelines: [timeline],
  };
  const [result, resultMs] = timed(() => resultOf(record, []));
  const [json, jsonMs] = timed(() => jsonReport(result));
  const started = process.cpuUsage();
  const read = await parseResult(json, 'result.json');
  const readMs = cpuMsSince(started);
  const [, windowMs] = timed(() => measuredOf(read).timeline);
  const assets = await kernelFiles.readHtmlAssets();
  const [page, pageMs] = timed(() => htmlReport(read, assets));
  const mb = (text) => (moved('octets', text.length) / 1e6).toFixed(1);
  process.stdout.write(
    `${rate} requests/s: ${timeline.intervals.length} intervals of ${timeline.intervalNs / NS_PER_SECOND} s; ` +
      `a thread holds ${heldMb.toFixed(1)} MB, a second's end takes it ${median(rolls).toFixed(2)} ms; ` +
      `result ${mb(json)} MB, for the summary in ${s(resultMs)} s, written in ${s(jsonMs)} s, read in ${s(readMs)} s, its intervals in ${s(windowMs)} s; ` +
      `page ${mb(page)} MB, made in ${s(pageMs)} s\n`,
  );
}

function timed(work) {
  const started = process.cpuUsage();
  const done = work();
  return [done, cpuMsSince(started)];
}

function cpuMsSince(started) {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1_000;
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

function held() {
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Normally distributed exponents of e with a deviation of 0.6, always the same ones; a prime number of them. */
function factors() {
  let state = 12_345;
  const chance = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  return Float64Array.from({ length: 1_000_003 }, () =>
    Math.exp(0.6 * Math.sqrt(-2 * Math.log(chance())) * Math.cos(2 * Math.PI * chance())),
  );
}

if (values.variant === undefined) {
  for (const rate of rates) {
    const argv = ['--expose-gc', fileURLToPath(import.meta.url), '--seconds', String(seconds)];
    const { stdout, status } = spawnSync(process.execPath, [...argv, '--variant', String(rate)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    process.stdout.write(stdout);
    if (status !== 0) process.exit(1);
  }
} else {
  await measure(Number(values.variant));
}
