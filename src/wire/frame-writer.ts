/**
 * Writes link, IP and TCP headers into a slot of a FrameBatch.
 *
 * A route (link header, destination, source prefix) never changes, so its octets are kept as
 * big-endian words and its share of the pseudo-header's sum is computed once. A frame costs a few
 * stores and the sum of what differs: source, ports, numbers, flags, options, payload.
 */
import { assert } from '../base/assert.ts';
import { foldChecksum, sumOctets } from './checksum.ts';
import { type FrameBatch, HEADER_SLOT_BYTES } from './frame-batch.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_ADDRESS_BYTES,
  IPV4_DONT_FRAGMENT,
  IPV4_HEADER_BYTES_MIN,
  TTL_DEFAULT,
} from './ipv4.ts';
import { IPV6_ADDRESS_BYTES, IPV6_HEADER_BYTES } from './ipv6.ts';
import { TCP_HEADER_BYTES_MIN } from './tcp.ts';
import {
  MSS_OPTION_BYTES,
  NOP_NOP_SACK,
  NOP_NOP_TIMESTAMPS,
  PADDED_TIMESTAMPS_BYTES,
  SACK_BLOCK_BYTES,
  SACK_PERMITTED_OPTION_BYTES,
  SackBlocks,
  TcpOption,
  TIMESTAMPS_OPTION_BYTES,
  WINDOW_SCALE_OPTION_BYTES,
} from './tcp-options.ts';

/**
 * Which options a segment carries. SYN is what `synOptions` says, SYN_WITHOUT_SACK the same less
 * SACK-permitted; the last two carry `FrameWriter.sack`.
 */
export const OptionsKind = {
  NONE: 0,
  TIMESTAMPS: 1,
  SYN: 2,
  SYN_WITHOUT_SACK: 3,
  SACK: 4,
  TIMESTAMPS_SACK: 5,
} as const;
export type OptionsKind = (typeof OptionsKind)[keyof typeof OptionsKind];

/** What our SYNs offer; `windowScale` -1 leaves that option out. */
export interface SynOptions {
  readonly mss: number;
  readonly windowScale: number;
  readonly timestamps: boolean;
  readonly sackPermitted: boolean;
}

/** Ethernet with two tags is 22. */
const LINK_BYTES_MAX = 24;
const LINK_WORDS = LINK_BYTES_MAX / 4;
const ADDRESS_WORDS = 4;

const IPV4_FIRST_HALF = 0x4500;
const IPV4_TTL_AND_PROTOCOL = (TTL_DEFAULT << 8) | IP_PROTOCOL_TCP;
const IPV6_FIRST_WORD = 0x6000_0000;
const IPV6_NEXT_HEADER_AND_HOP_LIMIT = (IP_PROTOCOL_TCP << 8) | TTL_DEFAULT;

const SYN_OPTIONS_DEFAULT: SynOptions = {
  mss: 1460,
  windowScale: 7,
  timestamps: true,
  sackPermitted: true,
};

/** Sum of a 32-bit word's two halves. */
const halves = (word: number): number => (word >>> 16) + (word & 0xffff);

/** Writes link, IP and TCP headers into a batch's slots; checksums from sums that are known. */
export class FrameWriter {
  readonly #batch: FrameBatch;
  readonly #data: DataView;
  readonly #isIpv4: boolean;
  /** Columns of routes, grown in `addRoute`, which is not on the hot path. */
  #linkBytes = new Uint8Array(0);
  #linkWords = new Uint32Array(0);
  #srcWords = new Uint32Array(0);
  #dstWords = new Uint32Array(0);
  /** Sum of destination, fixed part of the source, and the protocol. */
  #addressSum = new Uint32Array(0);
  #routes = 0;
  #synOptions = SYN_OPTIONS_DEFAULT;
  /** The SYN's options with both timestamps zero. */
  #syn = synTemplate(SYN_OPTIONS_DEFAULT);
  #synWithoutSack = this.#syn;
  /** Blocks of the next segment with SACK: at most 4, with timestamps 3. */
  sack = new SackBlocks();

