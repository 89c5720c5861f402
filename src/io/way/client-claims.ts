/**
 * Which client addresses and ports other replays of this network namespace use at which targets. Two
 * that use the same ones reset each other's connections: each takes the other's replies for
 * leftovers of an older run.
 *
 * A claim is a text, cut into parts that are names of abstract Unix sockets (unix(7)): they need no
 * privilege, belong to the network namespace as the packets do, and vanish with their process,
 * however it ends. Nobody ever connects to them: /proc/net/unix lists them.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AddressRange,
  addressAt,
  addressBytes,
  type Endpoint,
  formatAddress,
  isSamePrefix,
  parseAddress,
} from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { formatPorts, joinSpans, type PortRange, sharePorts } from '../../base/port-range.ts';
import { AF_UNIX, SOCK_DGRAM, Socket, unixAddress } from '../sys/socket.ts';
import { formatEndpoint, formatRangeOrBlock } from './address-blocks.ts';
import { readUnixSockets } from './unix-sockets.ts';

/** What a replay uses. */
export interface ClientClaim {
  /** The process, as its own pid namespace numbers it. */
  readonly pid: number;
  /** At least one, all of one family. */
  readonly ranges: readonly AddressRange[];
  readonly ports: PortRange;
  readonly targets: readonly Endpoint[];
}

/** One that holds. */
export interface Claim {
  readonly close: () => void;
}

/** Of an abstract name's 107 octets, what its head leaves for a part of the text. */
const PART_BYTES = 64;
const NAME_PATTERN = /@gryphon-clients\/([0-9a-f]{16})\/(\d+)\/(\d+)\/(\S+)$/;
/** Whoever has this name looks and claims; the others wait. */
const LOCK_NAME = 'gryphon-clients/lock';
const LOCK_TRIES = 100;
const LOCK_WAIT_MS = 20;
/** Common ranges that a message names. */
const RANGES_TOLD = 4;

/**
 * Claims clients for as long as the result is not closed and the process lives.
 * @throws ReplayError ERR_IO_CLIENTS_CLAIMED (environment): another replay uses some of them at one of
 * the targets; ERR_IO_SOCKET
 */
export async function claimClients(
  claim: ClientClaim,
  readSockets: () => string = readUnixSockets,
): Promise<Claim> {
  const lock = await takeLock();
  const sockets: Socket[] = [];
  const close = (): void => {
    for (const socket of sockets.splice(0)) socket.close();
  };
  try {
    for (const other of parseClaims(readSockets())) {
      const both = clash(other, claim);
      if (both !== null) throw isClaimed(other, both);
    }
    for (const name of claimNames(claim, randomBytes(8).toString('hex'))) {
      const socket = new Socket(AF_UNIX, SOCK_DGRAM, 0);
      sockets.push(socket);
      socket.bind(unixAddress(name));
    }
    return { close };
  } catch (fault) {
    close();
    throw fault;
  } finally {
    lock?.close();
  }
}

/** The names that tell a claim, without what makes them abstract. */
export function claimNames(claim: ClientClaim, id: string): string[] {
  const text = emitClaim(claim);
  const parts = Math.ceil(text.length / PART_BYTES);
  return Array.from({ length: parts }, (_, part) => {
    const piece = text.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
    return `gryphon-clients/${id}/${part}/${parts}/${piece}`;
  });
}

/** The claims whose names stand in a list like /proc/net/unix; what is no whole claim is left out. */
export function parseClaims(list: string): ClientClaim[] {
  const found = new Map<string, string[]>();
  for (const line of list.split('\n')) {
    const [, id, part, parts, piece] = NAME_PATTERN.exec(line) ?? [];
    if (id === undefined) continue;
    const pieces =
      found.get(id) ?? new Array<string>(Math.min(Number(parts), list.length)).fill('');
    pieces[Number(part)] = piece;
    found.set(id, pieces);
  }
  return [...found.values()].flatMap((pieces) => {
    const claim = pieces.includes('') ? null : parseClaim(pieces.join(''));
    return claim === null ? [] : [claim];
  });
}

/** What two claims have in common, so that both cannot hold: addresses, and one of the targets. */
interface Clash {
  readonly ranges: readonly AddressRange[];
  readonly target: Endpoint;
}

