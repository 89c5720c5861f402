/**
 * Where a decoder is in a frame: which octets there are, and what comes next.
 *
 * Headers lie within headers. A function that reads one of them takes its position, and either ends
 * the frame with a verdict or names the layer that follows and where (`goTo`, which returns
 * `Skip.NONE`); the decoder goes on there. All of them move the same few fields on, once a packet.
 */
import type { Piece } from './ip-fragments.ts';
import { LinkPrefix } from './link-prefix.ts';
import { Skip } from './skip-reason.ts';

/** Headers within headers; the deepest sane stack (tags, labels, two tunnels) needs about ten. */
const ENCAPSULATIONS_MAX = 32;

const NO_DATA = new DataView(new ArrayBuffer(0));

/** What comes next. */
export const Layer = {
  ETHERNET: 0,
  PPP: 1,
  MPLS: 2,
  /** IPv4 or IPv6, as its first octet says. */
  IP: 3,
  IPV4: 4,
  IPV6: 5,
  GRE: 6,
  UDP: 7,
  TCP: 8,
  /** A TCP header whose payload cannot be had. */
  TCP_HEADER: 9,
} as const;
export type Layer = (typeof Layer)[keyof typeof Layer];

/** Positions are octets from the beginning of `data`. */
export class LayerCursor {
  /** The window on the file, or the memory of a reassembled packet. */
  data: DataView = NO_DATA;
  /** Null in the window; else where in the file the octets of `data` lie. */
  pieces: readonly Piece[] | null = null;
  /** Where position 0 of the window lies in the file. */
  base = 0;
  /** End of what is at hand of the header's packet, and of what was on the wire. */
  end = 0;
  wireEnd = 0;
  /** The frame goes on in the file behind what is at hand. */
  isHeadOnly = false;
  isIpv6 = false;
  /** Positions of the innermost packet's addresses: 4 or 16 octets each. */
  sourceAt = 0;
  destinationAt = 0;
  /** What follows, and where. */
  layer: Layer = Layer.ETHERNET;
  at = 0;
  /** Reads headers of capturing systems. */
  readonly prefix = new LinkPrefix();
  #depth = 0;

  /** Begins with a frame. */
  begin(data: DataView, base: number, end: number, wireEnd: number): void {
    this.data = data;
    this.pieces = null;
    this.base = base;
    this.end = end;
    this.wireEnd = wireEnd;
    this.#depth = 0;
  }

  /** Hands on to the header at `at`. */
  goTo(layer: Layer, at: number): Skip {
    this.layer = layer;
    this.at = at;
    return Skip.NONE;
  }

  /** Counts a header within the others; true when there are too many. */
  isTooDeep(): boolean {
    return ++this.#depth > ENCAPSULATIONS_MAX;
  }

  /** A header declares that the packet ends here; what follows is padding. */
  bound(wireEnd: number): void {
    if (wireEnd >= this.wireEnd) return;
    this.wireEnd = wireEnd;
    if (this.end > wireEnd) this.end = wireEnd;
  }

  /** The header up to `needed` is not there: cut by the snap length, or wrong from the beginning. */
  cut(needed: number, otherwise: Skip): Skip {
    return needed <= this.wireEnd ? Skip.TRUNCATED_HEADERS : otherwise;
  }
}
