/**
 * Makes the capture that the reading benches read: 6.5 million packets in 500 MB, sessions of ten
 * packets (handshake, a request, an answer, an orderly close), a thousand of them open at a time.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export const PACKETS = 6_500_000;
const PACKETS_PER_SESSION = 10;
const OPEN_SESSIONS = 1000;
const REQUEST_BYTES = 29;
const ANSWER_BYTES = 36;
const HEADERS_BYTES = 54;
const RECORD_BYTES = 16;
const START_SECONDS = 1_700_000_000;
const NS_PER_PACKET = 10_000;

const FIN = 0x01;
const SYN = 0x02;
const PSH = 0x08;
const ACK = 0x10;

/** Each packet of a session: who sends, flags, payload, and both counts of octets before it. */
const STEPS = [
  { isClient: true, flags: SYN, bytes: 0, sent: 0, received: 0 },
  { isClient: false, flags: SYN | ACK, bytes: 0, sent: 0, received: 1 },
  { isClient: true, flags: ACK, bytes: 0, sent: 1, received: 1 },
  { isClient: true, flags: PSH | ACK, bytes: REQUEST_BYTES, sent: 1, received: 1 },
  { isClient: false, flags: ACK, bytes: 0, sent: 1, received: 1 + REQUEST_BYTES },
  { isClient: false, flags: PSH | ACK, bytes: ANSWER_BYTES, sent: 1, received: 1 + REQUEST_BYTES },
  { isClient: true, flags: ACK, bytes: 0, sent: 1 + REQUEST_BYTES, received: 1 + ANSWER_BYTES },
  {
    isClient: true,
    flags: FIN | ACK,
    bytes: 0,
    sent: 1 + REQUEST_BYTES,
    received: 1 + ANSWER_BYTES,
  },
  {
    isClient: false,
    flags: FIN | ACK,
    bytes: 0,
    sent: 1 + ANSWER_BYTES,
    received: 2 + REQUEST_BYTES,
  },
  { isClient: true, flags: ACK, bytes: 0, sent: 2 + REQUEST_BYTES, received: 2 + ANSWER_BYTES },
] as const;

const REQUEST = Buffer.from('GET /item/12345678 HTTP/1.1\r\n'.padEnd(REQUEST_BYTES).slice(0, 29));
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'.slice(0, ANSWER_BYTES));

/** Writes the capture and returns its length in octets. */
export function writeSmallPackets(path: string, packets: number = PACKETS): number {
  const fd = openSync(path, 'w');
  const chunk = Buffer.alloc(1 << 20);
  let filled = chunk.writeUInt32LE(0xa1b2_c3d4, 0);
  filled = chunk.writeUInt16LE(2, filled);
  filled = chunk.writeUInt16LE(4, filled);
  filled = chunk.fill(0, filled, filled + 8) && filled + 8;
  filled = chunk.writeUInt32LE(65_535, filled);
  filled = chunk.writeUInt32LE(1, filled);
  let total = 0;
  for (let packet = 0; packet < packets; packet++) {
    if (filled + 256 > chunk.length) {
      total += writeSync(fd, chunk, 0, filled);
      filled = 0;
    }
    filled += writePacket(chunk, filled, packet);
  }
  total += writeSync(fd, chunk, 0, filled);
  closeSync(fd);
  return total;
}

function writePacket(chunk: Buffer, at: number, packet: number): number {
  // A thousand sessions take turns; then the next thousand begin.
  const round = Math.floor(packet / OPEN_SESSIONS);
  const session =
    Math.floor(round / PACKETS_PER_SESSION) * OPEN_SESSIONS + (packet % OPEN_SESSIONS);
  const step = STEPS[round % PACKETS_PER_SESSION];
  const bytes = HEADERS_BYTES + step.bytes;
  const ns = packet * NS_PER_PACKET;
  chunk.writeUInt32LE(START_SECONDS + Math.floor(ns / 1e9), at);
  chunk.writeUInt32LE((ns % 1e9) / 1e3, at + 4);
  chunk.writeUInt32LE(bytes, at + 8);
  chunk.writeUInt32LE(bytes, at + 12);
  writeHeaders(chunk, at + RECORD_BYTES, session, step);
  const payload = step.isClient ? REQUEST : ANSWER;
  if (step.bytes > 0) payload.copy(chunk, at + RECORD_BYTES + HEADERS_BYTES);
  return RECORD_BYTES + bytes;
}

function writeHeaders(
  chunk: Buffer,
  at: number,
  session: number,
  step: (typeof STEPS)[number],
): void {
  chunk.fill(0, at, at + HEADERS_BYTES);
  chunk.writeUInt16BE(0x0800, at + 12);
  const ip = at + 14;
  chunk.writeUInt8(0x45, ip);
  chunk.writeUInt16BE(40 + step.bytes, ip + 2);
  chunk.writeUInt8(64, ip + 8);
  chunk.writeUInt8(6, ip + 9);
  const client = 0x0a00_0000 + (session % 60_000);
  const clientPort = 1024 + (Math.floor(session / 60_000) % 60_000);
  chunk.writeUInt32BE(step.isClient ? client : 0x0aff_0001, ip + 12);
  chunk.writeUInt32BE(step.isClient ? 0x0aff_0001 : client, ip + 16);
  const tcp = ip + 20;
  chunk.writeUInt16BE(step.isClient ? clientPort : 80, tcp);
  chunk.writeUInt16BE(step.isClient ? 80 : clientPort, tcp + 2);
  const clientIsn = Math.imul(session, 0x9e37_79b1) >>> 0;
  const serverIsn = Math.imul(session, 0x85eb_ca77) >>> 0;
  chunk.writeUInt32BE(((step.isClient ? clientIsn : serverIsn) + step.sent) >>> 0, tcp + 4);
  chunk.writeUInt32BE(((step.isClient ? serverIsn : clientIsn) + step.received) >>> 0, tcp + 8);
  chunk.writeUInt8(0x50, tcp + 12);
  chunk.writeUInt8(step.flags, tcp + 13);
  chunk.writeUInt16BE(0xffff, tcp + 14);
}