  constructor(batch: FrameBatch, options: { readonly family: 4 | 6 }) {
    this.#batch = batch;
    this.#data = batch.headerData;
    this.#isIpv4 = options.family === 4;
  }

  get synOptions(): SynOptions {
    return this.#synOptions;
  }

  set synOptions(options: SynOptions) {
    this.#synOptions = options;
    this.#syn = synTemplate(options);
    this.#synWithoutSack = synTemplate({ ...options, sackPermitted: false });
  }

  /**
   * Remembers where frames go to.
   * @param link octets before the IP header, at most 24
   * @param dstAddress 4 or 16 octets, by the writer's family
   * @param srcPrefix as long as `dstAddress`; its last 32 bits come with each frame
   * @returns the route's id for `writeTcp`
   */
  addRoute(link: Uint8Array, dstAddress: Uint8Array, srcPrefix: Uint8Array): number {
    const addressBytes = this.#isIpv4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    assert(link.length <= LINK_BYTES_MAX, 'a link header has at most 24 octets');
    assert(dstAddress.length === addressBytes, 'the destination is of the family');
    assert(srcPrefix.length === addressBytes, 'the source prefix is of the family');
    const route = this.#routes++;
    this.#linkBytes = Uint8Array.of(...this.#linkBytes, link.length);
    this.#linkWords = appendWords(this.#linkWords, link, LINK_WORDS);
    this.#srcWords = appendWords(this.#srcWords, srcPrefix, ADDRESS_WORDS);
    this.#dstWords = appendWords(this.#dstWords, dstAddress, ADDRESS_WORDS);
    const sum =
      sumOctets(dstAddress, 0, addressBytes) +
      sumOctets(srcPrefix, 0, addressBytes - 4) +
      IP_PROTOCOL_TCP;
    this.#addressSum = Uint32Array.of(...this.#addressSum, sum);
    return route;
  }

