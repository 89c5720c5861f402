/** Captures that lack some of what the server said. */
const FILE_BYTES = 24;
const RECORD_BYTES = 16;
const ETHERNET_BYTES = 14;

/** What is kept of a packet of the server's with payload: so many octets of that; null: no packet. */
type Kept = (place: number, payloadBytes: number) => number | null;

const NOTHING: Kept = () => null;

/** By what is missing. */
export const LACKS: Readonly<Record<string, Kept>> = {
  'all of the server': NOTHING,
  'its first packet': (place, bytes) => (place === 0 ? null : bytes),
  'its second packet': (place, bytes) => (place === 1 ? null : bytes),
  'all but 5 octets of each packet': (_, bytes) => Math.min(bytes, 5),
  'all but 20 octets of each packet': (_, bytes) => Math.min(bytes, 20),
  'all but 60 octets of each packet': (_, bytes) => Math.min(bytes, 60),
};

/** A pcap of IPv4 over Ethernet as it would be if some of the server's payload had not been captured. */
export function cut(octets: Buffer, kept: Kept): Buffer {
  const parts = [octets.subarray(0, FILE_BYTES)];
  const places = new Map<number, number>();
  for (let at = FILE_BYTES; at < octets.length; ) {
    const head = Buffer.from(octets.subarray(at, at + RECORD_BYTES));
    const frame = octets.subarray(at + RECORD_BYTES, at + RECORD_BYTES + head.readUInt32LE(8));
    at += RECORD_BYTES + frame.length;
    const tcp = ETHERNET_BYTES + (frame[ETHERNET_BYTES] & 15) * 4;
    const [from, to] = [frame.readUInt16BE(tcp), frame.readUInt16BE(tcp + 2)];
    const payload = tcp + (frame[tcp + 12] >> 4) * 4;
    const bytes = ETHERNET_BYTES + frame.readUInt16BE(ETHERNET_BYTES + 2) - payload;
    let end = frame.length;
    if (from < to) {
      const place = places.get(to) ?? 0;
      if (bytes > 0) places.set(to, place + 1);
      const share = kept(place, bytes);
      // Of a server of which nothing was captured its bare acknowledgements are not there either.
      if (share === null && (bytes > 0 || kept === NOTHING)) continue;
      if (share !== null && bytes > 0) end = payload + share;
    }
    head.writeUInt32LE(end, 8);
    parts.push(head, frame.subarray(0, end));
  }
  return Buffer.concat(parts);
}
