import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reply, ReplyWriter } from '../../src/embedded/reply-writer.ts';
import { ACK, SYN } from '../../src/wire/tcp.ts';
import { bigEndian, naivePacket, naiveSum } from '../wire/naive.ts';

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const octets = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 0xff }), { minLength: length, maxLength: length });

describe.each([
  { version: 4, addressBytes: 4, addressesAt: 12 },
  { version: 6, addressBytes: 16, addressesAt: 8 },
])('IPv$version', ({ version, addressBytes, addressesAt }) => {
  test('a reply is the packet back to where the frame came from, but for its TCP checksum', () => {
    const fields = fc.record({
      server: octets(addressBytes),
      client: octets(addressBytes),
      serverPort: uint16,
      clientPort: uint16,
      seq: uint32,
      ack: uint32,
      isSynAck: fc.boolean(),
      window: uint16,
      hasTimestamps: fc.boolean(),
      tsVal: uint32,
      tsEcr: uint32,
      mss: uint16,
      windowScale: fc.integer({ min: -1, max: 14 }),
      payload: fc.array(fc.constant(0), { maxLength: 50 }),
    });
    fc.assert(
      fc.property(fields, (f) => {
        const frame = new Uint8Array(100);
        frame.set([...f.client, ...f.server], 7 + addressesAt);
        const data = new DataView(new ArrayBuffer(256));
        const writer = new ReplyWriter(data);
        writer.pathOf(new Uint8Array(100), 0, version, 1);
        const reply = new Reply();
        const flags = f.isSynAck ? SYN | ACK : ACK;
        const clientLow32 = f.client.slice(-4).reduce((low, octet) => low * 256 + octet, 0);
        Object.assign(reply, { ...f, flags, clientLow32, payloadBytes: f.payload.length });
        reply.path = writer.pathOf(frame, 7, version, f.serverPort);
        const bytes = writer.write(reply);

        const scale = f.windowScale < 0 ? [] : [1, 3, 3, f.windowScale];
        const syn = f.isSynAck ? [2, 4, ...bigEndian(f.mss, 2), ...scale] : [];
        const stamps = [1, 1, 8, 10, ...bigEndian(f.tsVal, 4), ...bigEndian(f.tsEcr, 4)];
        const options = [...syn, ...(f.hasTimestamps ? stamps : [])];
        const ends = { src: f.server, dst: f.client, srcPort: f.serverPort, dstPort: f.clientPort };
        const packet = naivePacket({ ...f, ...ends, ipId: 0, flags, options });
        // The pseudo-header's sum alone, as of a packet that the network card is to sum up.
        const tcpAt = version === 4 ? 20 : 40;
        const segmentBytes = packet.length - tcpAt;
        const pseudo = Uint8Array.from([
          ...f.server,
          ...f.client,
          0,
          6,
          ...bigEndian(segmentBytes, 2),
        ]);
        packet.splice(tcpAt + 16, 2, ...bigEndian(naiveSum(pseudo), 2));
        expect([...new Uint8Array(data.buffer, 0, bytes)]).toEqual(packet.slice(0, bytes));
        expect(bytes).toBe(packet.length - f.payload.length);
      }),
    );
  });
});

test('the same way back is one path; another port, address or network is another', () => {
  const writer = new ReplyWriter(new DataView(new ArrayBuffer(256)));
  const frame = (client: number[], server: number[]): Uint8Array =>
    Uint8Array.of(...new Array(12).fill(0), ...client, ...server);
  const first = writer.pathOf(frame([10, 0, 0, 1], [10, 1, 1, 1]), 0, 4, 80);
  expect(writer.pathOf(frame([10, 9, 9, 9], [10, 1, 1, 1]), 0, 4, 80)).toBe(first);
  expect(writer.pathOf(frame([10, 0, 0, 1], [10, 1, 1, 1]), 0, 4, 81)).not.toBe(first);
  expect(writer.pathOf(frame([10, 0, 0, 1], [10, 1, 1, 2]), 0, 4, 80)).not.toBe(first);
  const v6 = (net: number): Uint8Array => new Uint8Array(40).fill(net);
  expect(writer.pathOf(v6(1), 0, 6, 80)).not.toBe(writer.pathOf(v6(2), 0, 6, 80));
});
