/** The exact lines that the target's machine needs so that replies come back to this one. */

import { isIP } from 'node:net';
import { addressOfBytes, formatAddress } from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { replyDropLines } from '../../io/rules/reply-drop.ts';
import { coveringBlocks } from '../../io/way/address-blocks.ts';
import type { ClientAddresses } from '../../schedule/client-addresses.ts';
import type { NetworkWay, OwnReplies } from './network-way.ts';
import type { RunPlan } from './run-plan.ts';

/** Paragraphs of text: what to run where, and why. */
export function targetCommands(plan: RunPlan, way: NetworkWay): string[] {
  return way.intercepts.length === 0 ? localCommands(plan, way) : interceptCommands(plan, way);
}

/** The lines that lead a pool's replies to this machine. */
export function localRoutes(plan: RunPlan, { path }: NetworkWay): string[] {
  const own = path.device.addresses
    .map(({ address }) => addressOfBytes(address))
    .find(({ family }) => family === plan.clients.family);
  const gateway = own === undefined ? 'THIS_MACHINE' : formatAddress(own);
  const ip = plan.clients.family === 6 ? 'ip -6' : 'ip';
  return poolRoutes(plan.clients).map((prefix) => `${ip} route add ${prefix} via ${gateway}`);
}

function localCommands(plan: RunPlan, way: NetworkWay): string[] {
  const { path, answersNeighbours, own } = way;
  const { device } = path;
  if (own !== null) return ownCommands(own);
  if (path.routes.every(({ isLocal }) => isLocal)) {
    return ['the target is this machine: its replies come back by lo, nothing is needed'];
  }
  if (answersNeighbours === 'everybody') {
    return [
      `on the target: nothing. Its link asks who has ${plan.clients.text}, and gryphon answers.`,
    ];
  }
  const routes = localRoutes(plan, way);
  return [
    [
      'on the target (replies must come to this machine):',
      ...routes.map((line) => `  ${line}`),
    ].join('\n'),
    [
      'on this machine (it must not pass the replies on):',
      plan.clients.family === 6
        ? `  sysctl -w net.ipv6.conf.${device.name}.forwarding=0`
        : `  sysctl -w net.ipv4.conf.${device.name}.forwarding=0`,
    ].join('\n'),
    [
      'afterwards, on the target:',
      ...routes.map((line) => `  ${line.replace(' add ', ' del ')}`),
    ].join('\n'),
  ];
}

function ownCommands({ drop, makesRule }: OwnReplies): string[] {
  const { iptables, nft } = replyDropLines(drop);
  return [
    'on the target: nothing.',
    [
      makesRule
        ? 'on this machine, made for the run and removed behind it (or the same by nft):'
        : 'on this machine, before the run (--no-firewall-rules):',
      ...iptables.map((line) => `  ${line}`),
    ].join('\n'),
    ...(makesRule ? [] : [`or instead of them:\n  ${nft}`]),
    ...(makesRule
      ? []
      : [
          [
            'afterwards:',
            ...iptables.map((line) => `  ${line.replace(' -I ', ' -D ')}`),
            'or:',
            '  nft delete table inet gryphon',
          ].join('\n'),
        ]),
  ];
}

/** A pool as what `ip route` takes: prefixes as they were written, ranges as their blocks. */
const poolRoutes = ({ parts }: ClientAddresses): string[] =>
  parts.flatMap((part) => ('prefixBits' in part ? [part] : coveringBlocks(part))).map(formatBlock);

/**
 * The lines that lead a pool's replies to an auxiliary machine. Its address on the target's link is
 * taken to be the one that replays reach it by, where that can be a next hop of the pool's family.
 */
export function auxiliaryRoutes(clients: ClientAddresses, host: string): string[] {
  const ip = clients.family === 6 ? 'ip -6' : 'ip';
  const via = isIP(host) === clients.family ? host : 'AUXILIARY';
  return poolRoutes(clients).map((prefix) => `${ip} route add ${prefix} via ${via}`);
}

/** Which mode an intercept has is not known before there is a connection: the lines of each. */
function interceptCommands(plan: RunPlan, { intercepts }: NetworkWay): string[] {
  const isIpv6 = plan.clients.family === 6;
  const [{ host, port }] = intercepts;
  const listen = `--listen ${host.includes(':') ? `[${host}]` : host}:${port} --token-file token`;
  const routes = auxiliaryRoutes(plan.clients, host);
  return [
    [
      'where replies are picked up by an auxiliary machine (advanced), on it:',
      `  sysctl -w net.${isIpv6 ? 'ipv6.conf.all.forwarding' : 'ipv4.ip_forward'}=0`,
      `  gryphon intercept --mode advanced ${listen}`,
      'and on the target:',
      ...routes.map((line) => `  ${line}`),
    ].join('\n'),
    [
      'where they are picked up on the target itself, on it one of:',
      `  gryphon intercept --mode sink ${listen}`,
      `  gryphon intercept --mode nfqueue ${listen}`,
      ...(isIpv6
        ? []
        : ['and where rp_filter is strict there:', '  sysctl -w net.ipv4.conf.all.rp_filter=2']),
    ].join('\n'),
    [
      'afterwards, on the target (advanced; the other modes remove what they install):',
      ...routes.map((line) => `  ${line.replace(' add ', ' del ')}`),
    ].join('\n'),
  ];
}
