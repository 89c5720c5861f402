/**
 * Makes the captures that the reading benches read, 500 MB each:
 *
 * - small packets: 6.5 million of them, sessions of ten (handshake, a request, an answer, an orderly
 *   close);
 * - large packets: half a million, downloads of sixty full segments, every second one acknowledged.
 *
 * A thousand sessions are open at a time.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

const OPEN_SESSIONS = 1000;
const REQUEST_BYTES = 29;
const ANSWER_BYTES = 36;
const FULL_BYTES = 1460;
const FULL_SEGMENTS = 60;
const HEADERS_BYTES = 54;
const RECORD_BYTES = 16;
const START_SECONDS = 1_700_000_000;
const NS_PER_PACKET = 10_000;

const FIN = 0x01;
const SYN = 0x02;
const PSH = 0x08;
const ACK = 0x10;

/** A packet of a session: who sends, flags, payload, and both counts of octets before it. */
interface Step {
  readonly isClient: boolean;
  readonly flags: number;
  readonly bytes: number;
  readonly sent: number;
  readonly received: number;
}

/** What a made capture is like. */
export interface Shape {
  readonly packets: number;
  readonly steps: readonly Step[];
}

/** @param answer payload of each segment of the server's */
function sessionOf(answer: readonly number[]): Step[] {
  const asked = 1 + REQUEST_BYTES;
  const steps: Step[] = [
    { isClient: true, flags: SYN, bytes: 0, sent: 0, received: 0 },
    { isClient: false, flags: SYN | ACK, bytes: 0, sent: 0, received: 1 },
    { isClient: true, flags: ACK, bytes: 0, sent: 1, received: 1 },
    { isClient: true, flags: PSH | ACK, bytes: REQUEST_BYTES, sent: 1, received: 1 },
    { isClient: false, flags: ACK, bytes: 0, sent: 1, received: asked },
  ];
  let said = 1;
  for (const [i, bytes] of answer.entries()) {
    steps.push({ isClient: false, flags: PSH | ACK, bytes, sent: said, received: asked });
    said += bytes;
    const isAcked = i % 2 === 1 || i === answer.length - 1;
    if (isAcked) steps.push({ isClient: true, flags: ACK, bytes: 0, sent: asked, received: said });
  }
  return [
    ...steps,
    { isClient: true, flags: FIN | ACK, bytes: 0, sent: asked, received: said },
    { isClient: false, flags: FIN | ACK, bytes: 0, sent: said, received: asked + 1 },
    { isClient: true, flags: ACK, bytes: 0, sent: asked + 1, received: said + 1 },
  ];
}

export const SMALL_PACKETS: Shape = { packets: 6_500_000, steps: sessionOf([ANSWER_BYTES]) };
export const LARGE_PACKETS: Shape = {
  packets: 520_000,
  steps: sessionOf(new Array<number>(FULL_SEGMENTS).fill(FULL_BYTES)),
};

const REQUEST = Buffer.from('GET /item/12345678 HTTP/1.1\r\n'.padEnd(REQUEST_BYTES).slice(0, 29));
const ANSWER = Buffer.alloc(FULL_BYTES, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n');

/** Writes the capture and returns its length in octets. */
export function writeCapture(path: string, { packets, steps }: Shape): number {
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
    if (filled + RECORD_BYTES + HEADERS_BYTES + FULL_BYTES > chunk.length) {
      total += writeSync(fd, chunk, 0, filled);
      filled = 0;
    }
    filled += writePacket(chunk, filled, packet, steps);
  }
  total += writeSync(fd, chunk, 0, filled);
  closeSync(fd);
  return total;
}

function writePacket(chunk: Buffer, at: number, packet: number, steps: readonly Step[]): number {
  // A thousand sessions take turns; then the next thousand begin.
  const round = Math.floor(packet / OPEN_SESSIONS);
  const session = Math.floor(round / steps.length) * OPEN_SESSIONS + (packet % OPEN_SESSIONS);
  const step = steps[round % steps.length];
  const bytes = HEADERS_BYTES + step.bytes;
  const ns = packet * NS_PER_PACKET;
  chunk.writeUInt32LE(START_SECONDS + Math.floor(ns / 1e9), at);
  chunk.writeUInt32LE((ns % 1e9) / 1e3, at + 4);
  chunk.writeUInt32LE(bytes, at + 8);
  chunk.writeUInt32LE(bytes, at + 12);
  writeHeaders(chunk, at + RECORD_BYTES, session, step);
  const payload = step.isClient ? REQUEST : ANSWER;
  payload.copy(chunk, at + RECORD_BYTES + HEADERS_BYTES, 0, step.bytes);
  return RECORD_BYTES + bytes;
}

function writeHeaders(chunk: Buffer, at: number, session: number, step: Step): void {
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
