/** Places in the network: how targets, mappings, intercepts and listening addresses are written. */
import { formatAddress, parseAddress } from '../../base/address.ts';
import type { InterceptAddress } from '../../run/plan/options.ts';
import { parseWhole } from './numbers.ts';
import { valueError } from './value-error.ts';

/** A place as it was written; `host` is an address or a name still to be looked up. */
export interface HostPort {
  readonly label: string;
  readonly host: string;
  readonly port: number;
}

/** A route whose target has not been looked up yet. */
export interface RouteSpec {
  readonly recordedAddress: string | null;
  readonly recordedPort: number | null;
  readonly target: HostPort;
}

const ENDPOINT_FORM = 'write HOST:PORT, 192.0.2.1:80 or [2001:db8::1]:80';

/** The target inside the process. */
export const EMBEDDED = 'embedded';

/** A target: `HOST:PORT`, or `embedded`. */
export const parseTarget = (text: string): HostPort | typeof EMBEDDED =>
  text.trim() === EMBEDDED ? EMBEDDED : parseEndpoint(text);

/** Reads `HOST:PORT`: an IPv4 address, an IPv6 address in brackets, or a name. */
export function parseEndpoint(text: string): HostPort {
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

/** Where intercepts listen unless they are told otherwise; their ancestors' port. */
export const INTERCEPT_PORT = 36_524;

/** An intercept as it was written; `port` is null where none was named. */
export interface InterceptSpec {
  readonly label: string;
  readonly host: string;
  readonly port: number | null;
}

/** `local`, `HOST`, `HOST:PORT`, an IPv6 address bare or in brackets. */
export function parseIntercept(text: string): InterceptSpec | 'local' {
  const label = text.trim();
  if (label === 'local') return label;
  const bare = /^\[([^\]]*)\]$/.exec(label)?.[1] ?? label;
  const address = parseAddress(bare);
  if (address !== null) return { label, host: formatAddress(address), port: null };
  if (/^[a-z\d_][a-z\d_.-]*$/i.test(label) && !/^[\d.]+$/.test(label)) {
    return { label, host: label, port: null };
  }
  return parseEndpoint(label);
}

/** `[HOST:]PORT` to listen on: an address of this machine, an IPv6 one bare or in brackets. */
export function parseListen(text: string): InterceptAddress {
  const bare = addressOf(text.trim());
  return bare === null
    ? parsePortToListen(text, { example: INTERCEPT_PORT, min: 0 })
    : { host: bare, port: INTERCEPT_PORT };
}

/** `[HOST:]PORT` for Prometheus, which has to know the port. */
export const parseMetrics = (text: string): InterceptAddress =>
  parsePortToListen(text, { example: 9_100, min: 1 });

/** @param port one for the fault's text, and the least that may be asked for */
function parsePortToListen(
  text: string,
  { example, min }: { readonly example: number; readonly min: number },
): InterceptAddress {
  const trimmed = text.trim();
  const parsePort = (port: string): number => parseWhole(port, { min, max: 65_535 });
  if (/^\d+$/.test(trimmed)) return { host: '127.0.0.1', port: parsePort(trimmed) };
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(trimmed) ?? [];
  const address = addressOf(host);
  const isBareIpv6 = host.includes(':') && !host.startsWith('[');
  if (address !== null && !isBareIpv6) return { host: address, port: parsePort(port) };
  const forms = `write ${example}, 10.0.0.9:${example} or [::1]:${example}`;
  throw valueError(`'${text}' is not [HOST:]PORT`, forms);
}

/** The text form of an address, an IPv6 one perhaps in brackets; null where it is none. */
function addressOf(text: string): string | null {
  if (text === 'localhost') return '127.0.0.1';
  const address = parseAddress(/^\[(.*)\]$/.exec(text)?.[1] ?? text);
  return address === null ? null : formatAddress(address);
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
