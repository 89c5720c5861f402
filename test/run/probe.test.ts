/** Which client a probe comes from, and what it tells where nothing came back. */

import { expect, test } from 'vitest';
import { parseClients } from '../../src/cli/values/clients.ts';
import { SendFaults } from '../../src/io/send/send-faults.ts';
import { probeConnection } from '../../src/run/threads/probe.ts';
import { probeFault, probeFull, probeReset } from '../../src/run/threads/probe-faults.ts';
import { AddressPool, type PoolOrder } from '../../src/schedule/address-pool.ts';
import { planFor, type WayChanges, wayTo } from './ways.ts';

const poolOf = (clients: string, first: number, last: number, order: PoolOrder): AddressPool =>
  new AddressPool({
    clients: parseClients(clients),
    ports: { first, last },
    order,
    firstPort: Math.min(first + 7, last),
  });

test.each([
  {
    name: 'an address that users have, with the last port',
    of: poolOf('10.0.0.0/24', 1_000, 1_999, 'ip'),
  },
  {
    name: 'the same of a pool with more than 2^32',
    of: poolOf('198.18.0.0/15', 1_024, 65_535, 'ip'),
  },
  {
    name: 'the first address, with the last ports',
    of: poolOf('10.0.0.0/24', 1_000, 1_999, 'port'),
  },
])('a probe comes from $name', ({ of }) => {
  for (const row of [0, 7]) {
    const connection = probeConnection(of, row);
    expect(of.lowOf(connection)).toBe(of.lowOf(of.order === 'ip' ? row : 0));
    const usersBefore = of.order === 'ip' ? of.addresses * 900 : 990;
    expect(connection).toBeGreaterThan(usersBefore);
    expect(connection).toBeLessThan(of.capacity);
  }
});

test('a pool of one address and port has just that one for its probes', () => {
  expect(probeConnection(poolOf('10.0.0.1', 80, 80, 'ip'), 3)).toBe(0);
  expect(probeConnection(poolOf('10.0.0.1', 80, 80, 'port'), 3)).toBe(0);
});

const SEEN = {
  row: 0,
  client: '198.18.0.1:65535',
  mode: null,
  unsent: new SendFaults(),
  tracked: null,
};

test.each<[string, string, string, WayChanges, string[], string[]]>([
  [
    'a routed pool: the route, rp_filter, and how to look',
    '10.20.0.5',
    '198.18.0.0/15',
    {},
    [
      "play from this machine's own address: --clients own; or on the target: ",
      'ip route add 198.18.0.0/15 via 10.20.0.2;',
      'sysctl -w net.ipv4.conf.all.rp_filter=2;',
      "tcpdump -ni any 'tcp port 80'",
    ],
    ['--arp'],
  ],
  [
    'a pool that somebody has chosen: the route',
    '10.20.0.5',
    '198.18.0.0/16',
    {},
    ['on the target: ip route add 198.18.0.0/16 via 10.20.0.2;'],
    ['--clients own'],
  ],
  [
    'neighbours that are not answered: the option that does',
    '10.20.0.5',
    '198.18.0.0/15',
    { answersNeighbours: 'nobody' },
    ['ip route add', '(ARP): --arp;'],
    [],
  ],
  [
    'a pool on the link: no route',
    '10.20.0.5',
    '10.20.0.64/26',
    { answersNeighbours: 'everybody' },
    ["tcpdump -ni any 'tcp port 80'"],
    ['ip route', 'rp_filter', '--arp'],
  ],
  [
    'a target here: the firewall',
    '10.20.0.2',
    '198.18.0.0/15',
    { isLocal: true },
    ['nft'],
    ['ip route'],
  ],
  [
    'IPv6: its own route, and no rp_filter',
    'fd77::5',
    '2001:2::/96',
    {},
    ['ip -6 route add 2001:2::/96 via fd77::2;'],
    ['rp_filter'],
  ],
])('silence of %s', (_, target, clients, way, said, unsaid) => {
  const fault = probeFault(planFor(target, clients), wayTo(target, way), SEEN);
  expect([fault.code, fault.kind]).toEqual(['ERR_PROBE_NO_ANSWER', 'unreachable']);
  const text = target.includes(':') ? `[${target}]:80` : `${target}:80`;
  expect(fault.message).toContain(`no answer to the probe from 198.18.0.1:65535 to ${text}`);
  expect(fault.message).toContain('came back here');
  for (const part of said) expect(fault.hint).toContain(part);
  for (const part of unsaid) expect(fault.hint).not.toContain(part);
});

test('a probe that the kernel did not let out tells of this machine', () => {
  const unsent = new SendFaults();
  unsent.count(1);
  const plan = planFor('10.20.0.5', '198.18.0.0/15');
  const fault = probeFault(plan, wayTo('10.20.0.5', { sender: 'ip' }), { ...SEEN, unsent });
  expect(fault.code).toBe('ERR_PROBE_UNSENT');
  expect(fault.message).toContain("did not leave by eth1: this machine's firewall refused it");
  expect(fault.hint).toContain('--sender packet');
});

test('and where that is since its table of tracked connections is full, of that', () => {
  const unsent = new SendFaults();
  unsent.count(1);
  const plan = planFor('10.20.0.5', '198.18.0.0/15');
  const faultOf = (tracked: { count: number; max: number }) =>
    probeFault(plan, wayTo('10.20.0.5', { sender: 'ip' }), { ...SEEN, unsent, tracked });
  const full = faultOf({ count: 1_000, max: 1_000 });
  expect(full.message).toMatch(/refused it: its table .* is full \(conntrack: 1000 of 1000\)$/);
  expect(full.hint).toMatch(/^sysctl -w net\.netfilter\.nf_conntrack_max=4000 .*--sender packet$/);
  expect(faultOf({ count: 10, max: 1_000 }).message).toContain('firewall refused it');
});

test('a target of this machine that takes no connection may be a published port', () => {
  const seen = { row: 0, client: '127.0.0.1:61000', mode: null };
  const hintFor = (isLocal: boolean) =>
    probeFull(planFor('127.0.0.1', '127.0.0.2'), wayTo('127.0.0.1', { isLocal }), seen).hint;
  expect(hintFor(true)).toMatch(
    /^a container's port .* give the container's own address and port; or see/,
  );
  expect(hintFor(false)).toMatch(/^see on the target/);
});

test('a reset says that nothing listens', () => {
  const fault = probeReset(planFor('10.20.0.5', '198.18.0.0/15'), SEEN);
  expect([fault.code, fault.kind]).toEqual(['ERR_PROBE_RESET', 'unreachable']);
  expect(fault.message).toContain('to 10.20.0.5:80 with a reset: nothing listens there');
});
