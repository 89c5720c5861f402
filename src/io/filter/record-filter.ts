/**
 * The kernel's filter of a recording, over packets that begin at their IP header. One program, two snap
 * lengths: what goes to a server is kept whole, of what it answers the headers and a prefix. Where only
 * a share of the sessions is wanted, a hash of the client's address and port decides, so that a session
 * is recorded whole or not at all, and what is left out costs nothing.
 */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { EtherType } from '../../wire/ethernet.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../../wire/ipv4.ts';
import {
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
} from '../../wire/ipv6.ts';
import { ACK, SYN, TCP_DATA_OFFSET, TCP_FLAGS } from '../../wire/tcp.ts';
import { BPF_ETHER_TYPE, BPF_INTERFACE, BPF_PACKET_TYPE, Bpf, BpfAssembler } from './bpf.ts';
import { assembleFilter } from './tcp-match.ts';

/** More than any packet has (a merged one has 64 KiB): it is kept whole. */
export const WHOLE_PACKET_BYTES = 0x4_0000;
/** Fragment offset of an IPv4 packet that is not the first of its fragments. */
const IPV4_LATER_FRAGMENT = 0x1fff;
/** Last 32 bits of an IPv6 address. */
const IPV6_LOW = 12;

/** That a packet leaves this machine (linux/if_packet.h). */
const PACKET_OUTGOING = 4;

/** Words of the program's memory. */
const TRANSPORT_AT = 0;
const CLIENT = 1;
const CLIENT_PORT = 2;
const IS_TO_SERVER = 3;

/** Odd multipliers of MurmurHash3's finalizer, which mixes all bits upwards; public domain numbers. */
const MIX_ADDRESS = 0x85eb_ca6b;
const MIX_PORT = 0xc2b2_ae35;
const MIX_BOTH = 0x9e37_79b1;
/** The hash's upper half is compared. */
const HASH_SHIFT = 16;
const HASHES = 0x1_0000;

/** What is recorded. */
export interface RecordFilterOptions {
  /** TCP ports of the servers, at least one. */
  readonly ports: readonly number[];
  /** Octets of payload that are kept of an answer's packet; Infinity: all. */
  readonly answerBytes: number;
  /** Share of the sessions, above 0, at most 1. */
  readonly share: number;
  /** The interface whose packets come in as well as leave, and are wanted once; null or absent: none. */
  readonly loopbackIndex?: number | null;
  /** A program that a packet has to be accepted by as well. */
  readonly first?: readonly BpfInstruction[];
}

/**
 * The program.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG (usage)
 */
export function recordFilter(options: RecordFilterOptions): BpfInstruction[] {
  const filter = sessionsFilter(options);
  addSnap(filter, options.answerBytes);
  return assembleFilter(filter, `${options.ports.length} ports`, options.first);
}

/**
 * A program for what begins a session that `recordFilter` with these options keeps: a client's SYN.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG (usage)
 */
export function beginningsFilter(
  options: Omit<RecordFilterOptions, 'answerBytes'>,
): BpfInstruction[] {
  const filter = sessionsFilter(options);
  filter.add(Bpf.LOAD_MEMORY, IS_TO_SERVER);
  dropUnless(filter, 'to a server', Bpf.JUMP_EQUAL, 1);
  filter.add(Bpf.LOAD_X_MEMORY, TRANSPORT_AT);
  filter.add(Bpf.LOAD_BYTE_AT_X, TCP_FLAGS);
  filter.add(Bpf.AND, SYN | ACK);
  dropUnless(filter, 'a beginning', Bpf.JUMP_EQUAL, SYN);
  filter.add(Bpf.RETURN, 1);
  return assembleFilter(filter, `${options.ports.length} ports`, options.first);
}

/**
 * Whether a packet, of which at least the headers are there, begins a session as `beginningsFilter` has it.
 * @param at where its IP header begins
 */
export function isBeginning(octets: Uint8Array, at: number): boolean {
  const isIpv6 = octets[at] >>> 4 === 6;
  const transport = at + (isIpv6 ? IPV6_HEADER_BYTES : 4 * (octets[at] & 0x0f));
  return (octets[transport + TCP_FLAGS] & (SYN | ACK)) === SYN;
}

/** Goes on for packets of the sessions that are wanted, with the program's memory set; drops all others. */
function sessionsFilter({
  ports,
  share,
  loopbackIndex = null,
}: Pick<RecordFilterOptions, 'ports' | 'share' | 'loopbackIndex'>): BpfAssembler {
  const filter = new BpfAssembler();
  // The kernel refuses to load words that it thinks may not be set, and thinks that a return goes on.
  filter.add(Bpf.LOAD_IMMEDIATE, 0);
  for (const word of [TRANSPORT_AT, CLIENT, CLIENT_PORT, IS_TO_SERVER]) filter.add(Bpf.STORE, word);
  if (loopbackIndex !== null) dropLeaving(filter, loopbackIndex);
  filter.add(Bpf.LOAD_WORD, BPF_ETHER_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV4, null, 'not ipv4');
  addIpv4(filter, ports);
  filter.goto('ends');
  filter.label('not ipv4');
  dropUnless(filter, 'ipv6', Bpf.JUMP_EQUAL, EtherType.IPV6);
  addIpv6(filter, ports);
  filter.label('ends');
  if (share < 1) addSample(filter, share);
  return filter;
}

