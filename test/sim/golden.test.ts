/**
 * What simulated transfers cost, as a table to be read in review. Made again by
 * `npx vitest run test/sim/golden.test.ts --update`.
 */
import { expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { randomOctets } from '../helpers/recorded.ts';
import type { Faults } from './faulty-link.ts';
import { simulate } from './simulation.ts';
import { idealRoundTrips, upload } from './upload.ts';

const RTT_MS = [1, 40, 300];
const SIZES = [10_000, 100_000, 1_000_000];
const LOSS = [0, 0.001, 0.01, 0.05];
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return cells
    .map((row) => row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  '))
    .map((line) => `${line}\n`)
    .join('');
}

test.each([
  { name: 'uploads', sack: false },
  { name: 'uploads-sack', sack: true },
])('$name: time and repetitions', async ({ name, sack }) => {
  const rows = LOSS.flatMap((loss) =>
    RTT_MS.flatMap((rttMs) =>
      SIZES.map((bytes) => {
        const runs = (loss === 0 ? [1] : SEEDS).map((seed) =>
          upload({ bytes, rttMs, seed, sack, toServer: { loss } }),
        );
        return [
          `${loss * 100} %`,
          rttMs,
          bytes,
          idealRoundTrips(bytes) * rttMs,
          Math.round(median(runs.map(({ ms }) => ms))),
          Math.round(Math.max(...runs.map(({ ms }) => ms))),
          sum(runs.map(({ lost }) => lost[0])),
          sum(runs.map(({ repeats, synRepeats }) => repeats + synRepeats)),
        ];
      }),
    ),
  );
  const head = ['loss', 'rtt ms', 'octets', 'ideal ms', 'median ms', 'worst ms', 'lost', 'repeats'];
  await expect(tableOf(head, rows)).toMatchFileSnapshot(`golden/${name}.txt`);
});

/** In shares of the round trip, but for how long the path stands still. */
const LATE = [
  ...[0.05, 0.25, 0.5].map((jitter) => ({ path: `overtaken by ${jitter}`, jitter })),
  ...[0.3, 0.6, 2].map((seconds) => ({ path: `still for ${seconds} s`, seconds })),
  ...[0.25, 1].map((queue) => ({ path: `12.5 MB/s, queue ${queue}`, queue })),
];

function lateFaults(late: (typeof LATE)[number], rttMs: number): Faults {
  const rttNs = rttMs * NS_PER_MS;
  if ('jitter' in late) return { jitterNs: late.jitter * rttNs };
  if ('seconds' in late) {
    return { heldUp: { fromNs: 5.1 * rttNs, toNs: 5.1 * rttNs + late.seconds * 1e9 } };
  }
  const bytesPerSecond = 12.5e6;
  const queueBytes = (late.queue * bytesPerSecond * rttMs) / 1_000;
  return { bottleneck: { bytesPerSecond, queueBytes } };
}

test('uploads-late: packets are late, or the path is narrow', async () => {
  const rows = LATE.flatMap((late) =>
    [20, 100].flatMap((rttMs) =>
      [true, false].map((sack) => {
        const faults = lateFaults(late, rttMs);
        const seeds = 'jitter' in late ? SEEDS.slice(0, 4) : [1];
        const runs = seeds.map((seed) =>
          upload({ bytes: 3_000_000, rttMs, seed, sack, toServer: faults }),
        );
        return [
          late.path,
          rttMs,
          sack ? 'yes' : 'no',
          idealRoundTrips(3_000_000) * rttMs,
          Math.round(median(runs.map(({ ms }) => ms))),
          Math.round(Math.max(...runs.map(({ ms }) => ms))),
          sum(runs.map(({ lost }) => lost[0])),
          sum(runs.map(({ repeats, synRepeats }) => repeats + synRepeats)),
        ];
      }),
    ),
  );
  const head = ['path', 'rtt ms', 'SACK', 'ideal ms', 'median ms', 'worst ms', 'lost', 'repeats'];
  await expect(tableOf(head, rows)).toMatchFileSnapshot('golden/uploads-late.txt');
}, 60_000);

test.each([
  { name: 'downloads', sack: false },
  { name: 'downloads-sack', sack: true },
])(
  '$name: time and acknowledgements',
  async ({ name, sack }) => {
    const rows = LOSS.flatMap((loss) =>
      RTT_MS.flatMap((rttMs) =>
        SIZES.map((bytes) => {
          const delayNs = (rttMs * NS_PER_MS) / 2;
          const runs = (loss === 0 ? [1] : SEEDS).map((seed) =>
            simulate({
              sessions: [
                {
                  messages: [
                    { from: 'client', octets: randomOctets(9, 1) },
                    { from: 'server', octets: new Uint8Array(bytes).fill(7) },
                  ],
                  clientEnd: { how: StreamEnd.FIN },
                  serverEnd: { how: StreamEnd.FIN, afterPeer: true },
                },
              ],
              users: 1,
              seed,
              sack,
              toServer: { delayNs },
              toClient: { delayNs, loss },
              target: { mergedBytesMax: 0 },
            }),
          );
          return [
            `${loss * 100} %`,
            rttMs,
            bytes,
            Math.round(median(runs.map(({ endNs }) => endNs)) / NS_PER_MS),
            Math.round(Math.max(...runs.map(({ endNs }) => endNs)) / NS_PER_MS),
            sum(runs.map(({ link }) => link.harmed.lost[1])),
            sum(runs.map(({ counters }) => counters[Counter.PACKETS_SENT])),
            sum(runs.map(({ counters }) => counters[Counter.DROPPED_OUT_OF_ORDER])),
          ];
        }),
      ),
    );
    const head = ['loss', 'rtt ms', 'octets', 'median ms', 'worst ms', 'lost', 'sent', 'not kept'];
    await expect(tableOf(head, rows)).toMatchFileSnapshot(`golden/${name}.txt`);
  },
  60_000,
);
