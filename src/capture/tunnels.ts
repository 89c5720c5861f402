/**
 * Tunnels: what carries a frame or an IP packet within an IP packet, and MPLS. Each function takes
 * the position of one header and hands on to the next (see LayerCursor).
 */
import { Layer, type LayerCursor } from './layer-cursor.ts';
import { etherType } from './link-layers.ts';
import { Encapsulation } from './link-types.ts';
import { Skip } from './skip-reason.ts';

const UdpPort = {
  L2TP: 1701,
  GTP_U: 2152,
  TEREDO: 3544,
  GRE: 4754,
  VXLAN: 4789,
  VXLAN_GPE: 4790,
  GENEVE: 6081,
  MPLS: 6635,
  VXLAN_LINUX: 8472,
} as const;

/** RFC 3032: labels up to the one with the bottom bit; nothing says what follows but its look. */
export function mpls(cursor: LayerCursor, start: number): Skip {
  const { data } = cursor;
  let at = start;
  for (let isBottom = false; !isBottom; at += 4) {
    if (cursor.isTooDeep()) return Skip.NESTING_LIMIT;
    if (at + 4 > cursor.end) return cursor.cut(at + 4, Skip.BAD_LINK_HEADER);
    isBottom = (data.getUint8(at + 2) & 1) === 1;
  }
  if (at >= cursor.end) return cursor.cut(at + 1, Skip.BAD_LINK_HEADER);
  const nibble = data.getUint8(at) >>> 4;
  if (nibble === 4) return cursor.goTo(Layer.IPV4, at);
  if (nibble === 6) return cursor.goTo(Layer.IPV6, at);
  // RFC 4385: a control word (first nibble 0) before an Ethernet frame; 1 is not a user's frame.
  if (nibble === 0) return pseudowire(cursor, at);
  return nibble === 1 ? Skip.NOT_IP : cursor.goTo(Layer.ETHERNET, at);
}

function pseudowire(cursor: LayerCursor, at: number): Skip {
  // The control word's flags and fragmentation bits are 0 where nothing is fragmented.
  const hasControlWord = at + 4 <= cursor.end && cursor.data.getUint16(at) === 0;
  return cursor.goTo(Layer.ETHERNET, hasControlWord ? at + 4 : at);
}

/** RFC 2784, 2890 and, for version 1, 2637. */
export function gre(cursor: LayerCursor, at: number): Skip {
  if (at + 4 > cursor.end) return cursor.cut(at + 4, Skip.BAD_IP_HEADER);
  const { data } = cursor;
  const flags = data.getUint16(at);
  const protocol = data.getUint16(at + 2);
  let next = at + 4;
  if ((flags & 0xc000) !== 0) next += 4;
  if ((flags & 0x2000) !== 0) next += 4;
  const hasSequence = (flags & 0x1000) !== 0;
  if (hasSequence) next += 4;
  if ((flags & 0x0007) === 1 && (flags & 0x0080) !== 0) next += 4;
  // Source routes (RFC 1701) end with one of length 0; nobody sends them any more.
  if ((flags & 0x4000) !== 0) return Skip.OTHER_PROTOCOL;
  // ERSPAN: eight octets when numbered (type II), none when not (type I), twelve in type III.
  if (protocol === Encapsulation.ERSPAN)
    return cursor.goTo(Layer.ETHERNET, next + (hasSequence ? 8 : 0));
  if (protocol === Encapsulation.ERSPAN_III) return erspan3(cursor, next);
  return etherType(cursor, protocol, next);
}

function erspan3(cursor: LayerCursor, at: number): Skip {
  if (at + 12 > cursor.end) return cursor.cut(at + 12, Skip.BAD_IP_HEADER);
  const hasSubheader = (cursor.data.getUint8(at + 11) & 1) === 1;
  return cursor.goTo(Layer.ETHERNET, at + (hasSubheader ? 20 : 12));
}

/** RFC 768; what a well-known port at either end announces. */
export function udp(cursor: LayerCursor, at: number): Skip {
  const next = at + 8;
  if (next > cursor.end) return cursor.cut(next, Skip.UDP);
  const { data } = cursor;
  const bytes = data.getUint16(at + 4);
  if (bytes >= 8) cursor.bound(at + bytes);
  const inner = udpTunnel(cursor, data.getUint16(at + 2), next);
  if (inner !== Skip.UDP) return inner;
  return udpTunnel(cursor, data.getUint16(at), next);
}

