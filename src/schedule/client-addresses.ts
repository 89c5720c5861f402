/** The addresses of clients: which they are and in which order connections use them, none twice. */
import {
  type AddressRange,
  addressAt,
  familyOf,
  formatAddress,
  type IpAddress,
  isSamePrefix,
} from '../base/address.ts';
import type { AddressBlock } from '../base/address-block.ts';
import { assert } from '../base/assert.ts';
import { ReplayError } from '../base/errors.ts';

/** The kernel filter and the lookup of a reply grow with the ranges: more than this is refused. */
export const RANGES_MAX = 256;

const LOW_END = 0x1_0000_0000;

/** Client addresses in the order in which connections use them, none twice. */
export interface ClientAddresses {
  readonly family: 4 | 6;
  readonly prefix: Uint8Array;
  readonly ranges: readonly AddressRange[];
  /** As it was written. */
  readonly text: string;
  /** The same as blocks and ranges, with those addresses of a block that no client has: for routes. */
  readonly parts: readonly (AddressBlock | AddressRange)[];
}

/**
 * A pool of blocks and ranges of one version, in their order; an address of two of them counts once.
 * @param text as the pool was written
 * @throws ReplayError ERR_POOL_INVALID (usage): too many ranges, or IPv6 addresses of two prefixes
 */
export function clientsOf(
  parts: readonly (AddressBlock | AddressRange)[],
  text: string,
): ClientAddresses {
  const ranges = parts.map((part) => ('prefixBits' in part ? hostsOf(part) : part));
  const [{ prefix }] = ranges;
  const clashes = ranges.flatMap((range) => clashOf(addressAt(ranges[0], 0), addressAt(range, 0)));
  if (clashes.length > 0) throw poolError(text, clashes);
  return withRanges({ family: familyOf(ranges[0]), prefix, text, parts }, joined(ranges, []));
}

/** A pool of one address. */
export function onlyClient(address: IpAddress): ClientAddresses {
  const { prefix, low } = address;
  return clientsOf([{ prefix, start: low, count: 1 }], formatAddress(address));
}

/**
 * The addresses of a block that hosts have: of an IPv4 prefix shorter than /31 not the network and the
 * broadcast address, of an IPv6 prefix shorter than /127 not the router anycast address (RFC 4291,
 * section 2.6.1), and of a longer IPv6 range than 2^32 addresses only the first 2^32.
 */
export function hostsOf({ address, prefixBits }: AddressBlock): AddressRange {
  const { family, prefix, low } = address;
  const hostBits = (family === 4 ? 32 : 128) - prefixBits;
  if (hostBits <= 1) return { prefix, start: low, count: 2 ** hostBits };
  const count = family === 4 ? 2 ** hostBits - 2 : 2 ** Math.min(hostBits, 32) - 1;
  return { prefix, start: low + 1, count };
}

/** Why two addresses cannot be in one pool: a text, or none. */
export function clashOf(first: IpAddress, other: IpAddress): readonly string[] {
  if (isSamePrefix(first, other)) return [];
  const both = `${formatAddress(first)} and ${formatAddress(other)}`;
  return first.family === other.family
    ? [`${both} differ in their first 96 bits, which an IPv6 pool has in common`]
    : [`${both} are of different IP versions`];
}

/**
 * The pool without these addresses, in the same order.
 * @throws ReplayError ERR_POOL_INVALID (usage) where none is left, or too many ranges
 */
export function withoutAddresses(
  clients: ClientAddresses,
  excluded: readonly IpAddress[],
): ClientAddresses {
  const { family, prefix, ranges } = clients;
  const holes = excluded.filter((address) => isSamePrefix(address, { family, prefix, low: 0 }));
  const taken = holes.map(({ low }) => low);
  return withRanges(clients, joined(ranges, taken));
}

function withRanges(
  pool: Omit<ClientAddresses, 'ranges'>,
  spans: readonly LowSpan[],
): ClientAddresses {
  const { prefix, text } = pool;
  if (spans.length === 0)
    throw poolError(text, [
      "every address of it is a target's, this machine's own or the next hop's",
    ]);
  if (spans.length > RANGES_MAX) {
    const found = `it has ${spans.length} separate ranges, at most ${RANGES_MAX} are allowed`;
    throw poolError(text, [found]);
  }
  return { ...pool, ranges: spans.map(({ start, count }) => ({ start, count, prefix })) };
}

interface LowSpan {
  readonly start: number;
  readonly count: number;
}

/** Joins neighbours, and leaves out what came before and what is excluded. */
function joined(spans: readonly LowSpan[], excluded: readonly number[]): LowSpan[] {
  const taken: LowSpan[] = excluded.map((low) => ({ start: low, count: 1 }));
  const kept: LowSpan[] = [];
  for (const span of spans) {
    for (const piece of subtract(span, taken)) {
      const before = kept.at(-1);
      if (before !== undefined && before.start + before.count === piece.start) {
        kept[kept.length - 1] = { start: before.start, count: before.count + piece.count };
      } else {
        kept.push(piece);
      }
    }
    taken.push(span);
  }
  return kept;
}

function subtract(span: LowSpan, taken: readonly LowSpan[]): LowSpan[] {
  const end = span.start + span.count;
  assert(end <= LOW_END, 'a range ends within its 32 bits');
  const pieces: LowSpan[] = [];
  let start = span.start;
  for (const hole of [...taken].sort((a, b) => a.start - b.start)) {
    if (hole.start >= end) break;
    if (hole.start > start) pieces.push({ start, count: hole.start - start });
    start = Math.max(start, hole.start + hole.count);
  }
  if (start < end) pieces.push({ start, count: end - start });
  return pieces;
}

/** @param faults what is wrong with a pool, each in words that follow its text */
export const poolError = (text: string, faults: readonly string[]): ReplayError =>
  new ReplayError({
    code: 'ERR_POOL_INVALID',
    kind: 'usage',
    message: `client pool '${text}': ${faults.join('; ')}`,
    hint: 'write addresses, a.b.c.d-a.b.c.e, a CIDR prefix, a.b.c.x or a.b.c.*, with commas between',
  });

/** The benchmarking ranges of RFC 2544 (reserved by RFC 6890) and RFC 5180 (with its erratum 1752). */
export const DEFAULT_CLIENTS: Readonly<Record<4 | 6, ClientAddresses>> = {
  4: clientsOf(
    [{ address: { family: 4, prefix: new Uint8Array(0), low: 0xc612_0000 }, prefixBits: 15 }],
    '198.18.0.0/15',
  ),
  6: clientsOf(
    [
      {
        address: {
          family: 6,
          prefix: Uint8Array.of(0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
          low: 0,
        },
        prefixBits: 96,
      },
    ],
    '2001:2::/96',
  ),
};
