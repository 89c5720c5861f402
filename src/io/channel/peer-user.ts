/**
 * Whose process is at the other end of a TCP connection within this machine, by the kernel's own
 * table of sockets (/proc/net/tcp, Documentation/networking/proc_net_tcp.rst):
 *
 *     sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *     12: 0100007F:8EAC 0100007F:8EAD 01 00000000:00000000 00:00000000 00000000  1000        0 54321
 *
 * The peer's row has our address as its remote one. Only a connection that is established and still
 * has a process (an inode) tells its user: one that was closed belongs to nobody, which shows as 0.
 */
import { readFileSync } from 'node:fs';
import { parseOctets } from '../way/interfaces.ts';

const ESTABLISHED = '01';
const TABLES = ['/proc/thread-self/net/tcp', '/proc/thread-self/net/tcp6'] as const;

/** An end of a connection: text form of its address, and port. */
export interface SocketEnd {
  readonly address: string;
  readonly port: number;
}

/**
 * The user id of the process at `peer` that is connected to `own`; null where the kernel knows none:
 * another machine, a connection that was closed.
 */
export function userOfPeer(own: SocketEnd, peer: SocketEnd): number | null {
  for (const path of TABLES) {
    const found = userInTable(readTable(path), own, peer);
    if (found !== null) return found;
  }
  return null;
}

/** The same, from a table's text. */
export function userInTable(table: string, own: SocketEnd, peer: SocketEnd): number | null {
  const wanted = [columnsOf(peer), columnsOf(own)];
  for (const line of table.split('\n').slice(1)) {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || inode === undefined || inode === '0') continue;
    if (wanted[0].includes(local ?? '') && wanted[1].includes(remote ?? '')) return Number(uid);
  }
  return null;
}

/** How the tables may write an end: an IPv4 address also as one of IPv6 (RFC 4291, 2.5.5.2). */
function columnsOf({ address, port }: SocketEnd): string[] {
  const portText = port.toString(16).toUpperCase().padStart(4, '0');
  const octets = parseOctets(address.replace(/^::ffff:(?=\d+\.)/i, ''));
  if (octets === null) return [];
  const text = `${wordsOf(octets)}:${portText}`;
  return octets.length === 16 ? [text] : [text, `0000000000000000FFFF0000${text}`];
}

/** Words of 32 bits as the machine has them: on all that gryphon runs on, lowest octet first. */
function wordsOf(octets: Uint8Array): string {
  const words: string[] = [];
  for (let at = 0; at < octets.length; at += 4) {
    const word = [...octets.subarray(at, at + 4)].reverse();
    words.push(word.map((octet) => octet.toString(16).toUpperCase().padStart(2, '0')).join(''));
  }
  return words.join('');
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // No IPv6, or no /proc: then nobody is known.
    return '';
  }
}