  /**
   * Frames of a route bear another link header from now on: its next hop has moved.
   * @param link as long as the one before
   */
  setLink(route: number, link: Uint8Array): void {
    assert(link.length === this.#linkBytes[route], 'a link header keeps its length');
    this.#linkWords.set(appendWords(new Uint32Array(0), link, LINK_WORDS), route * LINK_WORDS);
  }

  /**
   * Writes the headers of frame number `batch.count` and sets its `headerBytes` column; the caller
   * then fills the extent columns and counts the frame (`batch.count++`).
   *
   * Words of 32 bits may come with a sign, as those do that are to make no object on their way here.
   *
   * @param srcLow32 the source, or the last 32 bits of an IPv6 source
   * @param ipId identification (IPv4 only); low 16 bits count
   * @param window the field as it goes out, already scaled
   * @param optionsKind an `OptionsKind`
   * @param payloadSum sum of the payload (16 bits, `sumOctets`), 0 without one
   */
  writeTcp(
    route: number,
    srcLow32: number,
    srcPort: number,
    dstPort: number,
    ipId: number,
    seq: number,
    ack: number,
    flags: number,
    window: number,
    optionsKind: number,
    tsVal: number,
    tsEcr: number,
    payloadBytes: number,
    payloadSum: number,
  ): void {
    const data = this.#data;
    const frame = this.#batch.count;
    const ipAt = this.#writeLink(route, frame * HEADER_SLOT_BYTES);
    const tcpAt = ipAt + (this.#isIpv4 ? IPV4_HEADER_BYTES_MIN : IPV6_HEADER_BYTES);
    const optionsBytes = this.#optionsBytes(optionsKind);
    const tcpBytes = TCP_HEADER_BYTES_MIN + optionsBytes;
    const segmentBytes = tcpBytes + payloadBytes;
    const ports = ((srcPort << 16) | dstPort) >>> 0;
    const control = ((tcpBytes << 26) | (flags << 16) | window) >>> 0;

    if (this.#isIpv4) this.#writeIpv4(route, ipAt, srcLow32, ipId, segmentBytes);
    else this.#writeIpv6(route, ipAt, srcLow32, segmentBytes);
    data.setUint32(tcpAt, ports);
    data.setUint32(tcpAt + 4, seq);
    data.setUint32(tcpAt + 8, ack);
    data.setUint32(tcpAt + 12, control);
    let sum = this.#addressSum[route] + halves(srcLow32) + segmentBytes + payloadSum;
    sum += halves(ports) + halves(seq) + halves(ack) + halves(control);
    if (optionsKind === OptionsKind.TIMESTAMPS) {
      data.setUint32(tcpAt + 20, NOP_NOP_TIMESTAMPS);
      data.setUint32(tcpAt + 24, tsVal);
      data.setUint32(tcpAt + 28, tsEcr);
      sum += halves(NOP_NOP_TIMESTAMPS) + halves(tsVal) + halves(tsEcr);
    } else if (optionsKind !== OptionsKind.NONE) {
      sum += this.#writeRareOptions(optionsKind, tcpAt + TCP_HEADER_BYTES_MIN, tsVal, tsEcr);
    }
    // Checksum, then an urgent pointer of zero.
    data.setUint32(tcpAt + 16, (foldChecksum(sum) << 16) >>> 0);
    this.#batch.headerBytes[frame] = tcpAt + tcpBytes - frame * HEADER_SLOT_BYTES;
  }

  #optionsBytes(optionsKind: number): number {
    if (optionsKind === OptionsKind.TIMESTAMPS) return PADDED_TIMESTAMPS_BYTES;
    if (optionsKind === OptionsKind.NONE) return 0;
    if (optionsKind < OptionsKind.SACK) return this.#synOf(optionsKind).words.length * 4;
    const sackBytes = 4 + this.sack.count * SACK_BLOCK_BYTES;
    return optionsKind === OptionsKind.SACK ? sackBytes : PADDED_TIMESTAMPS_BYTES + sackBytes;
  }

  #synOf(optionsKind: number): SynTemplate {
    return optionsKind === OptionsKind.SYN ? this.#syn : this.#synWithoutSack;
  }

  /** @returns where the IP header begins. Whole words are written: what spills is written next. */
  #writeLink(route: number, at: number): number {
    const bytes = this.#linkBytes[route];
    const words = this.#linkWords;
    const first = route * LINK_WORDS;
    for (let i = 0; i * 4 < bytes; i++) this.#data.setUint32(at + i * 4, words[first + i]);
    return at + bytes;
  }

