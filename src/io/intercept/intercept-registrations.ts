/** What registrations ask of a source: in words, and packet by packet. */

import { addressAt, addressBytes } from '../../base/address.ts';
import type { AddressBlock } from '../../base/address-block.ts';
import { snapBytesFor } from '../../base/prefix-bytes.ts';
import type {
  EndpointOctets,
  InterceptedSink,
  PacketEnds,
  Registration,
} from '../../intercept/ports.ts';
import type { PacketRing } from '../receive/packet-ring.ts';
import { formatEndpoint, formatRangeOrBlock, withoutBlocks } from '../way/address-blocks.ts';

/** Ranges and targets named in a line of the log; of more only the number is told. */
const NAMED_MAX = 4;

/** Hands over what a ring holds: `PacketSource.receive`. */
export function receiveFrom(ring: PacketRing, limit: number, sink: InterceptedSink): number {
  for (let received = 0; received < limit; received++) {
    if (!ring.hasPacket()) return received;
    sink.onPacket(ring.start, ring.capturedBytes, ring.seconds, ring.nanoseconds);
    ring.release();
  }
  return limit;
}

/** Octets of a packet to capture, from its IP header, for the registration that is granted most. */
export const snapBytesOf = (registrations: readonly Registration[]): number =>
  snapBytesFor(Math.max(0, ...registrations.map(({ prefixBytes }) => prefixBytes)));

/** The families that registrations are of. */
export const familiesOf = (registrations: readonly Registration[]): (4 | 6)[] => [
  ...new Set(registrations.map(({ family }) => family)),
];

/** `TCP from 10.0.0.1:80 to 198.18.0.0/15, ports 1024-65535` */
export function describeRegistration({ targets, ranges, ports }: Registration): string {
  const from = someOf(targets.map(({ address, port }) => formatEndpoint(address, port)));
  const to = someOf(ranges.map(formatRangeOrBlock));
  return `TCP from ${from} to ${to}, ports ${ports.first}-${ports.last}`;
}

function someOf(names: readonly string[]): string {
  const named = names.slice(0, NAMED_MAX).join(', ');
  const more = names.length - NAMED_MAX;
  return more > 0 ? `${named} and ${more} more` : named;
}

/** Replies that are let through although a range that is registered holds the client. */
export interface PassedClients {
  readonly block: AddressBlock;
  /** The target's port; null: all of them. */
  readonly port: number | null;
}

/** The registrations less the clients that are let through; split where a port is what decides. */
export function withoutPassed(
  registrations: readonly Registration[],
  passed: readonly PassedClients[],
): readonly Registration[] {
  if (passed.length === 0) return registrations;
  return registrations.flatMap((registration) => {
    const { targets } = registration;
    const ports = [...new Set(targets.map((target) => target.port))];
    return ports.flatMap((port) => {
      const blocks = passed
        .filter((one) => one.port === null || one.port === port)
        .map(({ block }) => block);
      const ranges = registration.ranges.flatMap((range) => withoutBlocks(range, blocks));
      const own = targets.filter((target) => target.port === port);
      return ranges.length === 0 ? [] : [{ ...registration, targets: own, ranges }];
    });
  });
}

interface Wanted {
  readonly family: 4 | 6;
  readonly firstPort: number;
  readonly lastPort: number;
  readonly targets: readonly EndpointOctets[];
  readonly ranges: readonly WantedRange[];
}

interface WantedRange {
  /** The first address, 4 or 16 octets. */
  readonly first: Uint8Array;
  /** Octets that all of the range's addresses have in common: 0 or 12. */
  readonly common: number;
  readonly start: number;
  readonly count: number;
}

/** Decides packet by packet whether somebody has registered for it, as `registrationFilter` does. */
export class RegistrationMatcher {
  readonly #wanted: readonly Wanted[];

  constructor(registrations: readonly Registration[]) {
    this.#wanted = registrations.map(({ family, ports, targets, ranges }) => ({
      family,
      firstPort: ports.first,
      lastPort: ports.last,
      targets,
      ranges: ranges.map((range) => ({
        first: addressBytes(addressAt(range, 0)),
        common: range.prefix.length,
        start: range.start,
        count: range.count,
      })),
    }));
  }

  /** @param ip has been checked: a whole TCP packet with these ports, or what a router says of one */
  matches(ip: PacketEnds, sourcePort: number, destinationPort: number): boolean {
    const wanted = this.#wanted;
    for (let i = 0; i < wanted.length; i++) {
      const one = wanted[i];
      if (one.family !== ip.version) continue;
      if (destinationPort < one.firstPort || destinationPort > one.lastPort) continue;
      if (isFromTarget(one, ip, sourcePort) && isToRange(one, ip)) return true;
    }
    return false;
  }
}

function isFromTarget({ targets }: Wanted, ip: PacketEnds, port: number): boolean {
  for (let i = 0; i < targets.length; i++) {
    if (targets[i].port === port && ip.srcMatches(targets[i].address)) return true;
  }
  return false;
}

function isToRange({ ranges }: Wanted, ip: PacketEnds): boolean {
  const low = ip.dstLow32;
  for (let i = 0; i < ranges.length; i++) {
    const { first, common, start, count } = ranges[i];
    if (low < start || low - start >= count) continue;
    if (common === 0 || ip.dstMatches(first, common)) return true;
  }
  return false;
}
