/** What a replay would do, without sending a packet. */

import { formatAddress } from '../base/address.ts';
import { formatPorts } from '../base/port-range.ts';
import { NS_PER_SECOND } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../base/units.ts';
import { CLIENT_BYTES } from '../replay/client-starts.ts';
import { REWRITING_BYTES_PER_USER, stateBytesOf } from '../replay/state-bytes.ts';
import { AddressPool } from '../schedule/address-pool.ts';
import { planArrivals } from '../schedule/arrivals.ts';
import { ClientPlaces } from '../schedule/client-places.ts';
import type { ConnectionPool } from '../schedule/connection-pool.ts';
import { plannedPlays } from '../schedule/connections.ts';
import { reservableBytes } from '../transport/message-arena.ts';
import { warnOfHints, warnOfPorts } from './plan/capture-hints.ts';
import { poolOf } from './plan/engine-plan.ts';
import { describeWay, warnOfWay } from './plan/network-way.ts';
import type { ReplayOptions, RunHost } from './plan/options.ts';
import { plannedLoad } from './plan/planned-load.ts';
import { type RunPlan, rowsOf } from './plan/run-plan.ts';
import { targetCommands } from './plan/target-commands.ts';
import { arenaBytesOf, draftFor, planWay } from './plans.ts';
import { indexForReplay } from './replay-run.ts';
import { ProgressMeter } from './threads/progress-meter.ts';

/**
 * The plan as text: sessions, users, addresses, duration, rates, memory, and the commands that the
 * target needs.
 * @throws ReplayError as runReplay does before it sends anything
 */
export async function describePlan(options: ReplayOptions, host: RunHost): Promise<string> {
  const index = await indexForReplay(options, host, new ProgressMeter(host));
  try {
    const draft = await draftFor(index, index.scripts(), options, host);
    const { plan, network } = planWay(draft, Date.now(), false);
    for (const warning of [...draft.warnings, ...warnOfPorts(plan)]) host.onWarning(warning);
    if (network !== null) {
      for (const warning of warnOfWay(network, plan)) host.onWarning(warning);
      for (const warning of warnOfHints(index, plan, options.modules)) host.onWarning(warning);
    }
    const { total, replayable, skipped } = index.sessions;
    const reasons = Object.entries(skipped).map(
      ([reason, count]) => `${formatCount(count)} ${reason}`,
    );
    const lines: [string, string][] = [
      ['captures', options.captures.join(', ')],
      [
        'sessions',
        `${formatCount(total)} found, ${formatCount(plan.played.length - (plan.scripts.sessions - replayable))} to be played` +
          (reasons.length > 0 ? `; not: ${reasons.join(', ')}` : ''),
      ],
      ...planLines(plan, options),
      ...(network === null
        ? [['path', 'none: the embedded target lives in this process'] as [string, string]]
        : describeWay(network, plan).map((line): [string, string] => ['path', line])),
    ];
    const width = Math.max(...lines.map(([name]) => name.length));
    const table = lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
    const commands = network === null ? [] : targetCommands(plan, network);
    return `${[table, ...commands, 'dry run: nothing was sent'].join('\n\n')}\n`;
  } finally {
    index.close();
  }
}

function planLines(plan: RunPlan, options: ReplayOptions): [string, string][] {
  const { scripts, played, playsUntilNs } = plan;
  const pool = new AddressPool(plan);
  const load = plannedLoad(plan);
  const { plays } = load;
  const untilText = playsUntilNs === null ? null : formatDuration(playsUntilNs);
  const pairs = formatCount(pool.capacity);
  const room = plan.portsByTarget
    ? `${formatCount(plays)}, ${pairs} address-port pairs at each of ${formatCount(plan.targets.length)} targets`
    : `${formatCount(plays)} of ${pairs} address-port pairs`;
  const about = untilText === null ? '' : 'about ';
  const connections = `${about}${room}`;
  const seconds = load.durationNs / NS_PER_SECOND;
  return [
    ['users', usersText(plan, plays)],
    ...shareLines(plan),
    ['arrivals', planArrivals(plan.arrivals).description],
    ['clients', `${plan.clients.text}, ports ${formatPorts(plan.ports)}: ${connections}`],
    ['first, last', endsText(plan, plays)],
    ['target', [...new Set(plan.targets.map(({ label }) => label))].join(', ')],
    ['pace', `${options.pace}, ${options.accel} × as fast as recorded`],
    ['duration', `about ${formatDuration(load.durationNs)} where the target answers as recorded`],
    [
      'load',
      `${about}${formatCount(load.messages)} messages, ${formatBytes(load.payloadBytes)} of payload` +
        (seconds > 0
          ? `; on average ${formatRate(plays / seconds)} connections, ` +
            `${formatBytes(load.wireBytes / seconds)}/s on the wire`
          : ''),
    ],
    [
      'memory',
      `${memoryText(plan)}; ` +
        `${formatCount(played.length)} scripts of ${formatCount(scripts.client.messageEnd.length)} messages`,
    ],
    ...rewritingLines(plan, options),
    ['seed', String(options.seed)],
  ];
}

