/** Whether the sums of a run come out even, for runs that make no result of their own. */
import { buildResult } from '../../src/measure/build-result.ts';
import { Counter } from '../../src/measure/counters.ts';
import { NO_DIFFERENCES } from '../../src/measure/differences.ts';
import { LatencyTable } from '../../src/measure/histograms.ts';
import { NO_CLASSES } from '../../src/measure/request-classes.ts';
import { FACTS } from '../measure/sample-run.ts';

/** Without a value: what was measured does not change the sums. */
const NO_LATENCY = new LatencyTable();

/**
 * The sums that do not come out even; none of them after a sound run.
 * @param plays that were planned: users by iterations
 */
export function ledgerFaults(
  counters: Float64Array,
  plays: number,
  classes = NO_CLASSES,
): readonly string[] {
  const timeline = { intervalNs: 1e9, intervals: [] };
  const measured = {
    counters,
    latency: NO_LATENCY,
    classes,
    differences: NO_DIFFERENCES,
    timeline,
  };
  const begun = counters[Counter.CLIENTS_STARTED];
  const clientPlays = begun > 0 ? begun : null;
  return buildResult({ ...FACTS, plays, clientPlays }, measured, []).faults;
}
