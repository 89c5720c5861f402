import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueMarks } from '../../src/schedule/due-marks.ts';
import { DUE_SHIFT, LINKS_SHIFT, NEXT, TimerRows } from '../../src/schedule/timer-rows.ts';

const SPAN_NS = 2 ** 14;
const START_NS = 5 * SPAN_NS;
const PART_NS = SPAN_NS / 256;
const USERS = 64;

/** Rows of users that are due then, and who follows each. */
function rowsOf(dues: readonly number[], next: readonly number[], users: number): TimerRows {
  const rows = new TimerRows(users);
  for (const [user, dueNs] of dues.entries()) rows.due[user << DUE_SHIFT] = dueNs;
  for (const [user, row] of next.entries()) rows.links[(user << LINKS_SHIFT) | NEXT] = row;
  return rows;
}

const partOf = (dueNs: number): number =>
  Math.min(255, Math.max(0, Math.floor((dueNs - START_NS) / PART_NS)));

/** Dues within the span, at the edges of its parts, before it and behind it. */
const due = fc.oneof(
  fc.integer({ min: -100, max: SPAN_NS + 100 }).map((ns) => START_NS + ns),
  fc.integer({ min: 0, max: 256 }).map((part) => START_NS + part * PART_NS),
  fc.integer({ min: 0, max: 300 }).map((ns) => START_NS + ns),
);

test('the place is the last user of the last part that is not behind, whoever comes and goes', () => {
  const change = fc.record({ user: fc.nat(USERS - 1), dueNs: due, asked: due });
  const first = fc.array(due, { maxLength: 30 });
  fc.assert(
    fc.property(first, fc.array(change, { maxLength: 80 }), (dues, changes) => {
      const dueNs = new Float64Array(USERS);
      dueNs.set(dues);
      const next = Array.from({ length: USERS }, () => -1);
      // A plain array is the list's naive twin.
      const list = dues.map((_, user) => user).sort((a, b) => dueNs[a] - dueNs[b]);
      for (const [i, user] of list.entries()) next[user] = list[i + 1] ?? -2;
      const marks = new DueMarks(SPAN_NS);
      const rows = rowsOf(dues, next, USERS);
      marks.build(list[0] ?? -2, rows, START_NS);
      for (const { user, dueNs: ns, asked } of changes) {
        const at = list.indexOf(user);
        if (at >= 0) {
          list.splice(at, 1);
          marks.onUnlinked(user, list[at - 1] ?? -2, rows);
        } else {
          dueNs[user] = ns;
          rows.due[user << DUE_SHIFT] = ns;
          const behind = list.findIndex((other) => dueNs[other] > ns);
          const place = behind < 0 ? list.length : behind;
          list.splice(place, 0, user);
          marks.onLinked(user, list[place + 1] ?? -2, rows);
        }
        const before = list.filter((other) => partOf(dueNs[other]) <= partOf(asked)).at(-1);
        expect(marks.placeOf(asked)).toBe(before ?? -1);
      }
    }),
    { numRuns: 300 },
  );
});

test('of a span full of users at most those of one part lie behind the place', () => {
  const users = 10_000;
  const dueNs = Array.from({ length: users }, (_, i) => START_NS + (i * SPAN_NS) / users);
  const next = Array.from({ length: users }, (_, i) => (i + 1 < users ? i + 1 : -2));
  const marks = new DueMarks(SPAN_NS);
  marks.build(0, rowsOf(dueNs, next, users), START_NS);
  for (let ns = START_NS; ns < START_NS + SPAN_NS; ns += 101) {
    const exact = dueNs.findLastIndex((each) => each <= ns);
    expect(marks.placeOf(ns) - exact).toBeLessThanOrEqual(Math.ceil(users / 256));
    expect(marks.placeOf(ns)).toBeGreaterThanOrEqual(exact);
  }
});

test('who was never in the list and leaves another one changes nothing', () => {
  const dueNs = [START_NS + 10, START_NS + 20, START_NS + 20];
  const rows = rowsOf(dueNs, [1, -2, -1], 3);
  const marks = new DueMarks(SPAN_NS);
  marks.build(0, rows, START_NS);
  marks.onUnlinked(2, -2, rows);
  expect(marks.placeOf(START_NS + 20)).toBe(1);
});
