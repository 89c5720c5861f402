/** From scripts and options to a plan. */

import { describe, expect, test } from 'vitest';
import { parseClients } from '../../src/cli/values/clients.ts';
import type { RequestTimesPlan } from '../../src/replay/request-times.ts';
import { draftPlan } from '../../src/run/plan/draft-plan.ts';
import { planArrivals } from '../../src/schedule/arrivals.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

/** Passive FTP opens another port for each transfer. */
const manyPorts = (ports: number) => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'x' }] }]);
  const endpoints = Array.from({ length: ports }, (_, i) => ({
    address: '10.0.0.1',
    port: 1 + i,
  }));
  return { ...scripts, endpoints };
};

test('targets of many ports are told apart, each once', () => {
  const scripts = manyPorts(3);
  const twice = { ...scripts, endpoints: [...scripts.endpoints, ...scripts.endpoints] };
  const plan = planOf(twice, OPTIONS);
  expect(plan.targets.map(({ port }) => port)).toEqual([1, 2, 3]);
  expect([...plan.targetOf]).toEqual([0, 1, 2, 0, 1, 2]);
});

test('each port is looked at a few times, however many there are', () => {
  const ports = 60_000;
  const scripts = manyPorts(ports);
  let looks = 0;
  const watched = scripts.endpoints.map(({ address, port }) => ({
    address,
    get port() {
      looks++;
      return port;
    },
  }));
  planOf({ ...scripts, endpoints: watched }, OPTIONS);
  expect(looks).toBeGreaterThanOrEqual(ports);
  expect(looks).toBeLessThan(10 * ports);
});

describe('--max-gap', () => {
  const YEAR_MS = 365 * 86_400_000;
  const starts = [0, 100, YEAR_MS, YEAR_MS + 3000, 12 * YEAR_MS];
  const { scripts } = handMade(
    starts.map((startMs) => ({ startMs, said: [{ from: 'client' as const, text: 'x' }] })),
  );

  test('cuts the gaps between arrivals, too', () => {
    const plan = planOf(scripts, { ...OPTIONS, maxGapNs: 1e9 });
    expect([...plan.arrivals.sessionStartsNs]).toEqual([0, 0.1e9, 1.1e9, 2.1e9, 3.1e9]);
    expect(planArrivals(plan.arrivals).lastStartNs).toBe(3.1e9);
  });

  test('counts only what is played', () => {
    const endpoint = Uint16Array.of(0, 0, 1, 0, 0);
    const endpoints = [
      { address: '10.0.0.1', port: 80 },
      { address: '10.0.0.1', port: 81 },
    ];
    const route = { recordedAddress: null, recordedPort: 80, label: 'web:80', port: 80 };
    const target = { kind: 'network' as const, routes: [{ ...route, address: '192.0.2.7' }] };
    const options = { ...OPTIONS, target, maxGapNs: 1e9 };
    const plan = planOf({ ...scripts, endpoint, endpoints }, options);
    expect([...plan.arrivals.sessionStartsNs]).toEqual([0, 0.1e9, 1.1e9, 2.1e9]);
  });

  test('is needed for what is years apart, and says so', () => {
    expect(() => planOf(scripts, OPTIONS)).toThrow(
      expect.objectContaining({
        code: 'ERR_RUN_TOO_LONG',
        hint: expect.stringContaining('--max-gap'),
      }),
    );
  });
});

const ROUTE = {
  ...{ recordedAddress: null, recordedPort: null },
  ...{ label: 'web:80', address: '192.0.2.7', port: 80 },
};

test('which ports go to one target is said, in the order of the capture', () => {
  const route = { recordedAddress: null, label: 'web:80', address: '192.0.2.7', port: 80 };
  const first = { ...route, recordedPort: 3, label: 'other:81', port: 81 };
  const routes = [first, { ...route, recordedPort: null }];
  const { warnings } = draftPlan(manyPorts(4), {
    ...OPTIONS,
    target: { kind: 'network', routes },
  });
  expect(warnings).toEqual([
    'sessions of 3 recorded ports (1, 2, 4) are all played to web:80; ' +
      'choose with -x, for example -x 1-web:80',
  ]);
});

