/** `--baseline`: the result that relative thresholds count from. */
import type { RunResult } from '../measure/result.ts';
import { refuseWithoutBaseline, type Threshold } from '../measure/thresholds.ts';
import { parseResult } from '../report/json.ts';
import type { Files } from './files.ts';

/**
 * Reads it where one was given.
 * @param hasOther whether thresholds may count from something else
 * @throws ReplayError ERR_THRESHOLD (usage) where a threshold needs one and there is none;
 *   ERR_CLI_INPUT, ERR_REPORT_RESULT
 */
export async function readBaseline(
  {
    baseline,
    threshold,
  }: {
    readonly baseline: string | null;
    readonly threshold: readonly Threshold[];
  },
  files: Pick<Files, 'read'>,
  hasOther = false,
): Promise<RunResult | null> {
  refuseWithoutBaseline(threshold, baseline !== null || hasOther);
  return baseline === null ? null : await parseResult(await files.read(baseline), baseline);
}
