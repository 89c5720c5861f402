/**
 * Headers that capturing systems put in front of a frame: of what is behind them one learns the
 * link type and where it begins (tcpdump.org/linktypes.html, and the pages linked from there).
 *
 *   NFLOG       family | version | group (2) | attributes: length (2) | type (2) | value, to 4 octets
 *   PKTAP       length (4) | record type (4) | link type (4) | …       in little-endian
 *   PPI         version | flags | length (2) | link type (4) | …       in little-endian
 *   AVS         version (4) | length (4) | …
 *   Prism       144 octets
 *   PFLOG       length, to 4 octets | family | …
 *   ENC         family (4) | SPI (4) | flags (4)
 *   SLIP        direction | compressed header (15)
 *   …_WITH_DIR, PPP_PPPD   direction, in PPP_PPPD in the place of PPP's address
 *   DSA tags    within an Ethernet frame, before its EtherType
 */
import { LinkType } from './link-types.ts';

/** Prefixes that are always as long, and what comes behind them. */
const FIXED: ReadonlyMap<number, { readonly bytes: number; readonly linkType: number }> = new Map([
  [LinkType.PPP_PPPD, { bytes: 2, linkType: LinkType.PPP }],
  [LinkType.PPP_WITH_DIR, { bytes: 1, linkType: LinkType.PPP }],
  [LinkType.C_HDLC_WITH_DIR, { bytes: 1, linkType: LinkType.C_HDLC }],
  [LinkType.SLIP, { bytes: 16, linkType: LinkType.RAW }],
  [LinkType.ENC, { bytes: 12, linkType: LinkType.RAW }],
  [LinkType.NETANALYZER, { bytes: 4, linkType: LinkType.ETHERNET }],
  [LinkType.DSA_TAG_BRCM_PREPEND, { bytes: 4, linkType: LinkType.ETHERNET }],
  // What is skipped with a tag are addresses: nobody looks at those.
  [LinkType.DSA_TAG_BRCM, { bytes: 4, linkType: LinkType.ETHERNET }],
  [LinkType.DSA_TAG_DSA, { bytes: 4, linkType: LinkType.ETHERNET }],
  [LinkType.DSA_TAG_EDSA, { bytes: 8, linkType: LinkType.ETHERNET }],
]);

const VARIABLE: ReadonlySet<number> = new Set([
  LinkType.NFLOG,
  LinkType.PKTAP,
  LinkType.PPI,
  LinkType.PRISM,
  LinkType.IEEE802_11_AVS,
  LinkType.PFLOG,
]);

/** Whether frames of a link type begin with a header that `LinkPrefix` opens. */
export const isPrefixed = (linkType: number): boolean =>
  FIXED.has(linkType) || VARIABLE.has(linkType);

const AF_INET = 2;
/** As Linux numbers it; so does NFLOG. */
const AF_INET6 = 10;
const NFLOG_HEADER_BYTES = 4;
const NFLOG_ATTRIBUTE_BYTES = 4;
/** NFULA_PAYLOAD (linux/netfilter/nfnetlink_log.h). */
const NFLOG_PAYLOAD = 9;
const PRISM_BYTES = 144;
/** AVS headers begin so, whichever of the two link types they have. */
const AVS_MAGIC = 0x8021_1000;

/**
 * Reads the headers that capturing systems put before a frame: where the frame is, and of what
 * type.
 */
export class LinkPrefix {
  /** Of what is behind the prefix: where it begins and ends (as far as it is captured), its type. */
  at = 0;
  end = 0;
  linkType = 0;
  /** Of what the prefix takes: more than there is when it is cut. */
  needed = 0;

  /**
   * Opens the prefix at `at` of a frame whose captured octets end at `end`.
   * @param linkType one for which `isPrefixed` holds
   * @returns whether the fields are set: not where the prefix is in front of something else than a
   * packet (then `needed` is 0), and not where it is cut (then `needed` is beyond `end`)
   */
  open(linkType: number, data: DataView, at: number, end: number): boolean {
    this.end = end;
    const fixed = FIXED.get(linkType);
    if (fixed !== undefined) return this.#found(at + fixed.bytes, fixed.linkType);
    switch (linkType) {
      case LinkType.NFLOG:
        return this.#nflog(data, at);
      case LinkType.PKTAP:
        if (!this.#has(at, 12)) return false;
        return this.#found(at + data.getUint32(at, true), data.getUint32(at + 8, true));
      case LinkType.PPI:
        if (!this.#has(at, 8)) return false;
        return this.#found(at + data.getUint16(at + 2, true), data.getUint32(at + 4, true));
      case LinkType.PRISM:
      case LinkType.IEEE802_11_AVS:
        return this.#radio(data, at);
      case LinkType.PFLOG:
        if (!this.#has(at, 1)) return false;
        return this.#found(at + ((data.getUint8(at) + 3) & ~3), LinkType.RAW);
      default:
        this.needed = 0;
        return false;
    }
  }

  #has(at: number, bytes: number): boolean {
    this.needed = at + bytes;
    return this.needed <= this.end;
  }

  #found(at: number, linkType: number): boolean {
    this.at = at;
    this.linkType = linkType;
    return this.#has(at, 0);
  }

  #radio(data: DataView, at: number): boolean {
    if (!this.#has(at, 8)) return false;
    const isAvs = (data.getUint32(at) & 0xffff_f000) >>> 0 === AVS_MAGIC;
    return this.#found(at + (isAvs ? data.getUint32(at + 4) : PRISM_BYTES), LinkType.IEEE802_11);
  }

  /** Attributes are in the byte order of the machine that captured: whichever makes sense. */
  #nflog(data: DataView, at: number): boolean {
    if (!this.#has(at, NFLOG_HEADER_BYTES)) return false;
    const family = data.getUint8(at);
    this.linkType = family === AF_INET6 ? LinkType.IPV6 : LinkType.IPV4;
    this.needed = 0;
    if (family !== AF_INET && family !== AF_INET6) return false;
    const first = at + NFLOG_HEADER_BYTES;
    return this.#nflogPayload(data, first, true) || this.#nflogPayload(data, first, false);
  }

  #nflogPayload(data: DataView, first: number, isLittleEndian: boolean): boolean {
    const { end } = this;
    for (let at = first; at + NFLOG_ATTRIBUTE_BYTES <= end; ) {
      const bytes = data.getUint16(at, isLittleEndian);
      const type = data.getUint16(at + 2, isLittleEndian);
      if (bytes < NFLOG_ATTRIBUTE_BYTES) return false;
      if (type === NFLOG_PAYLOAD) {
        this.at = at + NFLOG_ATTRIBUTE_BYTES;
        this.end = Math.min(end, at + bytes);
        return true;
      }
      at += (bytes + 3) & ~3;
    }
    return false;
  }
}
