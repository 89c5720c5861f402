import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/usage-error.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { DEFAULT_CLIENTS } from '../../src/schedule/client-addresses.ts';
import { readOptions } from './read-options.ts';

const SECOND = 1_000_000_000;

/** Reads `gryphon replay x.pcap …`. */
async function read(options: string, env: Record<string, string> = {}): Promise<ReplayOptions> {
  return await readOptions(['replay', 'x.pcap', ...options.split(' ').filter(Boolean)], env);
}

async function faultsOf(options: string): Promise<readonly string[]> {
  const error = await read(options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).faults.map(({ what }) => what);
}

test('a capture alone is a complete command', async () => {
  expect(await read('')).toEqual({
    command: ['replay', 'x.pcap'],
    captures: ['x.pcap'],
    choice: { selection: {} },
    target: { kind: 'embedded' },
    users: null,
    clients: DEFAULT_CLIENTS[4],
    ports: null,
    order: null,
    seed: 42,
    accel: 1,
    ratePerSecond: null,
    requestsPerSecond: null,
    ramp: null,
    iterations: null,
    durationNs: null,
    pace: 'think',
    maxGapNs: null,
    timeoutNs: 30 * SECOND,
    close: 'recorded',
    check: 'status',
    checkIgnore: [],
    modules: [],
    bindTimeoutNs: 5 * SECOND,
    answerBytesMax: 65_536,
    rewriteMemoryBytes: null,
    mss: null,
    timestamps: true,
    sack: null,
    windowBytes: 1_048_576,
    interfaceName: null,
    nextHop: null,
    sourceMac: null,
    sender: 'packet',
    wakeupNs: 0,
    saysRecorded: false,
    share: null,
    startAt: null,
    per: 'connection',
    arp: null,
    makesRules: true,
    intercepts: [],
    token: null,
    threads: null,
    metrics: null,
    protocols: [],
    realTime: false,
    thresholds: [],
    baseline: null,
    abortOnFailNs: null,
  });
});

test.each([
  { options: '-u 1000000', expected: { users: 1_000_000 } },
  { options: '-c 10.17.15.*', expected: { clients: { text: '10.17.15.*' } } },
  { options: '--ports 2000-2999', expected: { ports: { first: 2000, last: 2999 } } },
  { options: '--order port', expected: { order: 'port' } },
  { options: '--per client', expected: { per: 'client' } },
  { options: '--seed 0', expected: { seed: 0 } },
  { options: '--metrics 9100', expected: { metrics: { host: '127.0.0.1', port: 9_100 } } },
  { options: '-a 2.5', expected: { accel: 2.5 } },
  { options: '-i 2048', expected: { ratePerSecond: 2048 } },
  { options: '--rate 30/m', expected: { ratePerSecond: 0.5 } },
  {
    options: '--request-rate 5000/s --duration 2s',
    expected: { requestsPerSecond: 5000, pace: 'schedule', iterations: 1, durationNs: 2 * SECOND },
  },
  { options: '--iterations 3', expected: { iterations: 3 } },
  { options: '--duration 2m', expected: { durationNs: 120 * SECOND } },
  { options: '--pace schedule', expected: { pace: 'schedule' } },
  { options: '--max-gap 500ms', expected: { maxGapNs: SECOND / 2 } },
  { options: '-t 5s', expected: { timeoutNs: 5 * SECOND } },
  { options: '--close reset', expected: { close: 'reset' } },
  { options: '--check length', expected: { check: 'length' } },
  { options: '--check body', expected: { check: 'body' } },
  { options: '--abort-on-fail 30s', expected: { abortOnFailNs: 30 * SECOND } },
  { options: '--abort-on-fail 0', expected: { abortOnFailNs: 0 } },
  { options: '--mss 500', expected: { mss: 500 } },
  { options: '--no-timestamps', expected: { timestamps: false } },
  { options: '--no-sack', expected: { sack: false } },
  { options: '--sack', expected: { sack: true } },
  { options: '--window 64KiB', expected: { windowBytes: 65_536 } },
  { options: '--threads 2', expected: { threads: 2 } },
  { options: '--real-time', expected: { realTime: true } },
  { options: '-s local', expected: {} },
  { options: '-f a.pcap,b.pcap', expected: { captures: ['x.pcap', 'a.pcap', 'b.pcap'] } },
  {
    options: '--threshold response:p(99)<20ms --threshold errors:rate<0.1%',
    expected: {
      thresholds: [{ expression: 'response:p(99)<20ms' }, { expression: 'errors:rate<0.1%' }],
    },
  },
])('$options', async ({ options, expected }) => {
  expect(await read(options)).toMatchObject(expected);
});

