import { describe, expect, test } from 'vitest';
import { SegmentDecoder } from '../../src/capture/segment-decoder.ts';
import { SKIP_NAMES } from '../../src/capture/skip-reason.ts';
import {
  concat,
  ethernet,
  ipv4,
  ipv6,
  SYN,
  synOptions,
  tcp,
  u8,
  u16,
  u32,
} from '../helpers/packets.ts';

/** What a decoder finds in a frame: the segment, or the reason why it is none. */
function decode(
  frame: Uint8Array,
  {
    linkType = 1,
    captured = frame.length,
    original = frame.length,
    decoder = new SegmentDecoder(),
  } = {},
) {
  // Octets around the frame, as in the window: none of them may be looked at.
  const memory = new Uint8Array(frame.length + 64).fill(0xee);
  memory.set(frame, 32);
  const verdict = decoder.decode(new DataView(memory.buffer), 1000, {
    packetStart: 32,
    capturedBytes: captured,
    presentBytes: captured,
    originalBytes: original,
    linkType,
  });
  if (verdict !== 0) return SKIP_NAMES.at(verdict);
  const { sourcePort, destinationPort, payloadBytes, payloadCaptured, payloadStart } = decoder;
  const octets = new Uint8Array(decoder.data.buffer).subarray(
    payloadStart,
    payloadStart + payloadCaptured,
  );
  return {
    ports: [sourcePort, destinationPort],
    seq: decoder.seq >>> 0,
    payload: Buffer.from(octets).toString(),
    payloadBytes,
  };
}

const SEGMENT = tcp({ payload: 'hello' });
const HELLO = { ports: [50_000, 80], seq: 1000, payload: 'hello', payloadBytes: 5 };
const V4 = ipv4(SEGMENT);
const V6 = ipv6(SEGMENT);
const udp = (port: number, body: Uint8Array) =>
  concat(u16(4000), u16(port), u16(8 + body.length), u16(0), body);
const inUdp = (port: number, ...parts: readonly (Uint8Array | number[])[]) =>
  ethernet(0x0800, ipv4(udp(port, concat(...parts)), { protocol: 17 }));
const gre = (type: number, body: Uint8Array, flags = 0, fields: readonly number[] = []) =>
  ethernet(0x0800, ipv4(concat(u16(flags), u16(type), fields, body), { protocol: 47 }));
const label = (isBottom: boolean) => u32((16 << 12) | (isBottom ? 0x100 : 0) | 64);
const ppp = (protocol: number, body: Uint8Array) => concat(u16(protocol), body);
const pppoe = (body: Uint8Array) => concat(u8(0x11, 0), u16(1), u16(body.length), body);

const le16 = (value: number) => u16(value).reverse();
const le32 = (value: number) => u32(value).reverse();
/** A packet as NFLOG hands it over, behind another attribute. */
const nflog = (family: number, packet: Uint8Array, n16 = le16) =>
  concat(
    u8(family, 0, 0, 5),
    ...[n16(7), n16(10), u8(0x61, 0x62, 0), u8(0)],
    ...[n16(4 + packet.length), n16(9), packet],
    new Array<number>(-packet.length & 3).fill(0),
  );
const pktap = (linkType: number, frame: Uint8Array) =>
  concat(le32(108), le32(1), le32(linkType), new Uint8Array(96), frame);
const ppi = (linkType: number, frame: Uint8Array) =>
  concat(u8(0, 0), le16(12), le32(linkType), u32(0), frame);
/** A data frame of 802.11 with LLC and SNAP. */
const wlan = (packet: Uint8Array) =>
  concat(u8(0x08), new Uint8Array(23), u8(0xaa, 0xaa, 3, 0, 0, 0), u16(0x0800), packet);
const chdlc = (address: number, type: number, packet: Uint8Array) =>
  concat(u8(address, 0), u16(type), packet);

