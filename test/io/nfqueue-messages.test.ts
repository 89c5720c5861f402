import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ConfigTarget,
  messageBytes,
  messageType,
  QUEUE_PACKET,
  QueueCommand,
  QueuedPacket,
  QueueVerdict,
  writeCommand,
  writeCopyRange,
  writeLimits,
  writeVerdict,
} from '../../src/io/intercept/nfqueue-messages.ts';
import { NetlinkWriter } from '../../src/io/sys/netlink.ts';

const PACKET_HDR = 1;
const TIMESTAMP = 4;
const PAYLOAD = 10;

interface Attribute {
  readonly type: number;
  readonly value: readonly number[];
  /** What its header says instead of the truth. */
  readonly length?: number;
}

/** A message as the kernel would write it. */
function messageOf(attributes: readonly Attribute[], queue = 7, claimed?: number): DataView {
  const octets = [0, 0, 0, 0, QUEUE_PACKET & 0xff, QUEUE_PACKET >> 8, 0, 0];
  octets.push(...new Array<number>(8).fill(0), 2, 0, queue >> 8, queue & 0xff);
  for (const { type, value, length = value.length + 4 } of attributes) {
    octets.push(length & 0xff, length >> 8, type & 0xff, type >> 8, ...value);
    while (octets.length % 4 !== 0) octets.push(0xee);
  }
  const data = new DataView(Uint8Array.from(octets).buffer);
  data.setUint32(0, claimed ?? octets.length, true);
  return data;
}

const HDR: Attribute = { type: PACKET_HDR, value: [0x01, 0x02, 0x03, 0x04, 0x08, 0x00, 3] };
const FIVE: Attribute = { type: PAYLOAD, value: [0x45, 1, 2, 3, 4] };

describe('a packet that waits for its verdict', () => {
  test('is known by queue and id, and its octets stand where it says', () => {
    const data = messageOf([HDR, FIVE], 0x1234);
    const packet = new QueuedPacket();
    expect(packet.parse(data, 0)).toBe(true);
    expect(packet).toMatchObject({ queue: 0x1234, id: 0x0102_0304, bytes: 5, hasTimestamp: false });
    expect(data.getUint8(packet.start)).toBe(0x45);
  });

  test("bears the kernel's time where that is told, in microseconds", () => {
    const value = [0, 0, 0, 0, 0x65, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 250];
    const packet = new QueuedPacket();
    packet.parse(messageOf([HDR, { type: TIMESTAMP, value }, FIVE]), 0);
    expect(packet).toMatchObject({
      hasTimestamp: true,
      seconds: 0x6500_0001,
      nanoseconds: 250_000,
    });
  });

  test('has nothing of the packet before it', () => {
    const packet = new QueuedPacket();
    const value = new Array<number>(16).fill(1);
    packet.parse(messageOf([HDR, { type: TIMESTAMP, value }, FIVE]), 0);
    expect(packet.parse(messageOf([HDR]), 0)).toBe(true);
    expect(packet).toMatchObject({ bytes: 0, hasTimestamp: false });
  });

  test.each<{ name: string; attributes: readonly Attribute[]; hasId: boolean; bytes: number }>([
    {
      name: 'flags in the type',
      attributes: [HDR, { ...FIVE, type: PAYLOAD | 0x8000 }],
      hasId: true,
      bytes: 5,
    },
    {
      name: 'attributes that are not known',
      attributes: [{ type: 99, value: [1] }, HDR, FIVE],
      hasId: true,
      bytes: 5,
    },
    { name: 'no header', attributes: [FIVE], hasId: false, bytes: 5 },
    {
      name: 'a header that is too short',
      attributes: [{ ...HDR, value: [1, 2, 3] }, FIVE],
      hasId: false,
      bytes: 5,
    },
    {
      name: 'an empty payload',
      attributes: [HDR, { type: PAYLOAD, value: [] }],
      hasId: true,
      bytes: 0,
    },
    {
      name: 'a payload longer than the message',
      attributes: [HDR, { ...FIVE, length: 500 }],
      hasId: true,
      bytes: 0,
    },
    {
      name: 'an attribute of length 0',
      attributes: [HDR, { type: 3, value: [1], length: 0 }, FIVE],
      hasId: true,
      bytes: 0,
    },
    {
      name: 'an attribute of length 3',
      attributes: [{ type: 3, value: [1], length: 3 }, HDR],
      hasId: false,
      bytes: 0,
    },
    {
      name: 'a short timestamp',
      attributes: [HDR, { type: TIMESTAMP, value: [1, 2] }, FIVE],
      hasId: true,
      bytes: 5,
    },
  ])('with $name', ({ attributes, hasId, bytes }) => {
    const packet = new QueuedPacket();
    expect(packet.parse(messageOf(attributes), 0)).toBe(hasId);
    expect(packet).toMatchObject({ bytes, hasTimestamp: false });
  });

  test('is never said to have octets outside its message, whatever came', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 120 }), fc.nat(119), (octets, cut) => {
        const data = new DataView(octets.slice().buffer);
        const bytes = Math.max(20, Math.min(octets.length, cut));
        data.setUint32(0, bytes, true);
        const packet = new QueuedPacket();
        packet.parse(data, 0);
        expect(packet.start + packet.bytes).toBeLessThanOrEqual(bytes);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a message', () => {
  test.each([
    { name: 'that is all there is', claimed: 20, at: 0, end: 20, bytes: 20 },
    { name: 'with more behind it', claimed: 20, at: 0, end: 24, bytes: 20 },
    { name: 'that was cut off', claimed: 24, at: 0, end: 20, bytes: 0 },
    { name: 'shorter than its headers', claimed: 19, at: 0, end: 24, bytes: 0 },
    { name: 'of length 0', claimed: 0, at: 0, end: 24, bytes: 0 },
    { name: 'longer than 2^31', claimed: 0xffff_ffff, at: 0, end: 24, bytes: 0 },
    { name: 'that has no room for its headers', claimed: 20, at: 0, end: 19, bytes: 0 },
  ])('$name', ({ claimed, at, end, bytes }) => {
    expect(messageBytes(messageOf([{ type: 1, value: [] }], 0, claimed), at, end)).toBe(bytes);
  });

  test('says its type', () => expect(messageType(messageOf([]), 0)).toBe(QUEUE_PACKET));
});

