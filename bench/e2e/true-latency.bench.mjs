/**
 * Latencies under load beside what the kernel saw at the server: how much longer are ours?
 *
 *     npm run build && sudo chrt -r 1 node bench/e2e/true-latency.bench.mjs [--smoke] [--rates 1000,5000,20000] [--seconds 3] [--growing]
 *
 * nginx with one worker and a page of 1 KB, and requests at a steady rate. tcpdump at the server's interface
 * stamps requests and answers, tshark says how long each took; the same percentiles of both are
 * printed. Ours begin when a request is handed to the kernel and end when the answer is at the client, so
 * they hold the veth pair, too; tcpdump costs the machine a part of a processor. Lag is the generator's own:
 * from when a request was intended to when it was handed over; a run's first second begins with everything cold. With --growing users
 * arrive at a steady rate, so that the requests grow to the rate in half a second. `chrt` keeps other programs away from all of them.
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
const { captureWhile } = await import('../../test/helpers/capture.ts');
const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');

const REQUESTS_PER_USER = 50;
/** So that a connection has one request at a time, where the server keeps up. */
const RATE_PER_USER = '100/s';
const PERCENTILES = [50, 90, 99];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rates: { type: 'string', default: '1000,5000,20000' },
    seconds: { type: 'string', default: '3' },
    growing: { type: 'boolean', default: false },
  },
});
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'tshark']);
if (missing !== null) skip('true-latency', `it needs ${missing}`);
const rates = values.smoke ? [200] : values.rates.split(',').map(Number);
const seconds = values.smoke ? 1 : Number(values.seconds);
const folder = makeFolder('true-latency');
try {
  await withPageServer(REQUESTS_PER_USER, measureAll, { rate: RATE_PER_USER });
} finally {
  folder.remove();
}

async function measureAll({ lab, capture }) {
  await routeClients(lab);
  process.stdout.write(
    '| wanted | requests/s | | service, ms | at the server | longer, µs | lag, ms |\n',
  );
  process.stdout.write('|---|---|---|---|---|---|---|\n');
  for (const rate of rates) await measure(lab, capture, rate);
}

/** Users whose requests come to the rate when the first of them have asked all of theirs. */
function growing(rate) {
  const perSecond = rate / REQUESTS_PER_USER;
  return ['--rate', `${perSecond}/s`, '--users', `${perSecond * seconds}`];
}

async function measure(lab, capture, rate) {
  const path = join(folder.path, 'server.pcap');
  const load = values.growing
    ? growing(rate)
    : ['--request-rate', `${rate}/s`, '--duration', `${seconds}s`];
  const { result } = await captureWhile(
    lab.target,
    path,
    { filter: PAYLOAD_FILTER, options: ['-s', '96'] },
    () => replayed(lab, capture, load),
  );
  const { answered, planned } = result.exchanges;
  const told = await evenAnswerTimesMs(path, {
    requestBytes: result.bytes.planned / planned,
    answerBytes: result.bytes.received / answered,
  });
  if (told.length !== answered) {
    throw new Error(`${answered} answers, ${told.length} in the capture`);
  }
  const perSecond = Math.round(moved(`${rate}/s: requests/s`, result.rates.achieved));
  for (const percent of PERCENTILES) {
    const name = `p${percent}`;
    const ours = moved(`${rate}/s: ${name}`, result.latency.service[name]);
    const theirs = moved(`${rate}/s: ${name} at the server`, percentileOf(told, percent));
    const longerUs = Math.round((ours - theirs) * 1_000);
    const lag = result.latency.lag[name].toFixed(3);
    process.stdout.write(
      `| ${rate}/s | ${perSecond} | ${name} | ${ours.toFixed(3)} | ${theirs.toFixed(3)} | ${longerUs} | ${lag} |\n`,
    );
  }
  const lags = result.timeline.intervals.flatMap(({ latency: { lag } }) => (lag ? [lag.p99] : []));
  const each = lags.map((ms) => ms.toFixed(2)).join(', ');
  process.stdout.write(`${rate}/s: 99th percentile of the lag in each second, ms: ${each}\n`);
}
