/** Which intercepts a replay uses, and where the secret is found. */
import { parseAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import type { ChannelToken, InterceptAddress } from '../run/plan/options.ts';
import { TOKEN_VARIABLE } from './choices.ts';
import type { Context } from './context.ts';
import type { GivenOptions } from './given-options.ts';
import type { FaultList } from './usage-error.ts';
import type { InterceptSpec } from './values/endpoints.ts';

/** The intercepts of a replay, names not looked up yet; none: replies are picked up here. */
export function readIntercepts(
  specs: readonly (InterceptSpec | 'local')[],
  { label, port: defaultPort }: { readonly label: string; readonly port: number },
  faults: FaultList,
): readonly InterceptAddress[] {
  const found: InterceptAddress[] = [];
  for (const spec of specs) {
    if (spec === 'local') {
      if (specs.length > 1)
        faults.add(`${label}: 'local' stands alone`, 'leave it or the rest out');
      continue;
    }
    const { host } = spec;
    const port = spec.port ?? defaultPort;
    const isTwice = found.some((each) => host === each.host && port === each.port);
    if (isTwice) faults.add(`${label}: '${spec.label}' is named twice`, 'name each intercept once');
    found.push({ host, port });
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

/** The same fault, told of the option that brought it about. */
export const ofOption = (
  label: string,
  { code, kind, message, hint, cause }: ReplayError,
): ReplayError =>
  new ReplayError({
    code,
    kind,
    message: `${label}: ${message}`,
    ...(hint === null ? {} : { hint }),
    cause,
  });
