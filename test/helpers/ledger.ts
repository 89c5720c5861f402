/** Whether the sums of a run come out even, for runs that make no result of their own. */
import { classReports } from '../../src/measure/class-reports.ts';
import { countedOf } from '../../src/measure/counted.ts';
import { Counter } from '../../src/measure/counters.ts';
import { checkLedger } from '../../src/measure/ledger.ts';
import { NO_CLASSES } from '../../src/measure/request-classes.ts';
import { FACTS } from '../measure/sample-run.ts';

/**
 * The sums that do not come out even, by the check that a result has; none of them after a sound run. The
 * rest of a result has no part in them, and would take longer than many a run.
 * @param plays that were planned: users by iterations
 */
export function ledgerFaults(
  counters: Float64Array,
  plays: number,
  classes = NO_CLASSES,
): readonly string[] {
  const begun = counters[Counter.CLIENTS_STARTED];
  const clientPlays = begun > 0 ? begun : null;
  const counted = countedOf({ ...FACTS, plays, clientPlays }, counters);
  return checkLedger({ ...counted, capture: FACTS.capture, classes: classReports(classes) });
}
