/** Where client addresses lie: on an interface's link, or behind it. */
import {
  type AddressRange,
  addressAt,
  addressBytes,
  addressOfBytes,
  isInRange,
} from '../../base/address.ts';
import { type NetworkInterface, sharePrefix } from './interfaces.ts';

/**
 * Whether an interface's link holds addresses of the range, so that its neighbours ask who has
 * them instead of sending to a router.
 */
export function isOnLink(device: NetworkInterface, range: AddressRange): boolean {
  const first = addressBytes(addressAt(range, 0));
  const last = addressBytes(addressAt(range, range.count - 1));
  return device.addresses.some(({ address, prefixBits }) => {
    const isHostAlone = prefixBits === address.length * 8;
    if (isHostAlone || address.length !== first.length) return false;
    // The link holds one end of the range, or lies within it.
    return (
      sharePrefix(address, first, prefixBits) ||
      sharePrefix(address, last, prefixBits) ||
      isInRange(addressOfBytes(address), range)
    );
  });
}
