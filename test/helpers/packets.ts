/** Packets and capture files written down by hand: the naive twin of the readers. */

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/** Numbers as octets in network order. */
export const u8 = (...values: readonly number[]): number[] => values.map((value) => value & 0xff);
export const u16 = (value: number): number[] => u8(value >>> 8, value);
export const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)];

export interface TcpSpec {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  /** A multiple of four octets. */
  readonly options?: readonly number[];
  readonly payload?: string | Uint8Array;
}

export function tcp(spec: TcpSpec = {}): Uint8Array {
  const { sourcePort = 50_000, destinationPort = 80, seq = 1000, ack = 0, flags = ACK } = spec;
  const { options = [], payload = '' } = spec;
  const words = 5 + options.length / 4;
  return Uint8Array.from([
    ...u16(sourcePort),
    ...u16(destinationPort),
    ...u32(seq),
    ...u32(ack),
    ...u8(words << 4, flags),
    ...u16(0xffff),
    ...u16(0),
    ...u16(0),
    ...options,
    ...Buffer.from(payload),
  ]);
}

/** An MSS option, and with timestamps where they are asked for. */
export const synOptions = (mss: number, timestamps = false): number[] => [
  ...u8(2, 4),
  ...u16(mss),
  ...(timestamps ? [...u8(1, 1, 8, 10), ...u32(1), ...u32(0)] : []),
];

export interface Ipv4Spec {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly id?: number;
  /** In octets, a multiple of 8. */
  readonly fragmentOffset?: number;
  readonly hasMore?: boolean;
  readonly options?: readonly number[];
  /** What the header says instead of the real length. */
  readonly totalBytes?: number;
}

export function ipv4(body: Uint8Array, spec: Ipv4Spec = {}): Uint8Array {
  const { source = '10.0.0.2', destination = '10.0.0.1', protocol = 6, id = 0 } = spec;
  const { fragmentOffset = 0, hasMore = false, options = [] } = spec;
  const headerBytes = 20 + options.length;
  return Uint8Array.from([
    ...u8(0x40 | (headerBytes / 4), 0),
    ...u16(spec.totalBytes ?? headerBytes + body.length),
    ...u16(id),
    ...u16((hasMore ? 0x2000 : 0) | (fragmentOffset / 8)),
    ...u8(64, protocol),
    ...u16(0),
    ...source.split('.').map(Number),
    ...destination.split('.').map(Number),
    ...options,
    ...body,
  ]);
}

export interface Ipv6Spec {
  /** The last octet of each address; the rest is fd00::. */
  readonly source?: number;
  readonly destination?: number;
  readonly nextHeader?: number;
  readonly payloadBytes?: number;
}

export function ipv6(body: Uint8Array, spec: Ipv6Spec = {}): Uint8Array {
  const address = (last: number) => [0xfd, ...new Array<number>(14).fill(0), last];
  return Uint8Array.from([
    ...u32(0x6000_0000),
    ...u16(spec.payloadBytes ?? body.length),
    ...u8(spec.nextHeader ?? 6, 64),
    ...address(spec.source ?? 2),
    ...address(spec.destination ?? 1),
    ...body,
  ]);
}

