/** Whether somebody takes connections in a network namespace, as its /proc/net/tcp says (proc(5)). */
import { readFileSync } from 'node:fs';
import { inNamespace } from '../sys/namespace.ts';

/** `  0: 0100007F:1F90 00000000:0000 0A …`: local address and port, the peer's, the state. */
const LINE_PATTERN = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /gm;
const LISTEN = '0A';

/** Who can reach a port that somebody listens on: everybody, or that host alone. */
export type Listening = 'nobody' | 'loopback' | 'everybody';

/**
 * @param name of the namespace
 * @throws ReplayError ERR_IO_NAMESPACE
 */
export const listeningIn = (name: string, port: number): Listening =>
  inNamespace(name, () => listeningHere(port));

/**
 * The ports in a namespace that somebody listens on and everybody can reach, ascending.
 * @param name of the namespace
 * @throws ReplayError ERR_IO_NAMESPACE
 */
export const listeningPortsIn = (name: string): number[] =>
  inNamespace(name, () => openPortsOf(['tcp', 'tcp6'].map(readTable).join('\n')));

/** The same of a table's text. */
export function openPortsOf(table: string): number[] {
  const ports = [...table.matchAll(LINE_PATTERN)]
    .filter(([, address, , state]) => state === LISTEN && !isLoopback(address))
    .map(([, , local]) => Number.parseInt(local, 16));
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** As `listeningIn`, of this thread's namespace. */
export const listeningHere = (port: number): Listening =>
  ['tcp', 'tcp6']
    .map((table) => listeningOf(readTable(table), port))
    .reduce((one, other) => (one === 'everybody' || other === 'nobody' ? one : other));

/** As `listeningIn`, of a table's text. */
export function listeningOf(table: string, port: number): Listening {
  const addresses = [...table.matchAll(LINE_PATTERN)]
    .filter(([, , local, state]) => state === LISTEN && Number.parseInt(local, 16) === port)
    .map(([, address]) => address);
  if (addresses.length === 0) return 'nobody';
  return addresses.every(isLoopback) ? 'loopback' : 'everybody';
}

/** Words of the address in the machine's order: 127.0.0.1 is 0100007F, ::1 ends with 01000000. */
const isLoopback = (hex: string): boolean =>
  hex.length === 8 ? hex.endsWith('7F') : hex === '00000000000000000000000001000000';

function readTable(table: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${table}`, 'utf8');
  } catch {
    // A kernel without IPv6.
    return '';
  }
}
