/** Frames of a WebSocket (RFC 6455, section 5.2), as text whose characters are octets. */

/**
 * @param first FIN, the reserved bits and the opcode
 * @param mask four octets, with which the text stays as it is given; '': the frame is not masked
 */
export function frame(first: number, text: string, mask = ''): string {
  const size = text.length;
  const bit = mask === '' ? 0 : 0x80;
  const length =
    size < 126 ? [size | bit] : size < 65_536 ? [126 | bit, size >> 8, size & 0xff] : null;
  const long = [127 | bit, 0, 0, 0, 0, size >>> 24, (size >>> 16) & 0xff, (size >>> 8) & 0xff];
  return String.fromCharCode(first, ...(length ?? [...long, size & 0xff])) + mask + text;
}
