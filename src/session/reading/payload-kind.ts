/** What a segment's payload shows by itself: SSH, or that it may be no payload at all. */
import type { SegmentDecoder } from '../../capture/segment-decoder.ts';
import { ACK, FIN, PSH, RST, SYN } from '../../wire/tcp.ts';

/** `SSH-`, with which both sides begin (RFC 4253, section 4.2). */
const SSH_BANNER = 0x5353_482d;
const SSH_PREFIX_BYTES = 4;
/** Ethernet's least payload is 46 octets, and the headers take 40 of them. */
export const PADDING_BYTES_MAX = 6;
const FLAGS_OF_BARE_ACK = ACK | FIN | PSH | RST | SYN;

/** Whether the payload begins with SSH's banner. */
export const isSshBanner = ({ data, payloadStart, payloadCaptured }: SegmentDecoder): boolean =>
  payloadCaptured >= SSH_PREFIX_BYTES && data.getUint32(payloadStart) === SSH_BANNER;

/**
 * Whether the payload may be the padding of a short frame, which some recorders count as part of the
 * packet: a bare acknowledgement with a few octets, all of them zero.
 */
export function mayBePadding(segment: SegmentDecoder): boolean {
  const { data, payloadStart, payloadBytes, payloadCaptured, flags } = segment;
  if (payloadBytes > PADDING_BYTES_MAX || (flags & FLAGS_OF_BARE_ACK) !== ACK) return false;
  if (segment.isIpv6 || segment.pieces !== null || payloadCaptured < payloadBytes) return false;
  for (let i = 0; i < payloadBytes; i++) if (data.getUint8(payloadStart + i) !== 0) return false;
  return true;
}
