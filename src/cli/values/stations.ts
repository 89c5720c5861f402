/** Stations on the link, and where to find them. */

import { formatAddress, parseAddress } from '../../base/address.ts';
import type { NextHop } from '../../io/way/routes.ts';
import { formatMac, parseMac } from '../../wire/ethernet.ts';
import { valueError } from './value-error.ts';

/** The address of one station, `aa:bb:cc:dd:ee:ff`, in lower case with colons. */
export function parseStation(text: string): string {
  const octets = parseMac(text.trim());
  if (octets === null)
    throw valueError(`'${text}' is not a MAC address`, 'write aa:bb:cc:dd:ee:ff');
  // IEEE 802, clause 8.2: the first octet's lowest bit marks a group.
  const isGroup = ((octets[0] ?? 0) & 1) === 1;
  const isNull = octets.every((octet) => octet === 0);
  if (isGroup || isNull) throw valueError(`'${text}' is not the address of one station`);
  return formatMac(octets);
}

/** A router: its MAC or its IP address. */
export function parseNextHop(text: string): NextHop {
  const address = parseAddress(text.trim());
  if (address !== null) return { kind: 'ip', address: formatAddress(address) };
  if (parseMac(text.trim()) !== null) return { kind: 'mac', mac: parseStation(text) };
  const hint = 'write aa:bb:cc:dd:ee:ff or 192.0.2.1';
  throw valueError(`'${text}' is neither a MAC nor an IP address`, hint);
}

/** The longest name the kernel gives an interface: IFNAMSIZ (include/uapi/linux/if.h) less its 0. */
const INTERFACE_NAME_MAX = 15;

/** The name of a network interface; whether there is one of that name, the run finds out. */
export function parseInterfaceName(text: string): string {
  const isName = /^[^\s/:]+$/.test(text) && text !== '.' && text !== '..';
  if (isName && text.length <= INTERFACE_NAME_MAX) return text;
  const limit = `at most ${INTERFACE_NAME_MAX} characters without spaces and slashes`;
  throw valueError(`'${text}' is not the name of an interface`, limit);
}
