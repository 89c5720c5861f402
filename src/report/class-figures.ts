/** Classes of requests side by side, those on which most time was spent first. */
import { formatCount } from '../base/units.ts';
import type { ClassReport, RunResult } from '../measure/result.ts';
import { formatMs, shareText } from './format.ts';
import { cellOf, unitOf } from './latency-figures.ts';
import { alignRight, whole } from './layout.ts';

/** What is shown of a class besides its name. */
const FIGURES = ['mean', 'p50', 'p90', 'p99', 'max'] as const;
const HEAD_COUNTS = ['sent', 'answered', 'unlike'] as const;
/** Names are cut where there is less room, but not below this. */
const NAME_COLUMNS_MIN = 16;
/** Which columns go first when there is less room. */
const DISPENSABLE: readonly string[] = ['mean', 'p90', 'answered', 'p50'];

/** By the time that all of their answers took together, the longest first; then by name. */
export const byTime = (classes: readonly ClassReport[]): readonly ClassReport[] =>
  [...classes].sort((a, b) => timeOf(b) - timeOf(a) || (a.name < b.name ? -1 : 1));

const timeOf = ({ response }: ClassReport): number => (response.mean ?? 0) * response.count;

/** A table with its head, times in one unit that is named there. */
export function classTable(classes: readonly ClassReport[]): readonly (readonly string[])[] {
  const unit = unitOf(classes.map(({ response }) => response));
  return [
    [`requests, ${unit.name}`, ...HEAD_COUNTS, ...FIGURES],
    ...byTime(classes).map(({ name, sent, answered, mismatched, response }) => [
      name,
      ...[sent, answered, mismatched].map(formatCount),
      ...FIGURES.map((figure) => cellOf(response[figure], unit)),
    ]),
  ];
}

/** The table as lines of at most so many characters: names are cut, then columns left out. */
export function classLines(classes: readonly ClassReport[], width: number): string[] {
  if (classes.length === 0) return [];
  const [head = [], ...rows] = classTable(classes);
  let table = [head, ...rows.map(([name = '', ...cells]) => [`  ${name}`, ...cells])];
  for (const column of ['', ...DISPENSABLE]) {
    const at = table.at(0)?.indexOf(column) ?? -1;
    if (at > 0) table = table.map((cells) => cells.filter((_, i) => i !== at));
    const longest = Math.max(...table.map(([name = '']) => name.length));
    const others = Math.max(...alignRight(table).map(({ length }) => length)) - longest;
    const room = width - others;
    if (room < Math.min(longest, NAME_COLUMNS_MIN)) continue;
    return alignRight(table.map(([name = '', ...cells]) => [cut(name, room), ...cells]));
  }
  return alignRight(table);
}

const cut = (name: string, columns: number): string =>
  name.length <= columns ? name : `${name.slice(0, columns - 1)}…`;

/** One line for a first look: what took most time, and what was slowest; null where there is one class. */
export function classesText({ classes }: RunResult): string | null {
  if (classes.length < 2) return null;
  const [most] = byTime(classes);
  const slowest = classes.reduce((a, b) => ((b.response.p99 ?? 0) > (a.response.p99 ?? 0) ? b : a));
  const spent = classes.reduce((sum, each) => sum + timeOf(each), 0);
  const parts = [
    `${formatCount(classes.length)} kinds`,
    `most time in ${most.name} (${shareText(timeOf(most), spent)})`,
    `slowest ${slowest.name} (p99 ${formatMs(slowest.response.p99)})`,
  ];
  return parts.map(whole).join(', ');
}
