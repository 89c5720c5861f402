/**
 * What every source must do, with a real nginx: advanced on the client's host, which the target
 * routes its clients to; nfqueue and sink on the target. The clients are packets written by hand.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressOfBytes, formatAddress } from '../../src/base/address.ts';
import type { PacketSource, Registration } from '../../src/intercept/ports.ts';
import {
  openSource,
  type PacketSourceOptions,
  type SourceMode,
} from '../../src/io/intercept/intercept-source.ts';
import { Waiter } from '../../src/io/receive/wait.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { IpView } from '../../src/wire/ip-view.ts';
import { TcpView } from '../../src/wire/tcp.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import {
  type Host,
  type Lab,
  mustInside,
  routeClients,
  runInside,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import {
  countOnWire,
  type RawClients,
  rangeOf,
  registrationOf,
  TcpFlag,
  targetOf,
} from '../helpers/raw-client.ts';
import { onSourceGround, SOURCE_TOOLS } from '../helpers/source-ground.ts';

const CHILD = fileURLToPath(new URL('../helpers/intercept-child.mjs', import.meta.url));
const isReady = canRun('packet sources of the intercept', SOURCE_TOOLS);

const PREFIX_BYTES = 32;
const REQUEST = 'GET /page.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

let lab: Lab;
let clients: RawClients;
const opened = onSourceGround(isReady, (ground) => {
  ({ lab, clients } = ground);
});

/** A source, each of whose calls is made in its host's namespace. */
class SourceIn {
  readonly host: Host;
  readonly source: PacketSource;
  readonly #waiter: Waiter;

  constructor(host: Host, mode: SourceMode, options: PacketSourceOptions) {
    this.host = host;
    this.source = this.#inside(() => openSource(mode, { prefixBytes: PREFIX_BYTES, ...options }));
    this.#waiter = new Waiter(this.source.fds);
    opened.push(this);
  }

  register(...registrations: readonly Registration[]): void {
    this.#inside(() => this.source.setRegistrations(registrations));
  }

  describe(): string {
    return this.#inside(() => this.source.describe()).join('\n');
  }

  dropped(): number {
    return this.#inside(() => this.source.readDropped());
  }

  /** What is handed over until `isEnough` says so, or for `ms`. */
  collect(isEnough: (taken: readonly Taken[]) => boolean, ms = 2_000): Taken[] {
    const { source } = this;
    const taken: Taken[] = [];
    const onPacket = (start: number, bytes: number, seconds: number, nanoseconds: number) => {
      taken.push(read(source.data, start, bytes, seconds + nanoseconds / 1e9));
    };
    const end = performance.now() + ms;
    while (!isEnough(taken) && performance.now() < end) {
      this.#inside(() => source.receive(64, { onPacket }));
      this.#waiter.wait(1e6);
    }
    return taken;
  }

  close(): void {
    this.#inside(() => this.source.close());
    this.#waiter.close();
  }

  #inside<T>(work: () => T): T {
    return inNamespace(this.host.name, work);
  }
}

interface Taken {
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Octets of the packet's payload, and how many of them were handed over. */
  readonly payloadBytes: number;
  readonly prefix: string;
  /** Seconds since 1970. */
  readonly at: number;
}

const ip = new IpView();
const tcp = new TcpView();

function read(data: DataView, start: number, bytes: number, at: number): Taken {
  ip.wrap(data, start, bytes);
  expect(ip.check()).toBe(WireFault.OK);
  tcp.wrap(data, start + ip.headerBytes, bytes - ip.headerBytes);
  expect(tcp.check()).toBe(WireFault.OK);
  const headers = ip.headerBytes + tcp.headerBytes;
  const [destination, length] = ip.version === 4 ? [16, 4] : [24, 16];
  const address = new Uint8Array(data.buffer, data.byteOffset + start + destination, length);
  const captured = Math.min(bytes, ip.totalBytes) - headers;
  return {
    to: formatAddress(addressOfBytes(address)),
    fromPort: tcp.srcPort,
    toPort: tcp.dstPort,
    seq: tcp.seq,
    ack: tcp.ack,
    flags: tcp.flags,
    payloadBytes: ip.totalBytes - headers,
    prefix: Buffer.from(data.buffer, data.byteOffset + start + headers, captured).toString(
      'latin1',
    ),
    at,
  };
}

