/** Takes recorded captures apart, and puts into them what nobody's application sent. */
import type { Prng } from '../../src/base/prng.ts';
import { ACK, FIN, PCAP_NANOSECONDS, pcap, RST, SYN } from './packets.ts';

/** A frame of a classic capture in little-endian order with microseconds, of IPv4 in Ethernet. */
export interface MixedFrame {
  readonly ns: number;
  readonly octets: Uint8Array;
}

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const IP = 14;

/** The TCP segment of a frame. */
export interface Segment {
  readonly source: string;
  readonly destination: string;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payloadBytes: number;
}

export function framesOf(file: Uint8Array): MixedFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const frames: MixedFrame[] = [];
  for (let at = PCAP_HEADER_BYTES; at < file.length; ) {
    const seconds = view.getUint32(at, true);
    const micros = view.getUint32(at + 4, true);
    const bytes = view.getUint32(at + 8, true);
    const start = at + RECORD_HEADER_BYTES;
    frames.push({
      ns: (seconds - 1_700_000_000) * 1e9 + micros * 1000,
      octets: file.slice(start, start + bytes),
    });
    at = start + bytes;
  }
  return frames;
}

/** As a capture, in the order of time. */
export function captureOf(frames: readonly MixedFrame[]): Uint8Array {
  const sorted = frames.map((frame, i) => ({ ...frame, i }));
  sorted.sort((a, b) => a.ns - b.ns || a.i - b.i);
  const specs = sorted.map(({ ns, octets }) => ({
    data: octets,
    seconds: 1_700_000_000 + Math.floor(ns / 1e9),
    fraction: Math.round(ns - Math.floor(ns / 1e9) * 1e9),
  }));
  return pcap(specs, { magic: PCAP_NANOSECONDS });
}

const tcpAt = (octets: Uint8Array): number => IP + 4 * (octets[IP] & 0x0f);

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

export function segmentOf({ octets }: MixedFrame): Segment {
  const view = viewOf(octets);
  const tcp = tcpAt(octets);
  const headers = tcp - IP + 4 * (octets[tcp + 12] >>> 4);
  const address = (at: number) => octets.subarray(at, at + 4).join('.');
  return {
    source: `${address(IP + 12)}:${view.getUint16(tcp)}`,
    destination: `${address(IP + 16)}:${view.getUint16(tcp + 2)}`,
    seq: view.getUint32(tcp + 4),
    ack: view.getUint32(tcp + 8),
    flags: octets[tcp + 13],
    payloadBytes: view.getUint16(IP + 2) - headers,
  };
}

/** The frame with other numbers, flags or octets. */
export function changed(
  frame: MixedFrame,
  to: {
    readonly seq?: number;
    readonly ack?: number;
    readonly flags?: number;
    readonly payload?: Uint8Array;
    readonly ns?: number;
  },
): MixedFrame {
  const tcp = tcpAt(frame.octets);
  const end = tcp + 4 * (frame.octets[tcp + 12] >>> 4);
  const bytes = segmentOf(frame).payloadBytes;
  const payload = to.payload ?? frame.octets.slice(end, end + bytes);
  const octets = new Uint8Array(end + payload.length);
  octets.set(frame.octets.subarray(0, end));
  octets.set(payload, end);
  const view = viewOf(octets);
  view.setUint16(IP + 2, end + payload.length - IP);
  if (to.seq !== undefined) view.setUint32(tcp + 4, to.seq);
  if (to.ack !== undefined) view.setUint32(tcp + 8, to.ack);
  if (to.flags !== undefined) octets[tcp + 13] = to.flags;
  return { ns: to.ns ?? frame.ns, octets };
}

/** What is done to a capture; nothing that a session's octets, turns and messages may show. */
export type Mix = (frames: readonly MixedFrame[], prng: Prng) => MixedFrame[];

const oneIn = (prng: Prng, n: number): boolean => prng.nextUint32() % n === 0;

/** Some bare acknowledgements count a short frame's padding as payload. */
export const padding: Mix = (frames, prng) =>
  frames.map((frame) => {
    const { flags, payloadBytes } = segmentOf(frame);
    const isBare = (flags & (SYN | FIN | RST | ACK)) === ACK && payloadBytes === 0;
    if (!isBare || oneIn(prng, 3)) return frame;
    return changed(frame, { payload: new Uint8Array(1 + (prng.nextUint32() % 6)) });
  });

/** Somebody asks now and then whether the other is still there, with an octet of rubbish. */
export const keepAlives: Mix = (frames, prng) => {
  const ends = new Map<string, number>();
  return frames.flatMap((frame) => {
    const { source, destination, seq, flags, payloadBytes } = segmentOf(frame);
    const way = `${source} ${destination}`;
    const isSyn = (flags & SYN) !== 0;
    const end = (seq + payloadBytes + (isSyn ? 1 : 0)) >>> 0;
    const known = isSyn ? end : (ends.get(way) ?? end);
    const next = ((end - known) | 0) > 0 ? end : known;
    ends.set(way, next);
    if (isSyn || (flags & (FIN | RST)) !== 0 || !oneIn(prng, 4)) return [frame];
    const payload = Uint8Array.of(prng.nextUint32() & 0xff);
    return [
      frame,
      changed(frame, { seq: (next - 1) >>> 0, flags: ACK, payload, ns: frame.ns + 100 }),
    ];
  });
};

/** SYN-ACKs with another number come before the right one, behind it, or late. */
export const synAcks: Mix = (frames, prng) =>
  frames.flatMap((frame) => {
    const { flags, seq } = segmentOf(frame);
    if ((flags & (SYN | ACK)) !== (SYN | ACK)) return [frame];
    const other = (seq + 1 + prng.nextUint32()) >>> 0;
    const delaysNs = [-1000, 1000, 200_000, 50_000_000].filter(() => oneIn(prng, 2));
    const others = delaysNs.map((ns) => changed(frame, { seq: other, ns: frame.ns + ns }));
    return [frame, ...others];
  });

/** The packets of servers (of ports below 10,000) are dated by a clock that is so much ahead. */
export const skew =
  (ns: number): Mix =>
  (frames) =>
    frames.map((frame) => {
      const port = Number(segmentOf(frame).source.split(':')[1]);
      return port < 10_000 ? { ...frame, ns: frame.ns + ns } : frame;
    });

/**
 * Every connection has been there before, with other numbers and at once before; some of what was
 * said then comes again later.
 */
export const reuse: Mix = (frames, prng) => {
  const spanNs = Math.max(...frames.map(({ ns }) => ns)) - Math.min(...frames.map(({ ns }) => ns));
  const shift = 0x2_0000 + (prng.nextUint32() >>> 1);
  const before = frames.map((frame) => {
    const { seq, ack, flags } = segmentOf(frame);
    const numbers = {
      seq: (seq - shift) >>> 0,
      ack: (flags & ACK) === 0 ? ack : (ack - shift) >>> 0,
    };
    return changed(frame, { ...numbers, ns: frame.ns - spanNs - 1_000_000 });
  });
  const late = before
    .filter(() => oneIn(prng, 3))
    .map((frame) => ({
      ...frame,
      ns: frame.ns + spanNs + 1_000_500 + (prng.nextUint32() % 2_000_000),
    }));
  return [...before, ...frames, ...late];
};
