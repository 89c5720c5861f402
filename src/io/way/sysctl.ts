/** Kernel settings as /proc/sys shows them to this thread's network namespace. */
import { readFileSync } from 'node:fs';

/**
 * A number of the settings, or 0 where the kernel has no such setting.
 * @param path parts of its name, so that an interface's may have dots: `net ipv4 conf eth0.5 …`
 */
export function readSetting(...path: readonly string[]): number {
  try {
    return Number(readFileSync(`/proc/sys/${path.join('/')}`, 'utf8').trim());
  } catch {
    // The family is not compiled in, or the interface has just gone.
    return 0;
  }
}

/** `net.ipv4.ip_forward`; as sysctl(8) has it, dots within a part are written as slashes. */
export const settingName = (...path: readonly string[]): string =>
  path.map((part) => part.replaceAll('.', '/')).join('.');
