/** The way to the targets and back, found once before the threads start. */
import { existsSync, readFileSync } from 'node:fs';
import {
  type AddressRange,
  addressOfBytes,
  formatAddress,
  type IpAddress,
  isInRange,
} from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { isOnLink } from './client-ranges.ts';
import { type NetworkInterface, readInterfaces } from './interfaces.ts';
import { requireLoopback } from './loopback.ts';
import { findRoute, type LinkRoute, type NextHop } from './routes.ts';

/** What a path to the targets is looked for with. */
export interface LocalPathRequest {
  /** At least one, all of one family. */
  readonly targets: readonly IpAddress[];
  /** null: from the routing table. */
  readonly interfaceName: string | null;
  readonly nextHop: NextHop | null;
  /** `aa:bb:cc:dd:ee:ff`; null: the interface's own. */
  readonly sourceMac: string | null;
  /** `ip` and `raw-socket` leave the link header, and so the next hop's MAC, to the kernel. */
  readonly sender: 'packet' | 'xdp' | 'ip' | 'raw-socket';
  /** Whether the link is asked for a MAC that no table knows; else that stays unknown. */
  readonly asksLink: boolean;
}

/** Plain data, so that it can be posted to the threads. */
export interface LocalPath {
  readonly device: NetworkInterface;
  /** One for each target, in their order; all leave by `device`. */
  readonly routes: readonly LinkRoute[];
  /** Octets of the longest IP packet on the way. */
  readonly mtu: number;
  /** Addresses that no client may have: this machine's own, and the next hops'. */
  readonly inUse: readonly IpAddress[];
  /**
   * This machine forwards what comes in by `device`: replies to clients would be sent on by its own
   * routes (by default into the world), beside being received here. Worth a warning.
   */
  readonly forwards: boolean;
}

/**
 * Finds where frames for the targets leave.
 * @throws ReplayError as `findRoute`; ERR_IO_SEVERAL_INTERFACES (usage)
 */
export function findLocalPath(request: LocalPathRequest): LocalPath {
  const { targets, interfaceName, nextHop, sourceMac, sender, asksLink } = request;
  const hasLinkHeader = sender === 'packet' || sender === 'xdp';
  let read: readonly NetworkInterface[] | null = null;
  const interfaces = (): readonly NetworkInterface[] => {
    read ??= readInterfaces();
    return read;
  };
  const routes = targets.map((target) =>
    findRoute({ target, interfaceName, nextHop, sourceMac, hasLinkHeader, asksLink }, interfaces),
  );
  const [{ device }] = routes;
  const other = routes.find((route) => route.device.index !== device.index);
  if (other !== undefined) throw severalInterfaces(device, other.device);
  const own = interfaces().flatMap(({ addresses }) => addresses.map((one) => one.address));
  const hops = routes.flatMap(({ nextHop }) => (nextHop === null ? [] : [nextHop]));
  return {
    device,
    routes,
    mtu: Math.min(...routes.map((route) => route.mtu)),
    inUse: [...own, ...hops].map(addressOfBytes),
    forwards: isForwarding(targets[0].family, device),
  };
}

function isForwarding(family: 4 | 6, device: NetworkInterface): boolean {
  // The loopback interface's packets are not routed a second time.
  if (device.linkType === 'loopback') return false;
  const path = `/proc/sys/net/ipv${family}/conf/${device.name}/forwarding`;
  return existsSync(path) && readFileSync(path, 'utf8').trim() !== '0';
}

/** Whose questions for the clients' link-layer addresses (ARP, NDP) are answered. */
export type NeighbourAnswers = 'everybody' | 'next-hops' | 'nobody';

/** The link-layer addresses that frames go to, each once; none where the kernel knows them alone. */
export function nextHopMacs({ routes }: LocalPath): Uint8Array[] {
  const known = routes
    .map((route) => route.nextHopMac)
    .filter((mac) => mac.some((octet) => octet > 0));
  return known.filter((mac, i) => known.findIndex((one) => Buffer.compare(one, mac) === 0) === i);
}

/** Whether neighbours of the link ask for addresses of the ranges, so that answering them helps. */
export const needsAnswers = (path: LocalPath, ranges: readonly AddressRange[]): boolean =>
  path.device.asksNeighbours && ranges.some((range) => isOnLink(path.device, range));

/**
 * Refuses clients whose replies could not come back: addresses that are in use, and for a target on
 * this machine itself whatever does not return by `lo`.
 * @throws ReplayError ERR_IO_CLIENT_IN_USE (usage), ERR_IO_LOOPBACK (unreachable)
 */
export function requireClients(
  path: LocalPath,
  targets: readonly IpAddress[],
  ranges: readonly AddressRange[],
): void {
  const clashes = path.inUse.filter((address) => ranges.some((range) => isInRange(address, range)));
  if (clashes.length > 0) {
    const texts = [...new Set(clashes.map(formatAddress))].join(', ');
    throw new ReplayError({
      code: 'ERR_IO_CLIENT_IN_USE',
      kind: 'usage',
      message: `the client pool holds addresses of this machine or of the next hop: ${texts}`,
      hint: 'give a pool without them, with commas between its parts',
    });
  }
  for (const [i, route] of path.routes.entries()) {
    const target = targets.at(i);
    if (route.isLocal && target !== undefined) requireLoopback(target, ranges);
  }
}

const severalInterfaces = (one: NetworkInterface, other: NetworkInterface): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_SEVERAL_INTERFACES',
    kind: 'usage',
    message: `the targets are reached by different interfaces: ${one.name} and ${other.name}`,
    hint: 'replay to the targets of one interface at a time',
  });
