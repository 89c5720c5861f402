/**
 * What a server loses while `gryphon record` listens on its machine: nginx that is asked at a rate, or as
 * much as wrk can, alone, recorded as a production machine would be (a fifth of a processor at most, else
 * fewer sessions), and recorded whole; what was lost on the way to the files, and which share of the
 * sessions was left.
 *
 *     npm run build && sudo node bench/e2e/recording.bench.mjs
 *         [--smoke] [--rounds 6] [--seconds 5] [--rate 20000]
 *
 * Rounds alternate, every other one in the opposite order.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';
import { replayed, wrkOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { median } from './rounds-table.mjs';

const { routeClients, startInside } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { until } = await import('../../test/helpers/process.ts');
const { makeFolder } = await import('../../test/helpers/servers.ts');

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const ALONE = 'alone';
const NOT_RECORDED = { packets: 0, lost: 0, share: 0 };
const numberOf = (text) => Number(text?.replaceAll(',', ''));
const CONNECTIONS = 100;
const REQUESTS_PER_USER = 50;
/** So that a connection has one request at a time. */
const RATE_PER_USER = '100/s';
const VARIANTS = { [ALONE]: null, recorded: [], 'recorded whole': ['--max-cpu', '100%'] };

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '20000' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const seconds = values.smoke ? 1 : Number(values.seconds);
const rate = values.smoke ? 200 : Number(values.rate);

const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'bash', 'wrk']);
if (missing !== null) skip('recording', `it needs ${JSON.stringify(missing)}`);
const loads = [`${rate} requests/s`, 'all that wrk asks'];
const measured = new Map();
await withPageServer(REQUESTS_PER_USER, measure, { rate: RATE_PER_USER });
print();

async function measure({ lab, capture }) {
  await routeClients(lab);
  const doing = [() => replayOnce(lab, capture), () => wrkOnce(lab, CONNECTIONS, seconds)];
  for (let round = 0; round < rounds; round++) {
    const variants = Object.entries(VARIANTS);
    if (round % 2 === 1) variants.reverse();
    for (const [i, load] of doing.entries()) {
      for (const [name, argv] of variants) {
        const ran =
          argv === null ? { ...(await load()), ...NOT_RECORDED } : await recorded(lab, argv, load);
        const key = `${loads[i]}, ${name}`;
        measured.set(key, [...(measured.get(key) ?? []), ran]);
        const { perSecond, packets, lost, share } = ran;
        const did = `${Math.round(perSecond)} requests/s`;
        process.stderr.write(
          `${round + 1}: ${key}: ${did}, ${packets} packets, ${lost} lost, ${share} %\n`,
        );
      }
    }
  }
}

async function replayOnce(lab, capture) {
  const load = ['--request-rate', `${rate}/s`, '--duration', `${seconds}s`];
  const { result } = await replayed(lab, capture, load);
  return { perSecond: result.rates.achieved };
}

/** Records what comes to the target while the load runs. @returns the load's figures, and what was recorded */
async function recorded({ target }, argv, load) {
  const folder = makeFolder('bench-record');
  try {
    const out = join(folder.path, 'out');
    const options = ['--interface', target.device, '--server', '80', '--out', out, ...argv];
    const recording = startInside(target, [process.execPath, COMMAND, 'record', ...options]);
    await until('it records', () => recording.output().includes('recording'));
    const ran = await load();
    await recording.stop('SIGINT');
    const said = recording.output();
    if (recording.exitCode() !== 0)
      throw new Error(`it ended with ${recording.exitCode()}: ${said}`);
    const [, packets, lost] = /recorded ([\d,]+) packets.*; ([\d,]+) packets lost/.exec(said) ?? [];
    const share = /at the end ([\d.]+)%/.exec(said)?.at(1) ?? '100';
    return { ...ran, packets: numberOf(packets), lost: numberOf(lost), share: Number(share) };
  } finally {
    folder.remove();
  }
}

function print() {
  const at = describeMachine();
  const write = (...cells) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${at}\n`);
  process.stdout.write(`${rounds} rounds of ${seconds} s\n\n`);
  write(
    'nginx',
    'requests/s best',
    'median',
    'of alone',
    'packets recorded',
    'lost',
    'of the sessions at the end',
  );
  write(...Array(7).fill('---'));
  for (const load of loads) {
    const alone = median(measured.get(`${load}, ${ALONE}`).map(({ perSecond }) => perSecond));
    for (const name of Object.keys(VARIANTS)) write(...cellsOf(`${load}, ${name}`, name, alone));
  }
}

function cellsOf(key, name, alone) {
  const runs = measured.get(key);
  const rates = runs.map(({ perSecond }) => moved(`${key}: requests/s`, perSecond));
  const done = [Math.max(...rates), median(rates)].map((one) =>
    Math.round(one).toLocaleString('en'),
  );
  if (name === ALONE) return [key, ...done, '', '', '', ''];
  for (const { packets } of runs) moved(`${key}: packets`, packets);
  const sum = (of) => runs.reduce((all, one) => all + of(one), 0).toLocaleString('en');
  const shares = runs.map(({ share }) => share);
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  const ends = least === most ? `${least} %` : `${least} to ${most} %`;
  const ratio = (median(rates) / alone).toFixed(3);
  return [key, ...done, ratio, sum(({ packets }) => packets), sum(({ lost }) => lost), ends];
}