describe('behind the header of a capturing system', () => {
  const tagged = (tag: number[]) => ethernet(0x0800, V4, tag);
  test.each([
    { name: 'NFLOG', linkType: 239, frame: nflog(2, V4) },
    { name: 'NFLOG, IPv6', linkType: 239, frame: nflog(10, V6) },
    { name: 'NFLOG of a big-endian machine', linkType: 239, frame: nflog(2, V4, u16) },
    { name: 'PKTAP', linkType: 258, frame: pktap(1, ethernet(0x0800, V4)) },
    { name: 'PKTAP of raw IP', linkType: 258, frame: pktap(12, V6) },
    { name: 'PPP with pppd, in', linkType: 166, frame: concat(u8(0, 3), ppp(0x0021, V4)) },
    { name: 'PPP with pppd, out', linkType: 166, frame: concat(u8(1, 3), ppp(0x0057, V6)) },
    { name: 'PPP with direction', linkType: 204, frame: concat(u8(1), ppp(0x0021, V4)) },
    {
      name: 'Cisco HDLC with direction',
      linkType: 205,
      frame: concat(u8(0), chdlc(0x0f, 0x0800, V4)),
    },
    { name: 'Cisco HDLC in PPP, unicast', linkType: 50, frame: chdlc(0x0f, 0x0800, V4) },
    { name: 'Cisco HDLC in PPP, broadcast', linkType: 9, frame: chdlc(0x8f, 0x86dd, V6) },
    { name: 'SLIP', linkType: 8, frame: concat(new Uint8Array(16), V4) },
    { name: 'OpenBSD enc', linkType: 109, frame: concat(new Uint8Array(12), V6) },
    { name: 'OpenBSD pflog', linkType: 117, frame: concat(u8(61, 2), new Uint8Array(62), V4) },
    { name: 'ATM', linkType: 100, frame: concat(u8(0xaa, 0xaa, 3, 0, 0, 0), u16(0x0800), V4) },
    {
      name: 'Prism',
      linkType: 119,
      frame: concat(u32(0x44), u32(144), new Uint8Array(136), wlan(V4)),
    },
    {
      name: 'AVS',
      linkType: 163,
      frame: concat(u32(0x8021_1001), u32(64), new Uint8Array(56), wlan(V4)),
    },
    {
      name: 'AVS as Prism',
      linkType: 119,
      frame: concat(u32(0x8021_1001), u32(64), new Uint8Array(56), wlan(V4)),
    },
    { name: 'PPI', linkType: 192, frame: ppi(105, wlan(V4)) },
    { name: 'PPI in PPI', linkType: 192, frame: ppi(192, ppi(1, ethernet(0x86dd, V6))) },
    { name: 'netANALYZER', linkType: 240, frame: concat(u32(0), ethernet(0x0800, V4)) },
    { name: 'a Broadcom tag', linkType: 281, frame: tagged(u32(1)) },
    { name: 'a Broadcom tag in front', linkType: 282, frame: concat(u32(1), ethernet(0x0800, V4)) },
    { name: 'a DSA tag', linkType: 284, frame: tagged(u32(1)) },
    { name: 'an EDSA tag', linkType: 285, frame: tagged([...u32(0xdada_0000), ...u32(1)]) },
  ])('a segment is found: $name', ({ linkType, frame }) => {
    expect(decode(frame, { linkType })).toEqual(HELLO);
    // Cut anywhere, it is either the segment or what was cut of it.
    for (let captured = 0; captured < frame.length; captured++) {
      const found = decode(frame, { linkType, captured });
      if (typeof found === 'object')
        expect(found).toMatchObject({ ...HELLO, payload: expect.anything() });
      else expect(['truncated-headers', 'not-ip', 'bad-link-header']).toContain(found);
    }
  });

  test.each([
    { name: 'NFLOG of another family', linkType: 239, frame: nflog(7, V4), reason: 'not-ip' },
    { name: 'NFLOG without a packet', linkType: 239, frame: u8(2, 0, 0, 5), reason: 'not-ip' },
    {
      name: 'NFLOG without end',
      linkType: 239,
      frame: concat(u8(2, 0, 0, 5), u32(0)),
      reason: 'not-ip',
    },
    {
      name: 'PKTAP of what is not read',
      linkType: 258,
      frame: pktap(253, V4),
      reason: 'unsupported-link-type',
    },
    {
      name: 'a PKTAP header without end',
      linkType: 258,
      frame: concat(le32(2 ** 31), new Uint8Array(60)),
      reason: 'bad-link-header',
    },
    {
      name: 'PPI in itself',
      linkType: 192,
      frame: concat(u8(0, 0), le16(0), le32(192)),
      reason: 'nesting-limit',
    },
    {
      name: "Cisco's keep-alive in PPP",
      linkType: 50,
      frame: chdlc(0x8f, 0x8035, V4),
      reason: 'not-ip',
    },
    { name: 'another protocol in PPP', linkType: 9, frame: ppp(0x0029, V4), reason: 'not-ip' },
    { name: 'compressed TCP in PPP', linkType: 9, frame: ppp(0x002d, V4), reason: 'encrypted' },
  ])('$name is told from it', ({ linkType, frame, reason }) => {
    expect(decode(Uint8Array.from(frame), { linkType })).toBe(reason);
  });

  test('NFLOG that hands over less than there was is cut, not short', () => {
    const frame = nflog(2, V4.subarray(0, 42));
    expect(decode(frame, { linkType: 239 })).toMatchObject({ payload: 'he', payloadBytes: 5 });
  });
});