/** What is written, as hexadecimal words of 32 bits. */
function wordsOf(write: (target: ConfigTarget) => void): string[] {
  const data = new DataView(new Uint8Array(128).fill(0xaa).buffer);
  const writer = new NetlinkWriter(data);
  write({ data, writer, queue: 0x0102, sequence: 9 });
  expect(data.getUint32(0, true)).toBe(writer.bytes);
  const octets = Buffer.from(data.buffer, 0, writer.bytes);
  return octets.toString('hex').match(/.{8}/g) ?? [];
}

const headers = (length: string, type: string, flags: string, sequence: string) => [
  `${length}000000`,
  `${type}03${flags}00`,
  `${sequence}000000`,
  '00000000',
  '00000102',
];

describe('what is written to the kernel, octet by octet', () => {
  test('taking a queue', () => {
    expect(wordsOf((target) => writeCommand(target, QueueCommand.BIND))).toEqual([
      ...headers('1c', '02', '05', '09'),
      '08000100',
      '01000000',
    ]);
  });

  test('how many may wait, and the flags with their mask', () => {
    expect(wordsOf((target) => writeLimits(target, 0x8000, 5))).toEqual([
      ...headers('2c', '02', '05', '09'),
      '08000300',
      '00008000',
      '08000500',
      '00000005',
      '08000400',
      '00000005',
    ]);
  });

  test('how many octets to copy', () => {
    expect(wordsOf((target) => writeCopyRange(target, 0xf8))).toEqual([
      ...headers('20', '02', '05', '09'),
      '09000200',
      '000000f8',
      '02000000',
    ]);
  });

  test.each([
    { verdict: QueueVerdict.DROP, word: '00000000' },
    { verdict: QueueVerdict.ACCEPT, word: '00000001' },
  ])('a verdict for all that wait up to an id: $word', ({ verdict, word }) => {
    expect(wordsOf((target) => writeVerdict(target, 0xfffe_fdfc, verdict))).toEqual([
      ...headers('20', '03', '01', '00'),
      '0c000200',
      word,
      'fffefdfc',
    ]);
  });

  test('several messages one behind the other', () => {
    const words = wordsOf((target) => {
      writeVerdict(target, 1, QueueVerdict.DROP);
      target.data.setUint32(0, 0, true);
      writeVerdict(target, 2, QueueVerdict.ACCEPT);
      target.data.setUint32(0, 64, true);
    });
    expect(words.slice(-3)).toEqual(['0c000200', '00000001', '00000002']);
    expect(words[8]).toBe('20000000');
  });
});
