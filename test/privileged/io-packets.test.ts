/**
 * Both ends of a veth pair in one process: frames go in at the client's namespace, and what comes
 * out at the target's is compared octet by octet.
 */

import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressBytes, addressOfBytes, parseAddress } from '../../src/base/address.ts';
import type { Instant } from '../../src/base/instant.ts';
import type { JoinedFile } from '../../src/base/joined-file.ts';
import { CaptureMap } from '../../src/io/files/capture-map.ts';
import { type ReplyFilterOptions, replyFilter } from '../../src/io/filter/reply-filter.ts';
import { PacketReceiver } from '../../src/io/receive/packet-receiver.ts';
import { openRunClock, runStartsNow } from '../../src/io/receive/run-clock.ts';
import { Waiter } from '../../src/io/receive/wait.ts';
import { IpSender } from '../../src/io/send/ip-sender.ts';
import { PacketSender } from '../../src/io/send/packet-sender.ts';
import { RawSocketSender } from '../../src/io/send/raw-socket-sender.ts';
import { XdpSender } from '../../src/io/send/xdp-sender.ts';
import { PAGE_BYTES } from '../../src/io/sys/memory.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { findInterface } from '../../src/io/way/interfaces.ts';
import type { Sender } from '../../src/transport/ports.ts';
import { EtherType, emitEthernet } from '../../src/wire/ethernet.ts';
import { EXTENTS_PER_FRAME } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import { DEVICE, type Lab, makeLab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';

function octetsOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return addressBytes(address);
}

const CLIENT4 = Uint8Array.of(198, 18, 0, 0);
const CLIENT4_LOW = 0xc612_0000;
const CLIENT_PORT = 4_000;
const TARGET4 = Uint8Array.of(10, 77, 0, 1);
const CLIENT6 = octetsOf('fd77:18::');
const TARGET6 = octetsOf('fd77::1');
const TARGET_PORT = 80;
const BATCH_FRAMES = 32;

const clock = openRunClock(runStartsNow());
const opened: { close: () => void }[] = [];
const isReady = canRun('packets through the kernel', ['ip', 'iptables', 'ethtool', 'sysctl']);

let lab: Lab;
let folder: string;
let files: JoinedFile[];
/** What the map holds, as JavaScript has it. */
let joined: Uint8Array;

beforeAll(async () => {
  lab = await makeLab();
  folder = mkdtempSync(join(tmpdir(), 'gryphon-io-'));
  const first = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  const second = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 13 + 1) & 0xff);
  const base = Math.ceil(first.length / PAGE_BYTES) * PAGE_BYTES;
  files = [
    { path: join(folder, 'first'), base: 0, bytes: first.length },
    { path: join(folder, 'second'), base, bytes: second.length },
  ];
  joined = new Uint8Array(base + second.length);
  for (const [i, octets] of [first, second].entries()) {
    writeFileSync(files[i].path, octets);
    joined.set(octets, files[i].base);
  }
});

afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab.close();
});

function keep<T extends { close: () => void }>(one: T): T {
  opened.push(one);
  return one;
}

/**
 * Receives at the target's end what clients send: there, the roles of the filter are swapped, so
 * its "targets" are our clients.
 */
function openReceiver(options: Partial<ReplyFilterOptions> = {}, ringFrames = 1_000) {
  const snapBytes = options.snapBytes ?? 2_000;
  const filter = replyFilter({
    ranges: [TARGET4, TARGET6].map(addressOfBytes).map(({ prefix, low }) => ({
      prefix,
      start: low,
      count: 1,
    })),
    targets: [CLIENT4, CLIENT6].map((octets) => ({
      address: addressOfBytes(octets),
      port: CLIENT_PORT,
    })),
    ports: { first: TARGET_PORT, last: TARGET_PORT },
    sharding: { order: 'ip', firstPort: TARGET_PORT, users: 1, shards: 1, shard: 0 },
    ...options,
    snapBytes,
  });
  return inNamespace(lab.target.name, () => {
    const interfaceIndex = findInterface(DEVICE).index;
    return keep(new PacketReceiver({ interfaceIndex, filter, snapBytes, clock, ringFrames }));
  });
}

type Family = 4 | 6;
type OpenSender = (family: Family) => PacketSender | XdpSender | IpSender | RawSocketSender;

