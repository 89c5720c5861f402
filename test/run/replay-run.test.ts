/** What a run refuses before it takes memory, and what it makes of its counts. */
import { expect, test } from 'vitest';
import { COUNTERS, Counter } from '../../src/measure/counters.ts';
import { STATE_BYTES_MAX, WEBSOCKET_BYTES_PER_USER } from '../../src/replay/state-bytes.ts';
import { requireMemory, requireReplyMemory } from '../../src/run/plan/memory.ts';
import { warnOfEarlierRun } from '../../src/run/replay-run.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

test('users that the process has no memory for are refused, however much the machine has', () => {
  const users = 1_000;
  const limitBytes = users * STATE_BYTES_MAX;
  expect(() => requireMemory(users, false, 0, 2 * limitBytes)).not.toThrow();
  const refused = () => requireMemory(users, false, 0, limitBytes);
  expect(refused).toThrow(expect.objectContaining({ code: 'ERR_RUN_MEMORY', kind: 'environment' }));
  expect(refused).toThrow(/^1,000 users need \d+ kB of memory, \d+ kB are free$/);
  // What a module keeps for each user counts.
  expect(() => requireMemory(users, false, 1_000, 2 * limitBytes)).toThrow();
  // The embedded target takes memory for each user as well.
  expect(() => requireMemory(users, true, 0, 2 * limitBytes)).toThrow();
});

test('so are those who become WebSockets, as far as they do', () => {
  const users = 1_000;
  const said = [{ from: 'client' as const, text: 'a' }];
  const { scripts } = handMade([{ said }, { said }]);
  const plan = planOf(scripts, { ...OPTIONS, users });
  const freeBytes = 2 * users * STATE_BYTES_MAX;
  const ask = (from: readonly number[], bytes: number) => () =>
    requireReplyMemory(plan, { from: Uint32Array.from(from) }, bytes);
  expect(() => requireReplyMemory(plan, undefined, 1)).not.toThrow();
  expect(ask([0, 0], freeBytes)).not.toThrow();
  expect(ask([0, 3], freeBytes)).toThrow(expect.objectContaining({ code: 'ERR_RUN_MEMORY' }));
  const half = users * (STATE_BYTES_MAX + WEBSOCKET_BYTES_PER_USER / 2);
  expect(ask([0, 3], 1.3 * half)).not.toThrow();
  expect(ask([2, 3], 1.3 * half)).toThrow();
});

test.each([
  [0, 0, 0],
  [5, 0, 0],
  [0, 5, 0],
  [5, 3, 1],
])(
  '%d users met an old connection and %d timed out connecting: %d warnings',
  (met, inVain, many) => {
    const counters = new Float64Array(COUNTERS);
    counters[Counter.OLD_CONNECTIONS] = met;
    counters[Counter.TIMED_OUT_CONNECTING] = inVain;
    expect(warnOfEarlierRun(counters)).toHaveLength(many);
  },
);
