/** How answers were unlike the recorded ones, in words. */
import { formatCount } from '../base/units.ts';
import type { Difference } from '../measure/differences.ts';
import type { RunResult } from '../measure/result.ts';
import { whole } from './layout.ts';

/** As many are worth a look. */
const SHOWN = 5;

/** A difference, what was recorded and what came, how often, and one request of which it is true. */
export type DifferenceRow = readonly [what: string, change: string, count: string, example: string];

/** The most frequent differences. */
export const differenceRows = ({ differences }: RunResult): readonly DifferenceRow[] =>
  differences.seen
    .slice(0, SHOWN)
    .map((each) => [each.kind, changeOf(each), formatCount(each.count), exampleOf(each)]);

/** The same as a line each, `1,234 × status 200 → 503: GET /cart/42 (session 3, request 2)`. */
export function differenceTexts(result: RunResult): readonly string[] {
  const rows = differenceRows(result);
  const lines = rows.map(
    ([what, change, count, example]) => `${whole(`${count} × ${what} ${change}`)}: ${example}`,
  );
  const { seen, left } = result.differences;
  const rest = seen.slice(SHOWN).reduce((sum, { count }) => sum + count, left);
  return rest === 0 ? lines : [...lines, `${formatCount(rest)} × other differences`];
}

const changeOf = ({ example }: Difference): string => `${example.recorded} → ${example.got}`;

const exampleOf = ({ example }: Difference): string =>
  `${example.request} (session ${example.session}, request ${example.number})`;
