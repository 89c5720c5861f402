/**
 * Latencies under load beside what the kernel saw at the server: how much longer are ours?
 *
 *     npm run build && sudo node bench/e2e/true-latency.bench.mjs [--smoke] [--rate 20000] [--seconds 3]
 *
 * nginx with one worker and a page of 1 KB, and requests at a steady rate. tcpdump at the server's interface
 * stamps requests and answers, tshark says how long each took; the same percentiles of both are
 * printed. Ours begin when a request is handed to the kernel and end when the answer is at the client, so
 * they hold the veth pair, too; tcpdump costs the machine a part of a processor.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';
import { replayed } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';

const { evenAnswerTimesMs, PAYLOAD_FILTER, percentileOf } = await import(
  '../../test/helpers/answer-times.ts'
);
const { startCapture } = await import('../../test/helpers/capture.ts');
const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');

const REQUESTS_PER_USER = 50;
/** So that a connection has one request at a time. */
const RATE_PER_USER = '100/s';
const PERCENTILES = [50, 90, 99];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '3' },
  },
});
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'tshark']);
if (missing !== null) skip('true-latency', `it needs ${missing}`);
const [rate, seconds] = values.smoke ? [200, 1] : [Number(values.rate), Number(values.seconds)];
const folder = makeFolder('true-latency');
try {
  await withPageServer(REQUESTS_PER_USER, measure, ['page.html'], RATE_PER_USER);
} finally {
  folder.remove();
}

async function measure({ lab, capture }) {
  await routeClients(lab);
  const path = join(folder.path, 'server.pcap');
  const recording = await startCapture(lab.target, path, {
    filter: PAYLOAD_FILTER,
    options: ['-s', '96'],
  });
  const load = ['--request-rate', `${rate}/s`, '--duration', `${seconds}s`];
  const { result } = await replayed(lab, capture, load);
  await recording.stop();
  const { answered, planned } = result.exchanges;
  const told = await evenAnswerTimesMs(path, {
    requestBytes: result.bytes.planned / planned,
    answerBytes: result.bytes.received / answered,
  });
  const perSecond = moved('requests/s', result.rates.achieved);
  process.stdout.write(
    `${Math.round(perSecond)} requests/s; ${answered} answers, ${told.length} in the capture\n`,
  );
  for (const percent of PERCENTILES) {
    const ours = moved(`p${percent}`, result.latency.service[`p${percent}`]);
    const theirs = moved(`p${percent} at the server`, percentileOf(told, percent));
    const longerUs = Math.round((ours - theirs) * 1_000);
    process.stdout.write(
      `p${percent}: service ${ours.toFixed(3)} ms, at the server ${theirs.toFixed(3)} ms: ${longerUs} µs longer\n`,
    );
  }
}
