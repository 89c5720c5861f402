/** Where intercepts listen and connect: how addresses are written, and where the secret is found. */
import { formatAddress, parseAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import type { ChannelToken, InterceptAddress } from '../run/plan/options.ts';
import { TOKEN_VARIABLE } from './choices.ts';
import type { Context } from './context.ts';
import type { GivenOptions } from './given-options.ts';
import { parseEndpoint } from './targets.ts';
import type { FaultList } from './usage-error.ts';
import { parseWhole, valueError } from './values.ts';

/** Where intercepts listen unless they are told otherwise; their ancestors' port. */
export const INTERCEPT_PORT = 36_524;

/** `HOST`, `HOST:PORT`, an IPv6 address bare or in brackets. */
export function parseInterceptAddress(text: string, defaultPort: number): InterceptAddress {
  const trimmed = text.trim();
  const bare = /^\[([^\]]*)\]$/.exec(trimmed)?.[1] ?? trimmed;
  const address = parseAddress(bare);
  if (address !== null) return { host: formatAddress(address), port: defaultPort };
  if (/^[a-z\d_][a-z\d_.-]*$/i.test(trimmed) && !/^[\d.]+$/.test(trimmed)) {
    return { host: trimmed, port: defaultPort };
  }
  const { host, port } = parseEndpoint(trimmed);
  return { host, port };
}

/** The intercepts of a replay, names not looked up yet; none: replies are picked up here. */
export function readIntercepts(given: GivenOptions, faults: FaultList): InterceptAddress[] {
  const portText = given.text('intercept-port');
  const defaultPort =
    portText === null
      ? INTERCEPT_PORT
      : faults.attempt(portText.label, INTERCEPT_PORT, () =>
          parseWhole(portText.text, { min: 1, max: 65_535 }),
        );
  const texts = given.texts('intercept');
  const found: InterceptAddress[] = [];
  for (const { label, text } of texts) {
    if (text.trim() === 'local') {
      if (texts.length > 1)
        faults.add(`${label}: 'local' stands alone`, 'leave it or the rest out');
      continue;
    }
    const parsed = faults.attempt(label, null, () => parseInterceptAddress(text, defaultPort));
    if (parsed === null) continue;
    const isTwice = found.some(({ host, port }) => host === parsed.host && port === parsed.port);
    if (isTwice) faults.add(`${label}: '${text}' is named twice`, 'name each intercept once');
    found.push(parsed);
  }
  return found;
}

/** @throws ReplayError ERR_CLI_LOOKUP (unreachable) for a name without an address */
export async function resolveIntercepts(
  specs: readonly InterceptAddress[],
  lookup: Context['lookup'],
): Promise<readonly InterceptAddress[]> {
  return await Promise.all(
    specs.map(async ({ host, port }) => {
      if (parseAddress(host) !== null) return { host, port };
      const found = (await lookup(host)).at(0);
      if (found !== undefined) return { host: found.address, port };
      throw new ReplayError({
        code: 'ERR_CLI_LOOKUP',
        kind: 'unreachable',
        message: `intercept ${host}: the name has no address`,
        hint: 'check the spelling, or write the IP address',
      });
    }),
  );
}

/**
 * The channel's secret: `--token-file` goes before the environment.
 * @throws ReplayError as Files.read does
 */
export async function readToken(
  given: GivenOptions,
  { env, files }: Pick<Context, 'env' | 'files'>,
): Promise<ChannelToken | null> {
  const file = given.text('token-file');
  if (file !== null) {
    const text = await files.read(file.text).catch((fault: unknown) => {
      throw fault instanceof ReplayError ? ofOption(file.label, fault) : fault;
    });
    return { text, where: file.text };
  }
  const text = env[TOKEN_VARIABLE];
  return text === undefined || text === '' ? null : { text, where: TOKEN_VARIABLE };
}

const ofOption = (label: string, { code, kind, message, hint, cause }: ReplayError): ReplayError =>
  new ReplayError({
    code,
    kind,
    message: `${label}: ${message}`,
    ...(hint === null ? {} : { hint }),
    cause,
  });

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
