/** Which format a file has: by what is in it, never by its name. */
import { CaptureError } from './capture-error.ts';
import { foreignFormatOf } from './foreign-format.ts';
import type { OctetWindow } from './octet-window.ts';
import type { LargePackets, PacketReader } from './packet-reader.ts';
import { isPcapMagic, PcapReader } from './pcap-reader.ts';
import { isPcapngMagic, PcapngReader } from './pcapng-reader.ts';

/** As much of a file as tells its format. */
export const MAGIC_BYTES = 4;

/** Formats that are read or unpacked. */
export type FileFormat = 'pcap' | 'pcapng' | 'gzip' | 'zstd';

/** The format of a file that begins with these octets, or null when it is none of those. */
export function formatOf(head: Uint8Array): FileFormat | null {
  if (head.length < MAGIC_BYTES) return null;
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0);
  if (isPcapMagic(magic)) return 'pcap';
  if (isPcapngMagic(magic)) return 'pcapng';
  // RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (a frame, or one to be skipped).
  if (magic >>> 16 === 0x1f8b) return 'gzip';
  const isZstd = magic === 0x28b5_2ffd || (magic & 0xf0ff_ffff) >>> 0 === 0x502a_4d18;
  return isZstd ? 'zstd' : null;
}

/**
 * A reader for the file whose first octets are in the window.
 * @throws CaptureError ERR_CAPTURE_EMPTY, ERR_CAPTURE_FORMAT
 */
export function readerOf(window: OctetWindow, large?: LargePackets): PacketReader {
  const head = window.bytes.subarray(window.start, window.end);
  const format = formatOf(head);
  if (format === 'pcap') return new PcapReader(window, large);
  if (format === 'pcapng') return new PcapngReader(window, large);
  throw notACapture(head);
}

/** Why these octets do not begin a capture: FOREIGN_HEAD_BYTES of them, where there are so many. */
export function notACapture(head: Uint8Array): CaptureError {
  if (head.length === 0) {
    return new CaptureError({
      code: 'ERR_CAPTURE_EMPTY',
      message: 'an empty file',
      hint: 'record again; a capture has at least a header',
      offset: 0,
    });
  }
  const foreign = foreignFormatOf(head);
  const hex = [...head.subarray(0, MAGIC_BYTES)].map((octet) =>
    octet.toString(16).padStart(2, '0'),
  );
  const what = foreign === null ? `begins with ${hex.join(' ')}` : `is ${foreign.what}`;
  return new CaptureError({
    code: 'ERR_CAPTURE_FORMAT',
    message: `not a capture: it ${what}`,
    hint:
      foreign?.hint ??
      'pcap and pcapng files are read, also as .gz and .zst; convert others with `editcap`',
    offset: 0,
  });
}