const RANGES = { 4: ['198.18.0.0', 256], 6: ['fd77:18::', 256] } as const;
const REGISTERED = { 4: '198.18.0.', 6: 'fd77:18::' } as const;
/** Routed like those, but nobody has registered for them. */
const STRANGERS = { 4: '198.18.1.', 6: 'fd77:18::1:' } as const;
type Family = 4 | 6;

const registration = (family: Family, id = family): Registration => {
  const target = family === 4 ? lab.target.ipv4 : lab.target.ipv6;
  const [first, count] = RANGES[family];
  return registrationOf(id, [rangeOf(first, count)], [targetOf(target, 80)]);
};

/** One request, packet by packet; returns all that was handed over. */
function exchange(source: SourceIn, client: string, port: number): Taken[] {
  const seq = 1_000;
  clients.send({ client, port, flags: TcpFlag.SYN, seq });
  const isOurs = ({ to, toPort }: Taken) => to === client && toPort === port;
  const synAck = source.collect((taken) => taken.some(isOurs)).find(isOurs);
  if (synAck === undefined) return [];
  const ack = (synAck.seq + 1) >>> 0;
  clients.send({ client, port, flags: TcpFlag.PSH_ACK, seq: seq + 1, ack, payload: REQUEST });
  const rest = source.collect((taken) => taken.some(({ flags }) => (flags & 0x01) !== 0));
  const end = seq + 1 + REQUEST.length;
  clients.send({ client, port, flags: TcpFlag.RST, seq: end, ack });
  return [synAck, ...rest];
}

const page = (family: Family) =>
  `http://${family === 4 ? lab.target.ipv4 : `[${lab.target.ipv6}]`}/page.html`;

/** The operator's own client, from the client host's own address. */
const fetchPage = (family: Family) =>
  runInside(lab.client, [
    'curl',
    '-sS',
    '-m',
    '3',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    page(family),
  ]);

const toClients = (net: string) => `tcp and src port 80 and dst net ${net}`;

const MODES: readonly { mode: SourceMode; options: PacketSourceOptions; isOnTarget: boolean }[] = [
  { mode: 'advanced', options: {}, isOnTarget: false },
  { mode: 'nfqueue', options: { queues: { first: 7, last: 9 } }, isOnTarget: true },
  { mode: 'sink', options: {}, isOnTarget: true },
];

