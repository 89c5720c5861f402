/**
 * From a frame to its TCP segment.
 *
 * The innermost TCP counts; TCP that ICMP quotes does not. What the snap length cut off counts as
 * payload that is not captured. Checksums are not looked at: those of offloaded packets are wrong in
 * every capture of the sender.
 *
 * The headers in front of it are read by link-layers.ts, ip-layers.ts and tunnels.ts, one after
 * another: each says what follows and where, and the loop here goes on there.
 */
import { SYN, TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import type { Piece } from './ip-fragments.ts';
import { IpLayers } from './ip-layers.ts';
import { Layer, LayerCursor } from './layer-cursor.ts';
import { ethernet, link, ppp } from './link-layers.ts';
import { LinkType } from './link-types.ts';
import { Skip } from './skip-reason.ts';
import { gre, mpls, udp } from './tunnels.ts';

/** Octets of a TCP header up to and with its window. */
const TCP_WINDOW_END = 16;

/** As much of a payload is looked at while it is decoded, to recognise TLS. */
const PAYLOAD_LOOK_BYTES = 16;

const NO_DATA = new DataView(new ArrayBuffer(0));

/** Reads frames, one at a time; its fields are the segment that `decode` found last. */
export class SegmentDecoder {
  /** Where positions below point into: the window, or the memory of a reassembled packet. */
  data: DataView = NO_DATA;
  /** Null in the window; else where in the file the octets of `data` lie. */
  pieces: readonly Piece[] | null = null;
  isIpv6 = false;
  /** Positions of the addresses: 4 or 16 octets each. */
  sourceAt = 0;
  destinationAt = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** As signed 32-bit integers, which V8 keeps unboxed. */
  seq = 0;
  ack = 0;
  flags = 0;
  payloadStart = 0;
  /** As the IP header declares it. */
  payloadBytes = 0;
  /** What of it is there. */
  payloadCaptured = 0;
  /** MSS option and whether timestamps and SACK were offered: of SYNs only. */
  mss = 0;
  hasTimestamps = false;
  isSackPermitted = false;

  readonly #options = new TcpOptions();
  readonly #cursor = new LayerCursor();
  readonly #ip = new IpLayers(this.#cursor);
  /** End of what the file has of the frame; what is at hand ends before it in a large one. */
  #capturedEnd = 0;

  /** Frames counted as `FRAGMENT` so far that belong under `FRAGMENT_LIMIT`. */
  get fragmentsDropped(): number {
    return this.#ip.fragmentsDropped;
  }

  /**
   * Reads the frame at `start`. When the verdict is NONE, the fields describe its segment until
   * the next call.
   * @param base where position 0 of `data` lies in the file
   */
  decode(
    data: DataView,
    base: number,
    frame: {
      readonly packetStart: number;
      readonly capturedBytes: number;
      readonly presentBytes: number;
      readonly originalBytes: number;
      readonly linkType: number;
    },
  ): Skip {
    const cursor = this.#cursor;
    const start = frame.packetStart;
    const capturedEnd = start + frame.capturedBytes;
    this.#capturedEnd = capturedEnd;
    // Some writers give no original length, or a wrong one: the frame had at least what is there.
    const wireEnd = Math.max(capturedEnd, start + frame.originalBytes);
    cursor.begin(data, base, start + frame.presentBytes, wireEnd);
    cursor.isHeadOnly = frame.presentBytes < frame.capturedBytes;
    if (cursor.isHeadOnly) return this.#decodeHead(start, frame.linkType);
    return this.#decode(start, frame.linkType);
  }

  #decode(start: number, linkType: number): Skip {
    const cursor = this.#cursor;
    const verdict =
      linkType === LinkType.ETHERNET ? ethernet(cursor, start) : link(cursor, start, linkType);
    return verdict === Skip.NONE ? this.#goOn() : verdict;
  }

  /** Goes from header to header until one of them is the last. */
  #goOn(): Skip {
    const cursor = this.#cursor;
    for (;;) {
      if (cursor.layer === Layer.TCP) return this.#tcp(cursor.at);
      if (cursor.layer === Layer.TCP_HEADER) return this.#tcpHeader(cursor.at);
      const verdict =
        cursor.layer === Layer.IPV4
          ? this.#ip.ipv4(cursor.at)
          : this.#read(cursor.layer, cursor.at);
      if (verdict !== Skip.NONE) return verdict;
    }
  }

  /** Reads a header that is not among the most frequent ones. */
  #read(layer: Layer, at: number): Skip {
    const cursor = this.#cursor;
    switch (layer) {
      case Layer.ETHERNET:
        return ethernet(cursor, at);
      case Layer.PPP:
        return ppp(cursor, at);
      case Layer.MPLS:
        return mpls(cursor, at);
      case Layer.IP:
        return this.#ip.ipByVersion(at);
      case Layer.IPV6:
        return this.#ip.ipv6(at);
      case Layer.GRE:
        return gre(cursor, at);
      default:
        return udp(cursor, at);
    }
  }

  /** Decodes a frame whose beginning alone is at hand. */
  #decodeHead(start: number, linkType: number): Skip {
    const headEnd = this.#cursor.end;
    const verdict = this.#decode(start, linkType);
    // Any other verdict may come of what is not at hand; and whoever looks at how the payload
    // begins must find that.
    if (verdict !== Skip.NONE || this.payloadStart + PAYLOAD_LOOK_BYTES > headEnd) {
      return Skip.NEEDS_WHOLE;
    }
    // Payload that goes on behind the beginning is captured, if not present.
    if (this.#cursor.end === headEnd && this.payloadCaptured > 0) {
      this.payloadCaptured = Math.min(this.#capturedEnd, this.#cursor.wireEnd) - this.payloadStart;
    }
    return Skip.NONE;
  }

  /** Of the first fragment of a packet that cannot be put together: its ports, without payload. */
  #tcpHeader(at: number): Skip {
    const verdict = this.#tcp(at);
    this.payloadBytes = 0;
    this.payloadCaptured = 0;
    return verdict;
  }

  #tcp(at: number): Skip {
    const cursor = this.#cursor;
    // Ports, numbers, flags and window make a segment; the rest may be cut off.
    if (at + TCP_WINDOW_END > cursor.end)
      return cursor.cut(at + TCP_WINDOW_END, Skip.BAD_TCP_HEADER);
    const { data } = cursor;
    const headerBytes = (data.getUint8(at + 12) >>> 4) << 2;
    const payloadStart = at + headerBytes;
    this.data = data;
    this.pieces = cursor.pieces;
    this.isIpv6 = cursor.isIpv6;
    this.sourceAt = cursor.sourceAt;
    this.destinationAt = cursor.destinationAt;
    this.sourcePort = data.getUint16(at);
    this.destinationPort = data.getUint16(at + 2);
    this.seq = data.getInt32(at + 4);
    this.ack = data.getInt32(at + 8);
    this.flags = data.getUint8(at + 13);
    this.payloadStart = payloadStart;
    // A header that claims more than the packet has carries no payload (and is still a segment).
    this.payloadBytes = payloadStart < cursor.wireEnd ? cursor.wireEnd - payloadStart : 0;
    this.payloadCaptured = payloadStart < cursor.end ? cursor.end - payloadStart : 0;
    // As Wireshark: a header that ends within itself is a segment whose payload cannot be had.
    if (headerBytes < TCP_HEADER_BYTES_MIN) this.payloadCaptured = 0;
    if ((this.flags & SYN) !== 0) this.#takeOptions(at + TCP_HEADER_BYTES_MIN, payloadStart);
    return Skip.NONE;
  }

  #takeOptions(start: number, end: number): void {
    const options = this.#options;
    options.parse(this.data, start, Math.max(0, Math.min(end, this.#cursor.end) - start));
    this.mss = options.mss;
    this.hasTimestamps = options.hasTimestamps;
    this.isSackPermitted = options.sackPermitted;
  }
}
