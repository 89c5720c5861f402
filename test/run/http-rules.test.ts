/** What of rules is found out when the captures have been read. */
import { expect, test } from 'vitest';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import { httpModule } from '../../src/rewrite/http/http-module.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { modulesOfPlan, modulesOfThread, requireRows } from '../../src/run/plan/http-rules.ts';
import type { ModuleSpec } from '../../src/run/plan/modules.ts';
import { Protocol } from '../../src/session/script/scripts.ts';
import { record } from '../helpers/recorded.ts';
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

test('a regex that never ends over a recorded answer is stopped before the run', async () => {
  // Nothing that it is tried on beforehand has such letters.
  const regex = '^(?:[\\u00c0-\\u00ff]+)+$';
  const settings = settingsOf({ learn: [{ name: 'a', from: { regex } }] });
  const spec: ModuleSpec = { kind: 'http', settings };
  const modules = await modulesOfPlan([spec]);
  const evil = session([get('/'), answer(`${'\u00e0'.repeat(40)}!`)]);
  const good = session([get('/'), answer('\u00e0')], [get('/?a=x'), answer('')]);
  for (const module of modules) {
    expect(planAll(module, [good])).toHaveLength(1);
    expect(() => planAll(module, [good, evil])).toThrow(
      expect.objectContaining({
        code: 'ERR_RULES_SLOW',
        message: 'the regex of a takes longer than 2 s over an answer of session 1',
      }),
    );
  }
});

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
test('rules with a regex are planned and played as they are without the stop', async () => {
  const settings = settingsOf({
    learn: [{ name: 'order', from: { header: 'Location', regex: '/orders/(\\d+)' } }],
  });
  const recorded = record([
    {
      messages: [
        { from: 'client', octets: octets(get('/buy')) },
        { from: 'server', octets: octets(answer('', 'Location: /orders/1042\r\n', 303)) },
        { from: 'client', octets: octets(get('/orders/1042')) },
        { from: 'server', octets: octets(answer('paid')) },
      ],
    },
  ]);
  recorded.scripts.protocol.fill(Protocol.HTTP1);
  const planned = (module: ProtocolModule) => {
    const read = (offset: number, into: Uint8Array) => recorded.capture.read(offset, into);
    const steps = planRewrites(recorded.scripts, [0], [module], read);
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
    }
  };
  const [module] = await modulesOfPlan([{ kind: 'http', settings }]);
  if (module === undefined) throw new Error('no module');
  const plan = planned(module);
  expect(plan).toEqual(planned(httpModule(settings)));
  expect(plan.facts).toMatchObject({ messages: 1, stages: 1 });
});

test('one that never ends over a live answer is stopped, and ends the user who was told that', async () => {
  const regex = '^(?:[a-z]+)+$';
  const settings = settingsOf({ learn: [{ name: 'a', from: { regex } }] });
  const [module] = await modulesOfThread([{ kind: 'http', settings }], () => undefined);
  if (module === undefined) throw new Error('no module');
  const recorded = session([get('/'), answer('sometoken')], [get('/?a=sometoken'), answer('')]);
  const plan = planAll(module, [recorded])[0]?.plan;
  expect(plan).toBeDefined();
  const told = (body: string): void => {
    const info = { client: 0, clients: 1, iteration: 0, seed: 1, nowMs: () => 0 };
    const connection = module.connection(module.client(info), plan);
    module.onAnswer?.(connection, 1, Buffer.from(answer(body), 'latin1'), true);
  };
  expect(() => told('another')).not.toThrow();
  expect(() => told(`${'a'.repeat(40)}!`)).toThrow(
    'the regex of a takes longer than 0.25 s over an answer',
  );
  // And goes on with others.
  expect(() => told('another')).not.toThrow();
});