describe('the innermost segment is found in', () => {
  test.each([
    { name: 'Ethernet', frame: ethernet(0x0800, V4) },
    { name: 'Ethernet, IPv6', frame: ethernet(0x86dd, V6) },
    { name: 'Ethernet with padding', frame: concat(ethernet(0x0800, V4), new Uint8Array(9)) },
    { name: 'one tag', frame: ethernet(0x0800, V4, [...u16(0x8100), ...u16(7)]) },
    {
      name: 'three tags',
      frame: ethernet(0x86dd, V6, [
        ...u16(0x88a8),
        ...u16(7),
        ...u16(0x9100),
        ...u16(8),
        ...u16(0x8100),
        ...u16(9),
      ]),
    },
    {
      name: 'IEEE 802.3 with SNAP',
      frame: ethernet(V4.length + 8, concat(u8(0xaa, 0xaa, 3, 0, 0, 0), u16(0x0800), V4)),
    },
    { name: 'MPLS', frame: ethernet(0x8847, concat(label(false), label(true), V4)) },
    {
      name: 'a pseudowire with control word',
      frame: ethernet(0x8847, concat(label(true), u32(0), ethernet(0x0800, V4))),
    },
    { name: 'PPPoE', frame: ethernet(0x8864, pppoe(ppp(0x0021, V4))) },
    { name: 'PPPoE, IPv6', frame: ethernet(0x8864, pppoe(ppp(0x0057, V6))) },
    { name: 'provider backbone', frame: ethernet(0x88e7, concat(u32(0), ethernet(0x0800, V4))) },
    { name: 'GRE', frame: gre(0x0800, V4) },
    {
      name: 'GRE with everything',
      frame: gre(0x86dd, V6, 0xb000, [...u32(0), ...u32(1), ...u32(2)]),
    },
    { name: 'GRE with Ethernet', frame: gre(0x6558, ethernet(0x0800, V4)) },
    {
      name: 'PPTP',
      frame: gre(0x880b, ppp(0x0021, V4), 0x3081, [...u32(0), ...u32(1), ...u32(2)]),
    },
    {
      name: 'ERSPAN II',
      frame: gre(0x88be, concat(u32(0), u32(0), ethernet(0x0800, V4)), 0x1000, u32(1)),
    },
    { name: 'IPIP', frame: ethernet(0x0800, ipv4(V4, { protocol: 4 })) },
    { name: '6in4', frame: ethernet(0x0800, ipv4(V6, { protocol: 41 })) },
    { name: '4in6', frame: ethernet(0x86dd, ipv6(V4, { nextHeader: 4 })) },
    { name: 'VXLAN', frame: inUdp(4789, u32(0x0800_0000), u32(0x2a00), ethernet(0x0800, V4)) },
    {
      name: 'VXLAN on its old port',
      frame: inUdp(8472, u32(0x0800_0000), u32(0x2a00), ethernet(0x0800, V4)),
    },
    {
      name: 'Geneve with options',
      frame: inUdp(6081, u8(0x01, 0), u16(0x6558), u32(0x2a00), u32(0), ethernet(0x86dd, V6)),
    },
    { name: 'GTP-U', frame: inUdp(2152, u8(0x30, 0xff), u16(V4.length), u32(9), V4) },
    {
      name: 'GTP-U with an extension header',
      frame: inUdp(2152, u8(0x34, 0xff), u16(0), u32(9), u8(0, 0, 0, 0x85), u8(1, 0, 9, 0), V4),
    },
    { name: 'Teredo', frame: inUdp(3544, V6) },
    { name: 'L2TP', frame: inUdp(1701, u16(2), u32(1), ppp(0xff03, ppp(0x0021, V4))) },
    {
      name: 'an authentication header',
      frame: ethernet(
        0x0800,
        ipv4(concat(u8(6, 1), u16(0), u32(1), u32(2), SEGMENT), { protocol: 51 }),
      ),
    },
    { name: 'IPv4 options', frame: ethernet(0x0800, ipv4(SEGMENT, { options: u32(0x0101_0101) })) },
    {
      name: 'TCP options',
      frame: ethernet(0x0800, ipv4(tcp({ payload: 'hello', options: u32(0x0101_0101) }))),
    },
    {
      name: 'IPv6 extension headers',
      frame: ethernet(
        0x86dd,
        ipv6(
          concat(
            u8(60, 0),
            new Uint8Array(6),
            u8(43, 1),
            new Uint8Array(14),
            u8(6, 0),
            new Uint8Array(6),
            SEGMENT,
          ),
          { nextHeader: 0 },
        ),
      ),
    },
    {
      name: 'a fragment header of a whole packet',
      frame: ethernet(0x86dd, ipv6(concat(u8(6, 0), u16(0), u32(1), SEGMENT), { nextHeader: 44 })),
    },
    { name: 'a packet without length', frame: ethernet(0x0800, ipv4(SEGMENT, { totalBytes: 0 })) },
    { name: 'IPv6 without length', frame: ethernet(0x86dd, ipv6(SEGMENT, { payloadBytes: 0 })) },
    { name: 'SLL', linkType: 113, frame: concat(new Uint8Array(14), u16(0x0800), V4) },
    { name: 'SLL2', linkType: 276, frame: concat(u16(0x86dd), new Uint8Array(18), V6) },
    { name: 'raw IPv4', linkType: 101, frame: V4 },
    { name: 'raw IPv6', linkType: 12, frame: V6 },
    { name: 'IPv4 only', linkType: 228, frame: V4 },
    { name: 'IPv6 only', linkType: 229, frame: V6 },
    { name: 'loopback, little-endian', linkType: 0, frame: concat(u8(2, 0, 0, 0), V4) },
    { name: 'loopback, big-endian', linkType: 0, frame: concat(u8(0, 0, 0, 2), V4) },
    { name: 'loopback of macOS', linkType: 0, frame: concat(u8(30, 0, 0, 0), V6) },
    { name: 'OpenBSD loopback', linkType: 108, frame: concat(u32(24), V6) },
    { name: 'PPP', linkType: 9, frame: ppp(0x0021, V4) },
    { name: 'PPP with compressed protocol', linkType: 9, frame: concat(u8(0x21), V4) },
    { name: 'PPP in HDLC', linkType: 50, frame: ppp(0xff03, ppp(0x0021, V4)) },
    { name: 'PPPoE as a link', linkType: 51, frame: pppoe(ppp(0x0021, V4)) },
    { name: 'Cisco HDLC', linkType: 104, frame: concat(u16(0x0f00), u16(0x0800), V4) },
    {
      name: '802.11 QoS data',
      linkType: 105,
      frame: concat(
        u8(0x88, 0x01),
        new Uint8Array(24),
        u8(0xaa, 0xaa, 3, 0, 0, 0),
        u16(0x0800),
        V4,
      ),
    },
    {
      name: '802.11 behind radiotap, padded',
      linkType: 127,
      frame: concat(
        u8(0, 0, 9, 0, 2, 0, 0, 0, 0x20),
        u8(0x88, 0x01),
        new Uint8Array(24),
        u16(0),
        u8(0xaa, 0xaa, 3, 0, 0, 0),
        u16(0x86dd),
        V6,
      ),
    },
  ])('$name', ({ frame, linkType = 1 }) => {
    expect(decode(frame, { linkType })).toEqual(HELLO);
  });
});

