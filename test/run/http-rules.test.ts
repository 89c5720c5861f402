/** What of rules is found out when the captures have been read. */
import { expect, test } from 'vitest';
import { httpModule } from '../../src/rewrite/http/http-module.ts';
import { requireRows, stoppable } from '../../src/run/plan/http-rules.ts';
import type { ModuleSpec } from '../../src/run/plan/modules.ts';
import { answer, feedOf, get, planAll, session, settingsOf } from '../rewrite/http/play.ts';

const feedSpec = (pick: 'client' | 'once', rows: number): ModuleSpec => ({
  kind: 'http',
  settings: settingsOf(
    {},
    {
      feeds: { account: feedOf(pick, ['n'], ...Array.from({ length: rows }, (_, i) => [`${i}`])) },
    },
  ),
});

test('a feed that has not a row for each client and round is refused where each is to have its own', () => {
  expect(() => requireRows([feedSpec('once', 20)], 10, 2)).not.toThrow();
  expect(() => requireRows([feedSpec('client', 1)], 10, 2)).not.toThrow();
  expect(() => requireRows([feedSpec('once', 19)], 10, 2)).toThrow(
    expect.objectContaining({
      code: 'ERR_RULES_FEED',
      kind: 'usage',
      message: 'the feed account has 19 rows, and each of 10 clients takes one of its own, 2 times',
      hint: 'give at least 20 rows, fewer users, or pick: client',
    }),
  );
});

test('a regex that never ends over a recorded answer is stopped before the run', () => {
  // Nothing that it is tried on beforehand has such letters.
  const regex = '^(?:[\\u00c0-\\u00ff]+)+$';
  const settings = settingsOf({ learn: [{ name: 'a', from: { regex } }] });
  const spec: ModuleSpec = { kind: 'http', settings };
  const modules = stoppable([spec], [httpModule(settings)]);
  const evil = session([get('/'), answer(`${'\u00e0'.repeat(40)}!`)]);
  const good = session([get('/'), answer('\u00e0')], [get('/?a=x'), answer('')]);
  for (const module of modules) {
    expect(planAll(module, [good])).toHaveLength(1);
    expect(() => planAll(module, [good, evil])).toThrow(
      expect.objectContaining({
        code: 'ERR_RULES_SLOW',
        message: 'the regex of a takes longer than 2 s over the answers of session 1',
      }),
    );
  }
});
