/** What memory this process has used, as /proc tells it. */
import { readFileSync } from 'node:fs';

const KIB = 1_024;

/**
 * The most memory that the process has held at once, in octets: VmHWM of proc_pid_status(5). All
 * threads are in it. `ru_maxrss` of getrusage(2) will not do: it is handed on at exec, so that it may
 * be a parent's.
 * @param status the text to read; by default this process's own
 */
export function peakMemoryBytes(status = readStatus()): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? process.memoryUsage.rss() : Number(kib) * KIB;
}

/** Nothing where there is no /proc. */
function readStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8');
  } catch {
    return '';
  }
}
