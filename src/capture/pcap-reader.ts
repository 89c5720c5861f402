/**
 * The classic capture format (draft-ietf-opsawg-pcap; libpcap's sf-pcap.c), both byte orders,
 * microseconds and nanoseconds, and Kuznetzov's variant with longer record headers.
 *
 *   file header, 24 octets: magic | major, minor (16 bits each) | zone | accuracy | snapLen
 *                           | FCS (6 bits) and link type (26 bits)
 *   record header, 16 octets: seconds | fraction | capturedBytes | originalBytes
 *                  24 in Kuznetzov's: + interface | protocol (16) | packet type (8) | padding (8)
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

const MAGIC_MICROSECONDS = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const MAGIC_KUZNETZOV = 0xa1b2_cd34;

/** Octets of a pcap file's header. */
export const PCAP_HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const RECORD_BYTES_KUZNETZOV = 24;

const LINK_TYPE_MASK = 0x03ff_ffff;
const VERSION_MAJOR = 2;
/** Before this minor version a record says original before captured length; in it, either way. */
const VERSION_MINOR_EITHER_ORDER = 3;
/** DG/UX tcpdump wrote 543.0, with the two lengths the other way round. */
const VERSION_MAJOR_DGUX = 543;

const NANOS_PER_SECOND = 1_000_000_000;

/** Whether a file that begins with these four octets (read big-endian) is a classic capture. */
export function isPcapMagic(magic: number): boolean {
  return byteOrderOf(magic) !== null;
}

/** true: little-endian; null: no magic of this format. */
function byteOrderOf(magic: number): boolean | null {
  const swapped =
    ((magic >>> 24) | ((magic >>> 8) & 0xff00) | ((magic & 0xff00) << 8) | (magic << 24)) >>> 0;
  if (isMagic(magic)) return false;
  return isMagic(swapped) ? true : null;
}

const isMagic = (magic: number): boolean =>
  magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || magic === MAGIC_KUZNETZOV;

/**
 * Reads packets of a pcap file (draft-ietf-opsawg-pcap), whatever the byte order and unit of time.
 */
export class PcapReader implements PacketReader {
  readonly format = 'pcap';
  readonly window: OctetWindow;
  packetStart = 0;
  capturedBytes = 0;
  presentBytes = 0;
  originalBytes = 0;
  seconds = 0;
  nanoseconds = 0;
  linkType = 0;
  interfaceIndex = 0;
  linkTypes: readonly number[] = [];
  damage: Damage | null = null;
  readonly #isLittleEndian: boolean;
  readonly #nanosPerUnit: number;
  readonly #recordBytes: number;
  #areLengthsSwapped = false;
  #mayLengthsBeSwapped = false;
  #hasHeader = false;
  #hasEnded = false;
  /** Octets of the record whose packet was handed over in part, yet to be stepped over. */
  #skipNext = 0;
  #wantsWhole = false;
  readonly #large: LargePackets;

