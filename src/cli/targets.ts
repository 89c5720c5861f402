/** Where sessions are played: how targets are written, looked up, and which ones are refused. */
import { formatAddress, parseAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import type { ReplayOptions, ReplayTarget, Route } from '../run/plan/options.ts';
import { parseClients } from '../schedule/address-pool.ts';
import { isPublic, isUnicast } from './address-kinds.ts';
import type { Context } from './context.ts';
import { FaultList } from './usage-error.ts';
import { valueError } from './values.ts';

/** A target as it was written; `host` is an address or a name still to be looked up. */
export interface Endpoint {
  readonly label: string;
  readonly host: string;
  readonly port: number;
}

/** A route whose target has not been looked up yet. */
export interface RouteSpec {
  readonly recordedAddress: string | null;
  readonly recordedPort: number | null;
  readonly target: Endpoint;
}

const ENDPOINT_FORM = 'write HOST:PORT, 192.0.2.1:80 or [2001:db8::1]:80';

/** Reads `HOST:PORT`: an IPv4 address, an IPv6 address in brackets, or a name. */
export function parseEndpoint(text: string): Endpoint {
  const label = text.trim();
  const match = /^(?:\[([^\]]*)\]|([^:\s[\]]+)):(\d+)$/.exec(label);
  if (match === null) throw valueError(`'${text}' is not a host and port`, endpointHint(label));
  const [, bracketed, plain = '', portText = ''] = match;
  const port = parsePort(portText, text);
  if (bracketed !== undefined) {
    const address = parseAddress(bracketed);
    if (address?.family !== 6) throw valueError(`'${bracketed}' is not an IPv6 address`);
    return { label, host: formatAddress(address), port };
  }
  if (!isHostName(plain)) throw valueError(`'${plain}' is neither an address nor a host name`);
  return { label, host: plain, port };
}

/**
 * Reads `[IP:]PORT-HOST:PORT`: the recorded server endpoint, then where it is played (tcpcopy's
 * spelling; an IPv6 address stands in brackets).
 */
export function parseRoute(text: string): RouteSpec {
  const form = 'write [IP:]PORT-HOST:PORT, for instance 80-192.0.2.1:8080';
  if (text.includes('@')) {
    const hint = 'give the addresses once with --source-mac and --next-hop';
    throw valueError(
      `'${text}': MAC addresses in a mapping are not available in this version`,
      hint,
    );
  }
  const match = /^(?:(\[[^\]]*\]|[^:\s[\]-]+):)?(\d+)-(.+)$/.exec(text.trim());
  if (match === null) throw valueError(`'${text}' is not a mapping`, form);
  const [, recorded, portText = '', target = ''] = match;
  const address = recorded === undefined ? null : parseAddress(recorded.replace(/^\[|\]$/g, ''));
  if (recorded !== undefined && address === null) {
    throw valueError(`'${text}': '${recorded}' is not an IP address`, form);
  }
  return {
    recordedAddress: address === null ? null : formatAddress(address),
    recordedPort: parsePort(portText, text),
    target: parseEndpoint(target),
  };
}

/**
 * Looks the targets' names up and refuses what may not be a target.
 * @param options.family the clients' address family: of a name's addresses the first such one counts
 * @throws UsageError for targets that are public (without `allowPublic`) or not of one host
 * @throws ReplayError ERR_CLI_LOOKUP (unreachable) when a name has no address
 */
export async function resolveTarget(
  specs: readonly RouteSpec[],
  options: {
    readonly family: 4 | 6;
    readonly allowPublic: boolean;
    readonly lookup: Context['lookup'];
  },
): Promise<ReplayTarget> {
  const routes: Route[] = [];
  const faults = new FaultList();
  for (const { recordedAddress, recordedPort, target } of specs) {
    const address = await resolveHost(target, options);
    checkTarget(address, target, options.allowPublic, faults);
    routes.push({ recordedAddress, recordedPort, label: target.label, address, port: target.port });
  }
  faults.throwIfAny();
  return { kind: 'network', routes };
}

/**
 * What to say when real servers would answer to client addresses that may be strangers'; `null` when
 * there is nothing to say.
 */
export function publicClientsWarning({ target, clients }: ReplayOptions): string | null {
  if (target.kind === 'embedded') return null;
  const { family, ranges } = parseClients(clients);
  const isAnyPublic = ranges.some(({ prefix, start, count }) =>
    [start, start + count - 1].some((low) => isPublic(formatAddress({ family, prefix, low }))),
  );
  if (!isAnyPublic) return null;
  return `the clients ${clients} have public addresses: see that the target's replies to them cannot leave your network`;
}

function checkTarget(
  address: string,
  { label, host }: Endpoint,
  allowPublic: boolean,
  faults: FaultList,
): void {
  const shown = address === host ? label : `${label} (${address})`;
  if (!isUnicast(address)) {
    faults.add(`target ${shown}: ${address} is not the address of one host`);
  } else if (isPublic(address) && !allowPublic) {
    const hint = "load a server only with its owner's consent, then add --allow-public";
    faults.add(`target ${shown}: ${address} is a public address`, hint);
  }
}

async function resolveHost(
  { host }: Endpoint,
  options: { readonly family: 4 | 6; readonly lookup: Context['lookup'] },
): Promise<string> {
  const address = parseAddress(host);
  if (address !== null) return formatAddress(address);
  const found = await options.lookup(host);
  const chosen = found.find((each) => each.family === options.family) ?? found.at(0);
  if (chosen !== undefined) return chosen.address;
  throw new ReplayError({
    code: 'ERR_CLI_LOOKUP',
    kind: 'unreachable',
    message: `target ${host}: the name has no address`,
    hint: 'check the spelling, or write the IP address',
  });
}

function parsePort(text: string, whole: string): number {
  const port = Number(text);
  if (port >= 1 && port <= 65_535) return port;
  throw valueError(`'${whole}': port ${text} is not from 1 to 65535`);
}

function endpointHint(label: string): string {
  const bare = parseAddress(label);
  if (bare?.family === 6) return `did you mean [${label}]:80?`;
  if (bare !== null || /^[a-z0-9.-]+$/i.test(label)) return `add the port: ${label}:80`;
  return ENDPOINT_FORM;
}

/** RFC 1123, section 2.1; what has the form of a dotted quad must be one. */
function isHostName(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return parseAddress(text) !== null;
  const labels = text.replace(/\.$/, '').split('.');
  return (
    text.length <= 253 &&
    labels.every((each) => /^[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?$/i.test(each))
  );
}
