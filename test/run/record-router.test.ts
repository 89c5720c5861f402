import { describe, expect, test } from 'vitest';
import { createRecordRing, RECORD_HEADER_BYTES, RecordRing } from '../../src/base/record-ring.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { ChannelReceiver } from '../../src/io/channel/channel-receiver.ts';
import { RunClock } from '../../src/io/receive/run-clock.ts';
import { closeEventFd, openEventFd } from '../../src/io/sys/eventfd.ts';
import { RecordRouter } from '../../src/run/channel/record-router.ts';
import { AddressPool } from '../../src/schedule/address-pool.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { packetOf } from '../intercept/packets.ts';

const USERS = 5_000;
const pool = new AddressPool({
  clients: parseClients('10.0.0.0/24'),
  ports: { first: 1024, last: 65_535 },
  order: 'ip',
  firstPort: 65_535,
});

/** Records side by side, as a frame carries them: one for each connection. */
function recordsFor(connections: readonly number[], seconds = 100, nanoseconds = 500): DataView {
  const ring = new RecordRing(createRecordRing(1 << 20));
  for (const connection of connections) {
    const packet = packetOf({
      src: '10.77.0.1',
      dst: pool.addressOf(connection),
      srcPort: 80,
      dstPort: pool.portOf(connection),
    });
    ring.push(seconds, nanoseconds, new DataView(packet.buffer), 0, packet.length);
  }
  const piece = new Uint8Array(1 << 20);
  const bytes = ring.take(piece, 0);
  return new DataView(piece.buffer, 0, bytes);
}

function withInboxes(
  shards: number,
  act: (router: RecordRouter, receivers: ChannelReceiver[]) => void,
) {
  const inboxes = Array.from({ length: shards }, () => ({
    ring: createRecordRing(1 << 20),
    fd: openEventFd(),
  }));
  // The run began at second 90 of the wall clock, and it is second 1000 now.
  const clock = new RunClock(
    { monotonicMs: () => 910_000, realtimeNs: () => 1_000e9, realtimeBaseSeconds: 0 },
    0,
  );
  try {
    act(
      new RecordRouter(inboxes, pool, USERS),
      inboxes.map((inbox) => new ChannelReceiver(inbox, clock)),
    );
  } finally {
    for (const { fd } of inboxes) closeEventFd(fd);
  }
}

/** The connections whose replies a shard receives, and when they arrived. */
function received(receiver: ChannelReceiver | undefined) {
  const connections: number[] = [];
  const times: number[] = [];
  receiver?.receive(1_000, {
    onPacket: (start, _, arrived) => {
      const { data } = receiver;
      connections.push(pool.connectionOf(data.getUint32(start + 16), data.getUint16(start + 22)));
      times.push(arrived.ns);
    },
  });
  return { connections, times };
}

test.each([1, 2, 3])('with %d shards each gets the replies of its users, in order', (shards) => {
  const connections = Array.from({ length: 400 }, (_, i) => i * 37 + (i % 3) * USERS);
  withInboxes(shards, (router, receivers) => {
    const data = recordsFor(connections);
    expect(router.route(data, 0, data.byteLength, 0)).toBe(true);
    for (let shard = 0; shard < shards; shard++) {
      expect(received(receivers[shard]).connections).toEqual(
        connections.filter((connection) => (connection % USERS) % shards === shard),
      );
    }
    expect(router.routed).toBe(400);
  });
});

test('what a router says of a user’s packet goes to that user’s shard', () => {
  const shards = 3;
  withInboxes(shards, (router, receivers) => {
    const ring = new RecordRing(createRecordRing(1 << 20));
    const connections = Array.from({ length: 60 }, (_, i) => i * 37);
    for (const connection of connections) {
      const quoted = packetOf({
        src: pool.addressOf(connection),
        dst: '10.77.0.1',
        srcPort: pool.portOf(connection),
        dstPort: 80,
      });
      const message = packetTooBig({ quoted, mtu: 1400 });
      ring.push(100, 500, new DataView(message.buffer), 0, message.length);
    }
    const piece = new Uint8Array(1 << 20);
    const data = new DataView(piece.buffer, 0, ring.take(piece, 0));
    expect(router.route(data, 0, data.byteLength, 0)).toBe(true);
    for (const [shard, receiver] of receivers.entries()) {
      const heard: number[] = [];
      receiver.receive(1_000, {
        onPacket: (start) => {
          const quotedAt = start + 28;
          const port = receiver.data.getUint16(quotedAt + 20);
          heard.push(pool.connectionOf(receiver.data.getUint32(quotedAt + 12), port));
        },
      });
      expect(heard).toEqual(connections.filter((one) => (one % USERS) % shards === shard));
    }
  });
});

