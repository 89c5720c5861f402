/**
 * What kernel filters for replies have in common, and for routers' messages that packets of ours were
 * too big: over packets that begin at their IP header.
 */

import { addressBytes, type Endpoint } from '../../base/address.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { ReplayError } from '../../base/errors.ts';
import { EtherType } from '../../wire/ethernet.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../../wire/ipv4.ts';
import {
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
} from '../../wire/ipv6.ts';
import { IP_PROTOCOL_ICMPV6 } from '../../wire/ndp.ts';
import {
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_QUOTED,
  ICMPV6_PACKET_TOO_BIG,
  IP_PROTOCOL_ICMP,
} from '../../wire/packet-too-big.ts';
import { BPF_ETHER_TYPE, BPF_INSTRUCTIONS_MAX, Bpf, type BpfAssembler } from './bpf.ts';
import { inMemory } from './range-match.ts';

/**
 * Words of a filter's memory, once `addIpv4Ends` or `addIpv6Ends` has run: who sends to whom. Of a
 * router's message that a packet was too big these are the ends of an answer to that packet, so that
 * the message goes where the answer would.
 */
const TARGET_PORT = 0;
export const CLIENT_PORT = 1;
const TARGET_ADDRESS = 4;
const CLIENT_ADDRESS = 8;
export const CLIENT_PLACE = inMemory(CLIENT_ADDRESS);

/** Goes to the label `ipv4`, which is the next instruction, or to `ipv6`, or drops. */
export function addVersionFork(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_WORD, BPF_ETHER_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV4, 'ipv4', null);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV6, null, 'other');
  filter.goto('ipv6');
  filter.label('other');
  filter.add(Bpf.RETURN, 0);
}

/** Notes the ends of a whole IPv4 TCP packet, or of what ICMP says was too big; drops all else. */
export function addIpv4Ends(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_HALF, IPV4_FRAGMENT);
  filter.jump(Bpf.JUMP_SET, IPV4_FRAGMENT_MASK, null, 'ipv4 whole');
  filter.add(Bpf.RETURN, 0);
  filter.label('ipv4 whole');
  filter.add(Bpf.LOAD_X_HEADER_LENGTH, 0);
  filter.add(Bpf.LOAD_BYTE, IPV4_PROTOCOL);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP, 'ipv4 tcp', null);
  dropUnless(filter, 'icmp', IP_PROTOCOL_ICMP);
  addIcmpEnds(filter);
  filter.goto('ipv4 ends');
  filter.label('ipv4 tcp');
  note(filter, Bpf.LOAD_WORD, IPV4_SOURCE, TARGET_ADDRESS);
  note(filter, Bpf.LOAD_WORD, IPV4_DESTINATION, CLIENT_ADDRESS);
  note(filter, Bpf.LOAD_HALF_AT_X, 0, TARGET_PORT);
  note(filter, Bpf.LOAD_HALF_AT_X, 2, CLIENT_PORT);
  filter.label('ipv4 ends');
}

/** X is where the message begins. */
function addIcmpEnds(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_HALF_AT_X, 0);
  dropUnless(filter, 'icmp too big', ICMP_FRAGMENTATION_NEEDED);
  filter.add(Bpf.LOAD_BYTE_AT_X, ICMP_QUOTED + IPV4_PROTOCOL);
  dropUnless(filter, 'icmp of tcp', IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_HALF_AT_X, ICMP_QUOTED + IPV4_FRAGMENT);
  filter.jump(Bpf.JUMP_SET, IPV4_FRAGMENT_MASK, null, 'icmp of whole');
  filter.add(Bpf.RETURN, 0);
  filter.label('icmp of whole');
  note(filter, Bpf.LOAD_WORD_AT_X, ICMP_QUOTED + IPV4_SOURCE, CLIENT_ADDRESS);
  note(filter, Bpf.LOAD_WORD_AT_X, ICMP_QUOTED + IPV4_DESTINATION, TARGET_ADDRESS);
  // X moves on by the quoted header's length, which is given in words.
  filter.add(Bpf.LOAD_BYTE_AT_X, ICMP_QUOTED);
  filter.add(Bpf.AND, 0x0f);
  filter.add(Bpf.SHIFT_LEFT, 2);
  filter.add(Bpf.ADD_X);
  filter.add(Bpf.COPY_TO_X);
  note(filter, Bpf.LOAD_HALF_AT_X, ICMP_QUOTED, CLIENT_PORT);
  note(filter, Bpf.LOAD_HALF_AT_X, ICMP_QUOTED + 2, TARGET_PORT);
}

