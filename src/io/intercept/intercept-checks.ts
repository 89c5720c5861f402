/** Settings of this machine that an intercept stands or falls by. */

import {
  type AddressRange,
  addressAt,
  addressOfBytes,
  formatAddress,
  isInRange,
} from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { ReplayError } from '../../base/errors.ts';
import type { Registration } from '../../intercept/ports.ts';
import { routesOf } from '../way/address-blocks.ts';
import { ipJson, type NetworkInterface } from '../way/interfaces.ts';
import { readSetting, settingName } from '../way/sysctl.ts';

type Family = 4 | 6;

/** rp_filter (ip-sysctl.rst): 1 drops what would not be answered by the interface it came in by. */
const RP_FILTER_STRICT = 1;

/**
 * The settings that make the kernel send on what comes in by an interface, each as the line that
 * turns it off; none when it keeps everything to itself.
 */
export function forwardingLines(interfaceName: string, families: readonly Family[]): string[] {
  const paths: string[][] = [];
  if (families.includes(4)) paths.push(['net', 'ipv4', 'conf', interfaceName, 'forwarding']);
  // IPv6 is forwarded by the setting of all interfaces, whatever the interface's own says.
  if (families.includes(6)) {
    paths.push(['net', 'ipv6', 'conf', 'all', 'forwarding']);
    paths.push(['net', 'ipv6', 'conf', interfaceName, 'force_forwarding']);
  }
  return paths
    .filter((path) => readSetting(...path) !== 0)
    .map((path) => `sysctl -w ${settingName(...path)}=0`);
}

/**
 * Refuses interfaces whose packets the kernel forwards: a reply would be captured and sent on.
 * @throws ReplayError ERR_IO_FORWARDING (environment), with the lines that mend it
 */
export function refuseForwarding(names: readonly string[], families: readonly Family[]): void {
  const lines = [...new Set(names.flatMap((name) => forwardingLines(name, families)))];
  if (lines.length === 0) return;
  throw new ReplayError({
    code: 'ERR_IO_FORWARDING',
    kind: 'environment',
    message:
      `this machine forwards what comes in by ${names.join(', ')}: replies would be captured ` +
      'and sent on to the real owners of the client addresses as well',
    hint: `${lines.join('; ')} (or --force, to capture all the same)`,
  });
}

/**
 * Warnings about strict reverse-path filters: they drop the clients' packets where those come in by
 * another interface than their replies would leave by.
 * @param replyInterface where the kernel sends what is for the clients
 */
export function reversePathWarnings(
  devices: readonly NetworkInterface[],
  replyInterface: string,
): string[] {
  const all = readSetting('net', 'ipv4', 'conf', 'all', 'rp_filter');
  return devices
    .filter(
      ({ name, isUp, linkType }) => isUp && linkType !== 'loopback' && name !== replyInterface,
    )
    .filter(({ name }) => {
      const own = readSetting('net', 'ipv4', 'conf', name, 'rp_filter');
      return Math.max(all, own) === RP_FILTER_STRICT;
    })
    .map(({ name }) => {
      const setting = settingName('net', 'ipv4', 'conf', name, 'rp_filter');
      return (
        `warning: ${name} drops clients' packets that come in by it, since their replies would ` +
        `leave by ${replyInterface} (strict rp_filter): sysctl -w ${setting}=2`
      );
    });
}

/**
 * Refuses ranges that hold an address of this machine.
 * @throws ReplayError ERR_IO_CLIENT_IN_USE (usage)
 */
export function refuseOwnAddresses(
  ranges: readonly AddressRange[],
  devices: readonly NetworkInterface[],
): void {
  const own = devices.flatMap(({ addresses }) =>
    addresses.map(({ address }) => addressOfBytes(address)),
  );
  const clashes = own.filter((address) => ranges.some((range) => isInRange(address, range)));
  if (clashes.length === 0) return;
  throw new ReplayError({
    code: 'ERR_IO_CLIENT_IN_USE',
    kind: 'usage',
    message: `the client pool holds addresses of the target's machine: ${clashes.map(formatAddress).join(', ')}`,
    hint: 'give a pool without them, with commas between its parts',
  });
}

/**
 * What would keep replies from being made at all, found out by asking the routing table.
 * Only the first client of every registration is asked about.
 */
export function returnPathWarnings(
  registrations: readonly Registration[],
  devices: readonly NetworkInterface[],
): string[] {
  const warnings = registrations.flatMap((one) => clientWarnings(one, devices));
  const own = devices.flatMap(({ addresses }) => addresses.map(({ address }) => textOf(address)));
  const targets = registrations.flatMap(({ targets }) => targets.map(({ address }) => address));
  const foreign = targets.map(textOf).filter((text) => !own.includes(text));
  for (const text of foreign) {
    warnings.push(
      `warning: target ${text} is no address of this machine: its replies do not pass here`,
    );
  }
  return [...new Set(warnings)];
}

function clientWarnings(
  { family, ranges }: Registration,
  devices: readonly NetworkInterface[],
): string[] {
  const [range] = ranges;
  if (range === undefined) return [];
  const client = formatAddress(addressAt(range, 0));
  const route = (ipJson(['route', 'get', client]).value as { dev: string }[] | null)?.at(0);
  if (route === undefined) {
    const ip = family === 6 ? 'ip -6' : 'ip';
    const lines = routesOf(range).map(
      (block) => `${ip} route add ${formatBlock(block)} via ROUTER`,
    );
    return [
      `warning: there is no route to client ${client}, so that no reply is made: ` +
        `${lines.join('; ')} (or use --mode sink)`,
    ];
  }
  return family === 4 ? reversePathWarnings(devices, route.dev) : [];
}

const textOf = (octets: Uint8Array): string => formatAddress(addressOfBytes(octets));
