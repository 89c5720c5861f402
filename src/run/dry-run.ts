/** What a replay would do, without sending a packet. */

import { formatPorts } from '../base/port-range.ts';
import { NS_PER_SECOND } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../base/units.ts';
import { STATE_BYTES_PER_USER } from '../replay/replay.ts';
import { AddressPool } from '../schedule/address-pool.ts';
import { planArrivals } from '../schedule/arrivals.ts';
import { warnOfHints } from './plan/capture-hints.ts';
import { describeWay, warnOfWay } from './plan/network-way.ts';
import type { ReplayOptions, RunHost } from './plan/options.ts';
import { plannedLoad } from './plan/planned-load.ts';
import { type RunPlan, unmappedOf } from './plan/run-plan.ts';
import { targetCommands } from './plan/target-commands.ts';
import { draftFor, indexForReplay, planWay } from './replay-run.ts';
import { ProgressMeter } from './threads/progress-meter.ts';

/**
 * The plan as text: sessions, users, addresses, duration, rates, memory, and the commands that the
 * target needs.
 * @throws ReplayError as runReplay does before it sends anything
 */
export async function describePlan(options: ReplayOptions, host: RunHost): Promise<string> {
  const index = await indexForReplay(options, host, new ProgressMeter(host));
  try {
    const draft = draftFor(index, options);
    const { plan, network } = planWay(draft, Date.now(), false);
    for (const warning of draft.warnings) host.onWarning(warning);
    if (network !== null) {
      for (const warning of warnOfWay(network, plan)) host.onWarning(warning);
      for (const warning of warnOfHints(index, plan)) host.onWarning(warning);
    }
    const { total, replayable, skipped } = index.sessions;
    const reasons = Object.entries(skipped).map(
      ([reason, count]) => `${formatCount(count)} ${reason}`,
    );
    const lines: [string, string][] = [
      ['captures', options.captures.join(', ')],
      [
        'sessions',
        `${formatCount(total)} found, ${formatCount(replayable - unmappedOf(plan))} to be played` +
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
  const about = untilText === null ? '' : 'about ';
  const connections = `${about}${formatCount(plays)} of ${formatCount(pool.capacity)} address-port pairs`;
  const seconds = load.durationNs / NS_PER_SECOND;
  return [
    [
      'users',
      `${formatCount(plan.users)}, ` +
        (untilText === null
          ? `${formatCount(plan.iterations)} × each`
          : `each again and again until ${untilText}` +
            (plays < plan.users * plan.iterations
              ? ''
              : `, at most ${formatCount(plan.iterations)} times: more the pool does not hold`)),
    ],
    ['arrivals', planArrivals(plan.arrivals).description],
    ['clients', `${plan.clients.text}, ports ${formatPorts(plan.ports)}: ${connections}`],
    ['first, last', `${endpointOf(pool, 0)}, ${endpointOf(pool, plays - 1)}`],
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
      `${STATE_BYTES_PER_USER} bytes a user: ${formatBytes(STATE_BYTES_PER_USER * plan.users)}; ` +
        `${formatCount(played.length)} scripts of ${formatCount(scripts.client.messageEnd.length)} messages`,
    ],
    ['seed', String(options.seed)],
  ];
}

function endpointOf(pool: AddressPool, connection: number): string {
  const address = pool.addressOf(connection);
  const port = pool.portOf(connection);
  return pool.clients.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
