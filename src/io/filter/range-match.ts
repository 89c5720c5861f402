/** How a kernel filter finds out whether an address lies in a range. */
import type { AddressRange } from '../../base/address.ts';
import { Bpf, type BpfAssembler } from './bpf.ts';

/** Where a filter finds an address: its words follow each other in the packet or in its memory. */
export interface AddressPlace {
  /** The instruction that loads a word of it. */
  readonly load: number;
  readonly at: number;
  /** From one word to the next. */
  readonly step: number;
}

/**
 * The words of an address that begins at this octet of the packet, or at this word of the memory.
 */
export const inPacket = (at: number): AddressPlace => ({ load: Bpf.LOAD_WORD, at, step: 4 });
export const inMemory = (at: number): AddressPlace => ({ load: Bpf.LOAD_MEMORY, at, step: 1 });

/** One comparison of an address with one range. */
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
