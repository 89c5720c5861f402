/** Unix sockets whose names say something to other processes of the network namespace. */
import { readFileSync } from 'node:fs';

/**
 * The sockets of this thread's network namespace as the kernel lists them, a line each that ends with
 * the name (`@` before an abstract one); nothing where there is no /proc to ask.
 */
export function readUnixSockets(): string {
  try {
    return readFileSync('/proc/thread-self/net/unix', 'utf8');
  } catch {
    return '';
  }
}
