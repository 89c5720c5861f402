/**
 * What a replay asks of an intercept and what it is answered, as the JSON documents of the frames
 * REGISTER and REGISTERED.
 *
 *     REGISTER   {"name": "host:4711", "run": "4f…", "family": 4,
 *                 "ranges": [{"prefix": "", "start": 3323068417, "count": 131070}],
 *                 "ports": {"first": 1024, "last": 65535},
 *                 "targets": [{"address": "0a4d0001", "port": 80}], "prefixBytes": 2048}
 *     REGISTERED {"mode": "advanced", "interfaces": ["eth1"], "prefixBytes": 128, "notes": ["…"]}
 *
 * Octets are written in hexadecimal. Whoever registers has proved that it knows the secret, but its
 * document is still checked field by field: it ends up in a kernel filter. A replay that is older than
 * `prefixBytes` (`Capability.PREFIX`) leaves it out, and an intercept that is older does not look at it.
 */
import type { AddressRange } from '../base/address.ts';
import type { EndpointOctets, Registration } from './ports.ts';

/** As many as a pool may have. */
const RANGES_MAX = 256;
const TARGETS_MAX = 256;
const TEXT_MAX = 128;
const LOW_END = 2 ** 32;
const NOTES_MAX = 64;

/** A registration before the intercept has numbered it. */
export interface RegistrationRequest extends Omit<Registration, 'id'> {
  /** Who asks, for logs and refusals: `host:process`. */
  readonly name: string;
  /** Drawn at random for a run: the same run may take its own registration over. */
  readonly run: string;
}

/** Where and how an intercept captures for a replay. */
export interface RegistrationAnswer {
  readonly mode: string;
  readonly interfaces: readonly string[];
  readonly prefixBytes: number;
  /** Lines for the replay's summary. */
  readonly notes: readonly string[];
}

/** The document of a request. */
export const requestDocument = (request: RegistrationRequest): unknown => ({
  name: request.name,
  run: request.run,
  family: request.family,
  ranges: request.ranges.map(({ prefix, start, count }) => ({
    prefix: hexOf(prefix),
    start,
    count,
  })),
  ports: request.ports,
  targets: request.targets.map(({ address, port }) => ({ address: hexOf(address), port })),
  prefixBytes: request.prefixBytes,
});

/**
 * Octets of payload that an intercept grants to a replay that asks for `asked`.
 * @param least, most what the intercept was started with; the least is always handed over
 */
export const grantedBytes = (asked: number, least: number, most: number): number =>
  Math.max(least, Math.min(asked, most));

/** Why no intercept takes the request, because it is too much for one; null where it is not. */
export function excessOf({
  ranges,
  targets,
}: Pick<RegistrationRequest, 'ranges' | 'targets'>): string | null {
  if (targets.length > TARGETS_MAX) {
    return `${targets.length} targets (address and port); an intercept takes ${TARGETS_MAX}`;
  }
  if (ranges.length > RANGES_MAX) {
    return `${ranges.length} client ranges; an intercept takes ${RANGES_MAX}`;
  }
  return null;
}

/** The request of a document, or what is wrong with it. */
export function parseRequest(document: unknown): RegistrationRequest | string {
  if (!isObject(document)) return 'it is no JSON object';
  const { name, run, family, ranges, ports, targets, prefixBytes = 0 } = document;
  if (!isText(name) || !isText(run)) return 'name or run is no short text';
  if (family !== 4 && family !== 6) return 'family is neither 4 nor 6';
  if (!isListOf(ranges, RANGES_MAX)) return `ranges are not 1 to ${RANGES_MAX}`;
  if (!isListOf(targets, TARGETS_MAX)) return `targets are not 1 to ${TARGETS_MAX}`;
  if (!isWhole(prefixBytes, 0, 0xffff)) return 'prefixBytes are not 0 to 65535';
  const span = parsePorts(ports);
  if (span === null) return 'ports are no span from 1 to 65535';
  const parsedRanges: AddressRange[] = [];
  for (const range of ranges) {
    const parsed = parseRange(range, family === 4 ? 0 : 12);
    if (parsed === null) return 'a range is none of its family';
    parsedRanges.push(parsed);
  }
  const parsedTargets: EndpointOctets[] = [];
  for (const target of targets) {
    const parsed = parseTarget(target, family === 4 ? 4 : 16);
    if (parsed === null) return 'a target is none of its family';
    parsedTargets.push(parsed);
  }
  const clients = { ranges: parsedRanges, ports: span };
  return { name, run, family, ...clients, targets: parsedTargets, prefixBytes };
}

/** The answer of a document, or null. */
export function parseAnswer(document: unknown): RegistrationAnswer | null {
  if (!isObject(document)) return null;
  const { mode, interfaces, prefixBytes, notes } = document;
  if (!isText(mode) || !isWhole(prefixBytes, 0, 0xffff)) return null;
  if (!isTextList(interfaces) || !isTextList(notes)) return null;
  return { mode, interfaces, prefixBytes, notes };
}

function parsePorts(value: unknown): { first: number; last: number } | null {
  if (!isObject(value)) return null;
  const { first, last } = value;
  if (!isWhole(first, 1, 0xffff) || !isWhole(last, first, 0xffff)) return null;
  return { first, last };
}

function parseRange(value: unknown, prefixBytes: number): AddressRange | null {
  if (!isObject(value)) return null;
  const prefix = octetsOf(value.prefix, prefixBytes);
  const { start, count } = value;
  if (prefix === null || !isWhole(start, 0, LOW_END - 1)) return null;
  return isWhole(count, 1, LOW_END - start) ? { prefix, start, count } : null;
}

function parseTarget(value: unknown, addressBytes: number): EndpointOctets | null {
  if (!isObject(value)) return null;
  const address = octetsOf(value.address, addressBytes);
  const { port } = value;
  return address === null || !isWhole(port, 1, 0xffff) ? null : { address, port };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isListOf = (value: unknown, most: number): value is readonly unknown[] =>
  Array.isArray(value) && value.length >= 1 && value.length <= most;

const isTextList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length <= NOTES_MAX && value.every((each) => isLine(each));

const isWhole = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/** Printable, so that it can be shown. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= TEXT_MAX && /^[\x20-\x7e]+$/.test(value);

const isLine = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= 1_000 && !/\p{Cc}/u.test(value);

const hexOf = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('');

function octetsOf(value: unknown, bytes: number): Uint8Array | null {
  if (typeof value !== 'string' || value.length !== 2 * bytes) return null;
  if (!/^[0-9a-f]*$/.test(value)) return null;
  return Uint8Array.from({ length: bytes }, (_, i) =>
    Number.parseInt(value.slice(2 * i, 2 * i + 2), 16),
  );
}
