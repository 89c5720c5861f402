/** Bursts against a cutter that is written apart: cut again, they are the frames that they were made of. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sumOctets } from '../../src/wire/checksum.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../src/wire/frame-writer.ts';
import {
  BURST_SLOT_BYTES,
  burstEnd,
  VIRTIO_NET_HEADER_BYTES,
  writeBurst,
} from '../../src/wire/segment-burst.ts';
import { ACK, FIN, PSH, RST } from '../../src/wire/tcp.ts';
import { naivePacket } from './naive.ts';

const CAPTURE = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const FRAMES = 64;
const LINK = { 4: [...Array(12).keys(), 0x08, 0x00], 6: [...Array(12).keys(), 0x86, 0xdd] };
const TAGGED = { 4: [...LINK[4].slice(0, 12), 0x81, 0, 0, 7, 8, 0], 6: [] };
type Family = 4 | 6;

interface Segment {
  readonly port: number;
  readonly seq: number;
  readonly flags: number;
  /** Where its pieces lie in the capture. */
  readonly pieces: readonly { readonly at: number; readonly bytes: number }[];
  readonly ack?: number;
  readonly window?: number;
  readonly tsVal?: number;
  readonly ipId?: number;
  readonly link?: readonly number[];
}

/** Frames of the segments, as the engine writes them. */
function batchOf(family: Family, segments: readonly Segment[]): FrameBatch {
  const batch = new FrameBatch(FRAMES);
  const writer = new FrameWriter(batch, { family });
  const addressBytes = family === 4 ? 4 : 16;
  const dst = Uint8Array.from({ length: addressBytes }, (_, i) => 200 - i);
  const src = Uint8Array.from({ length: addressBytes }, (_, i) => i + 1);
  for (const [i, segment] of segments.entries()) {
    const { link = LINK[family], pieces } = segment;
    const route = writer.addRoute(Uint8Array.from(link), dst, src);
    const octets = payloadOf(segment);
    writer.writeTcp(
      route,
      0x0102_0304,
      segment.port,
      80,
      segment.ipId ?? 0xfffe + i,
      segment.seq >>> 0,
      segment.ack ?? 77,
      segment.flags,
      segment.window ?? 500,
      OptionsKind.TIMESTAMPS,
      segment.tsVal ?? 1234,
      5678,
      octets.length,
      sumOctets(octets, 0, octets.length),
    );
    const first = batch.count * EXTENTS_PER_FRAME;
    batch.extentCount[batch.count] = pieces.length;
    for (const [piece, { at, bytes }] of pieces.entries()) {
      batch.extentOffset[first + piece] = at;
      batch.extentBytes[first + piece] = bytes;
    }
    batch.count++;
  }
  return batch;
}

const payloadOf = ({ pieces }: Segment): Uint8Array =>
  Uint8Array.from(pieces.flatMap(({ at, bytes }) => [...CAPTURE.subarray(at, at + bytes)]));

/** Frame of the batch, octet by octet. */
const frameOf = (batch: FrameBatch, frame: number, segments: readonly Segment[]): number[] => {
  const start = frame * HEADER_SLOT_BYTES;
  const header = batch.headers.subarray(start, start + batch.headerBytes[frame]);
  return [...header, ...payloadOf(segments[frame])];
};

/** What who is handed a burst makes of it, by linux/virtio_net.h and with its checksums summed anew. */
function cut(octets: Uint8Array): number[][] {
  const data = new DataView(octets.buffer, octets.byteOffset, octets.length);
  expect(data.getUint8(0)).toBe(1);
  const headerBytes = data.getUint16(2, true);
  const segmentBytes = data.getUint16(4, true);
  const checksumFrom = data.getUint16(6, true);
  expect(data.getUint16(8, true)).toBe(16);
  const frame = octets.subarray(VIRTIO_NET_HEADER_BYTES);
  const whole = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const isIpv4 = data.getUint8(1) === 1;
  expect(data.getUint8(1)).toBe(isIpv4 ? 1 : 4);
  // The frame is a packet, as the kernel looks at it before it cuts it.
  if (isIpv4) {
    expect(whole.getUint16(14 + 2)).toBe(frame.length - 14);
    expect(sumOctets(frame, 14, 34)).toBe(0xffff);
  } else expect(whole.getUint16(14 + 4)).toBe(frame.length - 54);
  const addresses = isIpv4 ? [...frame.subarray(26, 34)] : [...frame.subarray(22, 54)];
  const pseudo = Uint8Array.from([...addresses, 0, 6]);
  const summed = sumOctets(pseudo, 0, pseudo.length) + frame.length - checksumFrom;
  expect(whole.getUint16(checksumFrom + 16)).toBe((summed & 0xffff) + (summed >>> 16));
  const tcp = frame.subarray(checksumFrom, headerBytes);
  const tcpData = new DataView(tcp.buffer, tcp.byteOffset, tcp.length);
  const frames: number[][] = [];
  for (let at = headerBytes; at < frame.length; at += segmentBytes) {
    const isLast = at + segmentBytes >= frame.length;
    const middle = addresses.length / 2;
    const packet = naivePacket({
      src: addresses.slice(0, middle),
      dst: addresses.slice(middle),
      ipId: isIpv4 ? (whole.getUint16(14 + 4) + frames.length) & 0xffff : 0,
      srcPort: tcpData.getUint16(0),
      dstPort: tcpData.getUint16(2),
      seq: (tcpData.getUint32(4) + at - headerBytes) >>> 0,
      ack: tcpData.getUint32(8),
      flags: isLast ? tcp[13] : tcp[13] & ~(FIN | PSH),
      window: tcpData.getUint16(14),
      options: [...tcp.subarray(20)],
      payload: [...frame.subarray(at, at + segmentBytes)],
    });
    frames.push([...frame.subarray(0, 14), ...packet]);
  }
  return frames;
}

