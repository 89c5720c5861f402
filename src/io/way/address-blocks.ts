/** Ranges of addresses as CIDR blocks, which rules and routes are made of. */

import {
  type AddressRange,
  addressAt,
  addressBytes,
  addressOfBytes,
  familyOf,
  formatAddress,
  formatRange,
  parseAddress,
} from '../../base/address.ts';
import { type AddressBlock, formatBlock } from '../../base/address-block.ts';
import { sharePrefix } from './interfaces.ts';

/** What of an IPv6 address is the same within a range. */
const COMMON_BITS = 96;
const LOW_BITS = 32;

/** The fewest blocks that hold exactly the range's addresses, in their order: at most 62. */
export function blocksOf(range: AddressRange): AddressBlock[] {
  const blocks: AddressBlock[] = [];
  const bits = familyOf(range) === 4 ? LOW_BITS : COMMON_BITS + LOW_BITS;
  for (let index = 0; index < range.count; ) {
    const address = addressAt(range, index);
    const left = range.count - index;
    let sizeBits = 0;
    while (sizeBits < LOW_BITS && isBlock(address.low, sizeBits + 1, left)) sizeBits++;
    blocks.push({ address, prefixBits: bits - sizeBits });
    index += 2 ** sizeBits;
  }
  return blocks;
}

/** In smaller blocks the ends may well be somebody's. */
const COVERED_SIZE_MIN = 256;

/**
 * The block that a range is, but for its first and last address at most: pools leave network,
 * broadcast and anycast addresses out, which nobody has. Else the range's own blocks.
 */
export function coveringBlocks(range: AddressRange): AddressBlock[] {
  const block = holdingBlock(range);
  const bits = familyOf(range) === 4 ? LOW_BITS : COMMON_BITS + LOW_BITS;
  const size = 2 ** (bits - block.prefixBits);
  const before = range.start - block.address.low;
  const behind = size - before - range.count;
  const isWhole = size >= COVERED_SIZE_MIN && before <= 1 && behind <= 1;
  return isWhole ? [block] : blocksOf(range);
}

/** The block's addresses as a range; null where they differ in more than their last 32 bits. */
export function rangeOfBlock({ address, prefixBits }: AddressBlock): AddressRange | null {
  const bits = address.family === 4 ? LOW_BITS : COMMON_BITS + LOW_BITS;
  const count = 2 ** (bits - prefixBits);
  if (bits - prefixBits > LOW_BITS) return null;
  return { prefix: address.prefix, start: address.low - (address.low % count), count };
}

/** `198.18.0.0/15`, `198.18.0.1`; null where it is neither. */
export function parseBlock(text: string): AddressBlock | null {
  const [addressText = '', bitsText, ...more] = text.split('/');
  const address = parseAddress(addressText);
  if (address === null || more.length > 0) return null;
  const bits = address.family === 4 ? LOW_BITS : COMMON_BITS + LOW_BITS;
  const prefixBits = bitsText === undefined ? bits : Number(bitsText);
  return /^\d+$/.test(bitsText ?? '0') && prefixBits <= bits ? { address, prefixBits } : null;
}

/** Blocks that are worth a line each. */
const ROUTES_MAX = 4;

/**
 * What to route so that a range's addresses are: its blocks where they are few, else the smallest
 * block that holds them all, and a few others with them.
 */
export function routesOf(range: AddressRange): AddressBlock[] {
  const blocks = coveringBlocks(range);
  return blocks.length > ROUTES_MAX ? [holdingBlock(range)] : blocks;
}

function holdingBlock(range: AddressRange): AddressBlock {
  const { prefix, start, count } = range;
  const bits = familyOf(range) === 4 ? LOW_BITS : COMMON_BITS + LOW_BITS;
  let sizeBits = 0;
  while (Math.floor(start / 2 ** sizeBits) !== Math.floor((start + count - 1) / 2 ** sizeBits)) {
    sizeBits++;
  }
  const low = start - (start % 2 ** sizeBits);
  return { address: { family: familyOf(range), prefix, low }, prefixBits: bits - sizeBits };
}

const isBlock = (low: number, sizeBits: number, left: number): boolean =>
  low % 2 ** sizeBits === 0 && 2 ** sizeBits <= left;

/** The range's addresses that are in none of the blocks. */
export function withoutBlocks(
  range: AddressRange,
  blocks: readonly AddressBlock[],
): readonly AddressRange[] {
  return blocks.reduce<readonly AddressRange[]>(
    (left, block) => left.flatMap((one) => withoutBlock(one, block)),
    [range],
  );
}

function withoutBlock(range: AddressRange, block: AddressBlock): AddressRange[] {
  const { prefix, start, count } = range;
  const end = start + count;
  const first = addressBytes(addressAt(range, 0));
  const own = addressBytes(block.address);
  const commonBits = Math.min(block.prefixBits, prefix.length * 8);
  if (own.length !== first.length || !sharePrefix(first, own, commonBits)) return [range];
  const sizeBits = Math.min(LOW_BITS, own.length * 8 - block.prefixBits);
  const size = 2 ** sizeBits;
  const blockStart = Math.floor(block.address.low / size) * size;
  const after = Math.max(start, blockStart + size);
  return [
    { prefix, start, count: Math.min(end, blockStart) - start },
    { prefix, start: after, count: end - after },
  ].filter((part) => part.count > 0);
}

/** `198.18.0.0-198.18.0.9`, or as a block where it is one. */
export function formatRangeOrBlock(range: AddressRange): string {
  const [block, ...rest] = blocksOf(range);
  return rest.length === 0 ? formatBlock(block) : formatRange(range);
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function formatEndpoint(address: Uint8Array, port: number): string {
  const text = formatAddress(addressOfBytes(address));
  return address.length === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