/** As `addIpv4Ends`, for packets without extension headers. */
export function addIpv6Ends(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_BYTE, IPV6_NEXT_HEADER);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP, 'ipv6 tcp', null);
  dropUnless(filter, 'icmpv6', IP_PROTOCOL_ICMPV6);
  filter.add(Bpf.LOAD_HALF, IPV6_HEADER_BYTES);
  dropUnless(filter, 'icmpv6 too big', ICMPV6_PACKET_TOO_BIG);
  const quotedAt = IPV6_HEADER_BYTES + ICMP_QUOTED;
  filter.add(Bpf.LOAD_BYTE, quotedAt + IPV6_NEXT_HEADER);
  dropUnless(filter, 'icmpv6 of tcp', IP_PROTOCOL_TCP);
  noteIpv6(filter, quotedAt + IPV6_SOURCE, CLIENT_ADDRESS);
  noteIpv6(filter, quotedAt + IPV6_DESTINATION, TARGET_ADDRESS);
  note(filter, Bpf.LOAD_HALF, quotedAt + IPV6_HEADER_BYTES, CLIENT_PORT);
  note(filter, Bpf.LOAD_HALF, quotedAt + IPV6_HEADER_BYTES + 2, TARGET_PORT);
  filter.goto('ipv6 ends');
  filter.label('ipv6 tcp');
  noteIpv6(filter, IPV6_SOURCE, TARGET_ADDRESS);
  noteIpv6(filter, IPV6_DESTINATION, CLIENT_ADDRESS);
  note(filter, Bpf.LOAD_HALF, IPV6_HEADER_BYTES, TARGET_PORT);
  note(filter, Bpf.LOAD_HALF, IPV6_HEADER_BYTES + 2, CLIENT_PORT);
  filter.label('ipv6 ends');
}

function note(filter: BpfAssembler, load: number, at: number, word: number): void {
  filter.add(load, at);
  filter.add(Bpf.STORE, word);
}

function noteIpv6(filter: BpfAssembler, at: number, word: number): void {
  for (let i = 0; i < IPV6_ADDRESS_BYTES / 4; i++) {
    note(filter, Bpf.LOAD_WORD, at + 4 * i, word + i);
  }
}

/** One comparison of a packet's source with the targets. */
export interface TargetMatch {
  /** The packet's; targets of the other family are left out. */
  readonly family: 4 | 6;
  /** Names the match's own labels: no two the same. */
  readonly name: string;
  readonly targets: readonly Endpoint[];
  /** Where to go when the packet comes from one of them. */
  readonly found: string;
  /** Adds what is to be done first where it comes from the target of this row. */
  readonly onFound?: (row: number) => void;
}

/** Adds the comparison of the packet's source with targets; goes on behind it where none is it. */
export function addTargetMatch(filter: BpfAssembler, match: TargetMatch): void {
  const { family, name, targets, found, onFound } = match;
  for (const [i, { address, port }] of targets.entries()) {
    if (address.family !== family) continue;
    const next = `${name} target ${i} is not it`;
    const octets = addressBytes(address);
    for (let offset = 0; offset < octets.length; offset += 4) {
      filter.add(Bpf.LOAD_MEMORY, TARGET_ADDRESS + offset / 4);
      filter.jump(Bpf.JUMP_EQUAL, wordAt(octets, offset), null, next);
    }
    filter.add(Bpf.LOAD_MEMORY, TARGET_PORT);
    filter.jump(Bpf.JUMP_EQUAL, port, null, next);
    onFound?.(i);
    filter.goto(found);
    filter.label(next);
  }
}

/**
 * The program, which the kernel takes at this length.
 * @param what for the error: what has made it so long
 * @param first a program that a packet has to be accepted by as well, before
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG (about 500 ranges or targets)
 */
export function assembleFilter(
  filter: BpfAssembler,
  what: string,
  first: readonly BpfInstruction[] = [],
): BpfInstruction[] {
  const program = [...first.map(goingOn), ...filter.assemble()];
  if (program.length <= BPF_INSTRUCTIONS_MAX) return program;
  throw new ReplayError({
    code: 'ERR_IO_FILTER_TOO_LONG',
    kind: 'usage',
    message:
      `${what} make a kernel filter of ${program.length} instructions; ` +
      `it takes ${BPF_INSTRUCTIONS_MAX}`,
    hint: 'give the client pool as fewer, longer ranges',
  });
}

/** Where a program would accept, it goes on behind its last instruction instead. */
function goingOn(
  instruction: BpfInstruction,
  at: number,
  program: readonly BpfInstruction[],
): BpfInstruction {
  const accepts = instruction.code === Bpf.RETURN && instruction.k !== 0;
  if (!accepts) return instruction;
  return { code: Bpf.JUMP, jt: 0, jf: 0, k: program.length - at - 1 };
}

/** Ends with 0 unless A is `value`. */
function dropUnless(filter: BpfAssembler, name: string, value: number): void {
  filter.jump(Bpf.JUMP_EQUAL, value, name, null);
  filter.add(Bpf.RETURN, 0);
  filter.label(name);
}

function wordAt(octets: Uint8Array, offset: number): number {
  return new DataView(octets.buffer, octets.byteOffset).getUint32(offset);
}