const openPacketSender: OpenSender = () => {
  const captureMap = keep(new CaptureMap(files));
  return inNamespace(lab.client.name, () => {
    const interfaceIndex = findInterface(DEVICE).index;
    return keep(new PacketSender({ interfaceIndex, captureMap, clock, batchFrames: BATCH_FRAMES }));
  });
};

const captureBytes = {
  read: (offset: number, into: Uint8Array) => {
    into.set(joined.subarray(offset, offset + into.length));
  },
};

const openXdpSender: OpenSender = () => {
  const options = { queue: 0, captureBytes, clock, batchFrames: BATCH_FRAMES };
  return inNamespace(lab.client.name, () => {
    const { index: interfaceIndex, mtu } = findInterface(DEVICE);
    return keep(new XdpSender({ interfaceIndex, mtu, ...options }));
  });
};

const openIpSender: OpenSender = (family) => {
  const captureMap = keep(new CaptureMap(files));
  const interfaceName = DEVICE;
  return inNamespace(lab.client.name, () =>
    keep(new IpSender({ family, interfaceName, captureMap, clock, batchFrames: BATCH_FRAMES })),
  );
};

const openRawSocketSender: OpenSender = (family) => {
  const interfaceName = DEVICE;
  return inNamespace(lab.client.name, () =>
    keep(
      new RawSocketSender({
        family,
        interfaceName,
        captureBytes,
        clock,
        batchFrames: BATCH_FRAMES,
      }),
    ),
  );
};

/** The header of a frame from the client's end of the pair to the target's. */
function linkHeader(family: Family): Uint8Array {
  const [destination, source] = [lab.target.name, lab.client.name].map(
    (namespace) => inNamespace(namespace, () => findInterface(DEVICE).mac) ?? new Uint8Array(6),
  );
  return emitEthernet({
    destination,
    source,
    etherType: family === 4 ? EtherType.IPV4 : EtherType.IPV6,
  });
}

interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** Writes frames to the target whose payload is pieces of the joined capture. */
class Frames {
  readonly sender: Sender;
  readonly linkBytes: number;
  readonly #writer: FrameWriter;
  readonly #route: number;
  readonly #low: number;

  constructor(sender: Sender, family: Family, link: Uint8Array) {
    this.sender = sender;
    this.linkBytes = link.length;
    this.#writer = new FrameWriter(sender.batch, { family });
    const [target, client] = family === 4 ? [TARGET4, CLIENT4] : [TARGET6, CLIENT6];
    this.#route = this.#writer.addRoute(link, target, client);
    this.#low = family === 4 ? CLIENT4_LOW : 0;
  }

