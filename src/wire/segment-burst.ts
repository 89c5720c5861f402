/**
 * Segments of one connection that follow each other in a batch, as one frame that the kernel or the network
 * card cuts into the same segments again (generic segmentation offload): the kernel's way is gone once, not
 * once a segment.
 *
 * The frame is that of the first segment, with the payload of all, and before it struct virtio_net_hdr
 * (linux/virtio_net.h; linux/if_packet.h, PACKET_VNET_HDR), 10 octets, little-endian as the machine:
 *
 *     0 flags | 1 GSO type | 2 header bytes | 4 segment bytes | 6 where the checksum begins | 8 where in it it stands
 *
 * Its TCP checksum is the sum of the pseudo header alone; who cuts it completes that.
 */
import { foldChecksum, foldSum, sumOctets } from './checksum.ts';
import { ETHERNET_HEADER_BYTES, EtherType, MAC_BYTES } from './ethernet.ts';
import { EXTENTS_PER_FRAME, type FrameBatch, HEADER_SLOT_BYTES } from './frame-batch.ts';
import { IP_PROTOCOL_TCP, IPV4_HEADER_BYTES_MIN, IPV4_SOURCE, IPV4_TOTAL_LENGTH } from './ipv4.ts';
import { IPV6_HEADER_BYTES, IPV6_PAYLOAD_LENGTH, IPV6_SOURCE } from './ipv6.ts';
import { ACK, FIN, PSH, TCP_ACK, TCP_FLAGS, TCP_SEQ } from './tcp.ts';

/** Octets of struct virtio_net_hdr. */
export const VIRTIO_NET_HEADER_BYTES = 10;
/** Room for what `writeBurst` writes. */
export const BURST_SLOT_BYTES = HEADER_SLOT_BYTES + 16;
/** Extents of a burst at most: the kernel takes 1,024 pieces a message. */
export const BURST_EXTENTS_MAX = 1000;

const NEEDS_CHECKSUM = 1;
const GSO_TCP_V4 = 1;
const GSO_TCP_V6 = 4;

const ETHER_TYPE = 2 * MAC_BYTES;
const IP_AT = ETHERNET_HEADER_BYTES;
const IPV4_ID = 4;
const IPV4_CHECKSUM = 10;
const TCP_CHECKSUM = 16;
/** The length field of IP has 16 bits. */
const PACKET_BYTES_MAX = 0xffff;

/**
 * Where the burst ends that begins with frame `from` of a batch: at the first frame that is no full segment
 * behind the one before it on the same connection; `from + 1` where that is so of the next one.
 */
export function burstEnd(batch: FrameBatch, from: number): number {
  const { count, extentCount, headerBytes, headerData } = batch;
  const next = from + 1;
  // Of nearly all frames this says enough: the next one is another client's, or has no payload.
  if (next >= count || extentCount[from] === 0 || extentCount[next] === 0) return next;
  if (headerBytes[from] !== headerBytes[next]) return next;
  const start = from * HEADER_SLOT_BYTES;
  const ipBytes = ipBytesOf(headerData, start);
  if (ipBytes === 0) return next;
  const segmentBytes = payloadBytes(batch, from);
  const headBytes = headerBytes[from] - IP_AT;
  let totalBytes = headBytes + segmentBytes;
  let extents = extentCount[from];
  let end = next;
  while (end < count && extentCount[end] > 0 && payloadBytes(batch, end - 1) === segmentBytes) {
    const bytes = payloadBytes(batch, end);
    totalBytes += bytes;
    extents += extentCount[end];
    if (bytes > segmentBytes || totalBytes > PACKET_BYTES_MAX || extents > BURST_EXTENTS_MAX) break;
    if (!continues(batch, end, ipBytes, segmentBytes)) break;
    end++;
  }
  return end;
}

/** Octets of the IP header; 0 where the frame is tagged, or of something else. */
function ipBytesOf(data: DataView, start: number): number {
  const etherType = data.getUint16(start + ETHER_TYPE);
  if (etherType === EtherType.IPV4) return IPV4_HEADER_BYTES_MIN;
  return etherType === EtherType.IPV6 ? IPV6_HEADER_BYTES : 0;
}

function payloadBytes({ extentCount, extentBytes }: FrameBatch, frame: number): number {
  const first = frame * EXTENTS_PER_FRAME;
  let bytes = 0;
  for (let extent = first; extent < first + extentCount[frame]; extent++) {
    bytes += extentBytes[extent];
  }
  return bytes;
}