describe.runIf(isReady).each(MODES)('$mode', ({ mode, options, isOnTarget }) => {
  let host: Host;

  beforeAll(async () => {
    host = isOnTarget ? lab.target : lab.client;
    // A sink's routes must be the only ones for the clients; what leaks would leave by this one.
    if (mode === 'sink') {
      await mustInside(host, ['ip', 'route', 'add', 'default', 'via', lab.client.ipv4]);
      await mustInside(host, ['ip', '-6', 'route', 'add', 'default', 'via', lab.client.ipv6]);
    } else await routeClients(lab);
  });

  afterAll(async () => {
    const nets = mode === 'sink' ? ['default', 'default'] : ['198.18.0.0/15', 'fd77:18::/64'];
    await mustInside(lab.target, ['ip', 'route', 'del', nets[0]]);
    await mustInside(lab.target, ['ip', '-6', 'route', 'del', nets[1]]);
  });

  const open = (more: PacketSourceOptions = {}) =>
    new SourceIn(host, mode, { ...options, ...more });

  test.each([4, 6] as const)('hands over the replies of an IPv%i connection', (family) => {
    const source = open();
    source.register(registration(4), registration(6));
    const before = Date.now() / 1e3;
    const client = `${REGISTERED[family]}7`;
    const taken = exchange(source, client, 4_000);
    const after = Date.now() / 1e3;
    expect(taken.length).toBeGreaterThanOrEqual(3);
    expect(taken[0]).toMatchObject({ flags: TcpFlag.SYN_ACK, ack: 1_001, payloadBytes: 0 });
    for (const one of taken) {
      expect(one).toMatchObject({ to: client, toPort: 4_000, fromPort: 80 });
      expect(one.at).toBeGreaterThan(before - 0.001);
      expect(one.at).toBeLessThan(after + 0.001);
    }
    const answer = taken.find(({ payloadBytes }) => payloadBytes > 0);
    expect(answer?.prefix.slice(0, 15)).toBe('HTTP/1.1 200 OK');
    // The headers that were kept room for are less than the most there can be.
    expect(answer?.prefix.length).toBeGreaterThanOrEqual(PREFIX_BYTES);
    expect(answer?.prefix.length).toBeLessThan(PREFIX_BYTES + 100);
    expect(taken.reduce((sum, one) => sum + one.payloadBytes, 0)).toBeGreaterThan(1_024);
    expect(source.dropped()).toBe(0);
  });

  test('hands over nothing before somebody registers, of strangers, and of other ports', () => {
    const source = open();
    const send = (client: string, port: number) =>
      clients.send({ client, port, flags: TcpFlag.SYN, seq: 5 });
    const isNothing = () => expect(source.collect(() => false, 50)).toEqual([]);
    send(`${REGISTERED[4]}9`, 4_100);
    isNothing();
    source.register({ ...registration(4), ports: { first: 2_000, last: 3_000 } });
    send(`${STRANGERS[4]}9`, 2_500);
    send(`${STRANGERS[6]}9`, 2_500);
    send(`${REGISTERED[6]}9`, 2_500);
    send(`${REGISTERED[4]}9`, 1_999);
    send(`${REGISTERED[4]}9`, 3_001);
    isNothing();
    for (const port of [2_000, 3_000]) {
      send(`${REGISTERED[4]}10`, port);
      const [taken] = source.collect((all) => all.length > 0);
      expect(taken).toMatchObject({ toPort: port, flags: TcpFlag.SYN_ACK });
    }
  });

  test('a change of registrations takes hold at once', () => {
    const source = open();
    source.register(registration(4));
    expect(exchange(source, `${REGISTERED[4]}20`, 4_200).length).toBeGreaterThan(1);
    source.register(registration(6));
    clients.send({ client: `${REGISTERED[4]}21`, port: 4_201, flags: TcpFlag.SYN, seq: 1 });
    expect(source.collect(() => false, 50)).toEqual([]);
    expect(exchange(source, `${REGISTERED[6]}20`, 4_202).length).toBeGreaterThan(1);
    source.register();
    clients.send({ client: `${REGISTERED[6]}21`, port: 4_203, flags: TcpFlag.SYN, seq: 1 });
    expect(source.collect(() => false, 50)).toEqual([]);
  });

  test("the operator's own client is served meanwhile", async () => {
    const source = open();
    source.register(registration(4), registration(6));
    for (const family of [4, 6, 4, 6] as const) {
      const taking = fetchPage(family);
      // In nfqueue mode this would have to answer if the rules were not scoped.
      expect(exchange(source, `${REGISTERED[family]}30`, 4_300).length).toBeGreaterThan(1);
      expect((await taking).stdout).toBe('200');
    }
  });

  if (isOnTarget) {
    test('no packet of the client range leaves the target, while and after it is registered', async () => {
      const source = open();
      const filter = `(${toClients('198.18.0.0/24')}) or (${toClients('fd77:18::/120')})`;
      const onWire = await countOnWire(lab.client, filter, async () => {
        source.register(registration(4), registration(6));
        for (let i = 0; i < 20; i++) {
          expect(exchange(source, `${REGISTERED[4]}${40 + i}`, 4_400).length).toBeGreaterThan(1);
          expect(exchange(source, `${REGISTERED[6]}${40 + i}`, 4_400).length).toBeGreaterThan(1);
        }
        // Its replay has gone, its clients' connections have not.
        clients.send({ client: `${REGISTERED[4]}70`, port: 4_401, flags: TcpFlag.SYN, seq: 1 });
        source.collect((taken) => taken.length > 0);
        source.register();
        expect(source.collect(() => false, 1_500)).toEqual([]);
      });
      expect(onWire).toBe(0);
      // The same eye sees what nobody has registered for.
      const ofStrangers = await countOnWire(lab.client, toClients('198.18.1.9'), async () => {
        if (mode === 'sink') source.register(registration(4));
        clients.send({ client: `${STRANGERS[4]}9`, port: 4_402, flags: TcpFlag.SYN, seq: 1 });
      });
      expect(ofStrangers).toBeGreaterThan(0);
    });
  }

  test('nothing is left behind by close', async () => {
    const before = await stateOf(host);
    const source = new SourceIn(host, mode, options);
    source.register(registration(4), registration(6));
    if (isOnTarget) expect(await stateOf(host)).not.toEqual(before);
    source.register();
    opened.splice(0);
    source.close();
    source.source.close();
    expect(await stateOf(host)).toEqual(before);
  });

  test('what a killed one left behind is taken over by the next, and removed with it', async () => {
    const before = await stateOf(host);
    const ranges = [
      { first: RANGES[4][0], count: 100, target: lab.target.ipv4, port: 80 },
      { first: RANGES[6][0], count: 100, target: lab.target.ipv6, port: 80 },
    ];
    const argv = [process.execPath, CHILD, mode, JSON.stringify(options), JSON.stringify(ranges)];
    const child = startInside(host, argv);
    await until(
      'the child is ready',
      () => {
        if (child.hasEnded()) throw new Error(child.output());
        return child.output().includes('ready');
      },
      60_000,
    );
    if (isOnTarget) {
      // The living one's are respected.
      expect(() => open()).toThrow(expect.objectContaining({ kind: 'environment' }));
      const during = await stateOf(host);
      expect(during).not.toEqual(before);
      await child.stop('SIGKILL');
      expect(await stateOf(host)).toEqual(during);
    } else await child.stop('SIGKILL');
    const dead = await stateOf(host);
    // Between its end and the next registration, nothing of its clients' leaves the target.
    const client = { client: `${REGISTERED[4]}9`, port: 4_900, seq: 1 };
    const onWire = await countOnWire(lab.client, toClients('198.18.0.0/24'), async () => {
      clients.send({ ...client, flags: TcpFlag.SYN });
      const next = open();
      clients.send({ ...client, flags: TcpFlag.SYN, port: 4_901 });
      expect(next.collect(() => false, 500)).toEqual([]);
      next.register(registration(4));
      expect(exchange(next, `${REGISTERED[4]}90`, 4_900).length).toBeGreaterThan(1);
    });
    const [source] = opened.splice(0);
    if (isOnTarget) {
      expect(onWire).toBe(0);
      const marks = (lines: readonly string[]): string[] =>
        lines.join('\n').match(/gryphon:\d+:\d+/g) ?? [];
      expect(marks(await stateOf(host)).filter((mark) => marks(dead).includes(mark))).toEqual([]);
    }
    source?.close();
    expect(await stateOf(host)).toEqual(before);
  });
});

/** Rules, routes and interfaces of a host. */
async function stateOf(host: Host): Promise<string[]> {
  const commands = [
    ['iptables', '-S'],
    ['ip6tables', '-S'],
    ['ip', 'route'],
    ['ip', '-6', 'route'],
    ['ip', '-br', 'link'],
  ];
  return Promise.all(commands.map((argv) => mustInside(host, argv)));
}
