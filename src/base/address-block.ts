/** CIDR blocks of addresses (RFC 4632, RFC 4291 section 2.3): rules, routes and selections are made of them. */
import { formatAddress, type IpAddress } from './address.ts';

/** All addresses that share the first `prefixBits` bits of `address`. */
export interface AddressBlock {
  readonly address: IpAddress;
  readonly prefixBits: number;
}

/** `198.18.0.0/15` */
export const formatBlock = ({ address, prefixBits }: AddressBlock): string =>
  `${formatAddress(address)}/${prefixBits}`;

/** Whether the block holds the address; none holds one of the other version. */
export function isInBlock(block: AddressBlock, other: IpAddress): boolean {
  const { address, prefixBits } = block;
  if (address.family !== other.family) return false;
  const highBits = address.family === 6 ? 96 : 0;
  for (let bit = 0; bit < Math.min(prefixBits, highBits); bit += 8) {
    const mask = prefixBits - bit >= 8 ? 0xff : (0xff00 >>> (prefixBits - bit)) & 0xff;
    const differs = (address.prefix[bit / 8] ^ other.prefix[bit / 8]) & mask;
    if (differs !== 0) return false;
  }
  const lowBits = prefixBits - highBits;
  if (lowBits <= 0) return true;
  const mask = lowBits >= 32 ? 0xffff_ffff : ~(0xffff_ffff >>> lowBits);
  return ((address.low ^ other.low) & mask) === 0;
}