test.each([
  { name: 'as it is', aheadNs: 0, arrivedNs: 10e9 + 500 },
  { name: 'ahead', aheadNs: 2e9 + 400, arrivedNs: 8e9 + 100 },
  { name: 'ahead, with a borrow', aheadNs: 600, arrivedNs: 10e9 - 100 },
  { name: 'behind', aheadNs: -3e9 - 700, arrivedNs: 13e9 + 1200 },
])("the other machine's clock is $name", ({ aheadNs, arrivedNs }) => {
  withInboxes(1, (router, [receiver]) => {
    const data = recordsFor([1]);
    router.route(data, 0, data.byteLength, aheadNs);
    // The run's clock has a half beside whole nanoseconds.
    expect(received(receiver).times).toEqual([arrivedNs + 0.5]);
  });
});

describe('waking', () => {
  test('a receiver that found nothing is woken once by what follows', () => {
    withInboxes(1, (router, [receiver]) => {
      const data = recordsFor([1]);
      for (let i = 0; i < 3; i++) {
        expect(received(receiver).connections).toEqual([]);
        router.route(data, 0, data.byteLength, 0);
        router.route(data, 0, data.byteLength, 0);
        expect(received(receiver).connections).toEqual([1, 1]);
      }
    });
  });
});

test('records that are cut are not read beyond their end', () => {
  withInboxes(2, (router) => {
    const data = recordsFor([1, 2]);
    for (let end = 0; end < data.byteLength; end++) {
      const isWhole = end === 0 || end === RECORD_HEADER_BYTES + 40;
      expect(router.route(data, 0, end, 0), `cut at ${end}`).toBe(isWhole);
    }
  });
});

test('replies to nobody of the pool are counted', () => {
  withInboxes(2, (router) => {
    const stray = packetOf({ src: '10.77.0.1', dst: '10.0.9.9', srcPort: 80, dstPort: 2000 });
    const ring = new RecordRing(createRecordRing(1));
    ring.push(1, 1, new DataView(stray.buffer), 0, stray.length);
    const piece = new Uint8Array(100);
    const bytes = ring.take(piece, 0);
    router.route(new DataView(piece.buffer), 0, bytes, 0);
    expect(router.foreign).toBe(1);
  });
});

test('where each target has the pool for itself, the place at the target tells the shard', () => {
  const targets = [80, 81].map((port) => ({ address: Uint8Array.of(10, 77, 0, 1), port }));
  // Of the first target's places 100 are the first shard's, of the other's 7.
  const blocks = [Float64Array.of(0, 100, 220), Float64Array.of(0, 7, 220)];
  const inboxes = [0, 1].map(() => ({ ring: createRecordRing(1 << 20), fd: openEventFd() }));
  try {
    const router = new RecordRouter(inboxes, pool, USERS, 0, { blocks, targets });
    const ring = new RecordRing(createRecordRing(1 << 20));
    const push = (packet: Uint8Array): void => {
      ring.push(100, 500, new DataView(packet.buffer), 0, packet.length);
    };
    const ends = (place: number) => ({ dst: pool.addressOf(place), dstPort: pool.portOf(place) });
    for (const srcPort of [80, 81, 82]) {
      for (const place of [0, 6, 7, 99, 100, 219, 5_000]) {
        push(packetOf({ src: '10.77.0.1', srcPort, ...ends(place) }));
      }
    }
    // Who quotes what was sent to the other target, from the same address and port.
    const { dst: src, dstPort: srcPort } = ends(50);
    const quoted = packetOf({ src, dst: '10.77.0.1', srcPort, dstPort: 81 });
    push(packetTooBig({ quoted, mtu: 1_400 }));
    const piece = new Uint8Array(1 << 20);
    const bytes = ring.take(piece, 0);
    router.route(new DataView(piece.buffer, 0, bytes), 0, bytes, 0);
    const clock = new RunClock(
      { monotonicMs: () => 910_000, realtimeNs: () => 1_000e9, realtimeBaseSeconds: 0 },
      0,
    );
    const seen = inboxes.map((inbox) => {
      const receiver = new ChannelReceiver(inbox, clock);
      const packets: string[] = [];
      receiver.receive(1_000, {
        onPacket: (start) => {
          const { data } = receiver;
          if (data.getUint8(start + 9) === 1) {
            packets.push('message');
            return;
          }
          const place = pool.connectionOf(data.getUint32(start + 16), data.getUint16(start + 22));
          packets.push(`${data.getUint16(start + 20)}: ${place}`);
        },
      });
      return packets;
    });
    expect(seen).toEqual([
      ['80: 0', '80: 6', '80: 7', '80: 99', '81: 0', '81: 6'],
      [
        '80: 100',
        '80: 219',
        '80: 5000',
        '81: 7',
        '81: 99',
        '81: 100',
        '81: 219',
        '81: 5000',
        'message',
      ],
    ]);
    expect(router.foreign).toBe(7);
  } finally {
    for (const { fd } of inboxes) closeEventFd(fd);
  }
});
