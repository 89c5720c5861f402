/** The exact lines that the target's machine needs so that replies come back to this one. */
import { addressOfBytes, formatAddress } from '../base/address.ts';
import { parseClients } from '../schedule/address-pool.ts';
import type { NetworkWay, RunPlan } from './job.ts';

/** Paragraphs of text: what to run where, and why. */
export function targetCommands(plan: RunPlan, { path, answersNeighbours }: NetworkWay): string[] {
  const { device } = path;
  const own = device.addresses
    .map(({ address }) => addressOfBytes(address))
    .find(({ family }) => family === plan.clients.family);
  const gateway = own === undefined ? 'THIS_MACHINE' : formatAddress(own);
  const ip = plan.clients.family === 6 ? 'ip -6' : 'ip';
  if (path.routes.every(({ isLocal }) => isLocal)) {
    return ['the target is this machine: its replies come back by lo, nothing is needed'];
  }
  if (answersNeighbours) {
    return [
      `on the target: nothing. Its link asks who has ${plan.clients.text}, and gryphon answers.`,
    ];
  }
  const pools = plan.clients.text.split(',').map((pool) => pool.trim());
  const routes = pools.flatMap((pool) => prefixesOf(pool));
  return [
    [
      'on the target (replies must come to this machine):',
      ...routes.map((prefix) => `  ${ip} route add ${prefix} via ${gateway}`),
    ].join('\n'),
    [
      'on this machine (it must not pass the replies on):',
      plan.clients.family === 6
        ? `  sysctl -w net.ipv6.conf.${device.name}.forwarding=0`
        : `  sysctl -w net.ipv4.conf.${device.name}.forwarding=0`,
    ].join('\n'),
    [
      'afterwards, on the target:',
      ...routes.map((prefix) => `  ${ip} route del ${prefix} via ${gateway}`),
    ].join('\n'),
  ];
}

/** A part of a pool as what `ip route` takes: a range as the prefixes that hold it exactly. */
function prefixesOf(pool: string): string[] {
  if (pool.includes('/')) return [pool];
  const wildcard = /^(\d+\.\d+\.\d+)\.[xX*]$/.exec(pool);
  if (wildcard !== null) return [`${wildcard[1]}.0/24`];
  const { family, prefix, ranges } = parseClients(pool);
  const bits = family === 4 ? 32 : 128;
  return ranges.flatMap((range) => {
    const prefixes: string[] = [];
    let low = range.start;
    for (let left = range.count; left > 0; ) {
      // The largest block that begins here and does not reach beyond the range.
      const alignment = low === 0 ? 2 ** 32 : low & -low;
      const block = Math.min(2 ** Math.floor(Math.log2(left)), alignment >>> 0 || 2 ** 32);
      const length = bits - Math.log2(block);
      prefixes.push(`${formatAddress({ family, prefix, low })}/${length}`);
      low += block;
      left -= block;
    }
    return prefixes;
  });
}
