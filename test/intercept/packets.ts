/** TCP packets for tests: an IP header, a TCP header, a payload that counts up. */
import { octetsOf } from './registrations.ts';

export interface PacketParts {
  readonly src: string;
  readonly dst: string;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly optionBytes?: number;
  readonly payloadBytes?: number;
}

export function packetOf(parts: PacketParts): Uint8Array {
  const { srcPort, dstPort, optionBytes = 0, payloadBytes = 0 } = parts;
  const src = octetsOf(parts.src);
  const dst = octetsOf(parts.dst);
  const isIpv4 = src.length === 4;
  const ipBytes = isIpv4 ? 20 : 40;
  const tcpBytes = 20 + optionBytes;
  const packet = new Uint8Array(ipBytes + tcpBytes + payloadBytes);
  const data = new DataView(packet.buffer);
  if (isIpv4) {
    data.setUint8(0, 0x45);
    data.setUint16(2, packet.length);
    data.setUint8(9, 6);
  } else {
    data.setUint8(0, 0x60);
    data.setUint16(4, tcpBytes + payloadBytes);
    data.setUint8(6, 6);
  }
  packet.set(src, isIpv4 ? 12 : 8);
  packet.set(dst, isIpv4 ? 16 : 24);
  data.setUint16(ipBytes, srcPort);
  data.setUint16(ipBytes + 2, dstPort);
  data.setUint8(ipBytes + 12, (tcpBytes / 4) << 4);
  for (let i = 0; i < payloadBytes; i++) packet[ipBytes + tcpBytes + i] = i & 0xff;
  return packet;
}
