/** Which addresses may be loaded without further ado: those that lead nowhere public. */
import { addressBytes, parseAddress } from '../base/address.ts';

/** Not routed on the public Internet (RFC 6890 and the registries that it founded). */
const NOT_PUBLIC = [
  '10.0.0.0/8', // RFC 1918
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local
  '172.16.0.0/12', // RFC 1918
  '192.0.2.0/24', // documentation, RFC 5737
  '192.168.0.0/16', // RFC 1918
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '::1/128', // loopback
  '2001:2::/48', // benchmarking, RFC 5180
  '2001:db8::/32', // documentation, RFC 3849
  '3fff::/20', // documentation, RFC 9637
  'fc00::/7', // unique local, RFC 4193
  'fe80::/10', // link-local
];

/** Nobody's, or many hosts' at once. */
const NOT_UNICAST = ['0.0.0.0/8', '224.0.0.0/4', '255.255.255.255/32', '::/128', 'ff00::/8'];

/** IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2): the address that it embeds counts. */
const MAPPED = '::ffff:0:0/96';

/** Whether packets to this address may leave the networks that are the user's own. */
export const isPublic = (address: string): boolean => !isInAny(address, NOT_PUBLIC);

/** Whether the address can be that of one host. */
export const isUnicast = (address: string): boolean => !isInAny(address, NOT_UNICAST);

function isInAny(address: string, prefixes: readonly string[]): boolean {
  const bytes = bytesOf(address);
  const plain = isInPrefix(bytes, MAPPED) ? bytes.subarray(12) : bytes;
  return prefixes.some((prefix) => isInPrefix(plain, prefix));
}

function isInPrefix(bytes: Uint8Array, prefix: string): boolean {
  const [start = '', length = ''] = prefix.split('/');
  const wanted = bytesOf(start);
  if (wanted.length !== bytes.length) return false;
  let bits = Number(length);
  for (let i = 0; bits > 0; i++, bits -= 8) {
    const mask = bits >= 8 ? 0xff : (0xff00 >> bits) & 0xff;
    if ((((bytes[i] ?? 0) ^ (wanted[i] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** Octets of an address in text form; no octets, and so in no prefix, when it is none. */
function bytesOf(address: string): Uint8Array {
  const parsed = parseAddress(address);
  return parsed === null ? new Uint8Array(0) : addressBytes(parsed);
}