describe('frames that are no segments are named', () => {
  const nested = (depth: number): Uint8Array =>
    depth === 0 ? V4 : ipv4(nested(depth - 1), { protocol: 4 });
  const tagged = Array.from({ length: 40 }, () => [...u16(0x8100), ...u16(7)]).flat();
  test.each([
    { name: 'ARP', frame: ethernet(0x0806, new Uint8Array(28)), reason: 'arp' },
    { name: 'LLDP', frame: ethernet(0x88cc, new Uint8Array(28)), reason: 'not-ip' },
    { name: 'spanning tree', frame: ethernet(38, new Uint8Array(38)), reason: 'not-ip' },
    { name: 'UDP', frame: inUdp(53, [1, 2, 3]), reason: 'udp' },
    { name: 'UDP on a tunnel port', frame: inUdp(2152, [1, 2, 3]), reason: 'udp' },
    {
      name: 'TCP quoted by ICMP',
      frame: ethernet(0x0800, ipv4(concat(u8(3, 1), u16(0), u32(0), V4), { protocol: 1 })),
      reason: 'icmp',
    },
    {
      name: 'OSPF',
      frame: ethernet(0x0800, ipv4(SEGMENT, { protocol: 89 })),
      reason: 'other-protocol',
    },
    { name: 'ESP', frame: ethernet(0x0800, ipv4(SEGMENT, { protocol: 50 })), reason: 'encrypted' },
    {
      name: 'IPv5',
      frame: ethernet(0x0800, concat(u8(0x55), V4.subarray(1))),
      reason: 'bad-ip-header',
    },
    {
      name: 'a short IP header',
      frame: ethernet(0x0800, concat(u8(0x44), V4.subarray(1))),
      reason: 'bad-ip-header',
    },
    {
      name: 'a short total length',
      frame: ethernet(0x0800, ipv4(SEGMENT, { totalBytes: 19 })),
      reason: 'bad-ip-header',
    },
    {
      name: 'no room for TCP',
      frame: ethernet(0x0800, ipv4(SEGMENT.subarray(0, 15))),
      reason: 'bad-tcp-header',
    },
    { name: 'tags without end', frame: ethernet(0x0800, V4, tagged), reason: 'nesting-limit' },
    { name: 'tunnels without end', frame: ethernet(0x0800, nested(40)), reason: 'nesting-limit' },
    {
      name: 'labels without end',
      frame: ethernet(0x8847, concat(...Array.from({ length: 40 }, () => label(false)))),
      reason: 'nesting-limit',
    },
    { name: 'an unknown link', linkType: 147, frame: V4, reason: 'unsupported-link-type' },
    {
      name: 'a management frame',
      linkType: 105,
      frame: concat(u8(0x80, 0), new Uint8Array(40)),
      reason: 'not-ip',
    },
    {
      name: 'an encrypted frame',
      linkType: 105,
      frame: concat(u8(0x08, 0x41), new Uint8Array(40)),
      reason: 'encrypted',
    },
    { name: 'compressed PPP', linkType: 9, frame: ppp(0x00fd, V4), reason: 'encrypted' },
    { name: 'PPP control', linkType: 9, frame: ppp(0xc021, V4), reason: 'not-ip' },
    { name: 'an empty frame', frame: new Uint8Array(0), reason: 'bad-link-header' },
  ])('$name', ({ frame, reason, linkType = 1 }) => {
    expect(decode(frame, { linkType })).toBe(reason);
  });
});

