/** The way to real targets and back, found before the threads start. */
import { addressOfBytes, formatAddress } from '../../base/address.ts';
import { countPorts, formatPorts } from '../../base/port-range.ts';
import { formatCount } from '../../base/units.ts';
import type { ShardInbox } from '../../io/channel/channel-receiver.ts';
import type { ReplyDropSpec } from '../../io/rules/drop-spec.ts';
import {
  findLocalPath,
  type LocalPath,
  type NeighbourAnswers,
  needsAnswers,
  nextHopMacs,
  requireClients,
} from '../../io/way/local-path.ts';
import { ANNOUNCED_AT_ONCE } from '../../io/way/neighbour-announcer.ts';
import type { SharedPorts } from '../../io/way/own-ports.ts';
import { Check } from '../../replay/replay-plan.ts';
import { blocksOf } from '../../schedule/client-places.ts';
import { plannedPlays } from '../../schedule/connections.ts';
import type { PlanDraft } from './draft-plan.ts';
import type { InterceptAddress, ReplayOptions, SenderName } from './options.ts';
import type { Surroundings } from './plan-run.ts';
import { portsEachOf, type RunPlan } from './run-plan.ts';

/** How frames reach a real target, and how its replies come back. */
export interface NetworkWay {
  readonly path: LocalPath;
  readonly sender: SenderName;
  /** How long replies may lie until more of them have come; 0: not at all. */
  readonly wakeupNs: number;
  /** Whose questions for the clients' link-layer addresses (ARP, NDP) are answered. */
  readonly answersNeighbours: NeighbourAnswers;
  /** Where clients are this machine's own addresses: what its kernel must not hear. */
  readonly own: OwnReplies | null;
  /** Who picks the replies up; none: this machine. */
  readonly intercepts: readonly InterceptAddress[];
  /** Where the intercepts' replies are found, once there is a connection to them. */
  readonly channel: ChannelEnd | null;
}

/** Replies that this machine's own kernel would answer with resets. */
export interface OwnReplies {
  readonly drop: ReplyDropSpec;
  /** Whether the run makes the rule itself. */
  readonly makesRule: boolean;
  /** Ports that the kernel may give to connections of its own; null: none. */
  readonly sharedPorts: SharedPorts | null;
}

/** What the channel thread shares with the threads that play. */
export interface ChannelEnd {
  /** One a shard, in their order. */
  readonly inboxes: readonly ShardInbox[];
  /** `ChannelTotal` numbers. */
  readonly totals: Float64Array<SharedArrayBuffer>;
}

/**
 * @param asksLink whether the link is asked for MACs that no table knows
 * @throws ReplayError as findLocalPath does
 */
export function findPath({ targets, options }: PlanDraft, asksLink: boolean): LocalPath {
  const { interfaceName, nextHop, sourceMac, sender } = options;
  const addresses = targets.map(({ address }) => address);
  return findLocalPath({
    targets: addresses,
    interfaceName,
    nextHop,
    sourceMac,
    sender,
    asksLink,
  });
}

/**
 * Client addresses that are used on the target's own link where nobody asked for an order: each
 * takes a place in the target's neighbour table, which on Linux ends at 1,024 (gc_thresh3) and is
 * cleaned from 512 on.
 */
const ON_LINK_ADDRESSES = 256;

/** Whose questions for the clients are answered. */
export function answersFor({ clients, options }: PlanDraft, path: LocalPath): NeighbourAnswers {
  if (options.arp !== null) return options.arp ? 'everybody' : 'nobody';
  // Nobody asks this machine for clients whose replies somebody else picks up.
  if (options.intercepts.length > 0 || !path.device.asksNeighbours) return 'nobody';
  if (needsAnswers(path, clients.ranges)) return 'everybody';
  // A target may take a pool off the link for its neighbours (a route without a gateway, a TCP stack
  // that asks for whoever calls); others of the link may not, they would learn an address of ours.
  return nextHopMacs(path).length > 0 ? 'next-hops' : 'nobody';
}

/** What the way asks of the plan. */
export const surroundingsOf = (
  options: ReplayOptions,
  path: LocalPath,
  answers: NeighbourAnswers,
): Surroundings => ({
  mtu: path.mtu,
  inUse: path.inUse,
  addressesMax:
    answers === 'everybody' && options.order === null
      ? ON_LINK_ADDRESSES
      : Number.POSITIVE_INFINITY,
});

/** @throws ReplayError as requireClients does */
export function wayOf(
  plan: RunPlan,
  options: ReplayOptions,
  path: LocalPath,
  answers: NeighbourAnswers,
): NetworkWay {
  requireClients(
    path,
    plan.targets.map(({ address }) => address),
    plan.clients.ranges,
  );
  const { sender, wakeupNs = 0, intercepts } = options;
  const answersNeighbours = answers;
  return { path, sender, wakeupNs, answersNeighbours, own: null, intercepts, channel: null };
}

