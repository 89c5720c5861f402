/**
 * Blocks of a pcapng file that is written (draft-ietf-opsawg-pcapng), in the order of octets of the
 * machines that gryphon runs on: section header, interface, packets, and the interface's statistics.
 */

const SECTION = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const INTERFACE = 1;
const STATISTICS = 5;
const ENHANCED_PACKET = 6;
/** Type, length, and the length again. */
const BLOCK_BYTES = 12;
/** An enhanced packet block without its octets. */
export const PACKET_BLOCK_BYTES = BLOCK_BYTES + 20;

const OPTION_END = 0;
const OPTION_NAME = 2;
const OPTION_DESCRIPTION = 3;
const OPTION_RESOLUTION = 9;
const OPTION_APPLICATION = 4;
const OPTION_RECEIVED = 4;
const OPTION_DROPPED = 5;
/** Of 10^-9 seconds. */
const NANOSECONDS = 9;
const UINT32 = 0x1_0000_0000;
const NS_PER_SECOND = 1_000_000_000n;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/** What a file says of the interface whose packets it has. */
export interface InterfaceText {
  readonly name: string;
  readonly description: string | null;
  /** A LINKTYPE_ of tcpdump.org, below 2^16. */
  readonly linkType: number;
}

/** A file's beginning: who writes it, and from which interface, with which of the link types. */
export function fileHead(
  { name, description, linkType }: InterfaceText,
  application: string,
): Uint8Array {
  const section = block(SECTION, [
    words(BYTE_ORDER_MAGIC, 1, 0xffff_ffff, 0xffff_ffff),
    option(OPTION_APPLICATION, new TextEncoder().encode(application)),
    option(OPTION_END, new Uint8Array(0)),
  ]);
  const described = block(INTERFACE, [
    words(linkType, 0),
    option(OPTION_NAME, new TextEncoder().encode(name)),
    ...(description === null
      ? []
      : [option(OPTION_DESCRIPTION, new TextEncoder().encode(description))]),
    option(OPTION_RESOLUTION, Uint8Array.of(NANOSECONDS)),
    option(OPTION_END, new Uint8Array(0)),
  ]);
  return joined([section, described]);
}

/** A file's end: how many packets the interface gave, and how many were lost before they were written. */
export function fileTail(
  at: { readonly seconds: number; readonly nanoseconds: number },
  counts: { readonly received: number; readonly dropped: number },
): Uint8Array {
  const [high, low] = timeWords(at.seconds, at.nanoseconds);
  return block(STATISTICS, [
    words(0, high, low),
    option(OPTION_RECEIVED, uint64(counts.received)),
    option(OPTION_DROPPED, uint64(counts.dropped)),
    option(OPTION_END, new Uint8Array(0)),
  ]);
}

/** Octets of a packet's block. */
export const packetBlockBytes = (capturedBytes: number): number =>
  PACKET_BLOCK_BYTES + padded(capturedBytes);

/**
 * Writes a packet's block, but for its octets, which go to `at + 28`.
 * @param at where it begins in `into`
 */
export function writePacketBlock(
  into: DataView,
  at: number,
  packet: {
    readonly capturedBytes: number;
    readonly packetBytes: number;
    readonly seconds: number;
    readonly nanoseconds: number;
  },
): void {
  const { capturedBytes, packetBytes, seconds, nanoseconds } = packet;
  const [high, low] = timeWords(seconds, nanoseconds);
  const bytes = packetBlockBytes(capturedBytes);
  const head = [ENHANCED_PACKET, bytes, 0, high, low, capturedBytes, packetBytes];
  for (const [i, word] of head.entries()) into.setUint32(at + 4 * i, word, true);
  for (let i = PACKET_OCTETS_AT + capturedBytes; i < bytes - 4; i++) into.setUint8(at + i, 0);
  into.setUint32(at + bytes - 4, bytes, true);
}

/** Where a packet's octets begin in its block. */
export const PACKET_OCTETS_AT = 28;

/** Octets before a packet's IP header where its file is of LINKTYPE_LINUX_SLL2 (276). */
export const SLL2_HEADER_BYTES = 20;

/**
 * Writes such a header: EtherType, 2 octets reserved, interface, ARPHRD, packet type, length of the link's
 * address, address (8); all of it big-endian.
 * @param at where it begins in `into`
 * @param address where the kernel's struct sockaddr_ll is in `from`, in this machine's order of octets
 */
export function writeSll2Header(into: DataView, at: number, from: DataView, address: number): void {
  into.setUint16(at, from.getUint16(address + 2));
  into.setUint16(at + 2, 0);
  into.setUint32(at + 4, from.getUint32(address + 4, true));
  into.setUint16(at + 8, from.getUint16(address + 8, true));
  into.setUint16(at + 10, from.getUint16(address + 10));
  into.setUint32(at + 12, from.getUint32(address + 12));
  into.setUint32(at + 16, from.getUint32(address + 16));
}

function timeWords(seconds: number, nanoseconds: number): [high: number, low: number] {
  const ns = BigInt(seconds) * NS_PER_SECOND + BigInt(nanoseconds);
  return [Number(ns / BigInt(UINT32)), Number(ns % BigInt(UINT32))];
}

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(parts);
  const bytes = BLOCK_BYTES + body.length;
  return joined([words(type, bytes), body, words(bytes)]);
}

function option(code: number, value: Uint8Array): Uint8Array {
  const octets = new Uint8Array(4 + padded(value.length));
  const data = new DataView(octets.buffer);
  data.setUint16(0, code, true);
  data.setUint16(2, value.length, true);
  octets.set(value, 4);
  return octets;
}

function uint64(value: number): Uint8Array {
  return words(value % UINT32, Math.floor(value / UINT32));
}

function words(...values: readonly number[]): Uint8Array {
  const octets = new Uint8Array(4 * values.length);
  const data = new DataView(octets.buffer);
  for (const [i, value] of values.entries()) data.setUint32(4 * i, value, true);
  return octets;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const octets = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    octets.set(part, at);
    at += part.length;
  }
  return octets;
}
