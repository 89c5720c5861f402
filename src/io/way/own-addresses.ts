/** Clients that are this machine's own addresses: which ones, and whether a pool is made of them. */
import {
  type AddressRange,
  addressAt,
  addressBytes,
  addressOfBytes,
  formatAddress,
  type IpAddress,
  isInRange,
} from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { readInterfaces } from './interfaces.ts';
import type { LinkRoute } from './routes.ts';

/** 127.0.0.0/8: every address of it is this machine's, without being named anywhere. */
const LOOPBACK: AddressRange = { prefix: new Uint8Array(0), start: 0x7f00_0000, count: 2 ** 24 };

/**
 * The address that this machine's own connections to the targets have.
 * @throws ReplayError ERR_IO_NO_OWN_ADDRESS (environment); ERR_IO_SEVERAL_SOURCES (usage)
 */
export function ownAddressFor(routes: readonly LinkRoute[]): IpAddress {
  const [{ device }] = routes;
  const sources = routes.map(({ source }) => source);
  const [source] = sources;
  if (source === null) {
    throw new ReplayError({
      code: 'ERR_IO_NO_OWN_ADDRESS',
      kind: 'environment',
      message: `the interface ${device.name} has no address to reach the target from`,
      hint: `ip address add ADDRESS/BITS dev ${device.name}, or name one with --clients ADDRESS`,
    });
  }
  const other = sources.find((one) => one !== null && Buffer.compare(one, source) !== 0) ?? null;
  if (other === null) return addressOfBytes(source);
  const both = [source, other].map((one) => formatAddress(addressOfBytes(one)));
  throw new ReplayError({
    code: 'ERR_IO_SEVERAL_SOURCES',
    kind: 'usage',
    message: `the targets are reached from different addresses of this machine: ${both.join(' and ')}`,
    hint: `name the one to use: --clients ${both[0]}`,
  });
}

/** Whether all of these addresses are this machine's own; with a range that is longer, not all are. */
export function areOwn(
  ranges: readonly AddressRange[],
  own: readonly IpAddress[] = readInterfaces().flatMap(({ addresses }) =>
    addresses.map(({ address }) => addressOfBytes(address)),
  ),
): boolean {
  const isOwn = (address: IpAddress): boolean =>
    isInRange(address, LOOPBACK) ||
    own.some((one) => Buffer.compare(addressBytes(one), addressBytes(address)) === 0);
  return ranges.every((range) => {
    const [first, last] = [addressAt(range, 0), addressAt(range, range.count - 1)];
    if (isInRange(first, LOOPBACK) && isInRange(last, LOOPBACK)) return true;
    if (range.count > own.length) return false;
    return Array.from({ length: range.count }, (_, i) => addressAt(range, i)).every(isOwn);
  });
}
