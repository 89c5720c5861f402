/** Observations of a way, and the one thing that the doctor has to say of them. */
import { describe, expect, test } from 'vitest';
import { machineFindings } from '../../src/doctor/machine-findings.ts';
import type {
  Finding,
  Heard,
  MachineFacts,
  Question,
  Walk,
} from '../../src/doctor/observations.ts';
import { parsePasted, pastedText } from '../../src/doctor/pasted-facts.ts';
import { walkFindings } from '../../src/doctor/walk-findings.ts';
import { doctorText } from '../../src/report/doctor-text.ts';

const QUESTION: Question = {
  target: '10.0.0.1',
  port: 80,
  clients: '198.18.0.0/15',
  client: '198.18.0.1',
  isOwn: false,
  intercept: null,
};

const heardOn = (interfaceName: string, more: Partial<Heard> = {}): Heard => ({
  interfaceName,
  syn: { in: 0, out: 0 },
  synAck: { in: 0, out: 0 },
  ...more,
});

const LOAD: MachineFacts = {
  place: 'load',
  addresses: ['10.0.0.2'],
  wayBack: null,
  listening: null,
  strictInterfaces: [],
  forwards: false,
  conntrack: null,
  neighbours: null,
  firewall: [],
  heard: [heardOn('eth0', { synAck: { in: 1, out: 0 } })],
};

const TARGET: MachineFacts = {
  ...LOAD,
  place: 'target',
  addresses: ['10.0.0.1'],
  wayBack: { interfaceName: 'eth0', via: '10.0.0.2', isOwn: false },
  listening: 'everybody',
  neighbours: { count: 3, max: 1024 },
  heard: [heardOn('eth0', { syn: { in: 2, out: 0 }, synAck: { in: 0, out: 2 } })],
};

const WALK: Walk = {
  question: QUESTION,
  privileges: { netRaw: true, netAdmin: true },
  plan: { ok: true, text: 'the users fit' },
  path: { ok: true, text: 'frames leave by eth0' },
  fromHere: 'open',
  channel: null,
  channelClocks: [],
  probe: { ok: true, text: 'SYN, SYN-ACK and RST' },
  packetSize: { path: 1500, answered: 1500 },
  overridden: null,
  sendsPerSecond: 100_000,
  load: LOAD,
  others: [],
};

const SILENT = {
  ok: false,
  code: 'ERR_PROBE_NO_ANSWER',
  message: 'no answer',
  hint: null,
} as const;
const SILENT_WALK: Walk = {
  ...WALK,
  probe: SILENT,
  packetSize: null,
  load: { ...LOAD, heard: [] },
};
const NOT_ANSWERED = [heardOn('eth0', { syn: { in: 2, out: 0 } })];

const worst = (findings: readonly Finding[], state: Finding['state']): string[] =>
  findings.filter((one) => one.state === state).map(({ what, text }) => `${what}: ${text}`);

test('a way that is in order has nothing but good findings', () => {
  const all = walkFindings({ ...WALK, others: [TARGET] });
  expect(all.filter(({ state }) => state !== 'good')).toEqual([]);
  expect(doctorText(all, 80)).toMatch(/^✓ nothing is wrong that can be seen from here\n/);
});

test.each([
  { client: '198.18.0.1', mss: 1240 },
  { client: '2001:2::1', mss: 1220 },
])('the segment size that is named for $client leaves room for its headers', ({ client, mss }) => {
  const walk = { ...WALK, question: { ...QUESTION, client } };
  const findings = walkFindings({ ...walk, packetSize: { path: 1500, answered: 1280 } });
  const [{ mend }] = findings.filter(({ what }) => what === 'packet size');
  expect(mend).toBe(`ip route change … mtu 1280, or --mss ${mss}`);
});