/** Whether a frame is what cutting makes of the octets behind the frame before it, which has `segmentBytes`. */
function continues(
  { headerData: data, headerBytes }: FrameBatch,
  frame: number,
  ipBytes: number,
  segmentBytes: number,
): boolean {
  const at = frame * HEADER_SLOT_BYTES;
  const before = at - HEADER_SLOT_BYTES;
  if (headerBytes[frame] !== headerBytes[frame - 1]) return false;
  const tcp = IP_AT + ipBytes;
  const seq = data.getUint32(before + tcp + TCP_SEQ);
  if (data.getUint32(at + tcp + TCP_SEQ) !== (seq + segmentBytes) >>> 0) return false;
  // Only the last one may push, or end the stream.
  if (data.getUint8(before + tcp + TCP_FLAGS) !== ACK) return false;
  if ((data.getUint8(at + tcp + TCP_FLAGS) & ~(PSH | FIN)) !== ACK) return false;
  if (ipBytes === IPV4_HEADER_BYTES_MIN) {
    const id = data.getUint16(before + IP_AT + IPV4_ID);
    if (data.getUint16(at + IP_AT + IPV4_ID) !== ((id + 1) & 0xffff)) return false;
  }
  return (
    isSame(data, before, at, 0, IP_AT + 2) &&
    // Between length (and number, and checksum) and addresses.
    isSame(data, before, at, IP_AT + 6, IP_AT + 10) &&
    isSame(data, before, at, IP_AT + 12, tcp + TCP_SEQ) &&
    isSame(data, before, at, tcp + TCP_ACK, tcp + TCP_FLAGS) &&
    isSame(data, before, at, tcp + TCP_FLAGS + 1, tcp + TCP_CHECKSUM) &&
    isSame(data, before, at, tcp + TCP_CHECKSUM + 2, headerBytes[frame])
  );
}

/** Whether octets `[from, to)` of two slots are the same. */
function isSame(data: DataView, a: number, b: number, from: number, to: number): boolean {
  let i = from;
  for (const end = to - 3; i < end; i += 4) {
    if (data.getUint32(a + i) !== data.getUint32(b + i)) return false;
  }
  for (; i < to; i++) if (data.getUint8(a + i) !== data.getUint8(b + i)) return false;
  return true;
}

/**
 * Writes what stands before the payload of the burst of frames `[from, to)`.
 * @param octets memory with at least BURST_SLOT_BYTES from `at` on, @param data a view of the same
 * @returns how many octets it wrote
 */
export function writeBurst(
  batch: FrameBatch,
  from: number,
  to: number,
  octets: Uint8Array,
  data: DataView,
  at: number,
): number {
  const { headers, headerBytes } = batch;
  const start = from * HEADER_SLOT_BYTES;
  const bytes = headerBytes[from];
  const frameAt = at + VIRTIO_NET_HEADER_BYTES;
  for (let i = 0; i < bytes; i++) octets[frameAt + i] = headers[start + i];
  const ipBytes = ipBytesOf(data, frameAt);
  const isIpv4 = ipBytes === IPV4_HEADER_BYTES_MIN;
  const tcp = IP_AT + ipBytes;
  let segmentBytes = bytes - tcp;
  for (let frame = from; frame < to; frame++) segmentBytes += payloadBytes(batch, frame);

  data.setUint8(at, NEEDS_CHECKSUM);
  data.setUint8(at + 1, isIpv4 ? GSO_TCP_V4 : GSO_TCP_V6);
  data.setUint16(at + 2, bytes, true);
  data.setUint16(at + 4, payloadBytes(batch, from), true);
  data.setUint16(at + 6, tcp, true);
  data.setUint16(at + 8, TCP_CHECKSUM, true);

  const ipAt = frameAt + IP_AT;
  const tcpAt = frameAt + tcp;
  if (isIpv4) {
    data.setUint16(ipAt + IPV4_TOTAL_LENGTH, ipBytes + segmentBytes);
    data.setUint16(ipAt + IPV4_CHECKSUM, 0);
    data.setUint16(ipAt + IPV4_CHECKSUM, foldChecksum(sumOctets(octets, ipAt, tcpAt)));
  } else data.setUint16(ipAt + IPV6_PAYLOAD_LENGTH, segmentBytes);
  const addresses = sumOctets(octets, ipAt + (isIpv4 ? IPV4_SOURCE : IPV6_SOURCE), tcpAt);
  data.setUint16(tcpAt + TCP_CHECKSUM, foldSum(addresses + IP_PROTOCOL_TCP + segmentBytes));
  // What the last segment says is said by the frame; cutting leaves it to the last.
  const last = (to - 1) * HEADER_SLOT_BYTES;
  octets[tcpAt + TCP_FLAGS] = headers[last + tcp + TCP_FLAGS];
  return VIRTIO_NET_HEADER_BYTES + bytes;
}
