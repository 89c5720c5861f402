/** Which format a capture has: by what is in it, never by its name. */
import { CaptureError } from './capture-error.ts';
import type { OctetWindow } from './octet-window.ts';
import type { PacketReader } from './packet-reader.ts';
import { isPcapMagic, PcapReader } from './pcap-reader.ts';
import { isPcapngMagic, PcapngReader } from './pcapng-reader.ts';

const MAGIC_BYTES = 4;

/**
 * A reader for the file whose first octets are in the window.
 * @throws CaptureError ERR_CAPTURE_EMPTY, ERR_CAPTURE_FORMAT
 */
export function readerOf(window: OctetWindow): PacketReader {
  const bytes = window.end - window.start;
  if (bytes === 0) {
    throw new CaptureError({
      code: 'ERR_CAPTURE_EMPTY',
      message: 'an empty file',
      hint: 'record again; a capture has at least a header',
      offset: 0,
    });
  }
  if (bytes < MAGIC_BYTES) throw notACapture(`only ${bytes} octets`);
  const magic = window.data.getUint32(window.start);
  if (isPcapMagic(magic)) return new PcapReader(window);
  if (isPcapngMagic(magic)) return new PcapngReader(window);
  throw notACapture(`it begins with 0x${magic.toString(16).padStart(8, '0')}`);
}

const notACapture = (found: string): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_FORMAT',
    message: `not a capture: ${found}`,
    hint: 'pcap and pcapng files are read; convert others with `editcap -F pcapng`',
    offset: 0,
  });
