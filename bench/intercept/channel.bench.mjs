/**
 * What the channel carries and what it adds: an intercept with made-up packets and a replay's
 * channel thread, in two processes over loopback. Variants take turns; of each the best and the
 * median round are shown, since whatever else runs on the machine only makes rounds worse.
 *
 *     npm run bench -- intercept/channel
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { moved } from '../figures.mjs';

const isSmoke = process.argv.includes('--smoke');
const ROUNDS = isSmoke ? 1 : 3;
const SECONDS = isSmoke ? 0.2 : 3;
const BRIEF = isSmoke ? { warmUpNs: 50e6, wakeUps: 20 } : {};
const VARIANT = fileURLToPath(new URL('./channel-variant.mjs', import.meta.url));

/** Until V8 has compiled what both ends do for a record: some 30,000 hand-overs. */
const WARM = { warmUpNs: 4e9 };
const WARM_AT_1000 = { warmUpNs: 30e9 };
const VARIANTS = [
  { name: 'as fast as it goes, TLS', rate: 0, secret: true, ...WARM },
  { name: 'as fast as it goes, plain', rate: 0, secret: false, ...WARM },
  { name: '1,000/s, TLS', rate: 1_000, secret: true, ...WARM_AT_1000 },
  { name: '50,000/s, TLS', rate: 50_000, secret: true, ...WARM },
  {
    name: '1,000/s, TLS, 1,000,000 users',
    rate: 1_000,
    secret: true,
    users: 1_000_000,
    ...WARM_AT_1000,
  },
];

const results = new Map(VARIANTS.map(({ name }) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const { name, ...options } of VARIANTS) {
    const argument = JSON.stringify({ ...options, ...BRIEF, seconds: SECONDS });
    const text = execFileSync(process.execPath, [VARIANT, argument], { encoding: 'utf8' });
    results.get(name).push(JSON.parse(text));
  }
}

/** Best and median of a figure over the rounds. */
function show(what, rounds, figure, best) {
  const sorted = rounds.map((each) => moved(what, figure(each))).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  return `${best === 'most' ? sorted.at(-1) : sorted[0]} (${median})`;
}

process.stdout.write(`best (median) of ${ROUNDS} rounds of ${SECONDS} s\n`);
for (const [name, rounds] of results) {
  const rows = [
    ['records/s', (each) => each.recordsPerSecond, 'most'],
    ['latency p50 µs', (each) => each.latencyUs.p50],
    ['latency p99 µs', (each) => each.latencyUs.p99],
    ['bare timer, late p99 µs', (each) => each.latenessP99Us],
    ['bare loopback p50 µs', (each) => each.loopbackUs.p50],
    ['bare loopback p99 µs', (each) => each.loopbackUs.p99],
    ['CPU µs/record, intercept', (each) => each.interceptCpuUsPerRecord],
    ['CPU µs/record, replay', (each) => each.replayCpuUsPerRecord],
    ['memory MB, intercept', (each) => each.interceptRssMb],
  ];
  process.stdout.write(`${name}\n`);
  for (const [label, figure, best] of rows) {
    const text = show(`${name}: ${label}`, rounds, figure, best);
    process.stdout.write(`  ${label.padEnd(26)}${text}\n`);
  }
}
