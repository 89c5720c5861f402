/** What a probe in vain tells: what was seen, and the lines that mend it. */

import { formatAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { fullTracking } from '../../doctor/machine-findings.ts';
import type { MachineFacts } from '../../doctor/observations.ts';
import type { ReplyDropSpec } from '../../io/rules/drop-spec.ts';
import { replyDropLines } from '../../io/rules/reply-drop.ts';
import type { SendFaults } from '../../io/send/send-faults.ts';
import { DEFAULT_CLIENTS } from '../../schedule/client-addresses.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import type { RunPlan } from '../plan/run-plan.ts';
import { auxiliaryRoutes, localRoutes } from '../plan/target-commands.ts';

/** Routes that a hint names; the dry run has them all. */
const ROUTES_TOLD = 3;

/** What was sent as a probe, and to which target. */
export interface ProbeSeen {
  /** The target's row in the plan. */
  readonly row: number;
  /** `ADDRESS:PORT` that the probe came from. */
  readonly client: string;
  /** Of the intercepts; null: replies come to this machine. */
  readonly mode: string | null;
}

/** A probe that nothing answered, and why its packets may not have left. */
export interface SilenceSeen extends ProbeSeen {
  readonly unsent: SendFaults;
  /** This machine's tracked connections; null where there are none. */
  readonly tracked: MachineFacts['conntrack'];
}

/** Nothing listens there, or a firewall says so. */
export const probeReset = (plan: RunPlan, { row, client }: ProbeSeen): ReplayError =>
  new ReplayError({
    code: 'ERR_PROBE_RESET',
    kind: 'unreachable',
    message:
      `the target's host answered the probe from ${client} to ${targetText(plan, row)} ` +
      'with a reset: nothing listens there, or a firewall rejects the clients',
    hint: `start the server, or see on the target: ss -ltn 'sport = :${plan.targets[row].port}'; nft list ruleset`,
  });

/** The host is reached and its replies come back, but it takes no connection. */
export const probeFull = (
  plan: RunPlan,
  { path }: NetworkWay,
  { row, client }: ProbeSeen,
): ReplayError =>
  new ReplayError({
    code: 'ERR_PROBE_FULL',
    kind: 'unreachable',
    message:
      `no answer to the probe's SYNs from ${client} to ${targetText(plan, row)}, though the target's host ` +
      'answers other segments: its accept queue is full, or a firewall drops new connections',
    hint:
      // Its own kernel translates the packets of its own connections only.
      (path.routes[row]?.isLocal === true
        ? "a container's port that is published on this machine: give the container's own address and port; or "
        : '') +
      `see on the target: ss -ltn 'sport = :${plan.targets[row].port}' (Recv-Q above Send-Q: full; ` +
      'the server does not accept, or its backlog is too short), nstat -az TcpExtListenOverflows',
  });

/** A router or a firewall has said that it does not let the probe pass. */
export const probeUnreachable = (
  plan: RunPlan,
  { path }: NetworkWay,
  { row, client }: ProbeSeen,
  heard: string,
): ReplayError =>
  new ReplayError({
    code: 'ERR_PROBE_UNREACHABLE',
    kind: 'unreachable',
    message: `the probe from ${client} to ${targetText(plan, row)} did not get through; ${heard}`,
    hint:
      'let the clients through there (nft list ruleset, iptables -S, ip route get), ' +
      `or look: tcpdump -ni ${path.device.name} 'icmp or icmp6'`,
  });

/** This machine's own kernel has ended the probe's connection, and would end the users'. */
export const probeOwnReset = (
  plan: RunPlan,
  { own }: NetworkWay,
  { row, client }: ProbeSeen,
): ReplayError =>
  new ReplayError({
    code: 'ERR_PROBE_OWN_RESET',
    kind: 'environment',
    message:
      `this machine's own kernel resets connections from ${client} to ${targetText(plan, row)}: ` +
      'the rule that keeps the replies from it is missing, or another one lets them in before',
    hint:
      own === null
        ? 'leave --no-firewall-rules out'
        : `leave --no-firewall-rules out, or: ${ruleText(own.drop)}`,
  });

/** The rule for own addresses in both spellings. */
export function ruleText(drop: ReplyDropSpec): string {
  const { iptables, nft } = replyDropLines(drop);
  return `${iptables.join('; ')} (or: ${nft})`;
}

/** Nothing came back, or nothing left. */
export function probeFault(plan: RunPlan, way: NetworkWay, seen: SilenceSeen): ReplayError {
  if (seen.unsent.total > 0) return unsent(plan, way, seen);
  const { row, client, mode } = seen;
  const { path, intercepts } = way;
  const hop = path.routes[row].nextHop;
  const via = hop === null && mode !== null ? '' : ` (frames leave by ${path.device.name})`;
  const daemons = intercepts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const where = mode === null ? 'came back here' : `was seen by the intercept ${daemons} (${mode})`;
  return new ReplayError({
    code: 'ERR_PROBE_NO_ANSWER',
    kind: 'unreachable',
    message: `no answer to the probe from ${client} to ${targetText(plan, row)}${via} ${where}`,
    hint: mode === null ? silenceHint(plan, way) : interceptHint(plan, way, seen, mode),
  });
}

function unsent(plan: RunPlan, { path, sender }: NetworkWay, seen: SilenceSeen): ReplayError {
  const { notPermitted, tooLong, lastOther } = seen.unsent;
  const full = notPermitted > 0 ? fullTracking(seen.tracked) : null;
  const refusal =
    full === null ? "this machine's firewall refused it" : `this machine refused it: ${full.what}`;
  const byFirewall = notPermitted > 0 ? refusal : null;
  const why = byFirewall ?? lastOther ?? (tooLong > 0 ? 'it is too long' : 'no room in its queue');
  return new ReplayError({
    code: 'ERR_PROBE_UNSENT',
    kind: 'unreachable',
    message: `the probe to ${targetText(plan, seen.row)} did not leave by ${path.device.name}: ${why}`,
    hint:
      sender === 'packet' || sender === 'xdp'
        ? `see that the interface is up: ip link show ${path.device.name}`
        : `${full?.mend ?? 'let it pass (iptables -S OUTPUT, nft list ruleset)'}, or use --sender packet`,
  });
}

/** What to do where no reply of the target comes to this machine, in one line. */
export function silenceHint(plan: RunPlan, way: NetworkWay): string {
  const { path, answersNeighbours, own } = way;
  const [{ port }] = plan.targets;
  const watch = `tcpdump -ni any 'tcp port ${port}'`;
  if (path.routes.every(({ isLocal }) => isLocal)) {
    const translated =
      own === null
        ? ''
        : 'where a rule of this machine leads it to a container (DNAT), name the ' +
          "container's own address as the target; else ";
    return `${translated}see whether a firewall of this machine drops them (nft list ruleset; ${watch})`;
  }
  const arrive = `see there that SYNs arrive and no firewall drops them: ${watch}`;
  if (own !== null || answersNeighbours === 'everybody') return `on the target: ${arrive}`;
  const routes = localRoutes(plan, way).slice(0, ROUTES_TOLD).join('; ');
  const family = plan.clients.family === 4 ? 'ipv4' : 'ipv6';
  const strict =
    family === 'ipv4'
      ? '; where rp_filter is strict there: sysctl -w net.ipv4.conf.all.rp_filter=2'
      : '';
  const asks = family === 'ipv4' ? 'ARP' : 'NDP';
  const arp =
    path.device.asksNeighbours && answersNeighbours === 'nobody'
      ? `; where it asks the link for clients (${asks}): --arp`
      : '';
  // Nobody chose these clients: a way without a route is nearer.
  const isDefault = plan.clients.text === DEFAULT_CLIENTS[plan.clients.family].text;
  const nearer = isDefault ? "play from this machine's own address: --clients own; or " : '';
  return `${nearer}on the target: ${routes}${strict}${arp}; ${arrive}`;
}

function interceptHint(
  plan: RunPlan,
  { intercepts }: NetworkWay,
  seen: ProbeSeen,
  mode: string,
): string {
  const host = intercepts[0]?.host ?? 'AUXILIARY';
  const client = seen.client.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const family = plan.clients.family === 6 ? 'ipv6' : 'ipv4';
  const strict =
    family === 'ipv4'
      ? '; a strict rp_filter drops the SYN there: sysctl -w net.ipv4.conf.all.rp_filter=2'
      : '';
  const ip = family === 'ipv6' ? 'ip -6' : 'ip';
  if (mode !== 'advanced') {
    const route =
      mode === 'sink'
        ? ''
        : `, that it has a route for the clients, as a default route is (${ip} route get ${client})`;
    return (
      `see that the intercept runs on the target itself${route}, and that SYNs arrive there ` +
      `(tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0')${strict}`
    );
  }
  const routes = auxiliaryRoutes(plan.clients, host);
  return `on the target: ${routes.slice(0, ROUTES_TOLD).join('; ')}${strict}`;
}

const targetText = ({ targets }: RunPlan, row: number): string => {
  const { port } = targets[row];
  const address = formatAddress(targets[row].address);
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
};
