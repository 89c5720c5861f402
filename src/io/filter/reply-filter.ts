/**
 * Which packets are replies to this shard's users: a kernel filter over packets that begin at their
 * IP header.
 *
 * A reply is a whole TCP packet from one of the targets to an address of the client ranges and a
 * port of the range. Its connection number is computed as the engine computes it,
 *
 *     order ip:   (port - first port mod ports) * addresses + index of the address
 *     order port: index of the address * ports + (port - first port mod ports)
 *
 * (the ports by their index in the range; the first is the one that connections begin with), and it
 * belongs to user `number % users`, who lives in shard `user % shards`. Where users are clients that have
 * blocks of ports, blocks take the place of ports in the formula. Connection numbers are below 2^32, so
 * the kernel's 32-bit arithmetic is exact. Where the pool is there once for each target
 * (`schedule/target-pools.ts`) the same number is a place in it, and each shard has a block of places
 * at each target.
 *
 * A router's message that a packet of ours was too big quotes that packet: it goes where the answer
 * to it would go.
 *
 * Fragments are dropped (TCP over path-MTU discovery sends none), and so are IPv6 packets with
 * extension headers before TCP, which servers do not send either.
 */

import { type AddressRange, type Endpoint, familyOf } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { countPorts, type PortRange, portIndexOf, portSpans } from '../../base/port-range.ts';
import { Bpf, BpfAssembler } from './bpf.ts';
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

/** How connections are numbered and shared out. */
export interface Sharding {
  readonly order: 'ip' | 'port';
  /** The port of the range that connections begin with. */
  readonly firstPort: number;
  /** Virtual users of the whole run, 1..2^32 - 1. */
  readonly users: number;
  /** Ports of a user that is a client with several connections; 0 or absent: users are connections. */
  readonly portsEach?: number;
  readonly shards: number;
  /** For each target the shard's block of places; absent: the number tells the shard. */
  readonly blocks?: readonly { readonly first: number; readonly end: number }[];
  /** Which shard's replies are wanted, 0..shards - 1. */
  readonly shard: number;
}

/** Which packets are replies, and to whom. */
export interface ReplyEnds {
  /** In the order of the pool: an address's index counts over all of them. */
  readonly ranges: readonly AddressRange[];
  readonly targets: readonly Endpoint[];
  /** Client ports. */
  readonly ports: PortRange;
  readonly sharding: Sharding;
}

/** Which packets a replay thread's filter accepts. */
export interface ReplyFilterOptions extends ReplyEnds {
  /** Octets of an accepted packet to hand over, from its IP header. */
  readonly snapBytes: number;
}

/** A word of the filter's memory, behind those of tcp-match.ts. */
const CLIENT_INDEX = 2;
/** Likewise, the shard's block at the packet's target: the first place, and the one behind the last. */
const BLOCK_FIRST = 3;
const BLOCK_END = 12;

/** Beyond every place that a word can hold, but the very last one. */
const PLACES_END = 0xffff_ffff;

const ACCEPT = 'accept';
const DROP = 'drop';

/**
 * The filter's program.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG where ranges and targets are too many (about 500 of each)
 */
export function replyFilter(options: ReplyFilterOptions): BpfInstruction[] {
  const filter = new BpfAssembler();
  addClientIndex(filter, options);
  addShardMatch(filter, options);
  return assemble(filter, options);
}

/**
 * A program that returns a reply's shard, whichever that is, and 0 for every other packet. Each shard's filter
 * accepts those for which it returns its number, and no others. Not where shards have blocks of places.
 * @throws ReplayError ERR_IO_FILTER_TOO_LONG as `replyFilter`
 */
export function shardProgram(options: ReplyEnds): BpfInstruction[] {
  const { users, shards, blocks } = options.sharding;
  assert(blocks === undefined, 'the number tells the shard');
  const filter = new BpfAssembler();
  addClientIndex(filter, options);
  addNumber(filter, options);
  filter.add(Bpf.MODULO, users);
  filter.add(Bpf.MODULO, shards);
  filter.add(Bpf.RETURN_A);
  return assemble(filter, options);
}

function assemble(filter: BpfAssembler, { ranges, targets }: ReplyEnds): BpfInstruction[] {
  return assembleFilter(filter, `${ranges.length} client ranges and ${targets.length} targets`);
}

/** Goes on with the index of the client's address in A, or drops. */
function addClientIndex(filter: BpfAssembler, options: ReplyEnds): void {
  addVersionFork(filter);
  filter.label('ipv4');
  addIpv4(filter, options);
  filter.label('ipv6');
  addIpv6(filter, options);
  filter.label('client');
}

function addIpv4(filter: BpfAssembler, options: ReplyEnds): void {
  addIpv4Ends(filter);
  addPort(filter, 'ipv4', options);
  addTargets(filter, 4, options);
  addRanges(filter, options.ranges, 4);
}

function addIpv6(filter: BpfAssembler, options: ReplyEnds): void {
  addIpv6Ends(filter);
  addPort(filter, 'ipv6', options);
  addTargets(filter, 6, options);
  addRanges(filter, options.ranges, 6);
}