/** What a well-known port announces; UDP when it announces nothing that is read. */
function udpTunnel(cursor: LayerCursor, port: number, at: number): Skip {
  switch (port) {
    case UdpPort.VXLAN:
      // RFC 7348: eight octets, then a frame.
      return cursor.goTo(Layer.ETHERNET, at + 8);
    case UdpPort.VXLAN_LINUX:
      return looksLikeVxlan(cursor, at) ? cursor.goTo(Layer.ETHERNET, at + 8) : Skip.UDP;
    case UdpPort.VXLAN_GPE:
      return vxlanGpe(cursor, at);
    case UdpPort.GENEVE:
      return geneve(cursor, at);
    case UdpPort.GTP_U:
      return gtp(cursor, at);
    case UdpPort.GRE:
      return gre(cursor, at);
    case UdpPort.MPLS:
      return mpls(cursor, at);
    case UdpPort.TEREDO:
      return teredo(cursor, at);
    case UdpPort.L2TP:
      return l2tp(cursor, at);
    default:
      return Skip.UDP;
  }
}

/** What Linux used before a port was assigned is another protocol's by rights. */
function looksLikeVxlan(cursor: LayerCursor, at: number): boolean {
  if (at + 8 > cursor.end) return false;
  return cursor.data.getUint32(at) === 0x0800_0000 && cursor.data.getUint8(at + 7) === 0;
}

/** draft-ietf-nvo3-vxlan-gpe: the last of the first four octets names what follows. */
function vxlanGpe(cursor: LayerCursor, at: number): Skip {
  if (at + 8 > cursor.end) return Skip.UDP;
  switch (cursor.data.getUint8(at + 3)) {
    case 1:
      return cursor.goTo(Layer.IPV4, at + 8);
    case 2:
      return cursor.goTo(Layer.IPV6, at + 8);
    case 3:
      return cursor.goTo(Layer.ETHERNET, at + 8);
    default:
      return Skip.UDP;
  }
}

/** RFC 8926: version and option length (in fours), flags, EtherType, network, options. */
function geneve(cursor: LayerCursor, at: number): Skip {
  if (at + 8 > cursor.end) return Skip.UDP;
  const optionBytes = (cursor.data.getUint8(at) & 0x3f) * 4;
  const next = at + 8 + optionBytes;
  if (next > cursor.end) return Skip.UDP;
  return etherType(cursor, cursor.data.getUint16(at + 2), next);
}

/** 3GPP TS 29.281, section 5: flags, type (255 carries a packet), length, tunnel, extensions. */
function gtp(cursor: LayerCursor, at: number): Skip {
  if (at + 8 > cursor.end) return Skip.UDP;
  const { data } = cursor;
  const flags = data.getUint8(at);
  if ((flags & 0xf0) !== 0x30 || data.getUint8(at + 1) !== 0xff) return Skip.UDP;
  let next = at + 8;
  if ((flags & 0x07) !== 0) {
    next += 4;
    if ((flags & 0x04) !== 0) next = gtpExtensions(cursor, next);
  }
  return next >= cursor.end ? Skip.UDP : cursor.goTo(Layer.IP, next);
}

/** Each is a count of fours, its content, and the type of the next; 0 ends them. */
function gtpExtensions(cursor: LayerCursor, start: number): number {
  let at = start;
  while (at < cursor.end && cursor.data.getUint8(at - 1) !== 0) {
    const bytes = cursor.data.getUint8(at) * 4;
    if (bytes === 0) return cursor.end;
    at += bytes;
  }
  return at;
}

/** RFC 4380, section 5.1.1: an IPv6 packet after optional indications. */
function teredo(cursor: LayerCursor, start: number): Skip {
  const { data } = cursor;
  let at = start;
  if (at + 2 > cursor.end) return Skip.UDP;
  if (data.getUint16(at) === 0x0001) {
    if (at + 4 > cursor.end) return Skip.UDP;
    at += 13 + data.getUint8(at + 2) + data.getUint8(at + 3);
  }
  if (at + 2 <= cursor.end && data.getUint16(at) === 0x0000) at += 8;
  if (at >= cursor.end || data.getUint8(at) >>> 4 !== 6) return Skip.UDP;
  return cursor.goTo(Layer.IPV6, at);
}

/** RFC 2661, section 3.1: only data messages carry PPP. */
function l2tp(cursor: LayerCursor, at: number): Skip {
  if (at + 6 > cursor.end) return Skip.UDP;
  const flags = cursor.data.getUint16(at);
  if ((flags & 0x8000) !== 0 || (flags & 0x000f) !== 2) return Skip.UDP;
  let next = at + 6;
  if ((flags & 0x4000) !== 0) next += 2;
  if ((flags & 0x0800) !== 0) next += 4;
  if ((flags & 0x0200) !== 0) {
    if (next + 2 > cursor.end) return Skip.UDP;
    next += 2 + cursor.data.getUint16(next);
  }
  if (next + 2 > cursor.end) return Skip.UDP;
  return cursor.goTo(Layer.PPP, next);
}
