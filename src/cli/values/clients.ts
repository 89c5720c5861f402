/** How a client pool is written: `10.17.15.0/24,10.17.16.1-10.17.16.9`. */
import {
  type AddressRange,
  addressAt,
  type IpAddress,
  isSamePrefix,
  parseAddress,
} from '../../base/address.ts';
import type { AddressBlock } from '../../base/address-block.ts';
import {
  type ClientAddresses,
  clashOf,
  clientsOf,
  hostsOf,
  poolError,
} from '../../schedule/client-addresses.ts';

type Part = AddressBlock | AddressRange;

/**
 * Reads a pool: addresses, `first-last`, CIDR prefixes, `a.b.c.x` and `a.b.c.*`, with commas between.
 * @throws ReplayError ERR_POOL_INVALID (usage), which names every fault
 */
export function parseClients(text: string): ClientAddresses {
  const faults: string[] = [];
  const parts: Part[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    const part = parseItem(item);
    if (typeof part === 'string') faults.push(`'${item}' ${part}`);
    else parts.push(part);
  }
  const firsts = parts.map((part) => addressAt(rangeOf(part), 0));
  faults.push(...firsts.flatMap((address) => clashOf(firsts[0], address)));
  if (faults.length > 0) throw poolError(text, faults);
  return clientsOf(parts, text);
}

const rangeOf = (part: Part): AddressRange => ('prefixBits' in part ? hostsOf(part) : part);

/** The item's addresses, or what is wrong with it. */
function parseItem(item: string): Part | string {
  if (item === '') return 'is empty';
  const part = parsePart(item);
  if (typeof part === 'string') return part;
  const { prefix, start, count } = rangeOf(part);
  if (prefix.length > 0) return part;
  // No reply can come to these: RFC 6890 (this network), RFC 5771 (multicast), RFC 1112 (class E).
  if (start < 0x0100_0000) return 'lies in 0.0.0.0/8, which no client can have';
  if (start + count > 0xe000_0000) return 'reaches into 224.0.0.0/3 (multicast, reserved)';
  return part;
}

function parsePart(item: string): Part | string {
  const wildcard = /^(\d+\.\d+\.\d+)\.[xX*]$/.exec(item);
  if (wildcard !== null) {
    const address = parseAddress(`${wildcard[1]}.1`);
    return address === null ? 'is not an IPv4 wildcard' : rangeFrom(address, 254);
  }
  if (item.includes('/')) return parsePrefix(item);
  if (item.includes('-')) return parseFirstToLast(item);
  const address = parseAddress(item);
  if (address === null) return 'is not an IP address, a range, a prefix or a.b.c.*';
  return rangeFrom(address, 1);
}

const rangeFrom = ({ prefix, low }: IpAddress, count: number): AddressRange => ({
  prefix,
  start: low,
  count,
});

function parsePrefix(item: string): AddressBlock | string {
  const [text, length, ...rest] = item.split('/');
  const network = parseAddress(text);
  if (network === null || rest.length > 0) return 'does not begin with an IP address';
  const bits = network.family === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) {
    return `has no prefix length from 0 to ${bits}`;
  }
  const hostBits = bits - Number(length);
  if (hasHostBits(network, hostBits)) {
    return `has host bits set beyond its prefix of ${length} bits`;
  }
  return { address: network, prefixBits: bits - hostBits };
}

function hasHostBits(network: IpAddress, hostBits: number): boolean {
  if (network.low % 2 ** Math.min(hostBits, 32) !== 0) return true;
  for (let bit = 32; bit < hostBits; bit++) {
    const octet = network.prefix[11 - ((bit - 32) >>> 3)];
    if ((octet & (1 << (bit & 7))) !== 0) return true;
  }
  return false;
}

function parseFirstToLast(item: string): AddressRange | string {
  const [firstText, lastText, ...rest] = item.split('-').map((part) => part.trim());
  const first = parseAddress(firstText);
  const last = parseAddress(lastText);
  if (first === null || last === null || rest.length > 0) return 'is not a range of IP addresses';
  if (first.family !== last.family) return 'mixes IPv4 and IPv6';
  if (!isSamePrefix(first, last)) return 'spans more than the last 32 bits of an IPv6 address';
  if (last.low < first.low) return 'ends before it begins';
  return rangeFrom(first, last.low - first.low + 1);
}
