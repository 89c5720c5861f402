/** The way to real targets and back, found before the threads start. */
import { addressOfBytes, formatAddress, type IpAddress, parseAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { formatCount } from '../base/units.ts';
import { findLocalPath, type LocalPath, needsAnswers, requireClients } from '../io/local-path.ts';
import type { NetworkWay, RunPlan } from './job.ts';
import type { ReplayOptions } from './options.ts';
import type { Surroundings } from './plan-run.ts';

/** @throws ReplayError as findLocalPath does */
export const findPath = (plan: RunPlan, options: ReplayOptions): LocalPath =>
  findLocalPath({
    targets: targetAddresses(plan),
    interfaceName: options.interfaceName,
    nextHop: options.nextHop,
    sourceMac: options.sourceMac,
    sender: options.sender,
  });

/**
 * Client addresses that are used on the target's own link where nobody asked for an order: each
 * takes a place in the target's neighbour table, which on Linux ends at 1,024 (gc_thresh3) and is
 * cleaned from 512 on.
 */
const ON_LINK_ADDRESSES = 256;

/** Whether ARP and NDP are answered for the clients. */
export const answersFor = (plan: RunPlan, options: ReplayOptions, path: LocalPath): boolean =>
  // Nobody asks this machine for clients whose replies somebody else picks up.
  options.arp ?? (options.intercepts.length === 0 && needsAnswers(path, plan.clients.ranges));

/** What the way asks of the plan. */
export const surroundingsOf = (
  options: ReplayOptions,
  path: LocalPath,
  answers: boolean,
): Surroundings => ({
  mtu: path.mtu,
  inUse: path.inUse,
  addressesMax: answers && options.order === null ? ON_LINK_ADDRESSES : Number.POSITIVE_INFINITY,
});

/** @throws ReplayError as requireClients does */
export function wayOf(
  plan: RunPlan,
  options: ReplayOptions,
  path: LocalPath,
  answers: boolean,
): NetworkWay {
  requireClients(path, targetAddresses(plan), plan.clients.ranges);
  const { sender, intercepts } = options;
  return { path, sender, answersNeighbours: answers, intercepts, channel: null };
}

export function targetAddresses(plan: RunPlan): readonly IpAddress[] {
  return plan.targets.map(({ address }) => {
    const parsed = parseAddress(address);
    assert(parsed !== null, 'targets are addresses by now');
    return parsed;
  });
}

/** Lines for the summary: by which interface, to whom, and what is answered. */
export function describeWay(
  { path, answersNeighbours, sender }: NetworkWay,
  plan: RunPlan,
): string[] {
  const { device, routes } = path;
  const hops = new Set(
    routes.map(({ nextHop, nextHopMac }) => {
      if (sender === 'packet') return macText(nextHopMac);
      return nextHop === null ? 'the target' : formatAddress(addressOfBytes(nextHop));
    }),
  );
  const lines = [
    `frames leave by ${device.name} (${sender}, MTU ${path.mtu}) to ${[...hops].join(', ')}`,
  ];
  if (answersNeighbours) {
    const what = plan.clients.family === 4 ? 'ARP' : 'NDP';
    const addresses = plan.clients.ranges.reduce((sum, { count }) => sum + count, 0);
    lines.push(
      `${what} for ${plan.clients.text} is answered on ${device.name}; ` +
        `${formatCount(addresses)} of its addresses are used`,
    );
  }
  return lines;
}

/** What may go wrong on this way, though nothing has yet: one line each. */
export function warnOfWay(
  { path, answersNeighbours, intercepts }: NetworkWay,
  plan: RunPlan,
): string[] {
  const { device, forwards } = path;
  const family = plan.clients.family === 4 ? 'ipv4' : 'ipv6';
  const warnings: string[] = [];
  if (forwards && intercepts.length === 0) {
    warnings.push(
      `this machine forwards packets: replies may be sent on to where its routes lead; ` +
        `sysctl -w net.${family}.conf.${device.name}.forwarding=0`,
    );
  }
  const addresses = addressesUsed(plan);
  if (answersNeighbours && addresses > NEIGHBOURS_MAX) {
    warnings.push(
      `${formatCount(addresses)} client addresses lie on the target's link, but a Linux target keeps ` +
        `at most ${formatCount(NEIGHBOURS_MAX)} neighbours (net.${family}.neigh.default.gc_thresh3): ` +
        'use fewer addresses with more ports each, --order port, or a routed range',
    );
  }
  return warnings;
}

/** Linux' default of gc_thresh3 (Documentation/networking/ip-sysctl.rst). */
const NEIGHBOURS_MAX = 1_024;

/** Different client addresses that the plan's connections have. */
function addressesUsed(plan: RunPlan): number {
  const connections = plan.users * plan.iterations;
  const addresses = plan.clients.ranges.reduce((sum, { count }) => sum + count, 0);
  const portsPerAddress = plan.ports.last - plan.ports.first + 1;
  const used = plan.order === 'ip' ? connections : Math.ceil(connections / portsPerAddress);
  return Math.min(addresses, used);
}

const macText = (mac: Uint8Array): string =>
  Array.from(mac, (octet) => octet.toString(16).padStart(2, '0')).join(':');