test('a ramp says how many users there are, unless that is said as well', async () => {
  expect(await read('--ramp 0:0,60s:500')).toMatchObject({
    users: 500,
    ramp: expect.arrayContaining([{ atNs: 60 * SECOND, users: 500 }]),
  });
  expect(await read('--ramp 0:0,60s:500 -u 100')).toMatchObject({ users: 100 });
});

describe('with a target', () => {
  test('every endpoint goes to it', async () => {
    expect(await read('--target 10.0.0.1:80')).toMatchObject({
      target: {
        kind: 'network',
        routes: [
          {
            recordedAddress: null,
            recordedPort: null,
            label: '10.0.0.1:80',
            address: '10.0.0.1',
            port: 80,
          },
        ],
      },
    });
  });

  test('names are looked up', async () => {
    expect(await read('--target lab:80')).toMatchObject({
      target: { routes: [{ label: 'lab:80', address: '10.0.0.9', port: 80 }] },
    });
    await expect(read('--target nowhere:80')).rejects.toMatchObject({ kind: 'unreachable' });
  });

  test('mappings come first and the target takes the rest', async () => {
    const { target } = await read('-x 80-10.0.0.1:8080,10.9.9.9:81-lab:82 --target 10.0.0.2:83');
    expect(target).toMatchObject({
      routes: [
        { recordedAddress: null, recordedPort: 80, address: '10.0.0.1', port: 8080 },
        { recordedAddress: '10.9.9.9', recordedPort: 81, address: '10.0.0.9', port: 82 },
        { recordedAddress: null, recordedPort: null, address: '10.0.0.2', port: 83 },
      ],
    });
  });

  test('mappings alone select what is played', async () => {
    const { target } = await read('-x 80-10.0.0.1:8080');
    expect(target).toMatchObject({ kind: 'network', routes: [{ recordedPort: 80 }] });
  });

  test('a target of IPv6 has clients of IPv6 by default', async () => {
    const options = await read('--target [2001:db8::1]:80');
    expect(options.clients).toMatchObject({ text: '2001:2::/96' });
  });

  test('where frames go can be said', async () => {
    const options =
      '--target 10.0.0.1:80 -o eth0 --next-hop 10.0.0.254 --source-mac 02:00:00:00:00:01 --no-arp --sender ip';
    expect(await read(options)).toMatchObject({
      interfaceName: 'eth0',
      nextHop: { kind: 'ip', address: '10.0.0.254' },
      sourceMac: '02:00:00:00:00:01',
      arp: false,
      sender: 'ip',
    });
  });

  test('a public one is refused without --allow-public', async () => {
    expect(await faultsOf('--target 8.8.8.8:80')).toEqual([
      'target 8.8.8.8:80: 8.8.8.8 is a public address',
    ]);
    expect(await read('--target 8.8.8.8:80 --allow-public')).toMatchObject({
      target: { kind: 'network' },
    });
  });
});

test('the environment gives options, and flags go before it', async () => {
  const env = { GRYPHON_TARGET: '10.0.0.1:80', GRYPHON_USERS: '7', GRYPHON_INTERFACE: 'eth0' };
  expect(await read('-u 8', env)).toMatchObject({ users: 8, interfaceName: 'eth0' });
  expect(await read('--target embedded', env)).toMatchObject({ target: { kind: 'embedded' } });
});