  #writeIpv4(route: number, at: number, src: number, ipId: number, segmentBytes: number): void {
    const data = this.#data;
    const dst = this.#dstWords[route * ADDRESS_WORDS];
    const totalBytes = IPV4_HEADER_BYTES_MIN + segmentBytes;
    const id = ipId & 0xffff;
    const checksum = foldChecksum(
      IPV4_FIRST_HALF +
        totalBytes +
        id +
        IPV4_DONT_FRAGMENT +
        IPV4_TTL_AND_PROTOCOL +
        halves(src) +
        halves(dst),
    );
    data.setUint32(at, ((IPV4_FIRST_HALF << 16) | totalBytes) >>> 0);
    data.setUint32(at + 4, ((id << 16) | IPV4_DONT_FRAGMENT) >>> 0);
    data.setUint32(at + 8, ((IPV4_TTL_AND_PROTOCOL << 16) | checksum) >>> 0);
    data.setUint32(at + 12, src);
    data.setUint32(at + 16, dst);
  }

  #writeIpv6(route: number, at: number, srcLow32: number, segmentBytes: number): void {
    const data = this.#data;
    const src = this.#srcWords;
    const dst = this.#dstWords;
    const first = route * ADDRESS_WORDS;
    data.setUint32(at, IPV6_FIRST_WORD);
    data.setUint32(at + 4, ((segmentBytes << 16) | IPV6_NEXT_HEADER_AND_HOP_LIMIT) >>> 0);
    for (let i = 0; i < ADDRESS_WORDS - 1; i++) data.setUint32(at + 8 + i * 4, src[first + i]);
    data.setUint32(at + 20, srcLow32);
    for (let i = 0; i < ADDRESS_WORDS; i++) data.setUint32(at + 24 + i * 4, dst[first + i]);
  }

  /** Those of a SYN, or SACK blocks. @returns the sum of what it wrote */
  #writeRareOptions(optionsKind: number, at: number, tsVal: number, tsEcr: number): number {
    if (optionsKind < OptionsKind.SACK) {
      return this.#writeSynOptions(this.#synOf(optionsKind), at, tsVal, tsEcr);
    }
    if (optionsKind === OptionsKind.SACK) return this.#writeSack(at);
    const data = this.#data;
    data.setUint32(at, NOP_NOP_TIMESTAMPS);
    data.setUint32(at + 4, tsVal);
    data.setUint32(at + 8, tsEcr);
    const sum = halves(NOP_NOP_TIMESTAMPS) + halves(tsVal) + halves(tsEcr);
    return sum + this.#writeSack(at + PADDED_TIMESTAMPS_BYTES);
  }

  /** @returns the sum of what it wrote */
  #writeSack(at: number): number {
    const { count, edges } = this.sack;
    const head = NOP_NOP_SACK + count * SACK_BLOCK_BYTES;
    this.#data.setUint32(at, head);
    let sum = halves(head);
    for (let i = 0; i < 2 * count; i++) {
      this.#data.setUint32(at + 4 + i * 4, edges[i]);
      sum += halves(edges[i]);
    }
    return sum;
  }

  /** @returns the sum of what it wrote */
  #writeSynOptions(syn: SynTemplate, at: number, tsVal: number, tsEcr: number): number {
    const data = this.#data;
    const { words, sum, timestampsAt } = syn;
    for (let i = 0; i < words.length; i++) data.setUint32(at + i * 4, words[i]);
    if (timestampsAt < 0) return sum;
    data.setUint32(at + timestampsAt, tsVal);
    data.setUint32(at + timestampsAt + 4, tsEcr);
    return sum + halves(tsVal) + halves(tsEcr);
  }
}

interface SynTemplate {
  /** Big-endian words. */
  readonly words: Uint32Array;
  readonly sum: number;
  /** Where TSval stands, from the options' start; a multiple of four, or -1. */
  readonly timestampsAt: number;
}

/** In the order of Linux: MSS, then SACK (or padding) and timestamps, then padding and scale. */
function synTemplate(options: SynOptions): SynTemplate {
  const octets = [TcpOption.MSS, MSS_OPTION_BYTES, options.mss >>> 8, options.mss & 0xff];
  const { NOP } = TcpOption;
  const sack = [TcpOption.SACK_PERMITTED, SACK_PERMITTED_OPTION_BYTES];
  let timestampsAt = -1;
  if (options.sackPermitted) octets.push(...sack);
  else if (options.timestamps) octets.push(NOP, NOP);
  if (options.timestamps) {
    octets.push(TcpOption.TIMESTAMPS, TIMESTAMPS_OPTION_BYTES);
    timestampsAt = octets.length;
    octets.push(0, 0, 0, 0, 0, 0, 0, 0);
  } else if (options.sackPermitted) {
    octets.push(NOP, NOP);
  }
  if (options.windowScale >= 0) {
    octets.push(NOP, TcpOption.WINDOW_SCALE, WINDOW_SCALE_OPTION_BYTES, options.windowScale);
  }
  const array = Uint8Array.from(octets);
  const words = appendWords(new Uint32Array(0), array, array.length / 4);
  return { words, sum: sumOctets(array, 0, array.length), timestampsAt };
}

/** `words` and after them `octets` as `count` big-endian words, zeros where they end early. */
function appendWords(
  words: Uint32Array,
  octets: Uint8Array,
  count: number,
): Uint32Array<ArrayBuffer> {
  const padded = new Uint8Array(count * 4);
  padded.set(octets);
  const data = new DataView(padded.buffer);
  const longer = new Uint32Array(words.length + count);
  longer.set(words);
  for (let i = 0; i < count; i++) longer[words.length + i] = data.getUint32(i * 4);
  return longer;
}