test.each([
  [{ kind: 'embedded' } as const, {}, true],
  [{ kind: 'network', routes: [ROUTE] } as const, {}, false],
  [{ kind: 'network', routes: [ROUTE] } as const, { saysRecorded: true }, true],
])(
  'what is not captured of the answers of a target that is %j, %j is anything: %j',
  (target, given, isRecorded) => {
    const { scripts } = handMade([{ said: [{ from: 'client', text: 'x' }] }]);
    const options = { ...OPTIONS, target, ...given };
    expect(planOf(scripts, options).saysRecorded).toBe(isRecorded);
    // Its requests are counted by the same rule.
    const told: (boolean | undefined)[] = [];
    const readTimes = (plan: RequestTimesPlan) => {
      told.push(plan.saysRecorded);
      throw new Error('told');
    };
    const steady = { ...options, requestsPerSecond: 5, users: 1 };
    expect(() => draftPlan(scripts, steady, { readTimes })).toThrow('told');
    expect(told).toEqual([isRecorded]);
  },
);

describe('the plan refuses', () => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'x' }] }]);

  test.each([
    [{ accel: 1e308 }, '--accel 1e+308'],
    [{ accel: 1e-10 }, '--accel 1e-10'],
    [{ ratePerSecond: 1e12 }, '--rate 1000000000000'],
  ])('%j, which leaves nothing of time', (given, said) => {
    const plan = () => planOf(scripts, { ...OPTIONS, ...given });
    expect(plan).toThrow(expect.objectContaining({ code: 'ERR_RUN_PACE', kind: 'usage' }));
    expect(plan).toThrow(`${said} is out of bounds`);
  });

  test('a pool of nothing but addresses that somebody has, in words that are true', () => {
    const inUse = [{ family: 4, prefix: new Uint8Array(0), low: 0x0a14_0002 }] as const;
    const surroundings = { mtu: 1500, inUse, addressesMax: Number.POSITIVE_INFINITY };
    const plan = () =>
      planOf(scripts, { ...OPTIONS, clients: parseClients('10.20.0.2') }, surroundings);
    expect(plan).toThrow("every address of it is a target's, this machine's own or the next hop's");
  });
});

test.each([1e9, 1e-9])('an acceleration of %d is planned in finite numbers', (accel) => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'x' }] }]);
  const arrivals = planArrivals(planOf(scripts, { ...OPTIONS, accel, users: 3 }).arrivals);
  expect(Number.isFinite(arrivals.lastStartNs)).toBe(true);
  expect(Number.isFinite(arrivals.meanRate)).toBe(true);
});

test.each([
  [50, ['the ramp rises to 100 users, of which --users lets 50 start']],
  [100, []],
])('a ramp to 100 with %d users', (users, warnings) => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'x' }] }]);
  const ramp = [
    { atNs: 0, users: 0 },
    { atNs: 1e9, users: 100 },
  ];
  expect(draftPlan(scripts, { ...OPTIONS, ramp, users }).warnings).toEqual(warnings);
});

describe('SACK', () => {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 'a' }] }]);
  const isSackLeftOut = Uint8Array.of(1);

  test.each([
    { sack: null, sackPermitted: true, leftOut: isSackLeftOut },
    { sack: true, sackPermitted: true, leftOut: undefined },
    { sack: false, sackPermitted: false, leftOut: undefined },
  ])('is offered as recorded, or as said: $sack', ({ sack, sackPermitted, leftOut }) => {
    const plan = planOf({ ...scripts, isSackLeftOut }, { ...OPTIONS, sack });
    expect(plan.syn.sackPermitted).toBe(sackPermitted);
    expect(plan.isSackLeftOut).toEqual(leftOut);
  });
});