/** Drops what is no port of the range, else keeps its index. */
function addPort(filter: BpfAssembler, version: string, { ports }: ReplyEnds): void {
  const found = `${version} port`;
  filter.add(Bpf.LOAD_MEMORY, CLIENT_PORT);
  for (const [i, { first, last, index }] of portSpans(ports).entries()) {
    const next = `${version} port is not in span ${i}`;
    filter.jump(Bpf.JUMP_GREATER_EQUAL, first, null, next);
    filter.jump(Bpf.JUMP_GREATER, last, next, null);
    filter.add(Bpf.SUBTRACT, first - index);
    filter.goto(found);
    filter.label(next);
  }
  filter.add(Bpf.RETURN, 0);
  filter.label(found);
  filter.add(Bpf.STORE, CLIENT_PORT);
}

/** Goes on where the source is one of the targets, else drops. */
function addTargets(filter: BpfAssembler, family: 4 | 6, options: ReplyEnds): void {
  const name = `ipv${family}`;
  const found = `${name} target found`;
  const { targets, sharding } = options;
  const { blocks } = sharding;
  const onFound =
    blocks === undefined ? {} : { onFound: (row: number) => addBlock(filter, blocks[row]) };
  addTargetMatch(filter, { family, name, targets, found, ...onFound });
  // Before it takes a program the kernel reads on behind a return, and wants to see words stored that are read there.
  if (blocks !== undefined) addBlock(filter, { first: 0, end: 0 });
  filter.add(Bpf.RETURN, 0);
  // Without a target of this version nothing leads here.
  filter.label(found);
}

/** Notes the shard's block at the target that was found. */
function addBlock(
  filter: BpfAssembler,
  block: { readonly first: number; readonly end: number },
): void {
  filter.add(Bpf.LOAD_IMMEDIATE, block.first);
  filter.add(Bpf.STORE, BLOCK_FIRST);
  filter.add(Bpf.LOAD_IMMEDIATE, Math.min(block.end, PLACES_END));
  filter.add(Bpf.STORE, BLOCK_END);
}

/** Goes to `client` with the address's index in A, or drops. */
function addRanges(filter: BpfAssembler, ranges: readonly AddressRange[], family: 4 | 6): void {
  let index = 0;
  for (const [i, range] of ranges.entries()) {
    const match = { range, name: `range ${i}`, place: CLIENT_PLACE, index, found: 'client' };
    if (familyOf(range) === family) addRangeMatch(filter, match);
    index += range.count;
  }
  filter.add(Bpf.RETURN, 0);
}

/** A is the index of the client's address. */
function addShardMatch(filter: BpfAssembler, options: ReplyFilterOptions): void {
  const { users, shards, shard, blocks } = options.sharding;
  if (shards > 1) {
    addNumber(filter, options);
    if (blocks === undefined) {
      filter.add(Bpf.MODULO, users);
      filter.add(Bpf.MODULO, shards);
      filter.jump(Bpf.JUMP_EQUAL, shard, ACCEPT, DROP);
    } else {
      filter.add(Bpf.LOAD_X_MEMORY, BLOCK_FIRST);
      filter.jump(Bpf.JUMP_GREATER_EQUAL_X, 0, null, DROP);
      filter.add(Bpf.LOAD_X_MEMORY, BLOCK_END);
      filter.jump(Bpf.JUMP_GREATER_EQUAL_X, 0, DROP, ACCEPT);
    }
    filter.label(DROP);
    filter.add(Bpf.RETURN, 0);
    filter.label(ACCEPT);
  }
  filter.add(Bpf.RETURN, options.snapBytes);
}

/** Turns the index of the client's address, in A, into the connection's number. */
function addNumber(filter: BpfAssembler, { ranges, ports, sharding }: ReplyEnds): void {
  const { order, firstPort, portsEach = 0 } = sharding;
  const addresses = ranges.reduce((sum, { count }) => sum + count, 0);
  const portCount = countPorts(ports);
  filter.add(Bpf.STORE, CLIENT_INDEX);
  addPortIndex(filter, portIndexOf(ports, firstPort), portCount);
  addBlockIndex(filter, portsEach);
  const turns = portsEach <= 1 ? portCount : Math.floor(portCount / portsEach);
  filter.add(Bpf.LOAD_MEMORY, order === 'ip' ? CLIENT_PORT : CLIENT_INDEX);
  filter.add(Bpf.MULTIPLY, order === 'ip' ? addresses : turns);
  filter.add(Bpf.LOAD_X_MEMORY, order === 'ip' ? CLIENT_INDEX : CLIENT_PORT);
  filter.add(Bpf.ADD_X);
}

/** Turns the port's index into its distance from the port that connections begin with. */
function addPortIndex(filter: BpfAssembler, shift: number, ports: number): void {
  if (shift === 0) return;
  filter.add(Bpf.LOAD_MEMORY, CLIENT_PORT);
  filter.jump(Bpf.JUMP_GREATER_EQUAL, shift, 'not before the first port', null);
  filter.add(Bpf.ADD, ports);
  filter.label('not before the first port');
  filter.add(Bpf.SUBTRACT, shift);
  filter.add(Bpf.STORE, CLIENT_PORT);
}

/** Turns the port's distance into that of its block, where ports are in blocks. */
function addBlockIndex(filter: BpfAssembler, portsEach: number): void {
  if (portsEach <= 1) return;
  filter.add(Bpf.LOAD_MEMORY, CLIENT_PORT);
  filter.add(Bpf.DIVIDE, portsEach);
  filter.add(Bpf.STORE, CLIENT_PORT);
}
