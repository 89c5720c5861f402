/** The way to the targets: routes, neighbours, answers to neighbours, and all of it together. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type AddressRange,
  addressBytes,
  type IpAddress,
  parseAddress,
} from '../../src/base/address.ts';
import { type LocalIo, type LocalPlan, openLocal } from '../../src/io/open-local.ts';
import { runStartsNow } from '../../src/io/receive/run-clock.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { findInterface } from '../../src/io/way/interfaces.ts';
import {
  findLocalPath,
  type LocalPath,
  type LocalPathRequest,
  needsAnswers,
  requireClients,
} from '../../src/io/way/local-path.ts';
import { findRoute } from '../../src/io/way/routes.ts';
import { formatMac } from '../../src/wire/ethernet.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import { keepGround } from '../helpers/ground.ts';
import {
  DEVICE,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  runInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';

const isReady = canRun('the way to the targets', ['ip', 'arping', 'ethtool', 'sysctl']);

let lab: Lab;
let folder: string;
const opened: { close: () => void }[] = [];

beforeAll(async () => {
  lab = await makeLab();
  folder = mkdtempSync(join(tmpdir(), 'gryphon-io-'));
  await routeClients(lab);
});

keepGround(() => (isReady ? [lab.client, lab.target] : []));

afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab.close();
});

function addressOf(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

function rangeOf(text: string, count: number): AddressRange {
  const { prefix, low } = addressOf(text);
  return { prefix, start: low, count };
}

const inClient = <T>(work: () => T): T => inNamespace(lab.client.name, work);
const macOf = (namespace: string): string =>
  inNamespace(namespace, () => formatMac(findInterface(DEVICE).mac ?? new Uint8Array(6)));

const REQUEST = {
  interfaceName: null,
  nextHop: null,
  sourceMac: null,
  hasLinkHeader: true,
  asksLink: true,
};
const routeTo = (text: string, request = {}) =>
  inClient(() => findRoute({ ...REQUEST, target: addressOf(text), ...request }));

describe.runIf(isReady)('the way to the targets', () => {
  describe('a route', () => {
    test.each(['10.77.0.1', 'fd77::1'])(
      'to %s asks the link for a MAC that is not known',
      (text) => {
        const { device, nextHopMac, sourceMac, linkHeader, mtu, isLocal } = routeTo(text);
        expect(device.name).toBe(DEVICE);
        expect(formatMac(nextHopMac)).toBe(macOf(lab.target.name));
        expect(formatMac(sourceMac)).toBe(macOf(lab.client.name));
        const etherType = text.includes(':') ? '86dd' : '0800';
        const macs = [lab.target.name, lab.client.name].map(macOf).join('').replaceAll(':', '');
        expect(Buffer.from(linkHeader).toString('hex')).toBe(macs + etherType);
        expect({ mtu, isLocal }).toEqual({ mtu: 1500, isLocal: false });
      },
    );

    test('by a gateway goes to the gateway, with the MTU of the route', async () => {
      await mustInside(lab.client, 'ip route add 10.9.0.0/16 via 10.77.0.1 mtu 1300'.split(' '));
      const { nextHopMac, mtu } = routeTo('10.9.8.7');
      expect(formatMac(nextHopMac)).toBe(macOf(lab.target.name));
      expect(mtu).toBe(1300);
    });

    test('takes a MAC from the neighbour table without asking', async () => {
      const entry = `10.77.0.9 lladdr 02:00:00:00:00:09 dev ${DEVICE} nud permanent`;
      await mustInside(lab.client, ['ip', 'neighbour', 'add', ...entry.split(' ')]);
      expect(formatMac(routeTo('10.77.0.9').nextHopMac)).toBe('02:00:00:00:00:09');
    });

    test('takes next hop and source as they are named', () => {
      const nextHop = { kind: 'mac', mac: '02:11:22:33:44:55' };
      const sourceMac = '02:66:77:88:99:aa';
      // No table has a way to this target: none is needed.
      const route = routeTo('203.0.113.1', { nextHop, sourceMac, interfaceName: DEVICE });
      const header = Buffer.from(route.linkHeader).toString('hex');
      expect(header).toBe('021122334455' + '0266778899aa' + '0800');
    });

    test('goes by the router that is named', () => {
      const nextHop = { kind: 'ip', address: '10.77.0.1' };
      const route = routeTo('203.0.113.1', { nextHop });
      expect(formatMac(route.nextHopMac)).toBe(macOf(lab.target.name));
    });

    test('has no link header when the kernel writes it', () => {
      // Nobody answers for this one; it is not asked.
      const route = routeTo('10.77.0.200', { hasLinkHeader: false });
      expect(route.linkHeader).toHaveLength(0);
      expect(route.device.name).toBe(DEVICE);
    });

    test.each([
      {
        name: 'to nowhere',
        text: '203.0.113.1',
        request: {},
        code: 'ERR_IO_NO_ROUTE',
        kind: 'unreachable',
        says: /203\.0\.113\.1.*unreachable/,
      },
      {
        name: 'to nowhere, IPv6',
        text: '2001:db8::1',
        request: {},
        code: 'ERR_IO_NO_ROUTE',
        kind: 'unreachable',
        says: /2001:db8::1/,
      },
      {
        name: 'by an interface that is not there',
        text: '10.77.0.1',
        request: { interfaceName: 'eth7' },
        code: 'ERR_IO_NO_INTERFACE',
        kind: 'environment',
        says: /eth7.*there are lo, .*link0/,
      },
      {
        name: 'to this machine by another interface',
        text: '10.77.0.2',
        request: { interfaceName: DEVICE },
        code: 'ERR_IO_LOCAL_TARGET',
        kind: 'usage',
        says: /10\.77\.0\.2/,
      },
      {
        name: 'to a neighbour that is silent',
        text: '10.77.0.201',
        request: {},
        code: 'ERR_IO_NO_NEIGHBOUR',
        kind: 'unreachable',
        says: /10\.77\.0\.201/,
      },
    ])('$name is refused', ({ text, request, code, kind, says }) => {
      const message = expect.stringMatching(says);
      expect(() => routeTo(text, request)).toThrow(
        expect.objectContaining({ code, kind, message }),
      );
    });

    test('by an interface that is down is refused', async () => {
      await mustInside(lab.client, 'ip link add down0 type veth peer name down1'.split(' '));
      expect(() => routeTo('10.77.0.1', { interfaceName: 'down0' })).toThrow(
        expect.objectContaining({ code: 'ERR_IO_INTERFACE_DOWN', hint: 'ip link set down0 up' }),
      );
    });
  });

  describe('clients', () => {
    const pathTo = (text: string) => inClient(() => findPath(text, {}));

    test.each([
      { range: rangeOf('10.77.64.0', 100), isOnLink: true },
      { range: rangeOf('198.18.0.0', 131_072), isOnLink: false },
      { range: rangeOf('fd77::64:0', 100), isOnLink: true },
      { range: rangeOf('fd77:0:0:1::', 100), isOnLink: false },
    ])(
      'of range %# are asked for by neighbours when they are on the link',
      ({ range, isOnLink }) => {
        expect(needsAnswers(pathTo('10.77.0.1'), [range])).toBe(isOnLink);
      },
    );

    test('of a machine that forwards are told apart', async () => {
      const set = (value: number) =>
        mustInside(lab.client, ['sysctl', '-qw', `net.ipv4.conf.${DEVICE}.forwarding=${value}`]);
      expect(pathTo('10.77.0.1').forwards).toBe(false);
      await set(1);
      expect(pathTo('10.77.0.1').forwards).toBe(true);
      expect(pathTo('127.0.0.1').forwards).toBe(false);
      await set(0);
    });

    test('that are in use are refused', () => {
      const path = pathTo('10.77.0.1');
      const check = (range: AddressRange) => () =>
        requireClients(path, [addressOf('10.77.0.1')], [range]);
      const code = 'ERR_IO_CLIENT_IN_USE';
      expect(check(rangeOf('10.77.0.2', 1))).toThrow(expect.objectContaining({ code }));
      expect(check(rangeOf('10.77.0.0', 2))).toThrow(expect.objectContaining({ code }));
      expect(check(rangeOf('10.77.0.3', 200))).not.toThrow();
    });
  });

  const PLAN = {
    sender: 'packet',
    ports: { first: 1024, last: 65_535 },
    sharding: { order: 'ip', firstPort: 1024, users: 1, shards: 1, shard: 0 },
  } as const;

  const ANYHOW = { interfaceName: null, nextHop: null, sourceMac: null, asksLink: true };

  type PartOfPlan = Partial<LocalPlan> & Pick<LocalPlan, 'ranges'>;

  function openClient(
    target: string,
    plan: PartOfPlan,
    request: Partial<LocalPathRequest> = {},
  ): LocalIo {
    const { sender = 'packet' } = plan;
    return inClient(() => openHere(findPath(target, { sender, ...request }), target, plan));
  }

  /** To be called in the client's namespace. */
  function findPath(target: string, request: Partial<LocalPathRequest>): LocalPath {
    return findLocalPath({ ...ANYHOW, targets: [addressOf(target)], sender: 'packet', ...request });
  }

  function openHere(path: LocalPath, target: string, plan: PartOfPlan): LocalIo {
    const io = openLocal({
      ...PLAN,
      path,
      files: [],
      targets: [{ address: addressOf(target), port: 9 }],
      answersNeighbours: 'nobody',
      runStart: runStartsNow(),
      ...plan,
    });
    opened.push(io);
    return io;
  }

  /** Sends a packet to an address and prints its entry in the neighbour table, if it gets a MAC. */
  const LEARN_NEIGHBOUR = `
  echo > /dev/udp/$1/9
  for i in $(seq 50); do
    ip -6 neighbour show to $1 | grep lladdr && exit 0
    sleep 0.02
  done
  exit 1`;

  /** Runs a command in the target's namespace while the client's end answers neighbours. */
  async function whileAnswering(io: LocalIo, argv: readonly string[]) {
    const timer = setInterval(io.answerNeighbours, 2);
    try {
      return await runInside(lab.target, argv);
    } finally {
      clearInterval(timer);
    }
  }

  describe('neighbours', () => {
    test('who ask by ARP get the MAC for every client, and for no other address', async () => {
      const ranges = [rangeOf('10.77.64.0', 2), rangeOf('10.77.65.7', 1)];
      const io = openClient('10.77.0.1', { ranges, answersNeighbours: 'everybody' });
      const ask = (address: string) =>
        whileAnswering(io, ['arping', '-f', '-w', '1', '-I', DEVICE, address]);
      for (const address of ['10.77.64.0', '10.77.64.1', '10.77.65.7']) {
        const { code, stdout } = await ask(address);
        expect({ address, code }).toEqual({ address, code: 0 });
        expect(stdout.toLowerCase()).toContain(macOf(lab.client.name));
      }
      expect(io.answered()).toBe(3);
      for (const address of ['10.77.63.255', '10.77.64.2', '10.77.65.6', '10.77.65.8']) {
        expect({ address, code: (await ask(address)).code }).toEqual({ address, code: 1 });
      }
      expect(io.answered()).toBe(3);
    });

    test('are left to the kernel for its own addresses', async () => {
      const ranges = [rangeOf('10.77.0.2', 2)];
      const io = openClient('10.77.0.1', { ranges, answersNeighbours: 'everybody' });
      const argv = ['arping', '-c', '2', '-w', '2', '-I', DEVICE, '10.77.0.2'];
      const { stdout } = await whileAnswering(io, argv);
      expect(stdout).toMatch(/Received [12] response/);
      expect(io.answered()).toBe(0);
    });

    test('who ask by NDP get the MAC, and packets then come to us', async () => {
      const ranges = [rangeOf('fd77::64:0', 3)];
      const io = openClient('fd77::1', { ranges, answersNeighbours: 'everybody' });
      // The target's kernel asks before it sends this; nobody answers the packet itself.
      const learn = (address: string) =>
        whileAnswering(io, ['bash', '-c', LEARN_NEIGHBOUR, 'bash', address]);
      const { code, stdout } = await learn('fd77::64:2');
      expect(code).toBe(0);
      expect(stdout).toContain(`fd77::64:2 dev ${DEVICE} lladdr ${macOf(lab.client.name)}`);
      expect((await learn('fd77::64:3')).code).toBe(1);
      expect(io.answered()).toBeGreaterThan(0);
    });
  });

  interface Flow {
    readonly family: 4 | 6;
    readonly target: string;
    readonly client: string;
  }

  /** Sends a SYN to a port that nobody listens on, and waits for its RST. */
  function knock(io: LocalIo, linkHeader: Uint8Array, { family, target, client }: Flow): number[] {
    const writer = new FrameWriter(io.sender.batch, { family });
    const { low } = addressOf(client);
    const bytes = (text: string) => addressBytes(addressOf(text));
    const route = writer.addRoute(linkHeader, bytes(target), bytes(client));
    writer.writeTcp(route, low, 5_000, 9, 1, 77, 0, 2, 512, OptionsKind.SYN, 1, 0, 0, 0);
    io.sender.batch.count++;
    io.sender.flush();
    const acks: number[] = [];
    const { data } = io.receiver;
    const tcpAt = family === 4 ? 20 : 40;
    for (let turn = 0; turn < 20 && acks.length === 0; turn++) {
      io.wait(50e6);
      io.receiver.receive(10, { onPacket: (at) => acks.push(data.getUint32(at + tcpAt + 8)) });
    }
    return acks;
  }

  const FLOWS: readonly Flow[] = [
    { family: 4, target: '10.77.0.1', client: '198.18.3.4' },
    { family: 6, target: 'fd77::1', client: 'fd77:18::5' },
  ];

  describe.each(FLOWS)('a SYN from $client', (flow) => {
    test.each(['packet', 'ip'] as const)('by sender %s is answered', (sender) => {
      const ranges = [rangeOf(flow.client, 1)];
      const io = openClient(flow.target, { sender, ranges });
      const linkHeader = routeTo(flow.target, { hasLinkHeader: sender === 'packet' }).linkHeader;
      expect(knock(io, linkHeader, flow)).toEqual([78]);
      expect(io.sender.faults.total).toBe(0);
    });
  });

  test("a MAC that is not the device's makes it promiscuous for as long as it is used", async () => {
    const promiscuity = async () => {
      const show = ['ip', '-d', '-json', 'link', 'show', 'dev', DEVICE];
      const [link] = JSON.parse(await mustInside(lab.client, show)) as { promiscuity: number }[];
      return link.promiscuity;
    };
    const io = openClient(
      '10.77.0.1',
      { ranges: [rangeOf('198.18.3.5', 1)] },
      { sourceMac: '02:66:77:88:99:aa' },
    );
    expect(await promiscuity()).toBe(1);
    io.close();
    expect(await promiscuity()).toBe(0);
  });

  describe('a target on this machine', () => {
    const flow: Flow = { family: 4, target: '127.0.0.1', client: '198.19.0.1' };
    const ranges = [rangeOf('198.19.0.0', 4)];
    const check = (target = flow.target, clients = ranges) =>
      inClient(() => {
        const targets = [addressOf(target)];
        requireClients(findPath(target, {}), targets, clients);
      });
    const unreachable = (hint: RegExp) =>
      expect.objectContaining({
        code: 'ERR_IO_LOOPBACK',
        kind: 'unreachable',
        hint: expect.stringMatching(hint),
      });

    test('answers once the hints have been followed', async () => {
      expect(() => check()).toThrow(
        unreachable(/^--clients own, or: sysctl -w net\.ipv4\.conf\.lo\.route_localnet=1$/),
      );
      await mustInside(lab.client, ['sysctl', '-qw', 'net.ipv4.conf.lo.route_localnet=1']);
      expect(() => check()).toThrow(
        unreachable(/^--clients own, or: ip route add 198\.19\.0\.0\/32 dev lo/),
      );
      await mustInside(lab.client, ['ip', 'route', 'add', '198.19.0.0/30', 'dev', 'lo']);
      expect(() => check()).not.toThrow();
      const io = openClient(flow.target, { ranges });
      expect(knock(io, routeTo(flow.target).linkHeader, flow)).toEqual([78]);
    });

    test('is refused for clients that are the machine itself', async () => {
      await mustInside(lab.client, ['sysctl', '-qw', 'net.ipv4.conf.lo.route_localnet=1']);
      expect(() => check('127.0.0.1', [rangeOf('127.1.0.0', 9)])).toThrow(
        unreachable(/--clients own/),
      );
    });

    test('is refused over IPv6, whose replies no route leads to lo', () => {
      expect(() => check('::1', [rangeOf('fd01::1', 1)])).toThrow(unreachable(/namespace/));
    });
  });

  test('without the privilege the hint says how to get it', () => {
    const ranges = [rangeOf('198.18.0.0', 1)];
    inClient(() => {
      const path = findPath('10.77.0.1', {});
      // Root may take another user's rights for a moment: the capabilities go with them.
      process.seteuid?.(65_534);
      try {
        expect(() => openHere(path, '10.77.0.1', { ranges })).toThrow(
          expect.objectContaining({
            code: 'ERR_IO_NOT_PERMITTED',
            kind: 'environment',
            message: 'opening a raw socket failed: EPERM',
            hint: expect.stringContaining('setcap cap_net_raw'),
          }),
        );
      } finally {
        process.seteuid?.(0);
      }
    });
  });

  describe('what cannot be opened', () => {
    test('is closed again', () => {
      const before = openFiles();
      const path = join(folder, 'short');
      writeFileSync(path, 'x');
      const files = [{ path, base: 0, bytes: 2 }];
      const ranges = [rangeOf('198.18.0.0', 1)];
      const open = () => openClient('10.77.0.1', { files, ranges });
      expect(open).toThrow(expect.objectContaining({ code: 'ERR_IO_CAPTURE_CHANGED' }));
      const tooMany = Array.from({ length: 900 }, (_, i) =>
        rangeOf(`198.18.${i >> 7}.${2 * (i & 127)}`, 1),
      );
      expect(() => openClient('10.77.0.1', { ranges: tooMany })).toThrow(
        expect.objectContaining({ code: 'ERR_IO_FILTER_TOO_LONG', kind: 'usage' }),
      );
      expect(openFiles()).toBe(before);
    });
  });

  const openFiles = (): number => readdirSync('/proc/self/fd').length;
});
