/**
 * The next-generation capture format (draft-ietf-opsawg-pcapng): sections, each with its own byte
 * order and interfaces, of blocks that say their length at both ends.
 *
 *   block: type | total length | body, padded to 4 octets | total length again
 *   section header (0x0a0d0d0a): byte-order magic | major, minor (16 bits each) | section length (64)
 *   interface (1): link type (16) | reserved (16) | snapLen | options
 *   packet (2, obsolete): interface (16) | drops (16) | time, high and low | captured | original | octets
 *   simple packet (3): original | octets
 *   enhanced packet (6): interface | time, high and low | captured | original | octets | options
 *
 * Other blocks (names, statistics, secrets, custom and unknown ones) are stepped over without being
 * looked at, whatever their length.
 */
import { CaptureError } from './capture-error.ts';
import type { OctetWindow } from './octet-window.ts';
import {
  type Damage,
  LARGE_PACKETS,
  type LargePackets,
  PACKET_BYTES_MAX,
  type PacketReader,
  ReadResult,
} from './packet-reader.ts';
import { INTERFACE_OPTIONS_MAX_BYTES, TimestampUnit } from './timestamp-unit.ts';

const BlockType = {
  SECTION: 0x0a0d_0d0a,
  INTERFACE: 1,
  PACKET: 2,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
} as const;

const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const BYTE_ORDER_MAGIC_SWAPPED = 0x4d3c_2b1a;
const VERSION_MAJOR = 1;
/** 1.2 was written by mistake for a while and is the same as 1.0. */
const VERSIONS_MINOR: readonly number[] = [0, 2];

/** Type and length at the start, length again at the end. */
const BLOCK_HEAD_BYTES = 8;
const BLOCK_TAIL_BYTES = 4;
const BLOCK_BYTES_MIN = BLOCK_HEAD_BYTES + BLOCK_TAIL_BYTES;
const SECTION_BYTES_MIN = BLOCK_BYTES_MIN + 16;
const INTERFACE_HEAD_BYTES = 8;
const PACKET_HEAD_BYTES = 20;
const SIMPLE_PACKET_HEAD_BYTES = 4;

/** Interfaces of a file: more than any machine has, few enough for a list of objects. */
const INTERFACES_MAX = 65_536;

interface Interface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapLen: number;
  readonly unit: TimestampUnit;
  /** Among all of the file. */
  readonly index: number;
}

/** Whether a file that begins with these four octets (read big-endian) is of this format. */
export const isPcapngMagic = (magic: number): boolean => magic === BlockType.SECTION;

/** Reads packets of a pcapng file (draft-ietf-opsawg-pcapng), section by section. */
export class PcapngReader implements PacketReader {
  readonly format = 'pcapng';
  readonly window: OctetWindow;
  packetStart = 0;
  capturedBytes = 0;
  presentBytes = 0;
  originalBytes = 0;
  seconds = Number.NaN;
  nanoseconds = 0;
  linkType = 0;
  interfaceIndex = 0;
  readonly linkTypes: number[] = [];
  damage: Damage | null = null;
  #isLittleEndian = true;
  /** Of the section at hand. */
  #interfaces: Interface[] = [];
  /** What is left of a block that is stepped over: where its second length stands, and the first. */
  #tailBytes = 0;
  #isSkipping = false;
  /** Length of the block whose packet was handed over, where it has yet to be stepped over. */
  #skipNext = 0;
  #wantsWhole = false;
  readonly #large: LargePackets;
  #hasEnded = false;

  constructor(window: OctetWindow, large: LargePackets = LARGE_PACKETS) {
    this.window = window;
    this.#large = large;
  }

  end(): void {
    this.#hasEnded = true;
  }

  get fillBytes(): number {
    return this.capturedBytes > this.#large.bytes && !this.#wantsWhole
      ? BLOCK_HEAD_BYTES + PACKET_HEAD_BYTES + this.#large.headBytes
      : Number.POSITIVE_INFINITY;
  }

  wantWhole(): void {
    this.#skipNext = 0;
    this.#wantsWhole = true;
  }

