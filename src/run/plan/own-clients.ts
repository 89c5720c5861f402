/** A run whose clients are this machine's own addresses: which ones, with which ports. */
import type { Endpoint } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { countPorts, formatPorts, type PortRange } from '../../base/port-range.ts';
import { formatCount } from '../../base/units.ts';
import { isBridge } from '../../io/way/interfaces.ts';
import type { LocalPath } from '../../io/way/local-path.ts';
import { areOwn, ownAddressFor } from '../../io/way/own-addresses.ts';
import { choosePorts, PORTS_MOST, readPortUse, type SharedPorts } from '../../io/way/own-ports.ts';
import { type ClientAddresses, onlyClient } from '../../schedule/client-addresses.ts';
import { addressesOfShare } from '../../schedule/run-share.ts';
import type { PlanDraft } from './draft-plan.ts';
import { findPath, type NetworkWay } from './network-way.ts';
import { OWN_CLIENTS, type ReplayOptions } from './options.ts';
import { planRun } from './plan-run.ts';
import type { RunPlan } from './run-plan.ts';

const LOOPBACK_FIRST_OCTET = 127;

/** What own addresses make of a run. */
interface OwnClients {
  /** The options with the addresses and ports, and a sender that reaches the target from them. */
  readonly options: ReplayOptions & {
    readonly clients: ClientAddresses;
    readonly ports: PortRange;
  };
  /** Ports of them that the kernel may give to connections of its own; null: none. */
  readonly sharedPorts: SharedPorts | null;
  /** What to do where they are too few. */
  readonly hintTooFew: string;
}

/** Whether the clients are this machine's own addresses, by that word or one by one. */
export function asksForOwn({ clients, target, intercepts, share = null }: ReplayOptions): boolean {
  // Intercepts are for addresses that nobody has.
  if (target.kind === 'embedded' || intercepts.length > 0) return false;
  if (clients === OWN_CLIENTS) return true;
  // The other shares' addresses may be those of other machines.
  const { ranges } = addressesOfShare(clients, { index: 0, of: 1, ...share, users: 0 });
  return ranges.length > 0 && areOwn(ranges);
}

/**
 * The plan of a run that plays from own addresses, and its way: the kernel itself answers the link for
 * them, and must not hear the replies.
 * @throws ReplayError as findLocalPath, ownAddressFor and planRun do; ERR_RUN_NO_PORTS (usage)
 */
export function planOwn(
  draft: PlanDraft,
  epochMs: number,
  asksLink: boolean,
): { readonly plan: RunPlan; readonly network: NetworkWay } {
  const { options, sharedPorts, hintTooFew } = ownClients(draft, findPath(draft, false));
  const owned = { ...draft, options, clients: options.clients };
  const path = findPath(owned, asksLink);
  const { mtu } = path;
  const addressesMax = Number.POSITIVE_INFINITY;
  const plan = planRun(owned, { mtu, inUse: [], addressesMax, hintTooFew }, epochMs);
  const { targets, clients, ports } = plan;
  const device = path.device.name;
  const drop = { device, isBridge: isBridge(device), targets, ranges: clients.ranges, ports };
  const own = { drop, makesRule: options.makesRules, sharedPorts };
  const { sender, wakeupNs = 0 } = options;
  const network = {
    path,
    sender,
    wakeupNs,
    answersNeighbours: 'nobody',
    own,
    intercepts: [],
  } as const;
  return { plan, network: { ...network, channel: null } };
}

function ownClients({ options, targets, share }: PlanDraft, path: LocalPath): OwnClients {
  const { clients, ports, sender } = options;
  const use = readPortUse();
  const isLocal = path.routes.some((route) => route.isLocal);
  // On one machine an address and port cannot be both ends of a connection.
  const used = isLocal ? [...use.used, ...targets.map(({ port }) => port)] : use.used;
  const chosen = choosePorts(ports, { ...use, used });
  if (chosen === null) throw noPorts(ports);
  return {
    options: {
      ...options,
      clients:
        clients === OWN_CLIENTS
          ? onlyClient(ownAddressFor(path.routes))
          : addressesOfShare(clients, share),
      ports: chosen.ports,
      // Frames that come in by `lo` are routed as a stranger's, who must not have an own address; what
      // a raw socket sends bears its route with it.
      sender: isLocal && (sender === 'packet' || sender === 'xdp') ? 'ip' : sender,
    },
    sharedPorts: chosen.shared,
    hintTooFew: tooFew(targets, ports === null),
  };
}

function tooFew(targets: readonly Endpoint[], mayWiden: boolean): string {
  const isLoopback = targets.every(
    ({ address }) => address.family === 4 && address.low >>> 24 === LOOPBACK_FIRST_OCTET,
  );
  const wider = mayWiden
    ? `use more ports: --ports ${formatPorts(PORTS_MOST)} (${formatCount(countPorts(PORTS_MOST))} an address, less what this machine uses), or `
    : '';
  return isLoopback
    ? `${wider}use more addresses: --clients 127.0.0.0/24 (or up to /8), all of them this machine's own`
    : `${wider}use more addresses: give this machine more (ip address add), and name them: --clients A,B`;
}

const noPorts = (ports: PortRange | null): ReplayError =>
  new ReplayError({
    code: 'ERR_RUN_NO_PORTS',
    kind: 'usage',
    message: `this machine uses every port of ${ports === null ? '1024-65535' : formatPorts(ports)} itself`,
    hint: `name others: --ports ${formatPorts(PORTS_MOST)}; ss -tan shows who has them`,
  });
