/** Of large packets only the beginning is read; the rest is found where it is. */
import { describe, expect, test } from 'vitest';
import {
  block,
  concat,
  enhancedPacket,
  ethernet,
  type FrameSpec,
  interfaceBlock,
  ipv4,
  PCAP_NANOSECONDS,
  pcap,
  section,
  tcp,
} from '../helpers/packets.ts';
import { frameOf, handshake, readCapture, type SentSegment } from '../helpers/recording.ts';

const text = (length: number) => Array.from({ length }, (_, i) => 'abcdefg'[i % 7]).join('');
const TALK: SentSegment[] = [
  ...handshake(),
  { from: 'client', atMs: 30, at: 0, acked: 0, payload: 'ask' },
  { from: 'server', atMs: 40, at: 0, acked: 3, payload: text(60_000) },
  { from: 'server', atMs: 41, at: 60_000, acked: 3, payload: text(50_000) },
  { from: 'server', atMs: 42, at: 110_000, acked: 3, payload: 'end' },
];
const SAID = `${text(60_000)}${text(50_000)}end`;

const asPcap = pcap(TALK.map(frameOf), { magic: PCAP_NANOSECONDS });
const pcapngOf = (frames: readonly FrameSpec[]): Uint8Array =>
  concat(
    section(),
    interfaceBlock({ resolution: 9 }),
    ...frames.map(({ data, seconds = 0, fraction = 0 }) =>
      enhancedPacket({ data, units: BigInt(seconds) * 1_000_000_000n + BigInt(fraction) }),
    ),
  );
const asPcapng = pcapngOf(TALK.map(frameOf));

describe.each([
  { name: 'pcap', file: asPcap },
  { name: 'pcapng', file: asPcapng },
])('a stream of large frames in $name', ({ name, file }) => {
  test.each([1, 70, 1000, 5000, 40_000, 1_000_000])(
    'is whole, read %i octets at a time',
    (bytes) => {
      const recording = readCapture(file, {}, bytes);
      expect(recording.reasons()).toEqual([null]);
      expect(recording.text('server')).toBe(SAID);
      expect(recording.ingest.packets).toBe(TALK.length);
    },
  );

  test('is read in part only', () => {
    let octets = 0;
    const recording = readCapture(file, {}, 5000, (count) => {
      octets += count;
    });
    expect(recording.text('server')).toBe(SAID);
    expect(octets).toBeLessThan(30_000);
  });

  test('with a time stamp that is far off is the same', () => {
    const far = TALK.map((segment, i) => (i === 4 ? { ...segment, atMs: 1e8 } : segment));
    const frames = far.map(frameOf);
    const again = name === 'pcap' ? pcap(frames, { magic: PCAP_NANOSECONDS }) : pcapngOf(frames);
    const recording = readCapture(again, {}, 5000);
    expect(recording.text('server')).toBe(SAID);
    expect(recording.ingest.strayTimestamps).toBe(1);
    expect([...recording.scripts().durationNs]).toEqual([42e6]);
  });

  test('whose first time stamp is far off is the same as read whole', () => {
    const question = text(60_000);
    const talk: SentSegment[] = [
      // A SYN with so many octets is large.
      { ...TALK[0], atMs: 1e9, payload: question },
      ...TALK.slice(1, 3).map((segment) => ({ ...segment, acked: 60_000 })),
      ...Array.from(
        { length: 8 },
        (_, i): SentSegment => ({
          from: 'server',
          atMs: 40 + i,
          at: i,
          acked: 60_000,
          payload: 'x',
        }),
      ),
    ];
    const frames = talk.map(frameOf);
    const again = name === 'pcap' ? pcap(frames, { magic: PCAP_NANOSECONDS }) : pcapngOf(frames);
    const times = [200, 5000, 1_000_000].map((bytes) => {
      const recording = readCapture(again, {}, bytes);
      return [recording.ingest.strayTimestamps, ...recording.scripts().durationNs];
    });
    expect(times).toEqual([times[0], times[0], times[0]]);
    expect(times[0][0]).toBe(1);
  });

  test('that is cut within a large frame has no such frame', () => {
    const { ingest } = readCapture(file.subarray(0, file.length - 20_000), {}, 5000);
    expect(ingest.packets).toBe(TALK.length - 2);
    expect(ingest.reader.damage?.reason).toMatch(/cut/);
  });
});

test('large fragments are read as a whole', () => {
  const segment = tcp({ payload: text(60_000), seq: 1 });
  const cut = 40_000;
  const frames = [
    { data: ethernet(0x0800, ipv4(segment.subarray(0, cut), { id: 9, hasMore: true })) },
    { data: ethernet(0x0800, ipv4(segment.subarray(cut), { id: 9, fragmentOffset: cut })) },
  ];
  const { ingest, catalog } = readCapture(pcap(frames), {}, 5000);
  expect(ingest.tcpPackets).toBe(1);
  expect([...ingest.skipped()]).toEqual([['fragment', 1]]);
  expect(catalog.resolver.measure(0, 0)).toBe(60_000);
});

test('large frames that are no TCP are counted once', () => {
  const frames = [
    { data: ethernet(0x0806, new Uint8Array(50_000)) },
    { data: ethernet(0x0800, ipv4(new Uint8Array(40_000), { protocol: 17 })) },
  ];
  const { ingest } = readCapture(pcap(frames), {}, 5000);
  expect([...ingest.skipped()]).toEqual([
    ['arp', 1],
    ['udp', 1],
  ]);
});

test('a large block whose lengths differ ends the file after it', () => {
  const [good, , , , long] = TALK.map(frameOf);
  const large = enhancedPacket({ data: long.data });
  large[large.length - 1] ^= 1;
  const file = concat(
    section(),
    interfaceBlock(),
    enhancedPacket({ data: good.data }),
    large,
    enhancedPacket({ data: good.data }),
    block(5, new Uint8Array(4)),
  );
  const { ingest } = readCapture(file, {}, 5000);
  expect(ingest.packets).toBe(2);
  expect(ingest.reader.damage?.reason).toMatch(/at its end/);
});
