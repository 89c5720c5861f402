/** Ranges of client addresses: what is in them, and how a kernel filter finds out. */
import {
  type AddressRange,
  addressBytes,
  addressOfBytes,
  type IpAddress,
  isSamePrefix,
} from '../../base/address.ts';
import { Bpf, type BpfAssembler } from '../filter/bpf.ts';
import { type NetworkInterface, sharePrefix } from './interfaces.ts';

export const familyOf = ({ prefix }: AddressRange): 4 | 6 => (prefix.length === 0 ? 4 : 6);

/** The range's address number `index`, from 0. */
export const addressAt = (range: AddressRange, index: number): IpAddress => ({
  family: familyOf(range),
  prefix: range.prefix,
  low: range.start + index,
});

export function isInRange(address: IpAddress, range: AddressRange): boolean {
  const offset = address.low - range.start;
  return isSamePrefix(address, addressAt(range, 0)) && offset >= 0 && offset < range.count;
}

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

/** Where a filter finds an address: its words follow each other in the packet or in its memory. */
export interface AddressPlace {
  /** The instruction that loads a word of it. */
  readonly load: number;
  readonly at: number;
  /** From one word to the next. */
  readonly step: number;
}

export const inPacket = (at: number): AddressPlace => ({ load: Bpf.LOAD_WORD, at, step: 4 });
export const inMemory = (at: number): AddressPlace => ({ load: Bpf.LOAD_MEMORY, at, step: 1 });

export interface RangeMatch {
  readonly range: AddressRange;
  /** Names the match's own labels: no two the same. */
  readonly name: string;
  /** Where the address is. */
  readonly place: AddressPlace;
  /** The pool's index of the range's first address. */
  readonly index: number;
  /** Where to go when the range holds the address, with its index in A. */
  readonly found: string;
}

/** Adds the comparison of one address with one range; goes on behind it where it does not match. */
export function addRangeMatch(filter: BpfAssembler, match: RangeMatch): void {
  const { range, name, place, index, found } = match;
  const { prefix, start, count } = range;
  const next = `${name} does not hold it`;
  const prefixData = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const prefixWords = prefix.length / 4;
  for (let word = 0; word < prefixWords; word++) {
    filter.add(place.load, place.at + word * place.step);
    filter.jump(Bpf.JUMP_EQUAL, prefixData.getUint32(word * 4), null, next);
  }
  filter.add(place.load, place.at + prefixWords * place.step);
  filter.jump(Bpf.JUMP_GREATER_EQUAL, start, null, next);
  filter.jump(Bpf.JUMP_GREATER, start + count - 1, next, null);
  // Modulo 2^32: the index may well be more than the address.
  filter.add(Bpf.SUBTRACT, start - index);
  filter.goto(found);
  filter.label(next);
}
