/** Whether two results are of the same load, so that what differs is the target's doing. */
import { NS_PER_SECOND } from '../base/time.ts';
import { formatDuration } from '../base/units.ts';
import type { NamedResult } from './merge-results.ts';
import type { RunResult } from './result.ts';

/** What two results do not have in common. */
export interface Unlike {
  /** Each of these makes a comparison mean nothing. */
  readonly hindrances: readonly string[];
  /** What may well differ, and should be known. */
  readonly notes: readonly string[];
}

/** What may differ between runs that are compared: where they went, from where, and what chance decided. */
const FREE: ReadonlySet<string> = new Set(['target', 'clients', 'ports', 'order', 'seed']);

/** What one result has and the other has not. */
export function unlikeOf(one: NamedResult, other: NamedResult): Unlike {
  const [a, b] = [one.result, other.result];
  const hindrances: string[] = [];
  if (a.capture.digest !== null && b.capture.digest !== null) {
    if (a.capture.digest !== b.capture.digest) {
      const names = [a, b].map(({ capture }) => capture.files.join(', '));
      hindrances.push(`they played other captures (${names.join(' and ')})`);
    }
  }
  hindrances.push(...planDifferences(a, b));
  if (a.clock !== b.clock) hindrances.push(`${a.clock} and ${b.clock} time`);
  const shares = [a, b].map(({ shares: { of, played } }) =>
    played.length === of ? 'a whole run' : `share ${played.join(', ')} of ${of}`,
  );
  if (shares[0] !== shares[1]) hindrances.push(shares.join(' and '));
  const notes = (
    [
      ['target', a.plan.target, b.plan.target],
      ['clients', a.plan.clients, b.plan.clients],
      ['gryphon', a.version, b.version],
    ] as const
  ).flatMap(([what, here, there]) => (here === there ? [] : [`${what} ${here} and ${there}`]));
  return { hindrances, notes };
}

/** Options that decide what users do and are not the same. */
function planDifferences(a: RunResult, b: RunResult): string[] {
  if (a.plan.digest !== null && a.plan.digest === b.plan.digest) return [];
  const [here, there] = [askedOf(a), askedOf(b)];
  const names = [...new Set([...Object.keys(here), ...Object.keys(there)])];
  return names
    .filter((name) => !FREE.has(name) && here[name] !== there[name])
    .map((name) => `${wordOf(name)} ${shown(name, here[name])} and ${shown(name, there[name])}`);
}

/** What a run was asked for; of an older version what its plan tells. */
function askedOf({ record, plan }: RunResult): Readonly<Record<string, string>> {
  const asked = record?.identity.asked ?? {};
  if (Object.keys(asked).length > 0) return asked;
  const { users, iterations, accel, pace, arrivals, untilSeconds } = plan;
  const told = Object.entries({ users, iterations, accel, pace, arrivals, untilSeconds });
  return Object.fromEntries(told.map(([name, value]) => [name, JSON.stringify(value)]));
}

const wordOf = (name: string): string => name.replace(/Ns$/, '').replace(/Bytes$|PerSecond$/, '');

function shown(name: string, value: string | undefined): string {
  if (value === undefined || value === 'null') return 'not given';
  if (name === 'ramp') return rampText(value);
  return name.endsWith('Ns') ? formatDuration(Number(value)) : value;
}

/** As it is written for `--ramp`. */
function rampText(value: string): string {
  const points: readonly { readonly atNs: number; readonly users: number }[] = JSON.parse(value);
  const texts = points.map(({ atNs, users }) => `${atNs / NS_PER_SECOND}s:${users}`);
  return [...new Set(texts)].join();
}

/** What is to be known of a run before it is compared; null where it ran as it was meant to. */
export function irregularityOf({
  interrupted,
  failure,
  stopped,
  generator,
}: RunResult): string | null {
  if (interrupted) return 'was interrupted';
  if (failure !== null) return `ended early (${failure})`;
  if (stopped !== null) return stopped;
  return generator.fellBehind ? 'fell behind its plan: part of its latencies are its own' : null;
}
