/** What link headers say that several systems write in several ways. */

/**
 * The address family at `at`, in whichever byte order it was written; some wrote 16 bits of it
 * where others write 32. As Wireshark's packet-null.c tells them apart.
 */
export function loopbackFamily(data: DataView, at: number): number {
  const little = data.getUint32(at, true);
  if (little > 0xffff) return little < 0x0006_0000 ? little >>> 16 : data.getUint32(at);
  const isSwapped = (little & 0xff) === 0 && little < 0x0600;
  return isSwapped ? little >>> 8 : little;
}

/** Whether a radiotap header's flags say that the 802.11 header is padded to four octets. */
export function radiotapHasPadding(data: DataView, at: number, end: number): boolean {
  let presentAt = at + 4;
  // Bit 31 of a word says that another one follows; the fields of the first come first.
  let next = presentAt;
  while (next + 4 <= end && data.getUint32(next, true) >>> 31 === 1) next += 4;
  const present = data.getUint32(presentAt, true);
  presentAt = next + 4;
  if ((present & 0x02) === 0) return false;
  // Bit 0: an 8-octet timer, aligned to 8 from the header's start.
  let flagsAt = presentAt;
  if ((present & 0x01) !== 0) flagsAt = at + ((presentAt - at + 7) & ~7) + 8;
  return flagsAt < end && (data.getUint8(flagsAt) & 0x20) !== 0;
}