describe('what is wrong is named', () => {
  test.each<[string, Partial<Walk>, RegExp]>([
    [
      'no privilege',
      { privileges: { netRaw: false, netAdmin: false } },
      /^privileges: .*CAP_NET_RAW/,
    ],
    [
      'own addresses without NET_ADMIN',
      { privileges: { netRaw: true, netAdmin: false }, question: { ...QUESTION, isOwn: true } },
      /^privileges: .*CAP_NET_ADMIN/,
    ],
    [
      'no route there',
      { path: { ...SILENT, code: 'ERR_IO_NO_ROUTE', message: 'no route' } },
      /^path: no route/,
    ],
    ['a port that is closed', { fromHere: 'refused', probe: null }, /^target's port: refuses/],
    [
      'a firewall that drops all',
      { fromHere: 'silent', probe: null },
      /^target's port: does not answer/,
    ],
    [
      'a firewall that rejects',
      { fromHere: 'unreachable', probe: null },
      /^target's port: cannot be reached/,
    ],
    [
      'an intercept that is not there',
      { channel: { ...SILENT, message: 'refused' }, probe: null },
      /^intercept: refused/,
    ],
    ['forwarding', { load: { ...LOAD, forwards: true } }, /^forwarding: is on: this machine/],
    [
      'a smaller MTU',
      { packetSize: { path: 1500, answered: 1280 } },
      /^packet size: packets of 1500 .* of 1280 they do/,
    ],
    [
      'a full table',
      { load: { ...LOAD, conntrack: { count: 100, max: 100 } } },
      /^conntrack: 100 of 100 .* is full/,
    ],
  ])('%s', (_, change, text) => {
    expect(worst(walkFindings({ ...WALK, ...change }), 'bad')).toEqual([
      expect.stringMatching(text),
    ]);
  });

  test.each<[string, Partial<Walk>, RegExp]>([
    [
      'an answer that came by another interface',
      { load: { ...LOAD, heard: [heardOn('eth1', { synAck: { in: 3, out: 0 } })] } },
      /^the answer: came here by eth1/,
    ],
    [
      'a next hop that leads elsewhere',
      { overridden: '--next-hop 10.0.0.9' },
      /^the answer: .*--next-hop 10\.0\.0\.9 leads elsewhere/,
    ],
    [
      'source addresses that are dropped on the way',
      { others: [{ ...TARGET, heard: [] }] },
      /^on the way: SYNs from 198\.18\.0\.1 do not reach the target/,
    ],
    [
      'a route of the target that leads elsewhere',
      {
        others: [{ ...TARGET, wayBack: { interfaceName: 'eth0', via: '10.0.0.9', isOwn: false } }],
      },
      /^target: way back: .*10\.0\.0\.9, which is not the load machine/,
    ],
  ])('beside an answer that did not come: %s', (_, change, text) => {
    const found = worst(walkFindings({ ...SILENT_WALK, ...change }), 'bad');
    expect(found).toEqual(['a client: no answer', expect.stringMatching(text)]);
  });

  test('where nobody has looked at the target, the line that does is told', () => {
    const [finding] = walkFindings(SILENT_WALK).filter(({ state }) => state === 'unknown');
    expect(finding?.text).toContain('its port is open');
    expect(finding?.mend).toBe(
      'on the target: gryphon doctor --on-target --target 10.0.0.1:80 --clients 198.18.0.0/15',
    );
  });

  test.each<[string, Partial<MachineFacts>, RegExp]>([
    ['nothing listens', { listening: 'nobody' }, /^server: nothing listens on port 80/],
    ['it listens on lo', { listening: 'loopback' }, /^server: .* loopback interface alone/],
    ['there is no route back', { wayBack: null }, /^way back: there is no route to 198\.18\.0\.1/],
    [
      'the table of neighbours is full',
      { neighbours: { count: 1024, max: 1024 } },
      /^neighbours: .* is full/,
    ],
    [
      'connection tracking is nearly full',
      { conntrack: { count: 95, max: 100 } },
      /^conntrack: .* nearly full/,
    ],
    [
      'a firewall rule',
      { firewall: ['ip filter INPUT: drop'], heard: null },
      /^firewall: .*ip filter INPUT: drop/,
    ],
    ['SYNs that nobody answers', { heard: NOT_ANSWERED }, /^seen here: .*this machine drops them/],
  ])('on the target: %s', (_, change, text) => {
    expect(worst(machineFindings({ ...TARGET, ...change }, QUESTION), 'bad')).toEqual([
      expect.stringMatching(text),
    ]);
  });

  test('rules that have let the clients through are no fault: most firewalls drop by default', () => {
    const firewall = ['ip filter INPUT: type filter hook input priority filter; policy drop;'];
    const target = machineFindings({ ...TARGET, firewall }, QUESTION);
    expect(target.filter(({ state }) => state !== 'good')).toEqual([]);
    const load = { ...LOAD, firewall };
    const answered = walkFindings({
      ...WALK,
      load,
      others: [{ ...TARGET, firewall, heard: null }],
    });
    expect(answered.filter(({ state }) => state !== 'good')).toEqual([]);
    const silent = walkFindings({ ...SILENT_WALK, load: { ...load, heard: [] } });
    expect(worst(silent, 'unknown')).toContainEqual(expect.stringMatching(/^firewall: may drop/));
  });

  test('what drops the connections of the load machine alone is no fault of the way', () => {
    const load = { ...LOAD, firewall: ['ip filter INPUT: drop'] };
    for (const fromHere of ['silent', 'refused', 'unreachable'] as const) {
      const found = walkFindings({ ...WALK, load, fromHere });
      expect(worst(found, 'bad')).toEqual([]);
      expect(worst(found, 'unknown')).toEqual([
        'firewall: may drop or reject the clients: ip filter INPUT: drop',
        expect.stringMatching(/^target's port: answers the clients, but takes no connection/),
      ]);
    }
  });

  test('a reset from an open port is a firewall, not a server that is missing', () => {
    const probe = { ...SILENT, code: 'ERR_PROBE_RESET', message: 'nothing listens there' };
    const of = (walk: Partial<Walk>) => worst(walkFindings({ ...WALK, probe, ...walk }), 'bad');
    expect(of({})).toEqual([
      expect.stringMatching(/^a client: .*with a reset, .*: a firewall rejects the clients$/),
    ]);
    expect(of({ fromHere: 'refused' })).toContain('a client: nothing listens there');
  });

  test('the limit of neighbours is that of the family that is asked for', () => {
    const facts: MachineFacts = { ...TARGET, neighbours: { count: 1024, max: 1024 } };
    const mendOf = (client: string) =>
      machineFindings(facts, { ...QUESTION, client }).find(({ what }) => what === 'neighbours')
        ?.mend;
    expect(mendOf('198.18.0.1')).toMatch(/^sysctl -w net\.ipv4\.neigh\.default\.gc_thresh3=4096 /);
    expect(mendOf('2001:2::1')).toMatch(/^sysctl -w net\.ipv6\.neigh\.default\.gc_thresh3=4096 /);
  });

  test('rp_filter is to blame where a SYN comes by an interface that its answer would not take', () => {
    const facts: MachineFacts = {
      ...TARGET,
      strictInterfaces: ['eth0', 'eth1'],
      wayBack: { interfaceName: 'eth1', via: '10.1.0.1', isOwn: false },
      heard: NOT_ANSWERED,
    };
    const bad = machineFindings(facts, QUESTION).filter(({ what }) => what === 'rp_filter');
    expect(bad).toEqual([
      {
        state: 'bad',
        what: 'rp_filter',
        text: expect.stringContaining('strict (1) on eth0,'),
        mend: 'sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2',
      },
    ]);
    const loose = machineFindings({ ...facts, strictInterfaces: [] }, QUESTION);
    expect(loose.find(({ what }) => what === 'rp_filter')?.state).toBe('good');
  });

  test('an auxiliary machine that forwards, or that nothing comes to', () => {
    const facts: MachineFacts = { ...LOAD, place: 'intercept', forwards: true, heard: [] };
    const found = machineFindings(facts, QUESTION);
    expect(worst(found, 'bad')).toEqual([
      expect.stringMatching(/^forwarding: is on: the auxiliary/),
    ]);
    expect(worst(found, 'unknown')).toEqual([expect.stringMatching(/^seen here: no answer/)]);
  });
});

describe('what joins packets', () => {
  const eth0 = { interfaceName: 'eth0', gro: false, lro: false };
  const offload = (offloads: MachineFacts['offloads'], place: MachineFacts['place'] = 'load') =>
    walkFindings({ ...WALK, load: { ...LOAD, place, ...(offloads !== undefined && { offloads }) } })
      .filter(({ what }) => what.endsWith('offload'))
      .map(({ state, text, mend }) => [state, `${text} ${mend ?? ''}`]);

  test.each<[string, MachineFacts['offloads'], Finding['state'], RegExp]>([
    ['nothing', [eth0], 'good', /^packets come one by one/],
    [
      'GRO',
      [eth0, { ...eth0, interfaceName: 'eth1', gro: true }],
      'good',
      /^GRO is on \(eth1\).*eth1 gro off/,
    ],
    [
      'LRO',
      [{ ...eth0, gro: true, lro: true }],
      'bad',
      /^LRO is on \(eth0\).* ethtool -K eth0 lro off$/,
    ],
    ['who knows', null, 'unknown', /cannot be read ethtool -k INTERFACE$/],
  ])('%s', (_, offloads, state, said) => {
    expect(offload(offloads)).toEqual([[state, expect.stringMatching(said)]]);
  });

  test('is no matter on the target, nor known of an older version', () => {
    expect(offload([{ ...eth0, lro: true }], 'target')).toEqual([]);
    expect(offload(undefined)).toEqual([]);
  });
});

describe('a clock', () => {
  const ms = (n: number) => n * 1e6;
  const kept = { isSynchronised: true, maxErrorNs: ms(12), estimatedErrorNs: ms(0.3) };
  const clocks = (load: Partial<MachineFacts>, channelClocks: Walk['channelClocks'] = []) =>
    walkFindings({ ...WALK, channelClocks, load: { ...LOAD, ...load } })
      .filter(({ what }) => what.endsWith('clock'))
      .map(({ state, what, text, mend }) => [state, `${what} ${text}`, mend !== null]);

  test('of this machine is told as its kernel counts it, and harms no latency', () => {
    expect(clocks({ clock: kept })).toEqual([
      [
        'good',
        'clock is synchronised (NTP), to 12 ms at most and 300 µs by estimate; no latency needs it, times in results and --start-at of shares do',
        false,
      ],
    ]);
    expect(clocks({ clock: { ...kept, isSynchronised: false, maxErrorNs: ms(16_000) } })).toEqual([
      [
        'good',
        expect.stringMatching(/^clock is synchronised with nothing .* off by 16 s and more/),
        true,
      ],
    ]);
    expect(clocks({ clock: null })).toEqual([
      ['unknown', expect.stringContaining('does not say'), true],
    ]);
    expect(clocks({})).toEqual([]);
  });

  test('of another machine bears its name', () => {
    const [of] = walkFindings({ ...WALK, others: [{ ...TARGET, clock: kept }] }).filter(
      ({ what }) => what.endsWith('clock'),
    );
    expect(of).toMatchObject({ state: 'good', what: 'target: clock' });
  });

  test.each([
    ['same', 'good', /10\.0\.0\.3:7070: it is this machine's/],
    [
      { offsetNs: ms(-1.2), uncertaintyNs: 40e3 },
      'good',
      /1\.20 ms behind, known to ±40 µs; .* err by no more/,
    ],
    [{ offsetNs: ms(5_000), uncertaintyNs: ms(0.9) }, 'good', /5 s ahead, known to ±900 µs/],
    [
      { offsetNs: 0, uncertaintyNs: ms(1) },
      'bad',
      /known to ±1 ms; .* each latency may err by the latter/,
    ],
  ] as const)("of an intercept's is what the channel has measured: %j", (known, state, said) => {
    expect(clocks({}, [{ intercept: '10.0.0.3:7070', known }])).toEqual([
      [state, expect.stringMatching(said), state === 'bad'],
    ]);
  });
});

test('facts survive being pasted, with line breaks that a terminal has made', () => {
  const facts: MachineFacts = { ...TARGET, firewall: ['chain „ä“: drop'] };
  const text = pastedText(facts);
  expect(parsePasted(`  ${text.slice(0, 80)}\n  ${text.slice(80)} `)).toEqual(facts);
  expect(() => parsePasted(text.slice(3))).toThrow('not what gryphon doctor prints');
  expect(() => parsePasted('gryphon-doctor-1:e30=')).toThrow('not what gryphon doctor prints');
});