  /** @returns the packet's octets as they must arrive */
  write(pieces: readonly Piece[], { srcPort = CLIENT_PORT, dstPort = TARGET_PORT, seq = 7 } = {}) {
    const { batch } = this.sender;
    const frame = batch.count;
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const { NONE } = OptionsKind;
    const [low, route] = [this.#low, this.#route];
    this.#writer.writeTcp(route, low, srcPort, dstPort, 9, seq, 8, 0x18, 512, NONE, 0, 0, bytes, 0);
    const first = frame * EXTENTS_PER_FRAME;
    pieces.forEach((piece, i) => {
      batch.extentOffset[first + i] = piece.offset;
      batch.extentBytes[first + i] = piece.bytes;
    });
    batch.extentCount[frame] = pieces.length;
    batch.count++;
    const slot = frame * 128;
    const header = batch.headers.slice(slot + this.linkBytes, slot + batch.headerBytes[frame]);
    const payload = pieces.map(({ offset, bytes }) => joined.slice(offset, offset + bytes));
    return hex(header) + payload.map(hex).join('');
  }
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

interface Arrived {
  readonly hex: string;
  readonly atNs: number;
}

/** What arrives until `count` packets are there, or for a second. */
function collect(receiver: PacketReceiver, count: number, perTurn = 16): Arrived[] {
  const arrived: Arrived[] = [];
  const octets = new Uint8Array(receiver.data.buffer);
  const onPacket = (start: number, captured: number, { ns }: Instant): void => {
    arrived.push({ hex: hex(octets.subarray(start, start + captured)), atNs: ns });
  };
  const waiter = new Waiter([receiver.fd]);
  const untilNs = clock.nowNs() + 1e9;
  while (arrived.length < count && clock.nowNs() < untilNs) {
    receiver.receive(perTurn, { onPacket });
    if (arrived.length < count) waiter.wait(1e6);
  }
  waiter.close();
  return arrived;
}

const SHAPES: readonly { shape: string; pieces: readonly Piece[] }[] = [
  { shape: 'a packet without payload', pieces: [] },
  { shape: 'one octet', pieces: [{ offset: 9_999, bytes: 1 }] },
  { shape: 'a full segment', pieces: [{ offset: 4_000, bytes: 1_440 }] },
  {
    shape: 'pieces of two files',
    pieces: [
      { offset: 12_288, bytes: 700 },
      { offset: 5, bytes: 301 },
      { offset: 13_000, bytes: 64 },
    ],
  },
  {
    shape: 'as many pieces as a frame has room for',
    pieces: Array.from({ length: EXTENTS_PER_FRAME }, (_, i) => ({
      offset: i * 999,
      bytes: 7 + i,
    })),
  },
];

/** Optional, since it is compiled when it is installed. */
const hasRawSocket = existsSync('node_modules/raw-socket/build/Release/raw.node');
if (!hasRawSocket) console.warn('raw-socket is not installed: --sender raw-socket is not tested');

const WAYS: readonly { way: string; family: Family; open: OpenSender; isLink: boolean }[] = [
  ...(hasRawSocket
    ? ([4, 6] as const).map((family) => ({
        way: `the package raw-socket, IPv${family}`,
        family,
        open: openRawSocketSender,
        isLink: false,
      }))
    : []),
  { way: 'AF_PACKET, IPv4', family: 4, open: openPacketSender, isLink: true },
  { way: 'AF_PACKET, IPv6', family: 6, open: openPacketSender, isLink: true },
  { way: 'AF_XDP, IPv4', family: 4, open: openXdpSender, isLink: true },
  { way: 'AF_XDP, IPv6', family: 6, open: openXdpSender, isLink: true },
  { way: 'an IP raw socket, IPv4', family: 4, open: openIpSender, isLink: false },
  { way: 'an IP raw socket, IPv6', family: 6, open: openIpSender, isLink: false },
];

describe.runIf(isReady)('packets through the kernel', () => {
  describe.each(WAYS)('by $way', ({ family, open, isLink }) => {
    const frames = () =>
      new Frames(open(family), family, isLink ? linkHeader(family) : new Uint8Array(0));

    test.each(SHAPES)('$shape arrives octet by octet', ({ pieces }) => {
      const receiver = openReceiver();
      const out = frames();
      const wanted = out.write(pieces);
      out.sender.flush();
      expect(collect(receiver, 1).map((one) => one.hex)).toEqual([wanted]);
    });

    test('many batches arrive in order, and the ring wraps', () => {
      const receiver = openReceiver();
      const out = frames();
      const wanted: string[] = [];
      const arrived: Arrived[] = [];
      // 1,000 frames of 2,080 octets: the ring is gone through more than twice.
      for (let round = 0; round < 75; round++) {
        for (let i = 0; i < BATCH_FRAMES; i++) {
          const seq = round * BATCH_FRAMES + i;
          wanted.push(out.write([{ offset: seq, bytes: (seq * 11) % 1_400 }], { seq }));
        }
        out.sender.flush();
        expect(out.sender.batch.count).toBe(0);
        arrived.push(...collect(receiver, BATCH_FRAMES, 7));
      }
      expect(arrived.map((one) => one.hex)).toEqual(wanted);
      expect(receiver.readDropped()).toBe(0);
    });

    test('arrivals bear the time at which they came, not that at which they are read', () => {
      const receiver = openReceiver();
      const waiter = keep(new Waiter([receiver.fd]));
      const nothing = keep(new Waiter([]));
      const out = frames();
      for (let i = 0; i < 20; i++) {
        out.write([], { seq: i });
        const beforeNs = clock.nowNs();
        out.sender.flush();
        const patientNs = beforeNs + 10e9;
        while (!waiter.wait(100e6)) expect(clock.nowNs()).toBeLessThan(patientNs);
        const thereNs = clock.nowNs();
        nothing.wait(5e6);
        const atNs = collect(receiver, 1).at(0)?.atNs ?? Number.NaN;
        // The two clocks' distance is known to some microseconds; what is read is 5 ms later.
        expect(atNs).toBeGreaterThan(beforeNs - 50_000);
        expect(atNs).toBeLessThan(thereNs + 50_000);
      }
    });

    test('a frame above the MTU is charged alone, the rest of the batch goes', () => {
      const receiver = openReceiver();
      const out = frames();
      const first = out.write([{ offset: 0, bytes: 100 }]);
      out.write([{ offset: 0, bytes: 1_600 }]);
      const last = out.write([{ offset: 50, bytes: 100 }]);
      out.sender.flush();
      expect(collect(receiver, 2).map((one) => one.hex)).toEqual([first, last]);
      expect((out.sender as PacketSender).faults).toMatchObject({ tooLong: 1, total: 1 });
    });
  });

  test('a file that is truncated under the map costs its frames and not the process', () => {
    const path = join(folder, 'shrinking');
    writeFileSync(path, joined.subarray(0, 3 * PAGE_BYTES));
    const captureMap = keep(new CaptureMap([{ path, base: 0, bytes: 3 * PAGE_BYTES }]));
    const sender = inNamespace(lab.client.name, () => {
      const interfaceIndex = findInterface(DEVICE).index;
      return keep(new PacketSender({ interfaceIndex, captureMap, clock }));
    });
    const receiver = openReceiver();
    const out = new Frames(sender, 4, linkHeader(4));
    truncateSync(path, PAGE_BYTES);
    out.write([{ offset: 2 * PAGE_BYTES, bytes: 10 }]);
    const wanted = out.write([{ offset: 100, bytes: 10 }]);
    sender.flush();
    expect(collect(receiver, 1).map((one) => one.hex)).toEqual([wanted]);
    expect(sender.faults).toMatchObject({ other: 1, total: 1 });
    expect(sender.faults.lastOther).toContain('truncated');
  });

  test('a file that is shorter than it was is refused at once', () => {
    const [file] = files;
    const map = () => new CaptureMap([{ ...file, bytes: file.bytes + 1 }]);
    expect(map).toThrow(
      expect.objectContaining({ code: 'ERR_IO_CAPTURE_CHANGED', kind: 'capture' }),
    );
  });

  test.each([
    { way: 'AF_PACKET', open: openPacketSender },
    { way: 'AF_XDP', open: openXdpSender },
  ])('an interface that goes down is a reason, not an exception: $way', async ({ open }) => {
    const out = new Frames(open(4), 4, linkHeader(4));
    await mustInside(lab.client, ['ip', 'link', 'set', DEVICE, 'down']);
    try {
      out.write([]);
      out.sender.flush();
      expect((out.sender as PacketSender).faults).toMatchObject({ interfaceDown: 1, total: 1 });
    } finally {
      await mustInside(lab.client, ['ip', 'link', 'set', DEVICE, 'up']);
      await mustInside(lab.client, ['ip', 'addr', 'replace', 'fd77::2/64', 'dev', DEVICE, 'nodad']);
    }
  });

  test('waiting goes on to wait when the interface has gone down', async () => {
    const receiver = openReceiver();
    const waiter = keep(new Waiter([receiver.fd]));
    await mustInside(lab.target, ['ip', 'link', 'set', DEVICE, 'down']);
    try {
      // The news of it may end one wait early.
      waiter.wait(0);
      const startedNs = clock.nowNs();
      expect(waiter.wait(30e6)).toBe(false);
      expect(clock.nowNs() - startedNs).toBeGreaterThanOrEqual(30e6);
    } finally {
      await mustInside(lab.target, ['ip', 'link', 'set', DEVICE, 'up']);
      await mustInside(lab.target, ['ip', 'addr', 'replace', 'fd77::1/64', 'dev', DEVICE, 'nodad']);
    }
  });

  test('by AF_XDP frames leave again when the interface is up again', async () => {
    const out = new Frames(openXdpSender(4), 4, linkHeader(4));
    const setTo = (state: string) => mustInside(lab.client, ['ip', 'link', 'set', DEVICE, state]);
    await setTo('down');
    const lost = out.write([{ offset: 0, bytes: 40 }]);
    out.sender.flush();
    await setTo('up');
    await mustInside(lab.client, ['ip', 'addr', 'replace', 'fd77::2/64', 'dev', DEVICE, 'nodad']);
    const receiver = openReceiver();
    const wanted = out.write([{ offset: 9, bytes: 40 }]);
    out.sender.flush();
    // What waited in the ring goes first, as late as a path may bring it.
    expect(collect(receiver, 2).map((one) => one.hex)).toEqual([lost, wanted]);
  });

  test.each([
    { name: 'that the interface does not have', queue: 999 },
    { name: 'that somebody else has', queue: 0 },
  ])('a queue $name is refused, with what to do', ({ queue }) => {
    keep(openXdpSender(4));
    const open = () =>
      inNamespace(lab.client.name, () => {
        const { index: interfaceIndex, mtu } = findInterface(DEVICE);
        return new XdpSender({ interfaceIndex, queue, mtu, captureBytes, clock });
      });
    expect(open).toThrow(
      expect.objectContaining({
        code: 'ERR_IO_SOCKET',
        message: expect.stringContaining(`queue ${queue}`),
        hint: expect.stringContaining('--threads 1'),
      }),
    );
  });

  test('frames that no page holds are refused by AF_XDP before anything is opened', () => {
    const open = () =>
      new XdpSender({ interfaceIndex: 1, queue: 0, mtu: 9_000, captureBytes, clock });
    expect(open).toThrow(expect.objectContaining({ code: 'ERR_IO_SOCKET' }));
  });

  test('a firewall that refuses is a reason, not an exception', async () => {
    const out = new Frames(openIpSender(4), 4, new Uint8Array(0));
    const rule = ['OUTPUT', '-p', 'tcp', '--sport', `${CLIENT_PORT}`, '-j', 'DROP'];
    await mustInside(lab.client, ['iptables', '-I', ...rule]);
    try {
      out.write([]);
      out.write([], { srcPort: CLIENT_PORT + 1 });
      out.sender.flush();
      expect((out.sender as IpSender).faults).toMatchObject({ notPermitted: 1, total: 1 });
    } finally {
      await mustInside(lab.client, ['iptables', '-D', ...rule]);
    }
  });

  test('a ring without room counts what it drops', () => {
    const receiver = openReceiver({}, 1);
    const out = new Frames(openPacketSender(4), 4, linkHeader(4));
    // One block of 128 KiB holds 63 frames of 2,080 octets.
    for (let i = 0; i < 3 * BATCH_FRAMES; i++) {
      out.write([], { seq: i });
      if (out.sender.batch.count === BATCH_FRAMES) out.sender.flush();
    }
    expect(collect(receiver, 63)).toHaveLength(63);
    expect(receiver.readDropped()).toBe(3 * BATCH_FRAMES - 63);
    out.write([], { seq: 1_000 });
    out.sender.flush();
    expect(collect(receiver, 1)).toHaveLength(1);
    expect(receiver.readDropped()).toBe(3 * BATCH_FRAMES - 63);
  });

  test('only as much of a packet is captured as was asked for', () => {
    const receiver = openReceiver({ snapBytes: 100 });
    const out = new Frames(openPacketSender(4), 4, linkHeader(4));
    const whole = out.write([{ offset: 0, bytes: 1_000 }]);
    out.sender.flush();
    expect(collect(receiver, 1).map((one) => one.hex)).toEqual([whole.slice(0, 200)]);
  });

  test('packets of others are not seen', () => {
    const receiver = openReceiver();
    const out = new Frames(openPacketSender(4), 4, linkHeader(4));
    out.write([], { srcPort: CLIENT_PORT + 1 });
    out.write([], { dstPort: TARGET_PORT + 1 });
    const wanted = out.write([]);
    out.sender.flush();
    expect(collect(receiver, 1).map((one) => one.hex)).toEqual([wanted]);
    expect(receiver.receive(10, { onPacket: () => undefined })).toBe(0);
  });

  test('every packet goes to the one shard that its connection number belongs to', () => {
    const [users, shards] = [7, 3];
    const ports = { first: 80, last: 179 };
    const receivers = Array.from({ length: shards }, (_, shard) =>
      openReceiver({ ports, sharding: { order: 'port', firstPort: 150, users, shards, shard } }),
    );
    const out = new Frames(openPacketSender(4), 4, linkHeader(4));
    const wanted: string[][] = receivers.map(() => []);
    for (let connection = 0; connection < 100; connection++) {
      const dstPort = ports.first + ((70 + connection) % 100);
      const packet = out.write([], { dstPort, seq: connection });
      wanted[(connection % users) % shards].push(packet);
      if (out.sender.batch.count === BATCH_FRAMES) out.sender.flush();
    }
    out.sender.flush();
    const arrived = receivers.map((receiver, shard) => collect(receiver, wanted[shard].length));
    expect(arrived.map((packets) => packets.map((one) => one.hex))).toEqual(wanted);
  });
});