describe('the snap length', () => {
  const frame = ethernet(0x0800, V4);

  test('that cuts payload leaves the declared length', () => {
    expect(decode(frame, { captured: frame.length - 2 })).toEqual({ ...HELLO, payload: 'hel' });
  });

  test('that cuts headers is named as such, not as a bad header', () => {
    for (let captured = 0; captured < 14 + 20 + 16; captured++) {
      expect(decode(frame, { captured })).toBe('truncated-headers');
    }
    expect(decode(frame, { captured: 14 + 20 + 16 })).toMatchObject({
      payload: '',
      payloadBytes: 5,
    });
  });

  test('an original length below the captured one is not believed', () => {
    expect(decode(frame, { original: 20 })).toEqual(HELLO);
  });

  test('a total length beyond the frame ends with the frame', () => {
    const lying = ethernet(0x0800, ipv4(SEGMENT, { totalBytes: 1500 }));
    expect(decode(lying)).toEqual(HELLO);
    expect(decode(lying, { original: lying.length + 7 })).toMatchObject({ payloadBytes: 12 });
  });
});

describe('options of a SYN', () => {
  test('are read as far as they are there', () => {
    const decoder = new SegmentDecoder();
    const syn = tcp({ flags: SYN, options: synOptions(1460, true) });
    decode(ethernet(0x0800, ipv4(syn)), { decoder });
    expect(decoder).toMatchObject({ mss: 1460, hasTimestamps: true });
    decode(ethernet(0x0800, ipv4(syn)), { decoder, captured: 14 + 20 + 20 + 4 });
    expect(decoder).toMatchObject({ mss: 1460, hasTimestamps: false });
  });
});

