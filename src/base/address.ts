/** IP addresses as text and as numbers; where they run in ranges, their last 32 bits count. */

export interface IpAddress {
  readonly family: 4 | 6;
  /** The first 12 octets of an IPv6 address; empty for IPv4. */
  readonly prefix: Uint8Array;
  /** The last 32 bits: for IPv4 the whole address. */
  readonly low: number;
}

/** One end of a connection. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Consecutive addresses that differ in their last 32 bits only. */
export interface AddressRange {
  /** The first 12 octets of an IPv6 address; empty for IPv4. */
  readonly prefix: Uint8Array;
  /** The last 32 bits of the first address. */
  readonly start: number;
  /** Addresses, 1..2^32; `start + count` is at most 2^32. */
  readonly count: number;
}

/** Version of IP. */
export const familyOf = ({ prefix }: AddressRange): 4 | 6 => (prefix.length === 0 ? 4 : 6);

/** The range's address number `index`, from 0. */
export const addressAt = (range: AddressRange, index: number): IpAddress => ({
  family: familyOf(range),
  prefix: range.prefix,
  low: range.start + index,
});

/** The text form of a range: its first address, and its last one where there are more. */
export function formatRange(range: AddressRange): string {
  const first = formatAddress(addressAt(range, 0));
  return range.count === 1 ? first : `${first}-${formatAddress(addressAt(range, range.count - 1))}`;
}

/** Whether the range holds the address. */
export function isInRange(address: IpAddress, range: AddressRange): boolean {
  const offset = address.low - range.start;
  return isSamePrefix(address, addressAt(range, 0)) && offset >= 0 && offset < range.count;
}

const NO_PREFIX = new Uint8Array(0);

/** An address from its text form (dotted quad; RFC 4291, section 2.2), or null. */
export function parseAddress(text: string): IpAddress | null {
  if (!text.includes(':')) {
    const low = parseIpv4(text);
    return low === null ? null : { family: 4, prefix: NO_PREFIX, low };
  }
  const groups = parseIpv6Groups(text);
  if (groups === null) return null;
  const prefix = new Uint8Array(12);
  for (let i = 0; i < 6; i++) {
    prefix[2 * i] = groups[i] >>> 8;
    prefix[2 * i + 1] = groups[i] & 0xff;
  }
  return { family: 6, prefix, low: ((groups[6] << 16) | groups[7]) >>> 0 };
}

/** The text form: dotted quad, or RFC 5952 (lower case, the longest run of zeros as `::`). */
export function formatAddress(address: IpAddress): string {
  if (address.family === 4) return formatIpv4(address.low);
  const groups: number[] = [];
  for (let i = 0; i < 12; i += 2) groups.push((address.prefix[i] << 8) | address.prefix[i + 1]);
  // RFC 5952, section 5: an address known to embed an IPv4 address shows it.
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return `::ffff:${formatIpv4(address.low)}`;
  groups.push(address.low >>> 16, address.low & 0xffff);
  const { start, count } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (count < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + count).join(':')}`;
}

/** The address in network order: 4 or 16 octets. */
export function addressBytes(address: IpAddress): Uint8Array {
  const start = address.prefix.length;
  const bytes = new Uint8Array(start + 4);
  bytes.set(address.prefix);
  new DataView(bytes.buffer).setUint32(start, address.low);
  return bytes;
}

/** The address of 4 or 16 octets in network order; the octets are copied. */
export function addressOfBytes(bytes: Uint8Array): IpAddress {
  const start = bytes.length - 4;
  const low = new DataView(bytes.buffer, bytes.byteOffset + start, 4).getUint32(0);
  return { family: start === 0 ? 4 : 6, prefix: bytes.slice(0, start), low };
}

/** Whether two addresses are of one version and share what stands before their last 32 bits. */
export const isSamePrefix = (a: IpAddress, b: IpAddress): boolean =>
  a.family === b.family && a.prefix.every((octet, i) => octet === b.prefix[i]);

/** The number of a dotted quad, or null; leading zeros are refused, since some read them as octal. */
function parseIpv4(text: string): number | null {
  const octets = text.split('.');
  if (octets.length !== 4) return null;
  let low = 0;
  for (const octet of octets) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return null;
    low = low * 256 + Number(octet);
  }
  return low;
}

const formatIpv4 = (low: number): string =>
  `${low >>> 24}.${(low >>> 16) & 0xff}.${(low >>> 8) & 0xff}.${low & 0xff}`;

/** Eight 16-bit groups, or null. */
function parseIpv6Groups(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0], halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1], true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : null;
  // `::` stands for at least one group.
  return missing < 1 ? null : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Colon-separated groups; the last may be a dotted quad where the address ends with it. */
function parseGroups(text: string, isLast: boolean): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    const quad = isLast && i === parts.length - 1 ? parseIpv4(part) : null;
    if (quad !== null) groups.push(quad >>> 16, quad & 0xffff);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly number[]): { start: number; count: number } {
  let longest = { start: 0, count: 0 };
  for (let start = 0; start < groups.length; start++) {
    let count = 0;
    while (groups[start + count] === 0) count++;
    if (count > longest.count) longest = { start, count };
  }
  return longest;
}
