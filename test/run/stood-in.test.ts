/**
 * Captures that lack some of what the server said, played to the embedded target: it says what it has, and other
 * octets in place of the rest, which nobody must read as answers.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCaptureBytes } from '../../src/io/files/capture-file.ts';
import { indexCaptures } from '../../src/run/captures/index-captures.ts';
import { named, playScripts } from '../replay/play.ts';

const FILE_BYTES = 24;
const RECORD_BYTES = 16;
const ETHERNET_BYTES = 14;
const USERS = 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-stood-in-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What is kept of a packet of the server's with payload: so many octets of that; null: no packet. */
type Kept = (place: number, payloadBytes: number) => number | null;

const NOTHING: Kept = () => null;

const LACKS: Readonly<Record<string, Kept>> = {
  'all of the server': NOTHING,
  'its first packet': (place, bytes) => (place === 0 ? null : bytes),
  'its second packet': (place, bytes) => (place === 1 ? null : bytes),
  'all but 5 octets of each packet': (_, bytes) => Math.min(bytes, 5),
  'all but 20 octets of each packet': (_, bytes) => Math.min(bytes, 20),
  'all but 60 octets of each packet': (_, bytes) => Math.min(bytes, 60),
};

/** A pcap of IPv4 over Ethernet as it would be if some of the server's payload had not been captured. */
function cut(octets: Buffer, kept: Kept): Buffer {
  const parts = [octets.subarray(0, FILE_BYTES)];
  const places = new Map<number, number>();
  for (let at = FILE_BYTES; at < octets.length; ) {
    const head = Buffer.from(octets.subarray(at, at + RECORD_BYTES));
    const frame = octets.subarray(at + RECORD_BYTES, at + RECORD_BYTES + head.readUInt32LE(8));
    at += RECORD_BYTES + frame.length;
    const tcp = ETHERNET_BYTES + (frame[ETHERNET_BYTES] & 15) * 4;
    const [from, to] = [frame.readUInt16BE(tcp), frame.readUInt16BE(tcp + 2)];
    const payload = tcp + (frame[tcp + 12] >> 4) * 4;
    const bytes = ETHERNET_BYTES + frame.readUInt16BE(ETHERNET_BYTES + 2) - payload;
    let end = frame.length;
    if (from < to) {
      const place = places.get(to) ?? 0;
      if (bytes > 0) places.set(to, place + 1);
      const share = kept(place, bytes);
      // Of a server of which nothing was captured its bare acknowledgements are not there either.
      if (share === null && (bytes > 0 || kept === NOTHING)) continue;
      if (share !== null && bytes > 0) end = payload + share;
    }
    head.writeUInt32LE(end, 8);
    parts.push(head, frame.subarray(0, end));
  }
  return Buffer.concat(parts);
}

const cases = ['http-keepalive', 'redis', 'mysql', 'smtp'].flatMap((name) =>
  Object.entries(LACKS).map(([lacks, kept]) => ({ name, lacks, kept })),
);

test.each(cases)('every user completes: $name without $lacks', async ({ name, kept }) => {
  const whole = readFileSync(new URL(`../../fixtures/${name}.pcap`, import.meta.url));
  const path = join(folder, 'cut.pcap');
  writeFileSync(path, cut(whole, kept));
  const selection = { include: ['one-sided', 'holed'] } as const;
  const index = await indexCaptures([path], { seed: 1, selection });
  const scripts = index.scripts();
  const capture = openCaptureBytes(scripts.files);
  try {
    expect(scripts.sessions).toBe(index.sessions.total);
    // All of a packet, as the command takes it where a protocol's answers cannot be told by their beginnings.
    const { counters } = playScripts(scripts, capture, { users: USERS, prefixBytes: 0xffff });
    const { COMPLETED, EXCHANGES_SENT, EXCHANGES_ANSWERED, ...rest } = named(counters);
    expect(COMPLETED).toBe(USERS);
    expect(EXCHANGES_ANSWERED).toBe(EXCHANGES_SENT);
    for (const none of ['ANSWERS_UNFOLLOWED', 'EXCHANGES_UNSOLICITED', 'ANSWER_BY_QUIET']) {
      expect(Object.keys(rest)).not.toContain(none);
    }
  } finally {
    capture.close();
    index.close();
  }
});
