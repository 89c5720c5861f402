/** Making this process give way to all others, and giving up root's rights. */
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { ReplayError } from '../../base/errors.ts';
import { libcFunction, OCTETS } from './libc.ts';

const setScheduler = libcFunction<(pid: number, policy: number, parameters: Uint8Array) => number>(
  'sched_setscheduler',
  'int',
  ['int', 'int', OCTETS],
);
/** sched(7): runs only where no other process wants to. */
const SCHED_IDLE = 5;
const NICE_MAX = 19;

/** Nothing else of this machine waits for this thread from now on. */
export function giveWay(): void {
  setPriority(NICE_MAX);
  // struct sched_param: a priority, which must be 0. Where it is refused, nice 19 has to do.
  setScheduler(0, SCHED_IDLE, new Uint8Array(4));
}

/**
 * Becomes another user, for good.
 * @throws ReplayError ERR_IO_USER (environment)
 */
export function becomeUser(name: string): void {
  try {
    const { user, group } = idsOf(name);
    // The user last: afterwards nothing else is allowed.
    process.setgroups?.([group]);
    process.setgid?.(group);
    process.setuid?.(user);
  } catch (cause) {
    throw new ReplayError({
      code: 'ERR_IO_USER',
      kind: 'environment',
      message: `it cannot become the user ${name}: ${cause instanceof Error ? cause.message : cause}`,
      hint: 'name a user of this machine (getent passwd), and start it as root',
      cause,
    });
  }
}

/** Of the machine's own list of users. */
function idsOf(name: string): { readonly user: number; readonly group: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error('/etc/passwd does not have it');
  const [, , user, group] = line.split(':');
  return { user: Number(user), group: Number(group) };
}
