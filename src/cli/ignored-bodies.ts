/** What `--check-ignore` leaves out of bodies, as far as it can be judged before anything is read. */
import type { FaultList } from './usage-error.ts';

/** Adds a fault where nothing is compared that could be left out, and for patterns that can take forever. */
export async function refuseIgnored(
  { check, checkIgnore }: { readonly check: string; readonly checkIgnore: readonly string[] },
  faults: FaultList,
): Promise<void> {
  if (checkIgnore.length === 0) return;
  if (check !== 'body') faults.add('--check-ignore without --check body', 'add --check body');
  const { isTooSlow, stressTexts } = await import('../run/plan/slow-patterns.ts');
  for (const pattern of checkIgnore) {
    if (!isTooSlow(pattern, stressTexts(pattern))) continue;
    faults.add(
      `--check-ignore '${pattern}' can take forever: something that is repeated stands in something that is repeated`,
    );
  }
}
