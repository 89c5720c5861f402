/** What is said of the way before a run, and what the target is told to type. */
import { expect, test } from 'vitest';
import { describeWay, warnOfWay } from '../../src/run/plan/network-way.ts';
import { targetCommands } from '../../src/run/plan/target-commands.ts';
import { planFor, wayTo } from './ways.ts';

const ON_LINK = '10.20.64.0/18';
const answering = wayTo('10.20.0.5', { answersNeighbours: 'everybody' });

test.each([
  ['ip', 2_000, '2,000 of its addresses are used'],
  ['ip', 1_000_000, '16,382 of its addresses are used'],
  ['port', 2_000, '1 of its addresses is used'],
  ['port', 64_513, '2 of its addresses are used'],
] as const)('by order %s %d users take as many addresses as they do', (order, users, said) => {
  const lines = describeWay(answering, planFor('10.20.0.5', ON_LINK, { order, users }));
  expect(lines.at(1)).toBe(`ARP for ${ON_LINK} is answered on eth1; ${said}`);
});

test('more addresses than a target keeps neighbours draw a warning, by whatever order', () => {
  const plan = (order: 'ip' | 'port') => planFor('10.20.0.5', ON_LINK, { order, users: 2_000 });
  expect(warnOfWay(answering, plan('ip'))).toEqual([expect.stringContaining('gc_thresh3')]);
  expect(warnOfWay(answering, plan('port'))).toEqual([]);
});

test('bodies of which intercepts hand over the beginnings draw a warning', () => {
  const way = wayTo('10.20.0.5', { intercepts: [{ host: '10.20.0.5', port: 3600 }] });
  const plan = (check: 'body' | 'length') => planFor('10.20.0.5', ON_LINK, { check });
  expect(warnOfWay(way, plan('body'))).toEqual([expect.stringContaining('--prefix-bytes 4096')]);
  expect(warnOfWay(way, plan('length'))).toEqual([]);
  expect(warnOfWay(wayTo('10.20.0.5'), plan('body'))).toEqual([]);
});

test('a next hop whose MAC is not known is named by its address', () => {
  const way = wayTo('10.20.0.5');
  const [route] = way.path.routes;
  const unknown = { ...way.path, routes: [{ ...route, nextHopMac: new Uint8Array(6) }] };
  const [line] = describeWay({ ...way, path: unknown }, planFor('10.20.0.5', ON_LINK));
  expect(line).toContain('to 10.20.0.5 (whose MAC the run will ask for)');
});

test.each([
  ['10.20.0.5', '198.18.0.0/15', ['ip route add 198.18.0.0/15 via 10.20.0.2']],
  ['10.20.0.5', '198.18.0.1-198.19.255.254', ['ip route add 198.18.0.0/15 via 10.20.0.2']],
  [
    '10.20.0.5',
    '10.17.15.x,10.17.16.1-10.17.16.2',
    [
      'ip route add 10.17.15.0/24 via 10.20.0.2',
      'ip route add 10.17.16.1/32 via 10.20.0.2',
      'ip route add 10.17.16.2/32 via 10.20.0.2',
    ],
  ],
  ['fd77::5', '2001:2::1-2001:2::ffff:fffe', ['ip -6 route add 2001:2::/96 via fd77::2']],
])('for %s and clients %s the target types few lines', (target, clients, lines) => {
  const [onTarget = '', , afterwards = ''] = targetCommands(
    planFor(target, clients),
    wayTo(target),
  );
  const typed = (text: string) =>
    text
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  expect(typed(onTarget)).toEqual(lines);
  expect(typed(afterwards)).toEqual(lines.map((line) => line.replace(' add ', ' del ')));
});
