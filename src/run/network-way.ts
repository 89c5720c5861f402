/** The way to real targets and back, found before the threads start. */
import { type IpAddress, parseAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { findLocalPath, type LocalPath, needsAnswers, requireClients } from '../io/local-path.ts';
import type { NetworkWay, RunPlan } from './job.ts';
import type { ReplayOptions } from './options.ts';

/** @throws ReplayError as findLocalPath does */
export const findPath = (plan: RunPlan, options: ReplayOptions): LocalPath =>
  findLocalPath({
    targets: targetAddresses(plan),
    interfaceName: options.interfaceName,
    nextHop: options.nextHop,
    sourceMac: options.sourceMac,
    sender: options.sender,
  });

/** @throws ReplayError as requireClients does */
export function wayOf(plan: RunPlan, options: ReplayOptions, path: LocalPath): NetworkWay {
  const { ranges } = plan.clients;
  requireClients(path, targetAddresses(plan), ranges);
  return {
    path,
    sender: options.sender,
    answersNeighbours: options.arp ?? needsAnswers(path, ranges),
  };
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
  const hops = new Set(routes.map(({ nextHopMac }) => macText(nextHopMac)));
  const lines = [
    `frames leave by ${device.name} (${sender}, MTU ${path.mtu}) to ${[...hops].join(', ')}`,
  ];
  if (answersNeighbours) {
    const what = plan.clients.family === 4 ? 'ARP' : 'NDP';
    lines.push(`${what} for ${plan.clients.text} is answered on ${device.name}`);
  }
  return lines;
}

const macText = (mac: Uint8Array): string =>
  Array.from(mac, (octet) => octet.toString(16).padStart(2, '0')).join(':');
