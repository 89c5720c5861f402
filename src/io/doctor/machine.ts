/** What this machine says of itself: addresses, routes, settings, tables, firewall. */
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { addressBytes, addressOfBytes, formatAddress, type IpAddress } from '../../base/address.ts';
import { runCommand } from '../way/commands.ts';
import { ipJson, readInterfaces } from '../way/interfaces.ts';
import { routeOf } from '../way/routes.ts';
import { readSetting } from '../way/sysctl.ts';

/** The addresses of a family that others reach this machine by. */
export function ownAddresses(family: 4 | 6): string[] {
  return readInterfaces()
    .filter(({ linkType }) => linkType !== 'loopback')
    .flatMap(({ addresses }) => addresses.map(({ address }) => addressOfBytes(address)))
    .filter((address) => address.family === family)
    .map(formatAddress);
}

/** Where what is for an address leaves, and to whom; null: there is no route. */
export function wayTo(
  address: IpAddress,
): { readonly interfaceName: string; readonly via: string; readonly isOwn: boolean } | null {
  try {
    const hop = routeOf(addressBytes(address), null);
    const via = formatAddress(addressOfBytes(hop.address));
    return { interfaceName: hop.interfaceName, via, isOwn: hop.isLocal };
  } catch {
    // `ip` says so in words of its own, and nothing else can be wrong with the question.
    return null;
  }
}

/** Interfaces of which rp_filter is strict: the larger value of `all` and their own counts. */
export function strictInterfaces(): string[] {
  const all = readSetting('net', 'ipv4', 'conf', 'all', 'rp_filter');
  return readInterfaces()
    .filter(({ linkType }) => linkType !== 'loopback')
    .map(({ name }) => name)
    .filter((name) => Math.max(all, readSetting('net', 'ipv4', 'conf', name, 'rp_filter')) === 1);
}

/** Whether packets that are for others are sent on. */
export const isForwarding = (family: 4 | 6): boolean =>
  (family === 4
    ? readSetting('net', 'ipv4', 'ip_forward')
    : readSetting('net', 'ipv6', 'conf', 'all', 'forwarding')) !== 0;

/** Connection tracking; null where there is none. */
export function conntrack(): { readonly count: number; readonly max: number } | null {
  const count = readSetting('net', 'netfilter', 'nf_conntrack_count');
  const max = readSetting('net', 'netfilter', 'nf_conntrack_max');
  return max === 0 ? null : { count, max };
}

/**
 * The kernel's neighbour table, which all network namespaces share; null where `ip` does not tell. Its limit
 * is no setting within a namespace, but the netlink message about tables (RTM_GETNEIGHTBL) has it there, too.
 */
export function neighbours(family: 4 | 6): { readonly count: number; readonly max: number } | null {
  const name = family === 4 ? 'arp_cache' : 'ndisc_cache';
  const tables = ipJson(['-statistics', 'ntable', 'show', 'name', name]);
  const here = ipJson([`-${family}`, 'neighbour', 'show', 'nud', 'permanent']);
  if (tables.failure !== null || here.failure !== null) return null;
  // Entries of one interface's parameters have no limit.
  const table = (tables.value as Partial<NeighbourTableJson>[]).find(({ thresh3 }) => thresh3);
  if (table?.thresh3 === undefined || table.entries === undefined) return null;
  // What somebody has put in for good does not count (net/core/neighbour.c, gc_entries).
  const forGood = (here.value as unknown[]).length;
  return { count: Math.max(0, table.entries - forGood), max: table.thresh3 };
}

/** Of what `ip -json -statistics ntable show` prints. */
interface NeighbourTableJson {
  readonly thresh3: number;
  readonly entries: number;
}

/** Which interfaces that are up join what comes in; null: there is no tool that says so. */
export function offloads():
  | readonly { readonly interfaceName: string; readonly gro: boolean; readonly lro: boolean }[]
  | null {
  const found = [];
  for (const { name, isUp, linkType } of readInterfaces()) {
    if (!isUp || linkType === 'loopback') continue;
    const answer = runCommand('ethtool', ['-k', name]);
    if (answer.failure !== null) return null;
    const isOn = (feature: string): boolean =>
      new RegExp(`^${feature}: on\\b`, 'm').test(answer.stdout);
    const [gro, lro] = [isOn('generic-receive-offload'), isOn('large-receive-offload')];
    found.push({ interfaceName: name, gro, lro });
  }
  return found;
}

/** The firewall's rules as its tools print them; null: there is no tool, or it refuses. */
export function firewallText(
  family: 4 | 6,
): { readonly nft: string; readonly iptables: string } | null {
  const nft = runCommand('nft', ['list', 'ruleset']);
  // It lists the rules of iptables as well, unless those are of the older kind.
  if (nft.failure === null && !hasLegacyTables(family)) return { nft: nft.stdout, iptables: '' };
  const iptables = runCommand(family === 4 ? 'iptables' : 'ip6tables', ['-S']);
  if (iptables.failure !== null && nft.failure !== null) return null;
  return {
    nft: nft.failure === null ? nft.stdout : '',
    iptables: iptables.failure === null ? iptables.stdout : '',
  };
}

function hasLegacyTables(family: 4 | 6): boolean {
  try {
    return (
      readFileSync(
        `/proc/thread-self/net/ip${family === 4 ? '' : '6'}_tables_names`,
        'utf8',
      ).trim() !== ''
    );
  } catch {
    return false;
  }
}

/** Bits of the effective capabilities (capabilities(7)). */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;

/** What this process may do to the network. */
export function capabilities(): { readonly netRaw: boolean; readonly netAdmin: boolean } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: bigint): boolean => ((mask >> bit) & 1n) === 1n;
  return { netRaw: has(CAP_NET_RAW), netAdmin: has(CAP_NET_ADMIN) };
}

/** What became of a connection of the kernel's own. */
export function connectTo(
  host: string,
  port: number,
  patienceMs: number,
): Promise<'open' | 'refused' | 'silent' | 'unreachable'> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const end = (what: 'open' | 'refused' | 'silent' | 'unreachable'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(what);
    };
    const timer = setTimeout(() => end('silent'), patienceMs);
    socket.once('connect', () => end('open'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ECONNRESET') end('refused');
      else end(code === 'ETIMEDOUT' ? 'silent' : 'unreachable');
    });
  });
}
