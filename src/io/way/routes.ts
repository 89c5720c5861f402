/** Where frames for a target leave, and what their link header says. */
import { addressBytes, addressOfBytes, formatAddress, type IpAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { EtherType, emitEthernet, MAC_BYTES, parseMac } from '../../wire/ethernet.ts';
import {
  findInterface,
  ipJson,
  type NetworkInterface,
  parseOctets,
  readInterfaces,
} from './interfaces.ts';
import { askNeighbour } from './neighbours.ts';

/** Where frames go: a MAC (`aa:bb:cc:dd:ee:ff`), or a router whose MAC is asked for. */
export type NextHop =
  | { readonly kind: 'mac'; readonly mac: string }
  | { readonly kind: 'ip'; readonly address: string };

/** Where a route is asked for, and by which interface and mark. */
export interface RouteRequest {
  readonly target: IpAddress;
  /** Where frames leave; null: as the routing table says. */
  readonly interfaceName: string | null;
  /** null: as the routing and neighbour tables say. */
  readonly nextHop: NextHop | null;
  /** `aa:bb:cc:dd:ee:ff`; null: the interface's own. */
  readonly sourceMac: string | null;
  /** Whether frames bear a link header: without, no MAC is looked for. */
  readonly hasLinkHeader: boolean;
  /** Whether the link is asked for a MAC that no table knows, which takes privilege; else it is zeros. */
  readonly asksLink: boolean;
}

/** How frames to a target leave: by which interface, behind which link header. */
export interface LinkRoute {
  readonly device: NetworkInterface;
  /** Octets before the IP header: 14, or none on a link without them or where the kernel adds them. */
  readonly linkHeader: Uint8Array;
  /**
   * Six octets each; the next hop's are zeros on the loopback interface, without a link header, and
   * where no table knew them and the link was not to be asked.
   */
  readonly sourceMac: Uint8Array;
  readonly nextHopMac: Uint8Array;
  /** Octets of the longest IP packet. */
  readonly mtu: number;
  /** The target is an address of this machine itself. */
  readonly isLocal: boolean;
  /** The address of the next hop, 4 or 16 octets: the target's own on its link; null for a MAC. */
  readonly nextHop: Uint8Array | null;
  /** The address that connections of this machine's own to the target have; null where it has none. */
  readonly source: Uint8Array | null;
}

/** What the routing table says. */
export interface Hop {
  readonly interfaceName: string;
  /** Whom to ask for a MAC: the gateway, or the target itself. */
  readonly address: Uint8Array;
  /** The route's own MTU; Infinity without one. */
  readonly mtu: number;
  readonly isLocal: boolean;
  /** The address that this machine sends from; null where the table was not asked. */
  readonly source: Uint8Array | null;
}

const NO_MAC = new Uint8Array(MAC_BYTES);
const HEADER_LINK_TYPES: readonly string[] = ['ether', 'loopback'];

/**
 * Finds a target's way from the routing and neighbour tables of this thread's namespace; asks the
 * link (ARP, NDP) for a MAC that no table knows, for up to three seconds.
 * @param interfaces reads them, each time anew unless the caller keeps what was read: a process each
 * @throws ReplayError ERR_IO_NO_ROUTE, ERR_IO_NO_NEIGHBOUR (unreachable); ERR_IO_NO_INTERFACE,
 * ERR_IO_INTERFACE_DOWN, ERR_IO_LINK_TYPE, ERR_IO_NOT_PERMITTED (environment);
 * ERR_IO_LOCAL_TARGET (usage)
 */
export function findRoute(
  request: RouteRequest,
  interfaces: () => readonly NetworkInterface[] = readInterfaces,
): LinkRoute {
  const { target, interfaceName, nextHop } = request;
  // Looked for first, so that a misspelt name is not reported as a missing route.
  if (interfaceName !== null) findInterface(interfaceName, interfaces());
  const hop = chooseHop(request);
  if (interfaceName !== null && hop.interfaceName !== interfaceName) {
    throw localTarget(target, interfaceName);
  }
  const device = findInterface(hop.interfaceName, interfaces());
  if (device.linkType === 'loopback' && !hop.isLocal) throw notHere(target, device.name);
  const sourceMac = macOf(request.sourceMac) ?? device.mac ?? NO_MAC;
  const route = {
    device,
    sourceMac,
    mtu: Math.min(device.mtu, hop.mtu),
    isLocal: hop.isLocal,
    nextHop: nextHop?.kind === 'mac' ? null : hop.address,
    source: hop.source ?? firstAddress(device, target.family),
  };
  if (device.linkType === 'none' || !request.hasLinkHeader) {
    return { ...route, linkHeader: new Uint8Array(0), nextHopMac: NO_MAC };
  }
  requireHeader(device);
  const nextHopMac =
    nextHop?.kind === 'mac'
      ? (macOf(nextHop.mac) ?? NO_MAC)
      : resolveMac(device, hop.address, request.asksLink);
  const etherType = target.family === 4 ? EtherType.IPV4 : EtherType.IPV6;
  const linkHeader = emitEthernet({ destination: nextHopMac, source: sourceMac, etherType });
  return { ...route, linkHeader, nextHopMac };
}

/** A next hop that is named leaves the routing table out as far as it can. */
function chooseHop(request: RouteRequest): Hop {
  const { target, interfaceName, nextHop } = request;
  if (nextHop?.kind === 'mac' && interfaceName !== null) {
    return {
      interfaceName,
      address: addressBytes(target),
      mtu: Number.POSITIVE_INFINITY,
      isLocal: false,
      source: null,
    };
  }
  const via = nextHop?.kind === 'ip' ? parseOctets(nextHop.address) : null;
  return routeOf(via ?? addressBytes(target), interfaceName);
}

/** An interface's first address of a family; null without one. */
const firstAddress = ({ addresses }: NetworkInterface, family: 4 | 6): Uint8Array | null =>
  addresses.find(({ address }) => address.length === (family === 4 ? 4 : 16))?.address ?? null;

interface RouteJson {
  readonly dev: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly prefsrc?: string;
  readonly via?: { readonly host: string };
  readonly metrics?: readonly { readonly mtu?: number }[];
}

/**
 * Where this machine sends what is for an address, as the routing table of this thread's namespace
 * has it.
 * @param interfaceName the interface that it has to leave by; null: any
 * @throws ReplayError ERR_IO_NO_ROUTE (unreachable)
 */
export function routeOf(address: Uint8Array, interfaceName: string | null): Hop {
  const text = textOf(address);
  const oif = interfaceName === null ? [] : ['oif', interfaceName];
  const answer = ipJson(['route', 'get', text, ...oif]);
  const route = (answer.value as RouteJson[] | null)?.at(0);
  if (route === undefined) throw noRoute(text, interfaceName, answer.failure ?? 'no answer');
  return {
    interfaceName: route.dev,
    address: parseOctets(route.gateway ?? route.via?.host ?? '') ?? address,
    mtu: route.metrics?.at(0)?.mtu ?? Number.POSITIVE_INFINITY,
    isLocal: route.type === 'local',
    source: parseOctets(route.prefsrc ?? ''),
  };
}

interface NeighbourJson {
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** States in which the table's MAC is not in doubt (`ip neighbour`). */
const TRUSTED_STATES: readonly string[] = ['PERMANENT', 'REACHABLE', 'NOARP', 'DELAY', 'PROBE'];

function resolveMac(device: NetworkInterface, address: Uint8Array, asksLink: boolean): Uint8Array {
  // As the kernel does it for devices that have no neighbours: the frame goes to the device itself.
  if (!device.asksNeighbours) return device.mac ?? NO_MAC;
  const text = textOf(address);
  const answer = ipJson(['neighbour', 'show', 'to', text, 'dev', device.name]);
  const known = (answer.value as NeighbourJson[] | null)?.at(0);
  const mac = macOf(known?.lladdr ?? null);
  const isTrusted = known?.state?.some((state) => TRUSTED_STATES.includes(state)) ?? false;
  if (mac !== null && isTrusted) return mac;
  if (!asksLink) return mac ?? NO_MAC;
  const asked = askNeighbour(device, address) ?? mac;
  if (asked !== null) return asked;
  throw new ReplayError({
    code: 'ERR_IO_NO_NEIGHBOUR',
    kind: 'unreachable',
    message: `nobody on ${device.name} answers for ${text}`,
    hint: 'check that it is up and on this link, or name its MAC with --next-hop',
  });
}

const textOf = (octets: Uint8Array): string => formatAddress(addressOfBytes(octets));

const macOf = (text: string | null): Uint8Array | null => (text === null ? null : parseMac(text));

function requireHeader(device: NetworkInterface): void {
  if (HEADER_LINK_TYPES.includes(device.linkType)) return;
  throw new ReplayError({
    code: 'ERR_IO_LINK_TYPE',
    kind: 'environment',
    message: `frames of ${device.name} (${device.linkType}) are not known; expected Ethernet or tun`,
    hint: 'use --sender ip, which leaves the link header to the kernel',
  });
}

function noRoute(target: string, interfaceName: string | null, why: string): ReplayError {
  const device = interfaceName ?? 'DEVICE';
  const family = target.includes(':') ? ' -6' : '';
  return new ReplayError({
    code: 'ERR_IO_NO_ROUTE',
    kind: 'unreachable',
    message: `there is no route to ${target}: ${why}`,
    hint: `ip${family} route add ${target} via ROUTER dev ${device}, or name --interface and --next-hop`,
  });
}

function notHere(target: IpAddress, interfaceName: string): ReplayError {
  const text = formatAddress(target);
  return new ReplayError({
    code: 'ERR_IO_LOCAL_TARGET',
    kind: 'usage',
    message: `${text} is no address of this machine: nothing that leaves by ${interfaceName} reaches it`,
    hint: `leave --interface out, or name the interface of: ip route get ${text}`,
  });
}

function localTarget(target: IpAddress, interfaceName: string): ReplayError {
  return new ReplayError({
    code: 'ERR_IO_LOCAL_TARGET',
    kind: 'usage',
    message: `${formatAddress(target)} is this machine's own address: it is not reached by ${interfaceName}`,
    hint: 'leave --interface out, or name --interface lo',
  });
}