export function concat(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A frame with tags in front of its EtherType. */
export const ethernet = (
  type: number,
  body: Uint8Array,
  tags: readonly number[] = [],
): Uint8Array => concat(new Array<number>(12).fill(2), tags, u16(type), body);

export interface FrameSpec {
  readonly data: Uint8Array;
  readonly seconds?: number;
  /** In units of the file's resolution. */
  readonly fraction?: number;
  readonly originalBytes?: number;
}

export interface PcapSpec {
  readonly littleEndian?: boolean;
  readonly magic?: number;
  readonly version?: readonly [major: number, minor: number];
  readonly linkType?: number;
  /** Octets between a record's header and its data (Kuznetzov's variant has 8). */
  readonly extraBytes?: number;
}

export const PCAP_MICROSECONDS = 0xa1b2_c3d4;
export const PCAP_NANOSECONDS = 0xa1b2_3c4d;
export const PCAP_KUZNETZOV = 0xa1b2_cd34;

/** A classic capture. */
export function pcap(frames: readonly FrameSpec[], spec: PcapSpec = {}): Uint8Array {
  const { littleEndian = true, magic = PCAP_MICROSECONDS, version = [2, 4] } = spec;
  const { linkType = 1, extraBytes = 0 } = spec;
  const n32 = (value: number) => (littleEndian ? u32(value).reverse() : u32(value));
  const n16 = (value: number) => (littleEndian ? u16(value).reverse() : u16(value));
  const head = [n32(magic), n16(version[0]), n16(version[1]), n32(0), n32(0)];
  const records = frames.map(({ data, seconds = 0, fraction = 0, originalBytes }) =>
    concat(
      n32(seconds),
      n32(fraction),
      n32(data.length),
      n32(originalBytes ?? data.length),
      new Array<number>(extraBytes).fill(0),
      data,
    ),
  );
  return concat(...head, n32(262_144), n32(linkType), ...records);
}

/** One block of a pcapng file. */
export function block(type: number, body: Uint8Array, littleEndian = true): Uint8Array {
  const n32 = (value: number) => (littleEndian ? u32(value).reverse() : u32(value));
  const padded = concat(body, new Array<number>(-body.length & 3).fill(0));
  const total = n32(12 + padded.length);
  return concat(n32(type), total, padded, total);
}

export const section = (littleEndian = true, minor = 0): Uint8Array => {
  const n32 = (value: number) => (littleEndian ? u32(value).reverse() : u32(value));
  const n16 = (value: number) => (littleEndian ? u16(value).reverse() : u16(value));
  const body = concat(n32(0x1a2b_3c4d), n16(1), n16(minor), n32(0xffff_ffff), n32(0xffff_ffff));
  return block(0x0a0d_0d0a, body, littleEndian);
};

export interface InterfaceSpec {
  readonly linkType?: number;
  readonly snapLen?: number;
  readonly resolution?: number;
  readonly offsetSeconds?: bigint;
}

export function interfaceBlock(spec: InterfaceSpec = {}, littleEndian = true): Uint8Array {
  const n16 = (value: number) => (littleEndian ? u16(value).reverse() : u16(value));
  const n32 = (value: number) => (littleEndian ? u32(value).reverse() : u32(value));
  const options: number[] = [];
  if (spec.resolution !== undefined) {
    options.push(...n16(9), ...n16(1), spec.resolution, 0, 0, 0);
  }
  if (spec.offsetSeconds !== undefined) {
    const octets = new DataView(new ArrayBuffer(8));
    octets.setBigInt64(0, spec.offsetSeconds, littleEndian);
    options.push(...n16(14), ...n16(8), ...new Uint8Array(octets.buffer));
  }
  const body = concat(n16(spec.linkType ?? 1), n16(0), n32(spec.snapLen ?? 0), options);
  return block(1, body, littleEndian);
}

export interface PacketSpec {
  readonly data: Uint8Array;
  readonly units?: bigint;
  readonly interfaceId?: number;
  readonly originalBytes?: number;
}

export function enhancedPacket(spec: PacketSpec, littleEndian = true): Uint8Array {
  const n32 = (value: number) => (littleEndian ? u32(value).reverse() : u32(value));
  const { data, units = 0n, interfaceId = 0, originalBytes = data.length } = spec;
  const high = Number(units >> 32n);
  const low = Number(units & 0xffff_ffffn);
  const padding = new Array<number>(-data.length & 3).fill(0);
  const head = [n32(interfaceId), n32(high), n32(low), n32(data.length), n32(originalBytes)];
  return block(6, concat(...head, data, padding), littleEndian);
}
