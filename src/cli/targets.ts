/** Where sessions are played: how targets are written, looked up, and which ones are refused. */
import { formatAddress, parseAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import {
  OWN_CLIENTS,
  type ReplayOptions,
  type ReplayTarget,
  type Route,
} from '../run/plan/options.ts';
import { isPublic, isUnicast } from './address-kinds.ts';
import type { Context } from './context.ts';
import { FaultList } from './usage-error.ts';
import type { HostPort, RouteSpec } from './values/endpoints.ts';

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
  if (target.kind === 'embedded' || clients === OWN_CLIENTS) return null;
  const { family, ranges, text } = clients;
  const isAnyPublic = ranges.some(({ prefix, start, count }) =>
    [start, start + count - 1].some((low) => isPublic(formatAddress({ family, prefix, low }))),
  );
  if (!isAnyPublic) return null;
  return `the clients ${text} have public addresses: see that the target's replies to them cannot leave your network`;
}

function checkTarget(
  address: string,
  { label, host }: HostPort,
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
  { host }: HostPort,
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
