/** What a replay would do, without sending a packet. */

import { formatPorts } from '../base/port-range.ts';
import { NS_PER_SECOND } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../base/units.ts';
import { warnOfHints } from './plan/capture-hints.ts';
import type { ReplayOptions, RunHost } from './plan/options.ts';
import type { PlannedRun } from './plan/plan-run.ts';
import { plannedLoad } from './plan/planned-load.ts';
import { targetCommands } from './plan/target-commands.ts';
import { indexForReplay, planWay } from './replay-run.ts';
import { STATE_BYTES_PER_USER } from './run-facts.ts';
import { describeWay, warnOfWay } from './threads/network-way.ts';
import { ProgressMeter } from './threads/progress-meter.ts';

/**
 * The plan as text: sessions, users, addresses, duration, rates, memory, and the commands that the
 * target needs.
 * @throws ReplayError as runReplay does before it sends anything
 */
export async function describePlan(options: ReplayOptions, host: RunHost): Promise<string> {
  const index = await indexForReplay(options, host, new ProgressMeter(host));
  try {
    const { planned, network } = planWay(index.scripts(), options, Date.now(), false);
    for (const warning of planned.warnings) host.onWarning(warning);
    if (network !== null) {
      for (const warning of warnOfWay(network, planned.plan)) host.onWarning(warning);
      for (const warning of warnOfHints(index, planned)) host.onWarning(warning);
    }
    const { total, replayable, skipped } = index.sessions;
    const reasons = Object.entries(skipped).map(
      ([reason, count]) => `${formatCount(count)} ${reason}`,
    );
    const lines: [string, string][] = [
      ['captures', options.captures.join(', ')],
      [
        'sessions',
        `${formatCount(total)} found, ${formatCount(replayable - planned.unmapped)} to be played` +
          (reasons.length > 0 ? `; not: ${reasons.join(', ')}` : ''),
      ],
      ...planLines(planned, options),
      ...(network === null
        ? [['path', 'none: the embedded target lives in this process'] as [string, string]]
        : describeWay(network, planned.plan).map((line): [string, string] => ['path', line])),
    ];
    const width = Math.max(...lines.map(([name]) => name.length));
    const table = lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
    const commands = network === null ? [] : targetCommands(planned.plan, network);
    return `${[table, ...commands, 'dry run: nothing was sent'].join('\n\n')}\n`;
  } finally {
    index.close();
  }
}

function planLines(planned: PlannedRun, options: ReplayOptions): [string, string][] {
  const { plan, pool, arrivals, targetLabels, playsUntilNs } = planned;
  const { scripts, played } = plan;
  const load = plannedLoad(planned);
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
    ['arrivals', arrivals.description],
    ['clients', `${plan.clients.text}, ports ${formatPorts(plan.ports)}: ${connections}`],
    ['first, last', `${endpointOf(planned, 0)}, ${endpointOf(planned, plays - 1)}`],
    ['target', [...new Set(targetLabels)].join(', ')],
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

function endpointOf({ pool, plan }: PlannedRun, connection: number): string {
  const address = pool.addressOf(connection);
  const port = pool.portOf(connection);
  return plan.clients.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