  next(): ReadResult {
    if (this.#skipNext > 0) {
      this.#skip(this.#skipNext);
      this.#skipNext = 0;
    }
    for (;;) {
      if (this.#isSkipping && !this.#finishSkip()) return this.#more('a block is cut');
      if (this.damage !== null) return ReadResult.END;
      const { window } = this;
      const available = window.end - window.start;
      if (available < BLOCK_BYTES_MIN) return this.#more('a block is cut');
      const found = this.#block(available);
      if (found !== null) return found;
    }
  }

  /** Reads the block at hand; null: go on with the next. */
  #block(available: number): ReadResult | null {
    const { data, start } = this.window;
    // A section's own type reads the same in both byte orders; its order decides how to read on.
    const type = data.getUint32(start, this.#isLittleEndian);
    if (type === BlockType.SECTION) return this.#section(available);
    const total = data.getUint32(start + 4, this.#isLittleEndian);
    if (total < BLOCK_BYTES_MIN) return this.#damaged(`a block of ${total} bytes`);
    switch (type) {
      case BlockType.ENHANCED_PACKET:
      case BlockType.PACKET:
        return this.#packet(type, total, available);
      case BlockType.SIMPLE_PACKET:
        return this.#simplePacket(total, available);
      case BlockType.INTERFACE:
        return this.#interface(total, available);
      default:
        this.#skip(total);
        return null;
    }
  }

  #section(available: number): ReadResult | null {
    if (available < SECTION_BYTES_MIN) return this.#more('a section header is cut');
    const { data, start } = this.window;
    const magic = data.getUint32(start + 8);
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_MAGIC_SWAPPED) {
      return this.#damaged('a section without byte order');
    }
    const little = magic === BYTE_ORDER_MAGIC_SWAPPED;
    const major = data.getUint16(start + 12, little);
    const minor = data.getUint16(start + 14, little);
    if (major !== VERSION_MAJOR || !VERSIONS_MINOR.includes(minor)) {
      return this.#unknownVersion(major, minor);
    }
    const total = data.getUint32(start + 4, little);
    if (total < SECTION_BYTES_MIN) return this.#damaged(`a section header of ${total} bytes`);
    this.#isLittleEndian = little;
    this.#interfaces = [];
    this.#skip(total);
    return null;
  }

