/** Patterns over recorded bodies: those that do not come to an end are stopped before the run. */
import { expect, test } from 'vitest';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import { prepare } from '../../src/run/plan/prepare.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

const body = `${'\u0096'.repeat(40)}!`;
const { scripts, capture } = handMade([
  {
    said: [
      { from: 'client', text: 'GET / HTTP/1.1\r\n\r\n' },
      { from: 'server', text: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}` },
    ],
  },
]);

/** Prepares all sessions. @returns the digests of their bodies */
function prepared(checkIgnore: readonly string[]): Uint32Array | undefined {
  const plan = planOf(scripts, { ...OPTIONS, check: 'body', checkIgnore });
  const links = plan.targets.map(() => new Uint8Array(0));
  const turns = prepare(enginePlan(plan, 0, 1, links), capture);
  for (;;) {
    const turn = turns.next();
    if (turn.done === true) return turn.value.exchanges.bodyDigests;
  }
}

test('one that reads what was recorded in time is used', () => {
  expect(prepared(['!$'])).not.toEqual(prepared([]));
  expect(prepared(['nothing'])).toEqual(prepared([]));
});

test('one that does not is refused by name', () => {
  expect(() => prepared(['^(?:[\u0080-\u0099]+)+$'])).toThrow(
    expect.objectContaining({
      code: 'ERR_CHECK_SLOW',
      message: expect.stringContaining('an answer of session 0'),
    }),
  );
});
