/** Slow and plain twins of src/wire, as oracles. */

/** One's-complement sum, folded after every word. */
export function naiveSum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += octets[i] * 256 + (i + 1 < octets.length ? octets[i + 1] : 0);
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return sum;
}

export const bigEndian = (value: number, octets: number): number[] =>
  Array.from({ length: octets }, (_, i) => Math.floor(value / 256 ** (octets - 1 - i)) % 256);

export interface NaivePacket {
  readonly src: readonly number[];
  readonly dst: readonly number[];
  readonly ipId: number;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly options: readonly number[];
  readonly payload: readonly number[];
}

const checksumOf = (octets: readonly number[]): number[] =>
  bigEndian(0xffff - naiveSum(Uint8Array.from(octets)), 2);

/** A whole IPv4 or IPv6 packet (by the addresses' length), summed octet by octet. */
export function naivePacket(packet: NaivePacket): number[] {
  const tcpBytes = 20 + packet.options.length;
  const segmentBytes = tcpBytes + packet.payload.length;
  const tcp = (checksum: readonly number[]): number[] => [
    ...bigEndian(packet.srcPort, 2),
    ...bigEndian(packet.dstPort, 2),
    ...bigEndian(packet.seq, 4),
    ...bigEndian(packet.ack, 4),
    (tcpBytes / 4) * 16,
    packet.flags,
    ...bigEndian(packet.window, 2),
    ...checksum,
    0,
    0,
    ...packet.options,
    ...packet.payload,
  ];
  const isIpv4 = packet.src.length === 4;
  const pseudo = isIpv4
    ? [...packet.src, ...packet.dst, 0, 6, ...bigEndian(segmentBytes, 2)]
    : [...packet.src, ...packet.dst, ...bigEndian(segmentBytes, 4), 0, 0, 0, 6];
  const segment = tcp(checksumOf([...pseudo, ...tcp([0, 0])]));
  if (!isIpv4) {
    const length = bigEndian(segmentBytes, 2);
    return [0x60, 0, 0, 0, ...length, 6, 64, ...packet.src, ...packet.dst, ...segment];
  }
  const ip = (checksum: readonly number[]): number[] => [
    0x45,
    0,
    ...bigEndian(20 + segmentBytes, 2),
    ...bigEndian(packet.ipId, 2),
    0x40,
    0,
    64,
    6,
    ...checksum,
    ...packet.src,
    ...packet.dst,
  ];
  return [...ip(checksumOf(ip([0, 0]))), ...segment];
}
