/**
 * TCP segments in IP packets, as the model server and the oracles read and write them: from RFC 791,
 * 8200, 9293, 7323 and 2018 alone, and nothing of `src/`, so that a mistake there is not repeated here.
 */

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const PROTOCOL_TCP = 6;

/** A segment with everything that its headers say; addresses are 4 or 16 octets. */
export interface Segment {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent?: number | undefined;
  readonly mss?: number | undefined;
  readonly windowScale?: number | undefined;
  readonly sackPermitted?: boolean | undefined;
  readonly timestamps?: { readonly value: number; readonly echo: number } | undefined;
  readonly sack?: readonly (readonly [from: number, to: number])[];
  readonly payload: Uint8Array;
}

/** A segment that was read. */
export interface SegmentRead extends Segment {
  /** Octets of its payload, of which `payload` may hold only the first ones. */
  readonly payloadBytes: number;
}

/** Octets of the sequence space that a segment takes (SEG.LEN of RFC 9293). */
export const lengthOf = ({ flags, payloadBytes }: SegmentRead): number =>
  payloadBytes + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);

/** The ones' complement sum of 16-bit words, not yet complemented. */
function sumOf(octets: Uint8Array, start: number, end: number, before: number): number {
  let sum = before;
  let at = start;
  for (; at + 1 < end; at += 2) sum += (octets[at] << 8) | octets[at + 1];
  if (at < end) sum += octets[at] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** The sum over a TCP segment and its pseudo header: both addresses stand side by side in either IP header. */
function tcpSum(packet: Uint8Array, at: number): number {
  const addresses = at === IPV4_BYTES ? 12 : 8;
  const ends = at === IPV4_BYTES ? 20 : IPV6_BYTES;
  const pseudo = sumOf(packet, addresses, ends, PROTOCOL_TCP + packet.length - at);
  return sumOf(packet, at, packet.length, pseudo);
}

/**
 * Reads a packet.
 * @param isWhole false where only its first octets are there: sums cannot be checked then
 * @returns what is wrong with it, as text, where something is
 */
export function readSegment(packet: Uint8Array, isWhole = true): SegmentRead | string {
  if (packet.length < IPV4_BYTES + TCP_BYTES) return 'headers are cut';
  const version = packet[0] >>> 4;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  let at = IPV4_BYTES;
  let totalBytes = view.getUint16(2);
  if (version === 4) {
    if (packet[0] !== 0x45) return `IPv4 header of ${(packet[0] & 15) * 4} octets`;
    if (sumOf(packet, 0, at, 0) !== 0xffff) return 'IPv4 checksum';
    if (packet[9] !== PROTOCOL_TCP) return `IPv4 protocol ${packet[9]}`;
    if ((view.getUint16(6) & 0x3fff) !== 0) return 'IPv4 fragment';
  } else if (version === 6) {
    at = IPV6_BYTES;
    totalBytes = at + view.getUint16(4);
    if (packet[6] !== PROTOCOL_TCP) return `IPv6 next header ${packet[6]}`;
  } else return `IP version ${version}`;
  if (packet.length < at + TCP_BYTES) return 'TCP header is cut';
  if (isWhole ? totalBytes !== packet.length : totalBytes < packet.length) {
    return `IP length ${totalBytes}, ${packet.length} octets came`;
  }
  const bytes = totalBytes - at;
  if (isWhole && tcpSum(packet, at) !== 0xffff) return 'TCP checksum';
  const headerBytes = (packet[at + 12] >>> 4) * 4;
  if (headerBytes < TCP_BYTES || at + headerBytes > packet.length)
    return `TCP header of ${headerBytes} octets`;
  const options = readOptions(view, at + TCP_BYTES, at + headerBytes);
  if (typeof options === 'string') return options;
  return {
    src: version === 4 ? packet.subarray(12, 16) : packet.subarray(8, 24),
    dst: version === 4 ? packet.subarray(16, 20) : packet.subarray(24, IPV6_BYTES),
    srcPort: view.getUint16(at),
    dstPort: view.getUint16(at + 2),
    seq: view.getUint32(at + 4),
    ack: view.getUint32(at + 8),
    flags: packet[at + 13],
    window: view.getUint16(at + 14),
    urgent: view.getUint16(at + 18),
    payload: packet.subarray(at + headerBytes),
    payloadBytes: bytes - headerBytes,
    ...options,
  };
}

type Options = Pick<Segment, 'mss' | 'windowScale' | 'sackPermitted' | 'timestamps' | 'sack'>;

function readOptions(view: DataView, start: number, end: number): Options | string {
  const found: { -readonly [K in keyof Options]: Options[K] } = {};
  for (let at = start; at < end; ) {
    const kind = view.getUint8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const bytes = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (bytes < 2 || at + bytes > end) return `TCP option ${kind} of ${bytes} octets`;
    if (kind === 2 && bytes === 4) found.mss = view.getUint16(at + 2);
    else if (kind === 3 && bytes === 3) found.windowScale = view.getUint8(at + 2);
    else if (kind === 4 && bytes === 2) found.sackPermitted = true;
    else if (kind === 8 && bytes === 10) {
      found.timestamps = { value: view.getUint32(at + 2), echo: view.getUint32(at + 6) };
    } else if (kind === 5 && bytes % 8 === 2) {
      found.sack = Array.from({ length: (bytes - 2) / 8 }, (_, i) => {
        const block = at + 2 + 8 * i;
        return [view.getUint32(block), view.getUint32(block + 4)] as const;
      });
    } else return `TCP option ${kind} of ${bytes} octets`;
    at += bytes;
  }
  return found;
}

function push32(octets: number[], value: number): void {
  octets.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function optionOctets(segment: Segment): number[] {
  const { mss, windowScale, sackPermitted, timestamps, sack = [] } = segment;
  const octets: number[] = [];
  if (mss !== undefined) octets.push(2, 4, mss >>> 8, mss & 255);
  if (windowScale !== undefined) octets.push(3, 3, windowScale);
  if (sackPermitted === true) octets.push(4, 2);
  if (timestamps !== undefined) {
    octets.push(8, 10);
    push32(octets, timestamps.value);
    push32(octets, timestamps.echo);
  }
  if (sack.length > 0) octets.push(5, 2 + 8 * sack.length);
  for (const [from, to] of sack) {
    push32(octets, from);
    push32(octets, to);
  }
  while (octets.length % 4 !== 0) octets.push(1);
  return octets;
}

/** The packet that bears a segment, with right lengths and checksums. */
export function writeSegment(segment: Segment): Uint8Array {
  const { src, dst, payload } = segment;
  const options = optionOctets(segment);
  const at = src.length === 4 ? IPV4_BYTES : IPV6_BYTES;
  const tcpBytes = TCP_BYTES + options.length + payload.length;
  const packet = new Uint8Array(at + tcpBytes);
  const view = new DataView(packet.buffer);
  if (src.length === 4) {
    packet[0] = 0x45;
    view.setUint16(2, packet.length);
    packet[8] = 64;
    packet[9] = PROTOCOL_TCP;
    packet.set(src, 12);
    packet.set(dst, 16);
    view.setUint16(10, 0xffff ^ sumOf(packet, 0, at, 0));
  } else {
    packet[0] = 0x60;
    view.setUint16(4, tcpBytes);
    packet[6] = PROTOCOL_TCP;
    packet[7] = 64;
    packet.set(src, 8);
    packet.set(dst, 24);
  }
  view.setUint16(at, segment.srcPort);
  view.setUint16(at + 2, segment.dstPort);
  view.setUint32(at + 4, segment.seq);
  view.setUint32(at + 8, segment.ack);
  packet[at + 12] = ((TCP_BYTES + options.length) / 4) << 4;
  packet[at + 13] = segment.flags;
  view.setUint16(at + 14, segment.window);
  view.setUint16(at + 18, segment.urgent ?? 0);
  packet.set(options, at + TCP_BYTES);
  packet.set(payload, at + TCP_BYTES + options.length);
  view.setUint16(at + 16, 0xffff ^ tcpSum(packet, at));
  return packet;
}
