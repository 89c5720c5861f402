/** Routers' messages that a packet was too big, octet by octet. */
import { bigEndian, naiveSum } from '../wire/naive.ts';

export interface TooBigOptions {
  /** The packet, or its beginning. */
  readonly quoted: Uint8Array;
  readonly mtu: number;
  /** Address octets of who says so; the quoted packet's destination without it. */
  readonly router?: Uint8Array;
  /** Where it goes; to the quoted packet's source without it. */
  readonly to?: Uint8Array;
  readonly typeAndCode?: number;
  /** Words of options in the message's own IPv4 header. */
  readonly optionWords?: number;
}

/** The IP packet with the message, of the quoted packet's version; checksums are right. */
export function packetTooBig(options: TooBigOptions): Uint8Array {
  return options.quoted[0] >>> 4 === 4 ? icmp(options) : icmpv6(options);
}

const checksum = (octets: readonly number[]): number[] =>
  bigEndian(0xffff - naiveSum(Uint8Array.from(octets)), 2);

function icmp(options: TooBigOptions): Uint8Array {
  const { quoted, mtu, typeAndCode = 0x0304, optionWords = 0 } = options;
  const source = [...(options.router ?? quoted.subarray(16, 20))];
  const destination = [...(options.to ?? quoted.subarray(12, 16))];
  const message = (sum: readonly number[]): number[] => [
    ...bigEndian(typeAndCode, 2),
    ...sum,
    0,
    0,
    ...bigEndian(mtu, 2),
    ...quoted,
  ];
  const body = message(checksum(message([0, 0])));
  const headerBytes = 20 + 4 * optionWords;
  const header = (sum: readonly number[]): number[] => [
    0x45 + optionWords,
    0xc0,
    ...bigEndian(headerBytes + body.length, 2),
    ...[0, 0, 0, 0, 64, 1],
    ...sum,
    ...source,
    ...destination,
    ...new Array<number>(4 * optionWords).fill(1),
  ];
  return Uint8Array.from([...header(checksum(header([0, 0]))), ...body]);
}

function icmpv6(options: TooBigOptions): Uint8Array {
  const { quoted, mtu, typeAndCode = 0x0200 } = options;
  const source = [...(options.router ?? quoted.subarray(24, 40))];
  const destination = [...(options.to ?? quoted.subarray(8, 24))];
  const message = (sum: readonly number[]): number[] => [
    ...bigEndian(typeAndCode, 2),
    ...sum,
    ...bigEndian(mtu, 4),
    ...quoted,
  ];
  const bytes = message([0, 0]).length;
  const pseudo = [...source, ...destination, ...bigEndian(bytes, 4), 0, 0, 0, 58];
  const body = message(checksum([...pseudo, ...message([0, 0])]));
  const header = [0x60, 0, 0, 0, ...bigEndian(bytes, 2), 58, 64, ...source, ...destination];
  return Uint8Array.from([...header, ...body]);
}