/** The batch's bursts, `[from, to)` each, single frames as well. */
function burstsOf(batch: FrameBatch): [number, number][] {
  const bursts: [number, number][] = [];
  for (let from = 0; from < batch.count; ) {
    const to = burstEnd(batch, from);
    bursts.push([from, to]);
    from = to;
  }
  return bursts;
}

/** All frames that come out where each burst is cut again. */
function cutAgain(batch: FrameBatch, segments: readonly Segment[]): number[][] {
  return burstsOf(batch).flatMap(([from, to]) => {
    if (to === from + 1) return [frameOf(batch, from, segments)];
    const slot = new Uint8Array(BURST_SLOT_BYTES + 16).fill(0xaa);
    const bytes = writeBurst(batch, from, to, slot, new DataView(slot.buffer), 16);
    const payload = segments.slice(from, to).flatMap((segment) => [...payloadOf(segment)]);
    return cut(Uint8Array.from([...slot.subarray(16, 16 + bytes), ...payload]));
  });
}

/** A stream in segments of one length, the last one of another; `pieces` is how many each is made of. */
function stream(port: number, lengths: readonly number[], pieces = 1): Segment[] {
  let seq = 0xffff_ff00;
  let at = port * 3;
  return lengths.map((bytes, i) => {
    const flags = i === lengths.length - 1 ? ACK | PSH : ACK;
    const cuts = Array.from({ length: Math.min(pieces, bytes) }, (_, piece) => ({
      at: at + piece * 2000,
      bytes: piece === 0 ? bytes - Math.min(pieces, bytes) + 1 : 1,
    }));
    const segment = { port, seq: seq >>> 0, flags, pieces: cuts };
    seq += bytes;
    at += bytes + 54;
    return segment;
  });
}

describe.each([4, 6] as const)('bursts of IPv%i', (family) => {
  test('segments of one stream are one, up to the short one', () => {
    const segments = [...stream(1, [1448, 1448, 1448, 9]), ...stream(2, [1448, 1448])];
    const batch = batchOf(family, segments);
    expect(burstsOf(batch)).toEqual([
      [0, 4],
      [4, 6],
    ]);
    expect(cutAgain(batch, segments)).toEqual(segments.map((_, i) => frameOf(batch, i, segments)));
  });

  test('are at most as long as a packet may be', () => {
    const segments = stream(1, Array(60).fill(1448));
    const batch = batchOf(family, segments);
    const [[, to]] = burstsOf(batch);
    expect(to).toBe(Math.floor((0xffff - (family === 4 ? 52 : 72)) / 1448));
    expect(cutAgain(batch, segments)).toEqual(segments.map((_, i) => frameOf(batch, i, segments)));
  });

  test.each<{ readonly what: string; readonly change: Partial<Segment> }>([
    { what: 'another acknowledgement', change: { ack: 78 } },
    { what: 'another window', change: { window: 501 } },
    { what: 'another time stamp', change: { tsVal: 1235 } },
    { what: 'another port', change: { port: 3 } },
    { what: 'a reset', change: { flags: RST | ACK } },
    { what: 'a longer segment', change: { pieces: [{ at: 9, bytes: 1449 }] } },
    { what: 'no payload', change: { pieces: [] } },
    { what: 'a gap before it', change: { seq: 1 } },
    { what: 'another link', change: { link: [9, ...LINK[family].slice(1)] } },
    ...(family === 4 ? [{ what: 'another number', change: { ipId: 9 } }] : []),
  ])('end before $what', ({ change }) => {
    const segments = stream(1, [1448, 1448, 1448, 1448]);
    segments[2] = { ...segments[2], ...change };
    const batch = batchOf(family, segments);
    expect(burstsOf(batch)[0]).toEqual([0, 2]);
    expect(cutAgain(batch, segments)).toEqual(segments.map((_, i) => frameOf(batch, i, segments)));
  });

  test('end behind who pushes', () => {
    const segments = stream(1, [1448, 1448, 1448]);
    segments[1] = { ...segments[1], flags: ACK | PSH };
    expect(burstsOf(batchOf(family, segments))).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });

  test('whatever segments there are, the same frames come out', () => {
    const part = fc.record({
      port: fc.integer({ min: 1, max: 3 }),
      lengths: fc.array(fc.constantFrom(1, 2, 500, 500, 500, 1448), { minLength: 1, maxLength: 8 }),
      pieces: fc.integer({ min: 1, max: EXTENTS_PER_FRAME }),
      last: fc.constantFrom(ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN, ACK | RST),
    });
    const parts = fc.array(part, { minLength: 1, maxLength: 7 });
    let joined = 0;
    fc.assert(
      fc.property(parts, (made) => {
        const segments = made.flatMap(({ port, lengths, pieces, last }) =>
          stream(port, lengths, pieces).map((segment, i) =>
            i === lengths.length - 1 ? { ...segment, flags: last } : segment,
          ),
        );
        const batch = batchOf(family, segments);
        joined += batch.count - burstsOf(batch).length;
        expect(cutAgain(batch, segments)).toEqual(
          segments.map((_, i) => frameOf(batch, i, segments)),
        );
      }),
      { numRuns: 60 },
    );
    expect(joined).toBeGreaterThan(100);
  });
});

test('frames with a tag go by themselves', () => {
  const segments = stream(1, [1448, 1448, 1448]).map((each) => ({ ...each, link: TAGGED[4] }));
  expect(burstsOf(batchOf(4, segments))).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
});
