/** The fewest faults with which a scenario still fails: delta debugging over the list. */
import type { Scenario } from './scenario.ts';

/**
 * @param fails whether a scenario still shows what the first one showed
 * @param triesMax scenarios that are played at most
 */
export function shrink(
  scenario: Scenario,
  fails: (scenario: Scenario) => boolean,
  triesMax = 600,
): Scenario {
  let best = scenario;
  let tries = 0;
  const attempt = (candidate: Scenario): boolean => {
    if (tries >= triesMax) return false;
    tries++;
    if (!fails(candidate)) return false;
    best = candidate;
    return true;
  };
  attempt({ ...best, iterations: 1 });
  for (const users of [1, 2, 4, 8]) {
    if (users < best.users && attempt({ ...best, users })) break;
  }
  if (best.byIntercept) attempt({ ...best, byIntercept: false });
  for (let pieces = 1; best.faults.length > 0 && tries < triesMax; ) {
    const bytes = Math.max(1, Math.ceil(best.faults.length / pieces));
    let hasShrunk = false;
    for (let at = 0; at < best.faults.length; ) {
      const faults = [...best.faults.slice(0, at), ...best.faults.slice(at + bytes)];
      if (attempt({ ...best, faults })) hasShrunk = true;
      else at += bytes;
    }
    if (bytes === 1 && !hasShrunk) break;
    if (!hasShrunk || bytes > 1) pieces = Math.min(best.faults.length, pieces * 2);
  }
  for (const timing of [0, 1e6]) {
    attempt({ ...best, delayNs: { toServer: timing, toClient: timing } });
  }
  return best;
}
