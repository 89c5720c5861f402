/**
 * Looks at each frame as the recorded server's machine would: headers, checksums over the real
 * octets, and then every payload octet against the recorded client's stream.
 */
import { Counter } from '../measure/counters.ts';
import type { StreamView } from '../session/script/stream-view.ts';
import { foldSum, sumOctets } from '../wire/checksum.ts';
import { EXTENTS_PER_FRAME, type FrameBatch, HEADER_SLOT_BYTES } from '../wire/frame-batch.ts';
import { IpView } from '../wire/ip-view.ts';
import { IP_PROTOCOL_TCP } from '../wire/ipv4.ts';
import { TCP_HEADER_BYTES_MIN, TcpView } from '../wire/tcp.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { WireFault } from '../wire/wire-fault.ts';
import type { CaptureCache } from './capture-cache.ts';
import type { PayloadCheck } from './received-text.ts';

/** A sum that includes its own checksum comes to this (RFC 1071). */
const SUM_OF_GOOD = 0xffff;
/** IPv4: source and destination; IPv6 likewise. */
const IPV4_ADDRESSES_AT = 12;
const IPV4_ADDRESSES_BYTES = 8;
const IPV6_ADDRESSES_AT = 8;
const IPV6_ADDRESSES_BYTES = 32;

/** Checks frames one at a time and counts what is wrong. */
export class FrameCheck implements PayloadCheck {
  /** Views of the frame that `check` found good, until the next call. */
  readonly ip = new IpView();
  readonly segment = new TcpView();
  readonly options = new TcpOptions();
  payloadBytes = 0;

  readonly #cache: CaptureCache;
  readonly #client: StreamView;
  readonly #counters: Float64Array;

  constructor(cache: CaptureCache, client: StreamView, counters: Float64Array) {
    this.#cache = cache;
    this.#client = client;
    this.#counters = counters;
  }

  /** Whether a frame, which begins with its IP header, is a good TCP packet throughout. */
  check(batch: FrameBatch, frame: number): boolean {
    const start = frame * HEADER_SLOT_BYTES;
    const headerBytes = batch.headerBytes[frame];
    const { ip, segment } = this;
    ip.wrap(batch.headerData, start, headerBytes);
    if (ip.check() !== WireFault.OK) return false;
    const tcpAt = start + ip.headerBytes;
    segment.wrap(batch.headerData, tcpAt, headerBytes - ip.headerBytes);
    if (segment.check() !== WireFault.OK) return false;
    const tcpBytes = segment.headerBytes;
    const optionsBytes = tcpBytes - TCP_HEADER_BYTES_MIN;
    const optionsAt = tcpAt + TCP_HEADER_BYTES_MIN;
    if (this.options.parse(batch.headerData, optionsAt, optionsBytes) !== WireFault.OK) {
      return false;
    }
    this.payloadBytes = ip.payloadBytes - tcpBytes;
    // What is declared is what is sent: nothing more behind the headers, the extents' octets.
    if (headerBytes !== ip.headerBytes + tcpBytes) return false;
    if (!this.#gatherPayload(batch, frame)) return false;
    return this.#areSumsGood(batch.headers, start, tcpAt, tcpBytes);
  }

  mismatches(session: number, streamOffset: number, from: number, to: number): number {
    return this.#cache.mismatches(this.#client, session, streamOffset, from, to);
  }

  onChecked(right: number, wrong: number): void {
    this.#counters[Counter.EMBEDDED_OCTETS_CHECKED] += right;
    this.#counters[Counter.EMBEDDED_BAD_OCTETS] += wrong;
  }

  /** @returns whether the extents have as many octets as the IP header declares */
  #gatherPayload(batch: FrameBatch, frame: number): boolean {
    const first = frame * EXTENTS_PER_FRAME;
    const last = first + batch.extentCount[frame];
    let position = 0;
    for (let extent = first; extent < last; extent++) {
      const bytes = batch.extentBytes[extent];
      if (position + bytes > this.payloadBytes) return false;
      this.#cache.gather(batch.extentOffset[extent], bytes, position);
      position += bytes;
    }
    return position === this.payloadBytes;
  }

  #areSumsGood(headers: Uint8Array, ipAt: number, tcpAt: number, tcpBytes: number): boolean {
    const isIpv4 = this.ip.version === 4;
    if (isIpv4 && sumOctets(headers, ipAt, tcpAt) !== SUM_OF_GOOD) return false;
    const addressesAt = ipAt + (isIpv4 ? IPV4_ADDRESSES_AT : IPV6_ADDRESSES_AT);
    const addressesBytes = isIpv4 ? IPV4_ADDRESSES_BYTES : IPV6_ADDRESSES_BYTES;
    const sum =
      sumOctets(headers, addressesAt, addressesAt + addressesBytes) +
      IP_PROTOCOL_TCP +
      tcpBytes +
      this.payloadBytes +
      sumOctets(headers, tcpAt, tcpAt + tcpBytes) +
      this.#cache.sumScratch(this.payloadBytes);
    return foldSum(sum) === SUM_OF_GOOD;
  }
}