test('a fault in the environment is named by its variable', async () => {
  await expect(read('', { GRYPHON_USERS: 'many' })).rejects.toThrow("GRYPHON_USERS: 'many' is not");
});

describe('refused, each with its value and the limit', () => {
  test.each([
    ['-u 0', "--users: '0' is not a whole number from 1 to 2,147,483,648"],
    ['-u 2147483649', "--users: '2147483649' is not a whole number from 1 to 2,147,483,648"],
    ['-a 0', "--accel: '0' is not a number above 0"],
    ['-a NaN', "--accel: 'NaN' is not a number above 0"],
    ['-i 0', "--rate: '0' is not a rate above 0"],
    ['-t 30', "--timeout: '30' is not a duration"],
    ['-t 0s', "--timeout: '0s' is not a duration above 0"],
    ['--ports 0-10', "--ports: '0-10' is not a span of ports"],
    ['--ports 20-10', "--ports: '20-10' is not a span of ports"],
    ['--ports 1-65536', "--ports: '1-65536' is not a span of ports"],
    ['--order random', "--order: 'random' is not one of ip, port"],
    ['--seed -1', "--seed: '-1' is not a whole number from 0 to 4,294,967,295"],
    ['--seed 4294967296', "--seed: '4294967296' is not a whole number from 0 to 4,294,967,295"],
    ['--pace fast', "--pace: 'fast' is not one of think, schedule, none"],
    ['--close never', "--close: 'never' is not one of recorded, server, reset"],
    ['--mss 63', "--mss: '63' is not a whole number from 64 to 65,495"],
    ['--mss 65496', "--mss: '65496' is not a whole number from 64 to 65,495"],
    ['--window 511', "--window: '511' is not from 512 to 1,073,725,440 bytes"],
    ['--window 2GiB', "--window: '2GiB' is not from 512 to 1,073,725,440 bytes"],
    ['--threads 0', "--threads: '0' is not a whole number from 1 to 1,024"],
    ['--iterations 0', "--iterations: '0' is not a whole number from 1 to 2,147,483,648"],
    ['--target host', "--target: 'host' is not a host and port"],
    [
      '--threshold nonsense',
      "--threshold: threshold 'nonsense', column 1: 'nonsense' is an unknown",
    ],
    ['--against 10.0.0.6:80', '--against means nothing to the embedded target'],
    [
      '--against 10.0.0.6:80 --target 10.0.0.5:80 --abort-on-fail 1s',
      '--against together with --baseline or --abort-on-fail',
    ],
    ['--against 10.0.0.6:80 -x 80-10.0.0.5:80', '--against without --target alone'],
    ['-s 10.0.0.1', '--intercept means nothing to the embedded target'],
    ['-s 10.0.0.1:0 --target lab:80', "--intercept: '10.0.0.1:0': port 0 is not from 1 to 65535"],
    ['-s local,10.0.0.1 --target lab:80', "--intercept: 'local' stands alone"],
    ['-p 0', "--intercept-port: '0' is not a whole number from 1 to 65,535"],
    ['--metrics lab', "--metrics: 'lab' is not [HOST:]PORT"],
    [
      '--check body --check-ignore (',
      "--check-ignore: '(' is no regular expression: Unterminated group",
    ],
    ['--check-ignore x', '--check-ignore without --check body'],
    ['--check body --check-ignore (.*)*x', "--check-ignore '(.*)*x' can take forever"],
    ['--rate 5 --ramp 1s:5', '--rate and --ramp contradict each other'],
    [
      '--protocol 80=http,81=redis --framing 80=line',
      '--protocol and --framing name protocols for port 80 2 times',
    ],
    ['--framing line --framing none', '--framing without a port is given 2 times'],
    ['--request-rate 5 --rate 5', '--request-rate and --rate contradict each other'],
    ['--request-rate 5 --pace none', '--request-rate and --pace none contradict each other'],
    ['-x 80-10.0.0.1:80 --target embedded', '--map and --target embedded contradict each other'],
    ['-o eth0', '--interface means nothing to the embedded target'],
    ['--target embedded --no-arp', '--arp means nothing to the embedded target'],
    ['--real-time --target 10.0.0.1:80', '--real-time is for the embedded target'],
  ])('%s', async (options, fault) => {
    const faults = await faultsOf(options);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  test.each([
    ['--rps 100', '--rps is --request-rate here: requests a second'],
    ['--vus 10', '--vus is --users here'],
    ['--concurrency 10', '--concurrency is --users here'],
    ['--connections 10', '--connections is --users here'],
    ['-n 1000', '-n is --users here'],
    ['-d 10s', '-d is --duration here: --duration 10s'],
    ['-r 500', '-r is --rate here'],
    ['--run-time 5m', '--run-time is --duration here'],
    ['--mbps 10', '--mbps is not available in this version'],
    ['--pps 10', '--pps is not available in this version'],
    ['--loop 10', '--loop is --iterations here'],
    ['--intf1 eth0', '--intf1 is --interface here'],
    ['--multiplier 2.0', '--multiplier is --accel here'],
    ['--topspeed', '--topspeed is --pace none here'],
    ['-k', '-k is not needed'],
  ])('of another tool is told what it is called here: %s', async (options, fault) => {
    const faults = await faultsOf(options);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^${fault}`));
  });

  test.each([
    ['-c 100', 'for 100 of them write --users 100'],
    ['-i eth0', 'for an interface write --interface eth0'],
    ['-x 2.5', 'for 2.5 times the speed write --accel 2.5'],
  ])('whose letter means something else in another tool is told so: %s', async (options, fault) => {
    const faults = await faultsOf(options);
    expect(faults).toHaveLength(2);
    expect(faults[1]).toContain(fault);
  });

  test('of two that contradict each other the one closer to the user counts', async () => {
    const env = { GRYPHON_RAMP: '0:0,60s:500' };
    expect(await read('--rate 5', env)).toMatchObject({
      ratePerSecond: 5,
      ramp: null,
      users: null,
    });
    const both = { ...env, GRYPHON_RATE: '5' };
    await expect(read('', both)).rejects.toThrow(
      'GRYPHON_RATE and GRYPHON_RAMP contradict each other',
    );
    expect(await read('--ramp 1s:5', both)).toMatchObject({ ratePerSecond: null, users: 5 });
  });

  test('a pool that does not parse', async () => {
    expect(await faultsOf('-c 10.0.0.300')).toEqual([
      expect.stringMatching(/^--clients: .*10\.0\.0\.300/),
    ]);
    expect(await faultsOf('--ramp 60s')).toEqual([expect.stringMatching(/^--ramp: .*'60s'/)]);
  });

  test('no capture', async () => {
    await expect(readOptions(['replay'])).rejects.toThrow('no capture given');
    await expect(readOptions(['replay', ''])).rejects.toThrow('a capture has an empty name');
  });

  test('of several thresholds each one that is wrong', async () => {
    const faults = await faultsOf('--threshold a:b<1 --threshold errors:rate<1% --threshold nope');
    expect(faults.map((fault) => /'(.*?)'/.exec(fault)?.[1])).toEqual(['a:b<1', 'nope']);
  });

  test('all faults at once, unknown options among them', async () => {
    const options = '--usres 5 -u 0 --rate x --pace y --target z --threshold t -m 1';
    expect(await faultsOf(options)).toHaveLength(7);
  });

  test('nothing is looked up while anything is wrong', async () => {
    expect(await faultsOf('--target nowhere:80 -u 0')).toHaveLength(1);
  });
});
