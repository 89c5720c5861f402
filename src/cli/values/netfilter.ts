/** What netfilter is asked for: queues, and clients that it leaves alone. */
import { addressBytes, parseAddress } from '../../base/address.ts';
import type { PassedClients } from '../../io/intercept/intercept-registrations.ts';
import { parseWhole } from './numbers.ts';
import { valueError } from './value-error.ts';

/** Each queue is a piece of the kernel's memory, and all are asked for their drops. */
const QUEUES_MAX = 256;

/** `0`, `0-3`; both ends included. */
export function parseQueues(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || last > 65_535 || first > last) {
    throw valueError(`'${text}' is not a span of queues`, 'write 0 or 0-3');
  }
  const count = last - first + 1;
  if (count <= QUEUES_MAX) return { first, last };
  throw valueError(
    `'${text}' is ${count} queues; at most ${QUEUES_MAX} are taken`,
    'a queue for each CPU of the target is enough: 0-3',
  );
}

/** `CIDR`, `CIDR:PORT`, an address alone; IPv6 with a port in brackets: `[fd00::/64]:80`. */
export function parsePassed(text: string): PassedClients {
  const match = /^(?:\[([^\]]+)\]|([^[\]]+?))(?::(\d{1,5}))?$/.exec(text.trim());
  const isBareIpv6 = parseAddress(text.trim().split('/')[0] ?? '')?.family === 6;
  const [block = '', port] = isBareIpv6
    ? [text.trim(), undefined]
    : [match?.[1] ?? match?.[2], match?.[3]];
  const [addressText = '', bitsText] = block.split('/');
  const address = parseAddress(addressText);
  const form = 'write 10.1.0.0/16, 10.1.2.3:80 or [fd00::/64]:80';
  if (address === null) throw valueError(`'${text}' is not CIDR[:PORT]`, form);
  const bits = addressBytes(address).length * 8;
  const prefixBits = bitsText === undefined ? bits : parseWhole(bitsText, { min: 0, max: bits });
  return {
    block: { address, prefixBits },
    port: port === undefined ? null : parseWhole(port, { min: 1, max: 65_535 }),
  };
}
