/** What kernel filters for replies have in common: over packets that begin at their IP header. */
import { addressBytes, type IpAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import { EtherType } from '../wire/ethernet.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES, IPV6_NEXT_HEADER, IPV6_SOURCE } from '../wire/ipv6.ts';
import {
  BPF_ETHER_TYPE,
  BPF_INSTRUCTIONS_MAX,
  Bpf,
  type BpfAssembler,
  type BpfInstruction,
} from './bpf.ts';

export interface TargetEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Words of a filter's memory: the packet's ports, once `addIpv4Ports` or `addIpv6Ports` has run. */
const SOURCE_PORT = 0;
export const CLIENT_PORT = 1;

/** Goes to the label `ipv4`, which is the next instruction, or to `ipv6`, or drops. */
export function addVersionFork(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_WORD, BPF_ETHER_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV4, 'ipv4', null);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV6, null, 'other');
  filter.goto('ipv6');
  filter.label('other');
  filter.add(Bpf.RETURN, 0);
}

/** Notes the ports of a whole IPv4 TCP packet, and drops all else. */
export function addIpv4Ports(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_BYTE, IPV4_PROTOCOL);
  dropUnless(filter, 'ipv4 tcp', IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_HALF, IPV4_FRAGMENT);
  filter.jump(Bpf.JUMP_SET, IPV4_FRAGMENT_MASK, null, 'ipv4 whole');
  filter.add(Bpf.RETURN, 0);
  filter.label('ipv4 whole');
  filter.add(Bpf.LOAD_X_HEADER_LENGTH, 0);
  filter.add(Bpf.LOAD_HALF_AT_X, 0);
  filter.add(Bpf.STORE, SOURCE_PORT);
  filter.add(Bpf.LOAD_HALF_AT_X, 2);
  filter.add(Bpf.STORE, CLIENT_PORT);
}

/** Notes the ports of an IPv6 TCP packet without extension headers, and drops all else. */
export function addIpv6Ports(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_BYTE, IPV6_NEXT_HEADER);
  dropUnless(filter, 'ipv6 tcp', IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_HALF, IPV6_HEADER_BYTES);
  filter.add(Bpf.STORE, SOURCE_PORT);
  filter.add(Bpf.LOAD_HALF, IPV6_HEADER_BYTES + 2);
  filter.add(Bpf.STORE, CLIENT_PORT);
}

export interface TargetMatch {
  /** The packet's; targets of the other family are left out. */
  readonly family: 4 | 6;
  /** Names the match's own labels: no two the same. */
  readonly name: string;
  readonly targets: readonly TargetEndpoint[];
  /** Where to go when the packet comes from one of them. */
  readonly found: string;
}

/** Adds the comparison of the packet's source with targets; goes on behind it where none is it. */
export function addTargetMatch(filter: BpfAssembler, match: TargetMatch): void {
  const { family, name, targets, found } = match;
  const sourceAt = family === 4 ? IPV4_SOURCE : IPV6_SOURCE;
  const own = targets.filter(({ address }) => address.family === family);
  for (const [i, { address, port }] of own.entries()) {
    const next = `${name} target ${i} is not it`;
    const octets = addressBytes(address);
    for (let offset = 0; offset < octets.length; offset += 4) {
      filter.add(Bpf.LOAD_WORD, sourceAt + offset);
      filter.jump(Bpf.JUMP_EQUAL, wordAt(octets, offset), null, next);
    }
    filter.add(Bpf.LOAD_MEMORY, SOURCE_PORT);
    filter.jump(Bpf.JUMP_EQUAL, port, null, next);
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
