/** Whether a run's users have room in memory. */
import { ReplayError } from '../../base/errors.ts';
import { formatBytes, formatCount } from '../../base/units.ts';
import { EMBEDDED_BYTES_PER_USER } from '../../embedded/embedded-bytes.ts';
import type { PushColumns } from '../../replay/exchange-columns.ts';
import { STATE_BYTES_MAX, WEBSOCKET_BYTES_PER_USER } from '../../replay/state-bytes.ts';
import { type RunPlan, rowsOf } from './run-plan.ts';

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
  const neededBytes = users * (STATE_BYTES_MAX + embeddedBytes + moreBytes);
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

/**
 * The same, once it is known which of the sessions that are played become WebSockets. For live targets: who is played
 * against the embedded one answers no pings of its own.
 * @throws ReplayError as requireMemory does
 */
export function requireReplyMemory(
  plan: RunPlan,
  pushed: Pick<PushColumns, 'from'> | undefined,
  freeBytes = process.availableMemory(),
): void {
  if (pushed === undefined) return;
  const upgraded = plan.played.reduce(
    (count, session) => count + Math.min(1, pushed.from[session]),
    0,
  );
  const bytes = (upgraded / plan.played.length) * WEBSOCKET_BYTES_PER_USER;
  requireMemory(rowsOf(plan), false, bytes, freeBytes);
}