describe('fragments', () => {
  const pieces = (id: number, cut: number) => [
    ethernet(0x0800, ipv4(SEGMENT.subarray(0, cut), { id, hasMore: true })),
    ethernet(0x0800, ipv4(SEGMENT.subarray(cut), { id, fragmentOffset: cut })),
  ];

  test('are put together, with their place in the file', () => {
    const decoder = new SegmentDecoder();
    const [first, last] = pieces(1, 16);
    expect(decode(first, { decoder })).toBe('fragment');
    expect(decode(last, { decoder })).toEqual(HELLO);
    // 32 octets in front, an Ethernet and an IPv4 header: the base is 1000.
    const offset = 1000 + 32 + 14 + 20;
    expect(decoder.pieces).toEqual([
      { start: 32, bytes: 16, offset },
      { start: 48, bytes: 9, offset },
    ]);
  });

  test('may come in any order and twice', () => {
    const decoder = new SegmentDecoder();
    const [first, last] = pieces(1, 8);
    expect(decode(last, { decoder })).toBe('fragment');
    expect(decode(last, { decoder })).toBe('fragment');
    expect(decode(first, { decoder })).toEqual(HELLO);
    expect(decode(first, { decoder })).toBe('fragment');
  });

  test('of different packets are kept apart', () => {
    const decoder = new SegmentDecoder();
    expect(decode(pieces(1, 16)[0], { decoder })).toBe('fragment');
    expect(decode(pieces(2, 16)[1], { decoder })).toBe('fragment');
    expect(decode(pieces(1, 16)[1], { decoder })).toEqual(HELLO);
  });

  test('of IPv6 are put together', () => {
    const decoder = new SegmentDecoder();
    const piece = (offset: number, more: number, body: Uint8Array) =>
      ethernet(
        0x86dd,
        ipv6(concat(u8(6, 0), u16(offset | more), u32(7), body), { nextHeader: 44 }),
      );
    expect(decode(piece(16, 0, SEGMENT.subarray(16)), { decoder })).toBe('fragment');
    expect(decode(piece(0, 1, SEGMENT.subarray(0, 16)), { decoder })).toEqual(HELLO);
    expect(decoder.isIpv6).toBe(true);
    expect(decoder.data.getUint8(decoder.sourceAt + 15)).toBe(2);
    expect(decoder.data.getUint8(decoder.destinationAt + 15)).toBe(1);
  });

  test('of a tunnel are put together before what is in it', () => {
    const decoder = new SegmentDecoder();
    const inner = concat(u16(0), u16(0x0800), V4);
    const first = ipv4(inner.subarray(0, 24), { protocol: 47, id: 3, hasMore: true });
    const last = ipv4(inner.subarray(24), { protocol: 47, id: 3, fragmentOffset: 24 });
    expect(decode(ethernet(0x0800, first), { decoder })).toBe('fragment');
    expect(decode(ethernet(0x0800, last), { decoder })).toEqual(HELLO);
  });

  test('that were cut by the snap length are not waited for', () => {
    const decoder = new SegmentDecoder();
    const [first, last] = pieces(1, 16);
    expect(decode(last, { decoder, captured: last.length - 1 })).toBe('fragment');
    expect(decode(first, { decoder })).toBe('fragment');
  });

  test('in endless numbers are given up, the oldest first, and counted', () => {
    const decoder = new SegmentDecoder();
    const frame = ethernet(0x0800, ipv4(new Uint8Array(1400), { hasMore: true }));
    for (let id = 0; id < 20_000; id++) {
      new DataView(frame.buffer).setUint16(14 + 4, id);
      decode(frame, { decoder });
    }
    expect(decoder.fragmentsDropped).toBeGreaterThan(10_000);
    const [, last] = pieces(19_999, 16);
    expect(decode(last, { decoder })).not.toBe('fragment-limit');
  });
});

test('no frame, however it is cut or changed, makes it look past its end', () => {
  const frames = [
    ethernet(0x0800, V4),
    ethernet(0x86dd, V6),
    inUdp(4789, u32(0x0800_0000), u32(0), ethernet(0x0800, V4)),
    gre(0x6558, ethernet(0x8847, concat(label(true), V6))),
    ethernet(0x8864, pppoe(ppp(0x0021, V4))),
  ];
  const decoder = new SegmentDecoder();
  let segments = 0;
  for (const frame of frames) {
    for (let at = 0; at < frame.length; at++) {
      for (const value of [0x00, 0x45, 0xff]) {
        const changed = frame.slice();
        changed[at] = value;
        const captured = at % 2 === 0 ? changed.length : at;
        if (typeof decode(changed, { captured, decoder }) === 'string') continue;
        segments++;
        const { payloadStart, payloadCaptured, payloadBytes, pieces } = decoder;
        if (payloadCaptured > payloadBytes) throw new Error(`more captured than sent: ${at}`);
        const isPast = pieces === null && payloadStart + payloadCaptured > 32 + captured;
        if (isPast && payloadCaptured > 0) throw new Error(`past the end: ${at}`);
      }
    }
  }
  expect(segments).toBeGreaterThan(100);
});
