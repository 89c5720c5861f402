import { describe, expect, test } from 'vitest';
import { createRecordRing, RECORD_HEADER_BYTES, RecordRing } from '../../src/base/record-ring.ts';
import { InterceptCore, TALLIES, Tally } from '../../src/intercept/intercept-core.ts';
import { packetTooBig } from '../helpers/icmp.ts';
import { type PacketParts, packetOf } from './packets.ts';
import { request } from './registrations.ts';

const PREFIX_BYTES = 16;
/** Where packets begin in the source's memory: anywhere. */
const START = 37;

/** A core with one owner a pool, and what each of them was forwarded. */
function makeCore(pools: readonly string[]) {
  const memory = new Uint8Array(1 << 17);
  const tally = new Float64Array(TALLIES);
  const data = new DataView(memory.buffer);
  const core = new InterceptCore(data, tally);
  const owners = pools.map((pool, i) => ({
    registration: { ...request(pool), id: i + 1, prefixBytes: PREFIX_BYTES * (i + 1) },
    outbox: new RecordRing(createRecordRing(1)),
    forwarded: new Float64Array(1),
  }));
  core.setOwners(owners, data);
  const capture = (packet: Uint8Array, capturedBytes = packet.length): void => {
    memory.fill(0xee);
    memory.set(packet, START);
    core.onPacket(START, capturedBytes, 1_795_000_000, 123);
  };
  const takeFrom = (owner: number): number[] | null => {
    const { outbox } = owners.at(owner) as (typeof owners)[number];
    const at = outbox.oldest();
    if (at < 0) return null;
    const { data } = outbox;
    expect([data.getUint32(at), data.getUint32(at + 4)]).toEqual([1_795_000_000, 123]);
    const bytes = data.getUint16(at + 8);
    const octets = Array.from({ length: bytes }, (_, i) =>
      data.getUint8(at + RECORD_HEADER_BYTES + i),
    );
    outbox.release(at);
    return octets;
  };
  return { core, capture, takeFrom, tally, owners };
}

const reply: PacketParts = { src: '10.77.0.1', dst: '10.0.0.5', srcPort: 80, dstPort: 2000 };

test.each([
  { name: 'headers alone', parts: reply, bytes: 40 },
  { name: 'a short payload, whole', parts: { ...reply, payloadBytes: 9 }, bytes: 49 },
  { name: 'a long payload, its beginning', parts: { ...reply, payloadBytes: 900 }, bytes: 56 },
  { name: 'options', parts: { ...reply, optionBytes: 40, payloadBytes: 900 }, bytes: 96 },
])('the owner is handed $name', ({ parts, bytes }) => {
  const { capture, takeFrom, tally } = makeCore(['10.0.0.0/24']);
  const packet = packetOf(parts);
  capture(packet);
  expect(takeFrom(0)).toEqual(Array.from(packet.subarray(0, bytes)));
  expect(takeFrom(0)).toBeNull();
  expect(tally[Tally.FORWARDED]).toBe(1);
});

test('padding behind a short packet is not handed over', () => {
  const { capture, takeFrom } = makeCore(['10.0.0.0/24']);
  capture(packetOf(reply), 46);
  expect(takeFrom(0)).toHaveLength(40);
});

test('IPv6 goes the same way', () => {
  const { capture, takeFrom } = makeCore(['10.0.0.0/24', 'fd77::64:0/112']);
  const packet = packetOf({ src: 'fd77::1', dst: 'fd77::64:9', srcPort: 80, dstPort: 2000 });
  capture(packet);
  expect(takeFrom(1)).toEqual(Array.from(packet));
  expect(takeFrom(0)).toBeNull();
});

describe.each([
  { version: 4, parts: reply, pools: ['10.0.0.0/24'], bytes: 20 + 8 + 28 },
  {
    version: 6,
    parts: { ...reply, src: 'fd77::1', dst: 'fd77::64:9' },
    pools: ['fd77::64:0/112'],
    bytes: 40 + 8 + 48,
  },
])('of IPv$version a router’s message that a packet was too big', (row) => {
  const { src, dst, srcPort, dstPort } = row.parts;
  const sent = (change: Partial<PacketParts> = {}) =>
    packetOf({ src: dst, dst: src, srcPort: dstPort, dstPort: srcPort, ...change });

  test('goes to whoever sent that packet, as far as it is read', () => {
    const { capture, takeFrom, tally } = makeCore(row.pools);
    const message = packetTooBig({ quoted: sent({ payloadBytes: 200 }), mtu: 1400 });
    capture(message);
    expect(takeFrom(0)).toEqual(Array.from(message.subarray(0, row.bytes)));
    expect(tally[Tally.FORWARDED]).toBe(1);
  });

  test.each([
    { name: 'of another target', change: { dstPort: 81 }, counted: Tally.NOT_OURS },
    { name: 'that is of another kind', type: 0x0b00, counted: Tally.MALFORMED },
  ])('$name is not handed over', ({ change, type, counted }) => {
    const { capture, takeFrom, tally } = makeCore(row.pools);
    const typed = type === undefined ? {} : { typeAndCode: type };
    capture(packetTooBig({ quoted: sent(change), mtu: 1400, ...typed }));
    expect(takeFrom(0)).toBeNull();
    expect(tally[counted]).toBe(1);
  });
});

describe('nobody is handed', () => {
  test.each([
    {
      name: 'a packet to another address',
      parts: { ...reply, dst: '10.0.1.5' },
      tally: Tally.NOT_OURS,
    },
    { name: 'a packet to another port', parts: { ...reply, dstPort: 1023 }, tally: Tally.NOT_OURS },
    {
      name: 'a packet from another host',
      parts: { ...reply, src: '10.77.0.2' },
      tally: Tally.NOT_OURS,
    },
    {
      name: "a packet from the target's other port",
      parts: { ...reply, srcPort: 81 },
      tally: Tally.NOT_OURS,
    },
  ])('$name', ({ parts, tally: which }) => {
    const { capture, takeFrom, tally, core } = makeCore(['10.0.0.0/24']);
    capture(packetOf(parts));
    expect(takeFrom(0)).toBeNull();
    expect(tally[which]).toBe(1);
    expect(core.hasForwarded).toBe(false);
  });

  test('what is no whole TCP header, at whatever length it is cut', () => {
    const { capture, takeFrom, tally } = makeCore(['10.0.0.0/24']);
    const packet = packetOf(reply);
    for (let bytes = 0; bytes < 40; bytes++) capture(packet, bytes);
    expect(takeFrom(0)).toBeNull();
    expect(tally[Tally.MALFORMED]).toBe(40);
  });
});

test('an owner that does not keep up loses its own records, and nobody else does', () => {
  const { capture, takeFrom, owners } = makeCore(['10.0.0.0/24', '10.0.1.0/24']);
  const slow = packetOf({ ...reply, payloadBytes: 16 });
  for (let i = 0; i < 3_000; i++) capture(slow);
  const lost = owners[0]?.outbox.dropped ?? 0;
  expect(lost).toBeGreaterThan(0);
  expect((owners[0]?.forwarded[0] ?? 0) + lost).toBe(3_000);
  capture(packetOf({ ...reply, dst: '10.0.1.9' }));
  expect(takeFrom(1)).toHaveLength(40);
  expect(owners[1]?.outbox.dropped).toBe(0);
});
