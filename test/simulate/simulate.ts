/**
 * Plays scenarios drawn from seeds against model servers, in virtual time:
 *
 *   npm run simulate -- --seed 1 --runs 10000
 *   npm run simulate -- --seed 4711 --runs 1          one that failed, again
 *   npm run simulate -- --runs 100000 --failures 20   goes on until so many have failed
 *
 * A seed that fails is said, with the fewest faults that still make it fail as JSON for a test with a
 * name (known-faults.test.ts). Ends with 1 if any failed.
 */
import { parseArgs } from 'node:util';
import { drawScenario } from './draw-scenario.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';

const REPORT_EVERY_MS = 10_000;
const FAILURES_MAX = 5;
const SHRINK_TRIES_MAX = 600;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1000' },
    shrink: { type: 'string', default: String(SHRINK_TRIES_MAX) },
    failures: { type: 'string', default: String(FAILURES_MAX) },
  },
});
const first = Number(values.seed);
const runs = Number(values.runs);
const failuresMax = Number(values.failures);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(runs) || runs < 1) {
  console.error(
    `--seed ${values.seed} --runs ${values.runs}: whole numbers are expected, and a run at least`,
  );
  process.exit(2);
}

const startMs = performance.now();
let reportedMs = startMs;
let failures = 0;
let played = 0;
const sums = { frames: 0, repeated: 0, users: 0, completed: 0, virtualNs: 0 };
for (let seed = first; seed < first + runs && failures < failuresMax; seed++) {
  const scenario = drawScenario(seed);
  const verdict = runScenario(scenario);
  played++;
  sums.frames += verdict.frames;
  sums.repeated += verdict.repeated;
  sums.users += verdict.users;
  sums.completed += verdict.completed;
  sums.virtualNs += verdict.endNs;
  if (verdict.faults.length > 0) {
    failures++;
    tell(scenario, verdict.faults);
  }
  if (performance.now() - reportedMs < REPORT_EVERY_MS) continue;
  reportedMs = performance.now();
  console.log(account());
}
console.log(account());
if (failures > 0) process.exitCode = 1;

function tell(scenario: Scenario, faults: readonly string[]): void {
  console.error(`FAILED: seed ${scenario.seed}, ${scenario.faults.length} faults`);
  for (const fault of faults) console.error(`  ${fault}`);
  const kind = kindOf(faults[0]);
  const least = shrink(
    scenario,
    (each) => {
      const [found] = runScenario(each).faults;
      return found !== undefined && kindOf(found) === kind;
    },
    Number(values.shrink),
  );
  console.error(`  with ${least.faults.length} faults: ${runScenario(least).faults[0]}`);
  console.error(JSON.stringify(least));
}

/** What a fault says without its numbers. */
function kindOf(fault: string): string {
  return fault.replaceAll(/[\d.:]+/g, '#');
}

function account(): string {
  const seconds = (performance.now() - startMs) / 1000;
  return (
    `${played} runs, ${failures} failed, ${seconds.toFixed(1)} s, ` +
    `${((1000 * seconds) / played).toFixed(2)} ms each; ${sums.users} users, ` +
    `${sums.completed} completed, ${sums.frames} frames, ${sums.repeated} repeated, ` +
    `${(sums.virtualNs / 3.6e12).toFixed(1)} virtual hours`
  );
}
