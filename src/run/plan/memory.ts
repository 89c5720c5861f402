/** Whether a run's users have room in memory. */
import { ReplayError } from '../../base/errors.ts';
import { formatBytes, formatCount } from '../../base/units.ts';
import { EMBEDDED_BYTES_PER_USER } from '../../embedded/embedded-bytes.ts';
import { STATE_BYTES_PER_USER } from '../../replay/state-bytes.ts';

/** Of the free memory; the rest is for the scripts, the histograms and everybody else. */
const MEMORY_SHARE_MAX = 0.8;

/**
 * Refuses what the machine has no memory for, before the kernel ends some process for it.
 * @param moreBytes that each user takes besides
 * @param freeBytes what this process may still take, of the machine and of its cgroup
 */
export function requireMemory(
  users: number,
  isEmbedded: boolean,
  moreBytes = 0,
  freeBytes = process.availableMemory(),
): void {
  const embeddedBytes = isEmbedded ? EMBEDDED_BYTES_PER_USER : 0;
  const neededBytes = users * (STATE_BYTES_PER_USER + embeddedBytes + moreBytes);
  if (neededBytes < freeBytes * MEMORY_SHARE_MAX) return;
  throw new ReplayError({
    code: 'ERR_RUN_MEMORY',
    kind: 'environment',
    message:
      `${formatCount(users)} users need ${formatBytes(neededBytes)} of memory, ` +
      `${formatBytes(freeBytes)} are free`,
    hint: 'give fewer users, or share them out among machines',
  });
}