/** Lines for the summary: by which interface, to whom, and what is answered. */
export function describeWay(
  { path, answersNeighbours, sender, own }: NetworkWay,
  plan: RunPlan,
): string[] {
  const { device, routes } = path;
  const hops = new Set(
    routes.map(({ nextHop, nextHopMac }) => {
      const text = nextHop === null ? 'the target' : nextHopText(nextHop);
      if (sender !== 'packet' && sender !== 'xdp') return text;
      const isKnown = !device.asksNeighbours || nextHopMac.some((octet) => octet > 0);
      return isKnown ? macText(nextHopMac) : `${text} (whose MAC the run will ask for)`;
    }),
  );
  const lines = [
    `frames leave by ${device.name} (${sender}, MTU ${path.mtu}) to ${[...hops].join(', ')}`,
  ];
  if (own !== null) lines.push(describeOwn(own, plan));
  if (answersNeighbours === 'everybody') {
    const what = plan.clients.family === 4 ? 'ARP' : 'NDP';
    const addresses = addressesUsed(plan);
    lines.push(
      `${what} for ${plan.clients.text} is answered on ${device.name}; ${formatCount(addresses)} ` +
        (addresses === 1 ? 'of its addresses is used' : 'of its addresses are used'),
    );
  }
  return lines;
}

/** What may go wrong on this way, though nothing has yet: one line each. */
export function warnOfWay(
  { path, answersNeighbours, intercepts, own }: NetworkWay,
  plan: RunPlan,
): string[] {
  if (own !== null) return warnOfPorts(own);
  const { device, forwards } = path;
  const family = plan.clients.family === 4 ? 'ipv4' : 'ipv6';
  const warnings: string[] = [];
  if (forwards && intercepts.length === 0) {
    warnings.push(
      `this machine forwards packets: replies may be sent on to where its routes lead; ` +
        `sysctl -w net.${family}.conf.${device.name}.forwarding=0`,
    );
  }
  if (plan.check === Check.BODY && intercepts.length > 0) {
    warnings.push(
      '--check body: intercepts hand over the beginning of each packet only; answers with longer packets ' +
        'are unchecked: gryphon intercept --prefix-bytes 4096',
    );
  }
  if (answersNeighbours === 'everybody') warnings.push(...warnOfNeighbours(plan));
  return warnings;
}

const describeOwn = ({ makesRule }: OwnReplies, plan: RunPlan): string =>
  `clients are this machine's own ${plan.clients.text}: a rule ` +
  `${makesRule ? 'made for the run' : "of somebody else's"} keeps the replies from its kernel`;

const warnOfPorts = ({ sharedPorts }: OwnReplies): string[] =>
  sharedPorts === null
    ? []
    : [
        `this machine may give ports ${formatPorts(sharedPorts.ports)} to connections of its own during ` +
          `the run, which then fail at the target; they are kept apart by ${sharedPorts.apart}`,
      ];

/** What becomes of a target that takes the clients for neighbours: one line, or none. */
export function warnOfNeighbours(plan: RunPlan): string[] {
  const addresses = addressesUsed(plan);
  if (addresses <= NEIGHBOURS_MAX) return [];
  const family = plan.clients.family === 4 ? 'ipv4' : 'ipv6';
  return [
    `${formatCount(addresses)} client addresses are asked for on the link, but a Linux target keeps ` +
      `at most ${formatCount(NEIGHBOURS_MAX)} neighbours (net.${family}.neigh.default.gc_thresh3): ` +
      'use fewer addresses with more ports each, --order port, or a route by way of this machine',
  ];
}

/** Linux' default of gc_thresh3 (Documentation/networking/ip-sysctl.rst). */
const NEIGHBOURS_MAX = 1_024;

/** How many client addresses next hops are told of when the run begins: the first ones of the pool. */
export function announcedAddresses({ answersNeighbours }: NetworkWay, plan: RunPlan): number {
  if (answersNeighbours === 'nobody') return 0;
  const addresses = addressesUsed(plan);
  // Off the link it is unlikely that anybody asks for them one by one.
  return answersNeighbours === 'everybody' ? addresses : Math.min(addresses, ANNOUNCED_AT_ONCE);
}

/** Different client addresses that the plan's connections have: the first ones of the pool. */
function addressesUsed(plan: RunPlan): number {
  const { users, perClient } = plan;
  const connections = perClient === undefined ? plannedPlays(plan) : users;
  const addresses = plan.clients.ranges.reduce((sum, { count }) => sum + count, 0);
  const perAddress = blocksOf(countPorts(plan.ports), portsEachOf(plan));
  const used = plan.order === 'ip' ? connections : Math.ceil(connections / perAddress);
  return Math.min(addresses, used);
}

/** `aa:bb:cc:dd:ee:ff`: the first six octets, of a link header those of the destination. */
export const macText = (mac: Uint8Array): string =>
  Array.from(mac.subarray(0, 6), (octet) => octet.toString(16).padStart(2, '0')).join(':');

/** The text of an address of 4 or 16 octets. */
export const nextHopText = (address: Uint8Array): string => formatAddress(addressOfBytes(address));