  #unknownVersion(major: number, minor: number): ReadResult {
    if (this.window.offset > 0) return this.#damaged(`a section of version ${major}.${minor}`);
    throw new CaptureError({
      code: 'ERR_CAPTURE_VERSION',
      message: `a capture of pcapng version ${major}.${minor}; version 1.0 is read`,
      hint: 'write it again with `editcap -F pcapng`',
      offset: 12,
    });
  }

  #interface(total: number, available: number): ReadResult | null {
    const bodyBytes = total - BLOCK_BYTES_MIN;
    if (bodyBytes < INTERFACE_HEAD_BYTES) return this.#damaged(`an interface of ${total} bytes`);
    const needed = BLOCK_HEAD_BYTES + Math.min(bodyBytes, INTERFACE_OPTIONS_MAX_BYTES);
    if (available < needed) return this.#more('an interface is cut');
    if (this.linkTypes.length >= INTERFACES_MAX) {
      return this.#damaged(`more than ${INTERFACES_MAX} interfaces`);
    }
    const { data, start } = this.window;
    const little = this.#isLittleEndian;
    const at = start + BLOCK_HEAD_BYTES;
    const linkType = data.getUint16(at, little);
    this.#interfaces.push({
      linkType,
      snapLen: data.getUint32(at + 4, little),
      unit: new TimestampUnit(data, at + INTERFACE_HEAD_BYTES, start + needed, little),
      index: this.linkTypes.length,
    });
    this.linkTypes.push(linkType);
    this.#skip(total);
    return null;
  }

  /** Enhanced packet blocks and the obsolete ones differ in how they name the interface. */
  #packet(type: number, total: number, available: number): ReadResult {
    const bodyBytes = total - BLOCK_BYTES_MIN;
    if (bodyBytes < PACKET_HEAD_BYTES) return this.#damaged(`a packet block of ${total} bytes`);
    if (available < BLOCK_HEAD_BYTES + PACKET_HEAD_BYTES) return this.#more('a packet is cut');
    const { data, start } = this.window;
    const little = this.#isLittleEndian;
    const at = start + BLOCK_HEAD_BYTES;
    const isEnhanced = type === BlockType.ENHANCED_PACKET;
    const id = isEnhanced ? data.getUint32(at, little) : data.getUint16(at, little);
    const from = this.#interfaces.at(id);
    if (from === undefined || id >= this.#interfaces.length) {
      return this.#damaged(`a packet of interface ${id}, which is not described`);
    }
    const captured = data.getUint32(at + 12, little);
    const original = data.getUint32(at + 16, little);
    const found = this.#take(total, available, PACKET_HEAD_BYTES, captured);
    if (found !== ReadResult.PACKET) return found;
    from.unit.convert(data.getUint32(at + 4, little), data.getUint32(at + 8, little));
    this.seconds = from.unit.seconds;
    this.nanoseconds = from.unit.nanoseconds;
    this.originalBytes = original;
    this.linkType = from.linkType;
    this.interfaceIndex = from.index;
    return ReadResult.PACKET;
  }

  /** Of the section's first interface, without a time; cut to its snap length. */
  #simplePacket(total: number, available: number): ReadResult {
    const bodyBytes = total - BLOCK_BYTES_MIN;
    if (bodyBytes < SIMPLE_PACKET_HEAD_BYTES) {
      return this.#damaged(`a packet block of ${total} bytes`);
    }
    const from = this.#interfaces.at(0);
    if (from === undefined) return this.#damaged('a packet before any interface');
    const { data, start } = this.window;
    const original = data.getUint32(start + BLOCK_HEAD_BYTES, this.#isLittleEndian);
    const limit = from.snapLen === 0 ? original : Math.min(original, from.snapLen);
    const found = this.#take(total, available, SIMPLE_PACKET_HEAD_BYTES, limit);
    if (found !== ReadResult.PACKET) return found;
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.originalBytes = original;
    this.linkType = from.linkType;
    this.interfaceIndex = from.index;
    return ReadResult.PACKET;
  }

  /** Takes `captured` octets after the block's head, and the block's rest as read. */
  #take(total: number, available: number, headBytes: number, captured: number): ReadResult {
    const room = total - BLOCK_BYTES_MIN - headBytes;
    if (captured > PACKET_BYTES_MAX) return this.#damaged(`a packet of ${captured} bytes`);
    if (captured > room) {
      return this.#damaged(`a packet of ${captured} bytes in a block that has room for ${room}`);
    }
    const headEnd = BLOCK_HEAD_BYTES + headBytes;
    const { data, start } = this.window;
    // The next fill is for this packet: all of it, or just its beginning.
    this.capturedBytes = captured;
    // The usual block is here as a whole; its end is checked before the packet is believed.
    if (available >= total) {
      const again = data.getUint32(start + total - BLOCK_TAIL_BYTES, this.#isLittleEndian);
      if (again !== total) return this.#mismatch(total, again);
      this.window.start = start + total;
    } else {
      // Of a large one the beginning is enough, if the file has the rest.
      const isCut = this.window.offset + total > this.window.fileBytes;
      const wanted =
        captured > this.#large.bytes && !this.#wantsWhole ? this.#large.headBytes : captured;
      const isLarge = total > this.#large.bytes && available >= headEnd + wanted;
      if (isCut || !isLarge) return this.#more('a packet is cut');
      // Only afterwards: to step over it moves the window on, and the packet is still in there.
      this.#skipNext = total;
    }
    this.packetStart = start + headEnd;
    this.presentBytes = Math.min(captured, available - headEnd);
    this.#wantsWhole = false;
    return ReadResult.PACKET;
  }

  /** Steps over the block at hand up to its second length, which is checked when it is there. */
  #skip(total: number): void {
    this.#tailBytes = total;
    this.#isSkipping = true;
    this.window.skip(total - BLOCK_TAIL_BYTES);
  }

  /** @returns whether the block that is stepped over has been left behind */
  #finishSkip(): boolean {
    const { window } = this;
    if (window.end - window.start < BLOCK_TAIL_BYTES) return false;
    const again = window.data.getUint32(window.start, this.#isLittleEndian);
    this.#isSkipping = false;
    if (again !== this.#tailBytes) {
      this.#mismatch(this.#tailBytes, again);
      return true;
    }
    window.start += BLOCK_TAIL_BYTES;
    return true;
  }

  #mismatch(total: number, again: number): ReadResult {
    return this.#damaged(`a block says ${total} bytes at its start and ${again} at its end`);
  }

  #more(reason: string): ReadResult {
    if (!this.#hasEnded) return ReadResult.MORE;
    const isCut = this.window.end > this.window.start || this.#isSkipping;
    return isCut ? this.#damaged(reason) : ReadResult.END;
  }

  #damaged(reason: string): ReadResult {
    this.damage ??= { offset: this.window.offset, reason };
    this.#hasEnded = true;
    this.#isSkipping = false;
    this.window.start = this.window.end;
    return ReadResult.END;
  }
}