/** What modules want with the sessions, and the memory for it. */
function rewritingLines(plan: RunPlan, options: ReplayOptions): [string, string][] {
  const { rewrites } = plan;
  if (rewrites === undefined) return [];
  const { sessions, messages, stages, dialogues, told, untold, longestBytes, roomBytes } = rewrites;
  if (sessions.size === 0) return [['rewritten', 'nothing: no module wants any of the sessions']];
  const arenaBytes = arenaBytesOf(plan, options, 1);
  const rooms = Math.floor(reservableBytes(arenaBytes) / roomBytes);
  const names = [...sessions].map(([name, count]) => `${formatCount(count)} by ${name}`);
  const parts = [
    `sessions ${names.join(', ')}`,
    `${formatCount(messages)} requests written anew (up to ${formatBytes(longestBytes)})`,
    `${formatCount(stages)} answers read`,
    ...(dialogues > 0 ? [`${formatCount(dialogues)} begun by the module`] : []),
    ...(told + untold > 0
      ? [`the module knows where ${formatCount(told)} of ${formatCount(told + untold)} answers end`]
      : []),
    `up to ${formatBytes(arenaBytes)} of memory for them in a thread` +
      (roomBytes > 0 ? `, room for at least ${formatCount(rooms)} users at a time` : ''),
    `about ${formatBytes(REWRITING_BYTES_PER_USER)} more a user, and what the module keeps`,
  ];
  return [['rewritten', parts.join('; ')]];
}

/** Which part of the run this is. */
function shareLines({ share: { index, of, users } }: RunPlan): [string, string][] {
  return of === 1
    ? []
    : [['share', `${index + 1} of ${of}, of ${formatCount(users)} users in all`]];
}

/** How many users there are, how often each plays, and where they are clients, how many connections that is. */
function usersText(plan: RunPlan, plays: number): string {
  const { users, iterations, playsUntilNs, perClient } = plan;
  const each =
    playsUntilNs === null
      ? `${formatCount(iterations)} × each`
      : `each again and again until ${formatDuration(playsUntilNs)}` +
        (perClient !== undefined || plays < plannedPlays(plan)
          ? ''
          : `, at most ${formatCount(iterations)} times: more the pool does not hold`);
  if (perClient === undefined) return `${formatCount(users)}, ${each}`;
  const recorded = perClient.firstOf.length - 1;
  return (
    `${formatCount(users)} clients, ${each}, in turn the ${formatCount(recorded)} recorded ones ` +
    `with up to ${formatCount(perClient.connectionsMax)} connections each`
  );
}

/** The ends of the first and the last connection; of clients the first one of each. */
function endsText(plan: RunPlan, plays: number): string {
  const pool = poolOf(plan, 0, 1);
  const { perClient, users, iterations } = plan;
  if (perClient === undefined) return `${endpointOf(pool, 0)}, ${endpointOf(pool, plays - 1)}`;
  const portsEach = iterations * perClient.connectionsMax;
  const places = new ClientPlaces(pool.numbering, users, portsEach);
  return `${endpointOf(pool, 0)}, ${endpointOf(pool, places.connectionOf(users - 1, 0))}`;
}

function memoryText(plan: RunPlan): string {
  const each = stateBytesOf(plan);
  const bytes = each * rowsOf(plan);
  if (plan.perClient === undefined) return `${each} bytes a user: ${formatBytes(bytes)}`;
  return (
    `${each} bytes a connection and ${CLIENT_BYTES} a client: ` +
    formatBytes(bytes + CLIENT_BYTES * plan.users)
  );
}

function endpointOf(pool: ConnectionPool, connection: number): string {
  const { family, prefix } = pool.clients;
  const address = formatAddress({ family, prefix, low: pool.lowBitsOf(connection) >>> 0 });
  const port = pool.portOf(connection);
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
