/** How a ramp is written: `0:0,60s:500`. */
import { ReplayError } from '../../base/errors.ts';
import { parseDurationNs } from '../../base/units.ts';
import type { RampStage } from '../../schedule/arrivals.ts';

/**
 * Reads stages `TIME:USERS,…`; a first stage after 0 rises from 0:0.
 * @throws ReplayError ERR_ARRIVALS_RAMP (usage), which names every fault
 */
export function parseRamp(text: string): readonly RampStage[] {
  const faults: string[] = [];
  const stages: RampStage[] = [{ atNs: 0, users: 0 }];
  for (const item of text.split(',').map((part) => part.trim())) {
    const stage = parseStage(item);
    const before = stages[stages.length - 1];
    if (typeof stage === 'string') faults.push(`'${item}' ${stage}`);
    else if (stage.atNs < before.atNs) faults.push(`'${item}' lies before the stage before it`);
    else if (stage.users < before.users) {
      faults.push(`'${item}' goes down: users that have started play to their end`);
    } else stages.push(stage);
  }
  if (faults.length === 0 && stages[stages.length - 1].users === 0) faults.push('it starts nobody');
  if (faults.length > 0) {
    throw new ReplayError({
      code: 'ERR_ARRIVALS_RAMP',
      kind: 'usage',
      message: `ramp '${text}': ${faults.join('; ')}`,
      hint: 'write users started over time, never falling: 0:0,60s:100000',
    });
  }
  return stages;
}

function parseStage(item: string): RampStage | string {
  const match = /^([^:]+):(\d{1,12})$/.exec(item);
  if (match === null) return 'is not TIME:USERS';
  try {
    return { atNs: parseDurationNs(match[1]), users: Number(match[2]) };
  } catch (error) {
    if (error instanceof ReplayError) return `has no time: ${error.message}`;
    throw error;
  }
}