/** Which of 65,536 hashes a client has: the same arithmetic as in the kernel. */
export function sampleHash(clientLow32: number, clientPort: number): number {
  const mixed = Math.imul(clientLow32, MIX_ADDRESS) + Math.imul(clientPort, MIX_PORT);
  return Math.imul(mixed, MIX_BOTH) >>> HASH_SHIFT;
}

function dropLeaving(filter: BpfAssembler, interfaceIndex: number): void {
  filter.add(Bpf.LOAD_WORD, BPF_INTERFACE);
  filter.jump(Bpf.JUMP_EQUAL, interfaceIndex, null, 'seen once');
  filter.add(Bpf.LOAD_WORD, BPF_PACKET_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, PACKET_OUTGOING, null, 'seen once');
  filter.add(Bpf.RETURN, 0);
  filter.label('seen once');
}

function addIpv4(filter: BpfAssembler, ports: readonly number[]): void {
  filter.add(Bpf.LOAD_BYTE, IPV4_PROTOCOL);
  dropUnless(filter, 'ipv4 tcp', Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_HALF, IPV4_FRAGMENT);
  filter.jump(Bpf.JUMP_SET, IPV4_LATER_FRAGMENT, null, 'ipv4 first');
  filter.add(Bpf.RETURN, 0);
  filter.label('ipv4 first');
  filter.add(Bpf.LOAD_X_HEADER_LENGTH, 0);
  addEnds(filter, 'ipv4', ports, { source: IPV4_SOURCE, destination: IPV4_DESTINATION });
}

function addIpv6(filter: BpfAssembler, ports: readonly number[]): void {
  filter.add(Bpf.LOAD_BYTE, IPV6_NEXT_HEADER);
  dropUnless(filter, 'ipv6 tcp', Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_IMMEDIATE, IPV6_HEADER_BYTES);
  filter.add(Bpf.COPY_TO_X);
  const source = IPV6_SOURCE + IPV6_LOW;
  addEnds(filter, 'ipv6', ports, { source, destination: IPV6_DESTINATION + IPV6_LOW });
}

/** X is where TCP begins. Notes who the client is, and whether the packet goes to a server. */
function addEnds(
  filter: BpfAssembler,
  name: string,
  ports: readonly number[],
  at: { readonly source: number; readonly destination: number },
): void {
  filter.add(Bpf.STORE_X, TRANSPORT_AT);
  for (const [isToServer, serverPort, clientPort, client] of [
    [1, 2, 0, at.source],
    [0, 0, 2, at.destination],
  ]) {
    const way = `${name} ${isToServer === 1 ? 'to' : 'from'}`;
    filter.add(Bpf.LOAD_HALF_AT_X, serverPort);
    for (const [i, port] of ports.entries()) {
      filter.jump(Bpf.JUMP_EQUAL, port, null, `${way} is not port ${i}`);
      filter.goto(`${way} a server`);
      filter.label(`${way} is not port ${i}`);
    }
    filter.goto(`${way} no server`);
    filter.label(`${way} a server`);
    filter.add(Bpf.LOAD_HALF_AT_X, clientPort);
    filter.add(Bpf.STORE, CLIENT_PORT);
    filter.add(Bpf.LOAD_WORD, client);
    filter.add(Bpf.STORE, CLIENT);
    filter.add(Bpf.LOAD_IMMEDIATE, isToServer);
    filter.add(Bpf.STORE, IS_TO_SERVER);
    filter.goto(`${name} known`);
    filter.label(`${way} no server`);
  }
  filter.add(Bpf.RETURN, 0);
  filter.label(`${name} known`);
}

function addSample(filter: BpfAssembler, share: number): void {
  filter.add(Bpf.LOAD_MEMORY, CLIENT);
  filter.add(Bpf.MULTIPLY, MIX_ADDRESS);
  filter.add(Bpf.COPY_TO_X);
  filter.add(Bpf.LOAD_MEMORY, CLIENT_PORT);
  filter.add(Bpf.MULTIPLY, MIX_PORT);
  filter.add(Bpf.ADD_X);
  filter.add(Bpf.MULTIPLY, MIX_BOTH);
  filter.add(Bpf.SHIFT_RIGHT, HASH_SHIFT);
  filter.jump(Bpf.JUMP_GREATER_EQUAL, Math.ceil(share * HASHES), null, 'in the sample');
  filter.add(Bpf.RETURN, 0);
  filter.label('in the sample');
}

function addSnap(filter: BpfAssembler, answerBytes: number): void {
  if (Number.isFinite(answerBytes)) {
    filter.add(Bpf.LOAD_MEMORY, IS_TO_SERVER);
    filter.jump(Bpf.JUMP_EQUAL, 1, 'whole', null);
    filter.add(Bpf.LOAD_X_MEMORY, TRANSPORT_AT);
    filter.add(Bpf.LOAD_BYTE_AT_X, TCP_DATA_OFFSET);
    filter.add(Bpf.AND, 0xf0);
    // Its upper half is in words of four octets.
    filter.add(Bpf.SHIFT_RIGHT, 2);
    filter.add(Bpf.ADD_X);
    filter.add(Bpf.ADD, answerBytes);
    filter.add(Bpf.RETURN_A);
    filter.label('whole');
  }
  filter.add(Bpf.RETURN, WHOLE_PACKET_BYTES);
}

function dropUnless(filter: BpfAssembler, name: string, jump: number, value: number): void {
  filter.jump(jump, value, `is ${name}`, null);
  filter.add(Bpf.RETURN, 0);
  filter.label(`is ${name}`);
}
