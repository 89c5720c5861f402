/** Bursts go into a veth pair, and what the kernel cuts them into is the frames that they were made of. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressBytes, addressOfBytes, parseAddress } from '../../src/base/address.ts';
import { replyFilter } from '../../src/io/filter/reply-filter.ts';
import { PacketReceiver } from '../../src/io/receive/packet-receiver.ts';
import { openRunClock, runStartsNow } from '../../src/io/receive/run-clock.ts';
import { Waiter } from '../../src/io/receive/wait.ts';
import { BurstSender } from '../../src/io/send/burst-sender.ts';
import { FrameMessages } from '../../src/io/send/frame-messages.ts';
import { KERNEL_SEND_CALLS, type SendCalls } from '../../src/io/send/send-calls.ts';
import { SendFaults } from '../../src/io/send/send-faults.ts';
import { KernelMemory } from '../../src/io/sys/memory.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { AF_PACKET, packetAddress, SOCK_RAW, Socket } from '../../src/io/sys/socket.ts';
import { findInterface } from '../../src/io/way/interfaces.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import { EtherType, emitEthernet } from '../../src/wire/ethernet.ts';
import { EXTENTS_PER_FRAME, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import { ACK, PSH } from '../../src/wire/tcp.ts';
import { DEVICE, type Lab, makeLab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';

type Family = 4 | 6;

const ENDS = {
  4: { client: Uint8Array.of(198, 18, 0, 0), target: Uint8Array.of(10, 77, 0, 1) },
  6: { client: octetsOf('fd77:18::'), target: octetsOf('fd77::1') },
};
const CLIENT_PORT = 4_000;
const TARGET_PORT = 80;
const MSS = 1_428;
/** Lengths of segments, a connection's turn each: 4 messages, of which three are bursts. */
const TURNS = [[MSS, MSS, 300], [90], Array(40).fill(MSS), [500, 500, 500, 500]];
const PAYLOAD_BYTES = 2_000_000;

const clock = openRunClock(runStartsNow());

function octetsOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return addressBytes(address);
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

describe.runIf(canRun('bursts through the kernel', ['ip', 'ethtool']))('bursts', () => {
  let lab: Lab;
  let payload: KernelMemory;
  let octets: Uint8Array;

  beforeAll(async () => {
    // Without offloads the kernel cuts, and sums, before the other end sees anything.
    lab = await makeLab({ offload: false });
    payload = new KernelMemory(PAYLOAD_BYTES);
    octets = new Uint8Array(payload.buffer);
    for (let i = 0; i < octets.length; i++) octets[i] = i * 7 + (i >> 8);
  });

  afterAll(async () => {
    payload?.close();
    await lab?.close();
  });

  /** Of the target's end, where the roles of the filter are swapped. */
  function openReceiver(family: Family): PacketReceiver {
    const { prefix, low } = addressOfBytes(ENDS[family].target);
    const snapBytes = 2_000;
    const filter = replyFilter({
      ranges: [{ prefix, start: low, count: 1 }],
      targets: [{ address: addressOfBytes(ENDS[family].client), port: CLIENT_PORT }],
      ports: { first: TARGET_PORT, last: TARGET_PORT },
      sharding: { order: 'ip', firstPort: TARGET_PORT, users: 1, shards: 1, shard: 0 },
      snapBytes,
    });
    return inNamespace(lab.target.name, () => {
      const interfaceIndex = findInterface(DEVICE).index;
      return new PacketReceiver({ interfaceIndex, filter, snapBytes, clock, ringFrames: 1_000 });
    });
  }

  const openSocket = (): Socket =>
    inNamespace(lab.client.name, () => {
      const socket = new Socket(AF_PACKET, SOCK_RAW, 0);
      socket.bind(packetAddress(0, findInterface(DEVICE).index));
      return socket;
    });

  /** Writes the turns. @returns the packets that are to arrive */
  function write({ batch }: FrameMessages, family: Family): string[] {
    const writer = new FrameWriter(batch, { family });
    const [destination, source] = [lab.target.name, lab.client.name].map(
      (namespace) => inNamespace(namespace, () => findInterface(DEVICE).mac) ?? new Uint8Array(6),
    );
    const etherType = family === 4 ? EtherType.IPV4 : EtherType.IPV6;
    const link = emitEthernet({ destination, source, etherType });
    const { client, target } = ENDS[family];
    const route = writer.addRoute(link, target, client);
    const low = family === 4 ? 0xc612_0000 : 0;
    const wanted: string[] = [];
    let at = 1;
    for (const [turn, lengths] of TURNS.entries()) {
      let seq = 0xffff_fff0 - turn * 100_000;
      for (const [i, bytes] of lengths.entries()) {
        const frame = batch.count;
        const flags = i === lengths.length - 1 ? ACK | PSH : ACK;
        const kind = OptionsKind.TIMESTAMPS;
        const sum = sumOctets(octets, at, at + bytes);
        const ends = [route, low, CLIENT_PORT, TARGET_PORT] as const;
        writer.writeTcp(...ends, frame, seq >>> 0, 8, flags, 512, kind, 1, 2, bytes, sum);
        // In two pieces, as where a segment lies in two recorded ones.
        const row = frame * EXTENTS_PER_FRAME;
        batch.extentCount[frame] = 2;
        batch.extentOffset.set([at, at + 40], row);
        batch.extentBytes.set([40, bytes - 40], row);
        batch.count++;
        const slot = frame * HEADER_SLOT_BYTES;
        const header = batch.headers.slice(slot + link.length, slot + batch.headerBytes[frame]);
        wanted.push(hex(header) + hex(octets.subarray(at, at + bytes)));
        at += bytes;
        seq += bytes;
      }
      // The next turn's octets do not join these.
      at += 60;
    }
    return wanted;
  }

  function collect(receiver: PacketReceiver, count: number): string[] {
    const arrived: string[] = [];
    const ring = new Uint8Array(receiver.data.buffer);
    const waiter = new Waiter([receiver.fd]);
    const untilNs = clock.nowNs() + 10e9;
    while (arrived.length < count && clock.nowNs() < untilNs) {
      receiver.receive(16, {
        onPacket: (start, captured) => {
          arrived.push(hex(ring.subarray(start, start + captured)));
        },
      });
      if (arrived.length < count) waiter.wait(1e6);
    }
    waiter.close();
    return arrived;
  }

  test.each([4, 6] as const)('are cut into the frames that were written, IPv%i', (family) => {
    const receiver = openReceiver(family);
    const [singles, ofBursts] = [openSocket(), openSocket()];
    const taken = { messages: 0, bursts: 0 };
    const calls: SendCalls = {
      ...KERNEL_SEND_CALLS,
      sendmmsg: (fd, messages, count, flags) => {
        const some = KERNEL_SEND_CALLS.sendmmsg(fd, messages, count, flags);
        taken[fd === ofBursts.fd ? 'bursts' : 'messages'] += Math.max(0, some);
        return some;
      },
    };
    const messages = new FrameMessages(64, payload.address, 0, 0, calls);
    const sender = new BurstSender(ofBursts, 64, payload.address, 0, calls);
    try {
      const wanted = write(messages, family);
      const faults = new SendFaults();
      expect(sender.prepare(messages.batch)).toBe(true);
      sender.send(messages, singles.fd, faults);
      expect(collect(receiver, wanted.length)).toEqual(wanted);
      expect(faults.total).toBe(0);
      // The kernel itself took them as bursts: of the forty segments, too.
      expect(taken).toEqual({ messages: 1, bursts: 3 });
    } finally {
      for (const one of [sender, messages, singles, receiver]) one.close();
    }
  });
});