  /** @param window holds at least the first four octets, and `isPcapMagic` holds for them */
  constructor(window: OctetWindow, large: LargePackets = LARGE_PACKETS) {
    this.window = window;
    this.#large = large;
    this.#isLittleEndian = byteOrderOf(window.data.getUint32(window.start)) === true;
    const magic = window.data.getUint32(window.start, this.#isLittleEndian);
    this.#nanosPerUnit = magic === MAGIC_NANOSECONDS ? 1 : 1000;
    this.#recordBytes = magic === MAGIC_KUZNETZOV ? RECORD_BYTES_KUZNETZOV : RECORD_BYTES;
  }

  end(): void {
    this.#hasEnded = true;
  }

  get fillBytes(): number {
    return this.capturedBytes > this.#large.bytes && !this.#wantsWhole
      ? this.#recordBytes + this.#large.headBytes
      : Number.POSITIVE_INFINITY;
  }

  wantWhole(): void {
    this.#skipNext = 0;
    this.#wantsWhole = true;
  }

  next(): ReadResult {
    if (this.#skipNext > 0) {
      this.window.skip(this.#skipNext);
      this.#skipNext = 0;
    }
    if (!this.#hasHeader && !this.#readHeader())
      return this.damage === null ? ReadResult.MORE : ReadResult.END;
    const { window } = this;
    const { data, start } = window;
    const little = this.#isLittleEndian;
    const available = window.end - start - this.#recordBytes;
    if (available < 0) return this.#needMore();
    let captured = data.getUint32(start + 8, little);
    let original = data.getUint32(start + 12, little);
    if (this.#areLengthsSwapped || (this.#mayLengthsBeSwapped && captured > original)) {
      [captured, original] = [original, captured];
    }
    if (captured > PACKET_BYTES_MAX) return this.#damaged(`a record of ${captured} bytes`);
    if (captured > available && !this.#isHeadEnough(captured, available)) return this.#needMore();
    this.capturedBytes = captured;
    this.presentBytes = Math.min(available, captured);
    this.originalBytes = original;
    this.packetStart = start + this.#recordBytes;
    this.#wantsWhole = false;
    if (available < captured) this.#skipNext = this.#recordBytes + captured;
    else window.start = this.packetStart + captured;
    this.#readTime(data.getUint32(start, little), data.getUint32(start + 4, little));
    return ReadResult.PACKET;
  }

  /** Whether a packet may be handed over before all of it is there. */
  #isHeadEnough(captured: number, available: number): boolean {
    if (captured <= this.#large.bytes || available < this.#large.headBytes || this.#wantsWhole) {
      // The next fill is for this packet: all of it, or just its beginning.
      this.capturedBytes = captured;
      return false;
    }
    // A cut record is no packet, though its beginning is there.
    return this.window.offset + this.#recordBytes + captured <= this.window.fileBytes;
  }

  #readTime(seconds: number, fraction: number): void {
    const nanoseconds = fraction * this.#nanosPerUnit;
    if (nanoseconds < NANOS_PER_SECOND) {
      this.seconds = seconds;
      this.nanoseconds = nanoseconds;
      return;
    }
    // Some writers round up to a whole second; anything more is no time at all.
    const isRounded = nanoseconds < 2 * NANOS_PER_SECOND;
    this.seconds = isRounded ? seconds + 1 : seconds;
    this.nanoseconds = isRounded ? nanoseconds - NANOS_PER_SECOND : 0;
  }

  /** @returns whether the header has been read; if not, more is needed or `damage` is set */
  #readHeader(): boolean {
    const { window } = this;
    const { data, start } = window;
    if (window.end - start < PCAP_HEADER_BYTES) {
      if (this.#hasEnded) this.#damaged('the file header is cut');
      return false;
    }
    const little = this.#isLittleEndian;
    this.#takeVersion(data.getUint16(start + 4, little), data.getUint16(start + 6, little));
    this.linkType = data.getUint32(start + 20, little) & LINK_TYPE_MASK;
    this.linkTypes = [this.linkType];
    window.start = start + PCAP_HEADER_BYTES;
    this.#hasHeader = true;
    return true;
  }

  /** As Wireshark: later versions are read like 2.4, since none was ever made. */
  #takeVersion(major: number, minor: number): void {
    if (major < VERSION_MAJOR) {
      throw new CaptureError({
        code: 'ERR_CAPTURE_VERSION',
        message: `a capture of pcap version ${major}.${minor}; version 2 is read`,
        hint: 'write it again with `editcap -F pcap`',
        offset: 4,
      });
    }
    const isVersion2 = major === VERSION_MAJOR;
    this.#areLengthsSwapped =
      major === VERSION_MAJOR_DGUX || (isVersion2 && minor < VERSION_MINOR_EITHER_ORDER);
    this.#mayLengthsBeSwapped = isVersion2 && minor === VERSION_MINOR_EITHER_ORDER;
  }

  #needMore(): ReadResult {
    if (!this.#hasEnded) return ReadResult.MORE;
    const left = this.window.end - this.window.start;
    if (left === 0) return ReadResult.END;
    return this.#damaged(`the last record is cut: ${left} bytes of it are there`);
  }

  #damaged(reason: string): ReadResult {
    this.damage ??= { offset: this.window.offset, reason };
    // Nothing after this can be trusted, so a further call says the same.
    this.#hasEnded = true;
    this.window.start = this.window.end;
    return ReadResult.END;
  }
}
