/**
 * Which packets are replies to this shard's users: a kernel filter over packets that begin at their
 * IP header.
 *
 * A reply is a whole TCP packet from one of the targets to an address of the client ranges and a
 * port of the span. Its connection number is computed as the engine computes it,
 *
 *     order ip:   (port - first port) * addresses + index of the address
 *     order port: index of the address * ports + (port - first port)
 *
 * and it belongs to user `number % users`, who lives in shard `user % shards`. Connection numbers
 * are below 2^32, so the kernel's 32-bit arithmetic is exact.
 *
 * Fragments are dropped (TCP over path-MTU discovery sends none), and so are IPv6 packets with
 * extension headers before TCP, which servers do not send either.
 */
import { addressBytes, type IpAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import { EtherType } from '../wire/ethernet.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.ts';
import {
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
} from '../wire/ipv6.ts';
import {
  BPF_ETHER_TYPE,
  BPF_INSTRUCTIONS_MAX,
  Bpf,
  BpfAssembler,
  type BpfInstruction,
} from './bpf.ts';
import { addRangeMatch, type ClientRange, familyOf } from './client-ranges.ts';

export interface TargetEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** How connections are numbered and shared out. */
export interface Sharding {
  readonly order: 'ip' | 'port';
  /** Virtual users of the whole run, 1..2^32 - 1. */
  readonly users: number;
  readonly shards: number;
  /** Which shard's replies are wanted, 0..shards - 1. */
  readonly shard: number;
}

export interface ReplyFilterOptions {
  /** In the order of the pool: an address's index counts over all of them. */
  readonly ranges: readonly ClientRange[];
  readonly targets: readonly TargetEndpoint[];
  /** Client ports, both ends included. */
  readonly ports: { readonly first: number; readonly last: number };
  readonly sharding: Sharding;
  /** Octets of an accepted packet to hand over, from its IP header. */
  readonly snapBytes: number;
}

/** Words of the filter's memory. */
const SOURCE_PORT = 0;
const CLIENT_PORT = 1;
const CLIENT_INDEX = 2;

const ACCEPT = 'accept';
const DROP = 'drop';

/**
 * The filter's program.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG where ranges and targets are too many (about 500 of each)
 */
export function replyFilter(options: ReplyFilterOptions): BpfInstruction[] {
  const filter = new BpfAssembler();
  filter.add(Bpf.LOAD_WORD, BPF_ETHER_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV4, 'ipv4', null);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV6, null, 'other');
  filter.goto('ipv6');
  filter.label('other');
  filter.add(Bpf.RETURN, 0);
  filter.label('ipv4');
  addIpv4(filter, options);
  filter.label('ipv6');
  addIpv6(filter, options);
  filter.label('shard');
  addShard(filter, options);
  const program = filter.assemble();
  if (program.length <= BPF_INSTRUCTIONS_MAX) return program;
  throw new ReplayError({
    code: 'ERR_IO_FILTER_TOO_LONG',
    kind: 'usage',
    message:
      `${options.ranges.length} client ranges and ${options.targets.length} targets make a kernel ` +
      `filter of ${program.length} instructions; it takes ${BPF_INSTRUCTIONS_MAX}`,
    hint: 'give the client pool as fewer, longer ranges',
  });
}

function addIpv4(filter: BpfAssembler, options: ReplyFilterOptions): void {
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
  addPort(filter, 'ipv4', options);
  addTargets(filter, 'ipv4', options.targets.filter(isIpv4Target), IPV4_SOURCE);
  addRanges(filter, options.ranges, 4, IPV4_DESTINATION);
}

function addIpv6(filter: BpfAssembler, options: ReplyFilterOptions): void {
  filter.add(Bpf.LOAD_BYTE, IPV6_NEXT_HEADER);
  dropUnless(filter, 'ipv6 tcp', IP_PROTOCOL_TCP);
  filter.add(Bpf.LOAD_HALF, IPV6_HEADER_BYTES);
  filter.add(Bpf.STORE, SOURCE_PORT);
  filter.add(Bpf.LOAD_HALF, IPV6_HEADER_BYTES + 2);
  addPort(filter, 'ipv6', options);
  const targets = options.targets.filter((target) => !isIpv4Target(target));
  addTargets(filter, 'ipv6', targets, IPV6_SOURCE);
  addRanges(filter, options.ranges, 6, IPV6_DESTINATION);
}

const isIpv4Target = ({ address }: TargetEndpoint): boolean => address.family === 4;

/** A is the destination port: drops what lies outside the span, else keeps its distance. */
function addPort(filter: BpfAssembler, version: string, { ports }: ReplyFilterOptions): void {
  filter.add(Bpf.SUBTRACT, ports.first);
  filter.jump(Bpf.JUMP_GREATER, ports.last - ports.first, null, `${version} port`);
  filter.add(Bpf.RETURN, 0);
  filter.label(`${version} port`);
  filter.add(Bpf.STORE, CLIENT_PORT);
}

/** Goes on where the source is one of the targets, else drops. */
function addTargets(
  filter: BpfAssembler,
  version: string,
  targets: readonly TargetEndpoint[],
  sourceAt: number,
): void {
  for (const [i, { address, port }] of targets.entries()) {
    const next = `${version} target ${i} is not it`;
    const octets = addressBytes(address);
    for (let offset = 0; offset < octets.length; offset += 4) {
      filter.add(Bpf.LOAD_WORD, sourceAt + offset);
      filter.jump(Bpf.JUMP_EQUAL, wordAt(octets, offset), null, next);
    }
    filter.add(Bpf.LOAD_MEMORY, SOURCE_PORT);
    filter.jump(Bpf.JUMP_EQUAL, port, null, next);
    filter.goto(`${version} target found`);
    filter.label(next);
  }
  filter.add(Bpf.RETURN, 0);
  // Without a target of this version nothing leads here.
  filter.label(`${version} target found`);
}

/** Goes to `shard` with the address's index in A, or drops. */
function addRanges(
  filter: BpfAssembler,
  ranges: readonly ClientRange[],
  family: 4 | 6,
  at: number,
): void {
  let index = 0;
  for (const [i, range] of ranges.entries()) {
    const match = { range, name: `range ${i}`, at, index, found: 'shard' };
    if (familyOf(range) === family) addRangeMatch(filter, match);
    index += range.count;
  }
  filter.add(Bpf.RETURN, 0);
}

/** A is the index of the client's address. */
function addShard(filter: BpfAssembler, options: ReplyFilterOptions): void {
  const { order, users, shards, shard } = options.sharding;
  if (shards > 1) {
    const addresses = options.ranges.reduce((sum, { count }) => sum + count, 0);
    const ports = options.ports.last - options.ports.first + 1;
    filter.add(Bpf.STORE, CLIENT_INDEX);
    filter.add(Bpf.LOAD_MEMORY, order === 'ip' ? CLIENT_PORT : CLIENT_INDEX);
    filter.add(Bpf.MULTIPLY, order === 'ip' ? addresses : ports);
    filter.add(Bpf.LOAD_X_MEMORY, order === 'ip' ? CLIENT_INDEX : CLIENT_PORT);
    filter.add(Bpf.ADD_X);
    filter.add(Bpf.MODULO, users);
    filter.add(Bpf.MODULO, shards);
    filter.jump(Bpf.JUMP_EQUAL, shard, ACCEPT, DROP);
    filter.label(DROP);
    filter.add(Bpf.RETURN, 0);
    filter.label(ACCEPT);
  }
  filter.add(Bpf.RETURN, options.snapBytes);
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
