/**
 * Runs variants against each other: each in a process of its own, taking turns, so that neither the
 * other's compiled code nor a busy minute of the machine decides. Prints minimum and median.
 *
 * A bench file calls `compare` with its variants and is started without arguments, or with
 * `--rounds N` and `--operations N`; `--smoke` is one small round, to show that it still works: there
 * only the first variant has a process of its own, since starting them is all that takes time.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { moved } from './figures.mjs';

const ROUNDS = 10;
const SMOKE_OPERATIONS = 1_000;
const WARM_UP_SHARE = 0.1;

/**
 * @param url the bench file's own `import.meta.url`
 * @param operations how many operations a variant does in one round
 * @param variants by name: a maker of `(operations) => hash`, which does that many operations
 */
export function compare(url, operations, variants) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      operations: { type: 'string' },
      variant: { type: 'string' },
      smoke: { type: 'boolean', default: false },
    },
  });
  if (values.smoke) {
    values.rounds ??= '1';
    values.operations ??= String(SMOKE_OPERATIONS);
  }
  const count = Number(values.operations ?? operations);
  if (values.variant !== undefined) {
    process.stdout.write(JSON.stringify(once(variants[values.variant](), count)));
    return;
  }
  const names = Object.keys(variants);
  const results = new Map(names.map((name) => [name, []]));
  const inItsOwn = (name) => {
    const options = ['--expose-gc', fileURLToPath(url), '--variant', name];
    const text = execFileSync(process.execPath, [...options, '--operations', String(count)]);
    return JSON.parse(text.toString());
  };
  for (let round = 0; round < Number(values.rounds ?? ROUNDS); round++) {
    for (const name of names) {
      const isHere = values.smoke && name !== names[0];
      results.get(name).push(isHere ? once(variants[name](), count) : inItsOwn(name));
    }
  }
  print(results, count);
}

/**
 * What variants find that measure for themselves: each run in a process of its own, that is the bench file with
 * `--variant NAME`, which writes what it has found as JSON.
 * @param url the bench file's own `import.meta.url`
 * @returns what each run has found, by variant
 */
export function inTurn(url, variants, runs, more = []) {
  const results = new Map(variants.map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const name of variants) {
      const argv = [fileURLToPath(url), '--variant', name, ...more];
      results
        .get(name)
        .push(JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' })));
    }
  }
  return results;
}

/** One round in this process. */
function once(run, operations) {
  run(Math.ceil(operations * WARM_UP_SHARE));
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed;
  const start = process.hrtime.bigint();
  const hash = run(operations);
  const ns = Number(process.hrtime.bigint() - start);
  const bytes = process.memoryUsage().heapUsed - heapBytes;
  return { nsPerOp: ns / operations, bytesPerOp: Math.max(0, bytes / operations), hash };
}

function print(results, operations) {
  const write = (text) => process.stdout.write(`${text}\n`);
  write(`${operations} operations a round; ns/op minimum, median; heap bytes/op median; hash`);
  for (const [name, rounds] of results) {
    const ns = rounds.map(({ nsPerOp }) => moved(`${name}: ns/op`, nsPerOp));
    const bytes = rounds.map(({ bytesPerOp }) => bytesPerOp);
    const hash = (rounds[0].hash >>> 0).toString(16);
    write(
      `${name.padEnd(44)} ${Math.min(...ns)
        .toFixed(1)
        .padStart(9)} ${median(ns).toFixed(1).padStart(9)} ` +
        `${median(bytes).toFixed(2).padStart(8)}  ${hash}`,
    );
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
