/**
 * Which packets are replies that somebody has registered for: a kernel filter over packets that
 * begin at their IP header. Each registration is asked in turn: the span of client ports, the
 * targets, the ranges of clients; the first that wants the packet has it accepted. So is a router's
 * message that a packet of such a client was too big.
 *
 * Fragments and IPv6 packets with extension headers are dropped, as `replyFilter` drops them.
 */

import { addressOfBytes } from '../../base/address.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import type { Registration } from '../../intercept/ports.ts';
import { BPF_INTERFACE, Bpf, BpfAssembler } from './bpf.ts';
import { addRangeMatch } from './range-match.ts';
import {
  addIpv4Ends,
  addIpv6Ends,
  addTargetMatch,
  addVersionFork,
  assembleFilter,
  CLIENT_PLACE,
  CLIENT_PORT,
} from './tcp-match.ts';

/** Which packets an intercept's filter accepts. */
export interface RegistrationFilterOptions {
  readonly registrations: readonly Registration[];
  /** Indices of the interfaces that packets may come in by; null: any. */
  readonly interfaces: readonly number[] | null;
  /** Octets of an accepted packet to hand over, from its IP header. */
  readonly snapBytes: number;
  /** A program of the operator's that packets have to be accepted by as well. */
  readonly first?: readonly BpfInstruction[];
}

const ACCEPT = 'accept';

/** The filter that accepts nothing. */
export const NOTHING_FILTER: readonly BpfInstruction[] = [{ code: Bpf.RETURN, jt: 0, jf: 0, k: 0 }];

/**
 * The filter's program.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG where ranges and targets are too many (about 500 of each)
 */
export function registrationFilter(options: RegistrationFilterOptions): readonly BpfInstruction[] {
  const { registrations, interfaces, snapBytes, first = [] } = options;
  if (registrations.length === 0) return NOTHING_FILTER;
  const filter = new BpfAssembler();
  if (interfaces !== null) addInterfaces(filter, interfaces);
  addVersionFork(filter);
  filter.label('ipv4');
  addIpv4Ends(filter);
  addRegistrations(filter, registrations, 4);
  filter.label('ipv6');
  addIpv6Ends(filter);
  addRegistrations(filter, registrations, 6);
  filter.label(ACCEPT);
  filter.add(Bpf.RETURN, snapBytes);
  const ranges = registrations.reduce((sum, one) => sum + one.ranges.length, 0);
  const targets = registrations.reduce((sum, one) => sum + one.targets.length, 0);
  const what = `${ranges} registered client ranges and ${targets} targets`;
  return assembleFilter(filter, what, first);
}

/** Drops what came in by another interface. */
function addInterfaces(filter: BpfAssembler, interfaces: readonly number[]): void {
  filter.add(Bpf.LOAD_WORD, BPF_INTERFACE);
  for (const index of interfaces) {
    const next = `interface ${index} is not it`;
    filter.jump(Bpf.JUMP_EQUAL, index, null, next);
    filter.goto('interface');
    filter.label(next);
  }
  filter.add(Bpf.RETURN, 0);
  filter.label('interface');
}

/** Goes to `accept`, or drops. */
function addRegistrations(
  filter: BpfAssembler,
  registrations: readonly Registration[],
  family: 4 | 6,
): void {
  for (const [i, registration] of registrations.entries()) {
    if (registration.family === family) addRegistration(filter, registration, `registration ${i}`);
  }
  filter.add(Bpf.RETURN, 0);
}

/** Goes to `accept`, or on behind it. Conditional jumps are short, so the long ways are `goto`s. */
function addRegistration(filter: BpfAssembler, registration: Registration, name: string): void {
  const { family, ports, ranges } = registration;
  const [inSpan, found, next] = [`${name} port`, `${name} target`, `${name} is not it`];
  filter.add(Bpf.LOAD_MEMORY, CLIENT_PORT);
  filter.add(Bpf.SUBTRACT, ports.first);
  filter.jump(Bpf.JUMP_GREATER, ports.last - ports.first, null, inSpan);
  filter.goto(next);
  filter.label(inSpan);
  const targets = registration.targets.map(({ address, port }) => ({
    address: addressOfBytes(address),
    port,
  }));
  addTargetMatch(filter, { family, name, targets, found });
  filter.goto(next);
  filter.label(found);
  for (const [i, range] of ranges.entries()) {
    const match = { range, name: `${name} range ${i}`, place: CLIENT_PLACE, index: 0 };
    addRangeMatch(filter, { ...match, found: ACCEPT });
  }
  filter.label(next);
}
