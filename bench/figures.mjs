/**
 * What every bench says of its figures, so that one which measured nothing is not taken for one that
 * ran: a rate, a time or a cost of 0 (or of nothing, NaN) is an error, also where a bench is started by
 * itself. `run.mjs` reads how many figures there were, and that the machine lacked something.
 */
import { appendFileSync } from 'node:fs';

/** The environment's name for the file in which `run.mjs` wants to be told; unset: nobody asks. */
export const TOLD_VARIABLE = 'GRYPHON_BENCH_TOLD';
/** A line of that file: a figure, or the reason why there is none. */
export const FIGURE = 'figure';
export const SKIPPED = 'skipped';

/**
 * A figure that is more than nothing wherever the bench has done something.
 * @param what it is, of which variant
 * @returns `figure`
 * @throws Error where it is 0, negative, infinite or no number
 */
export function moved(what, figure) {
  if (!(Number.isFinite(figure) && figure > 0)) {
    throw new Error(`${what} is ${figure}: nothing was measured`);
  }
  tell(`${FIGURE} ${what}: ${figure}`);
  return figure;
}

/** The bench cannot run on this machine: says why, and ends the process. */
export function skip(bench, why) {
  process.stdout.write(`${bench}: skipped, since ${why}\n`);
  tell(`${SKIPPED} ${why}`);
  process.exit(0);
}

function tell(line) {
  const path = process.env[TOLD_VARIABLE];
  if (path !== undefined) appendFileSync(path, `${line}\n`);
}