/** Null where both can hold: other addresses, other ports or other targets. */
export function clash(one: ClientClaim, other: ClientClaim): Clash | null {
  const target = one.targets.find((mine) => other.targets.some((its) => isSameTarget(mine, its)));
  if (target === undefined || !sharePorts(one.ports, other.ports)) return null;
  const ranges = one.ranges.flatMap((mine) => other.ranges.flatMap((its) => common(mine, its)));
  return ranges.length === 0 ? null : { ranges, target };
}

/** `PID;12 octets or none;START+COUNT,…;FIRST-LAST,…;ADDRESS!PORT,…`, numbers in base 36. */
function emitClaim({ pid, ranges, ports, targets }: ClientClaim): string {
  const [{ prefix }] = ranges;
  return [
    pid,
    Buffer.from(prefix).toString('hex'),
    ranges.map(({ start, count }) => `${start.toString(36)}+${count.toString(36)}`).join(),
    formatPorts(ports),
    targets.map(({ address, port }) => `${formatAddress(address)}!${port}`).join(),
  ].join(';');
}

function parseClaim(text: string): ClientClaim | null {
  const [pid, prefixText, rangesText, portsText, targetsText] = text.split(';');
  if (targetsText === undefined) return null;
  const prefix = new Uint8Array(Buffer.from(prefixText, 'hex'));
  const ranges = rangesText.split(',').map((range) => {
    const [start, count] = range.split('+').map((number) => Number.parseInt(number, 36));
    return { prefix, start, count };
  });
  const ports = parseClaimedPorts(portsText);
  const targets = targetsText.split(',').flatMap((target) => {
    const [address, port] = target.split('!');
    const parsed = parseAddress(address);
    return parsed === null ? [] : [{ address: parsed, port: Number(port) }];
  });
  return ports === null ? null : { pid: Number(pid), ranges, ports, targets };
}

/** What `formatPorts` wrote; null for anything else. */
function parseClaimedPorts(text: string): PortRange | null {
  const spans = text.split(',').map((span) => {
    const [first, last = first] = span.split('-').map(Number);
    return { first, last };
  });
  let behind = 0;
  for (const { first, last } of spans) {
    if (!(first >= behind && last >= first && last <= 0xffff)) return null;
    behind = last + 2;
  }
  return joinSpans(spans);
}

const isSameTarget = (one: Endpoint, other: Endpoint): boolean =>
  one.port === other.port &&
  one.address.low === other.address.low &&
  isSamePrefix(one.address, other.address);

function common(one: AddressRange, other: AddressRange): AddressRange[] {
  if (!isSamePrefix(addressAt(one, 0), addressAt(other, 0))) return [];
  const start = Math.max(one.start, other.start);
  const end = Math.min(one.start + one.count, other.start + other.count);
  return end > start ? [{ prefix: one.prefix, start, count: end - start }] : [];
}

/** Null when somebody keeps it for two seconds, stopped perhaps: then the list alone must do. */
async function takeLock(): Promise<Socket | null> {
  const lock = new Socket(AF_UNIX, SOCK_DGRAM, 0);
  const name = unixAddress(LOCK_NAME);
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    if (lock.tryBind(name)) return lock;
    await sleep(LOCK_WAIT_MS);
  }
  lock.close();
  return null;
}

function isClaimed({ pid, ports }: ClientClaim, { ranges, target }: Clash): ReplayError {
  const texts = ranges.map(formatRangeOrBlock);
  const list = texts.slice(0, RANGES_TOLD).join(', ') + (texts.length > RANGES_TOLD ? ', …' : '');
  const endpoint = formatEndpoint(addressBytes(target.address), target.port);
  return new ReplayError({
    code: 'ERR_IO_CLIENTS_CLAIMED',
    kind: 'environment',
    message:
      `another replay on this machine, process ${pid}, plays from ${list} ` +
      `(ports ${formatPorts(ports)}) to ${endpoint}`,
    hint:
      'wait for it, or give each replay --clients of its own, ' +
      'or ports: --ports 1024-32767 and --ports 32768-65535',
  });
}
