/** Files of a recording: each whole and readable, one after the other, the oldest removed. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import {
  fileHead,
  fileTail,
  PACKET_OCTETS_AT,
  packetBlockBytes,
  SLL2_HEADER_BYTES,
  writePacketBlock,
  writeSll2Header,
} from '../../src/capture/pcapng-blocks.ts';
import { CaptureWriter } from '../../src/io/files/capture-writer.ts';
import { readAll } from '../capture/read-all.ts';

const folder = mkdtempSync(join(tmpdir(), 'gryphon-writer-'));
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
});

const ETH0 = { name: 'eth0', description: null, linkType: 101 };
const AT = { seconds: 1_800_000_000, nanoseconds: 123_456_789 };

function writer(
  more: { fileBytes?: number; fileMs?: number; keepBytes?: number; keepFreeBytes?: number } = {},
) {
  let nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  const files = new CaptureWriter({
    folder,
    fileBytes: Number.POSITIVE_INFINITY,
    fileMs: Number.POSITIVE_INFINITY,
    keepBytes: Number.POSITIVE_INFINITY,
    keepFreeBytes: 0,
    ...more,
    head: fileHead(ETH0, 'gryphon test'),
    tail: () => fileTail(AT, { received: 7, dropped: 2 }),
    nowMs: () => nowMs,
  });
  const put = (octets: Uint8Array): void => {
    const capturedBytes = octets.length;
    const at = files.room(packetBlockBytes(capturedBytes));
    writePacketBlock(files.view, at, { ...AT, capturedBytes, packetBytes: capturedBytes + 10 });
    files.put(octets, at + PACKET_OCTETS_AT);
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { files, put, pass };
}

const octetsOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

test('folders that cannot be made are told, and not tried for ever', () => {
  const make = (path: string) => () =>
    new CaptureWriter({
      folder: path,
      fileBytes: 1,
      fileMs: 1,
      keepBytes: 1,
      keepFreeBytes: 0,
      head: fileHead(ETH0, 'gryphon test'),
      tail: () => fileTail(AT, { received: 0, dropped: 0 }),
      nowMs: () => 0,
    });
  // Nothing can be made there, and the kernel says ENOENT although what is above is there.
  const code = 'ERR_IO_CAPTURE_FOLDER';
  const none = expect.objectContaining({
    code,
    message: expect.stringMatching(/: there is no such folder, and none can be made$/),
    hint: 'name another folder with --out',
  });
  expect(make('/proc/captures/of/today')).toThrow(none);
  const below = join(folder, 'one');
  writeFileSync(below, '');
  expect(make(below)).toThrow(expect.objectContaining({ code }));
});

test('what is written is read, packets of every length', () => {
  const { files, put } = writer();
  const lengths = [0, 1, 2, 3, 4, 5, 1_500, 65_535];
  for (const length of lengths) put(octetsOf(length));
  files.close();
  const [name = ''] = readdirSync(folder);
  expect(name).toBe('gryphon-20260102T030405Z-0001.pcapng');
  const written = readFileSync(join(folder, name));
  expect(written.length).toBe(files.bytes);
  const { packets, damage } = readAll(written);
  expect(damage).toBeNull();
  expect(packets.map(({ octets }) => octets.length)).toEqual(lengths);
  expect(packets.map(({ original }) => original)).toEqual(lengths.map((n) => n + 10));
  expect(packets.at(-1)?.octets).toEqual([...octetsOf(65_535)]);
  expect(packets[0]).toMatchObject({ linkType: 101, ...AT });
});

test('a new file by size and by time, never an empty one; the oldest go', () => {
  const strange = join(folder, 'app.pcapng');
  writeFileSync(strange, 'not ours');
  const { files, put, pass } = writer({ fileBytes: 3_000, fileMs: 60_000, keepBytes: 9_000 });
  pass(120_000);
  for (let i = 0; i < 12; i++) put(octetsOf(1_000));
  pass(60_000);
  put(octetsOf(10));
  files.close();
  const names = readdirSync(folder).filter((name) => name !== 'app.pcapng');
  expect(statSync(strange).size).toBe(8);
  // Two packets fit a file: six files, and one for the time.
  expect(files.files).toBe(7);
  expect(names.at(-1)).toMatch(/-0007\.pcapng$/);
  const sizes = names.map((name) => statSync(join(folder, name)).size);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(9_000);
  for (const name of names) expect(readAll(readFileSync(join(folder, name))).damage).toBeNull();
});

test('where less is free than is to stay free, nothing is made', () => {
  const { bavail, bsize } = statfsSync(folder);
  const keepFreeBytes = 2 * bavail * bsize;
  const code = 'ERR_IO_KEEP_FREE';
  expect(() => writer({ keepFreeBytes })).toThrow(expect.objectContaining({ code }));
  expect(readdirSync(folder)).toEqual([]);
});

test('a recording without a packet leaves no file', () => {
  const { files } = writer();
  expect(readdirSync(folder)).toHaveLength(1);
  files.close();
  expect(readdirSync(folder)).toEqual([]);
  expect([files.files, files.bytes]).toEqual([0, 0]);
});

test('the header that names an interface, from what the kernel says of a packet', () => {
  // struct sockaddr_ll behind 3 words: AF_PACKET, ETH_P_IPV6, 0x01020304, ARPHRD 772, PACKET_OUTGOING, 6 octets.
  const from = new DataView(new ArrayBuffer(32));
  from.setUint16(12, 17, true);
  from.setUint16(14, 0x86dd);
  from.setInt32(16, 0x0102_0304, true);
  from.setUint16(20, 772, true);
  from.setUint8(22, 4);
  from.setUint8(23, 6);
  for (let i = 0; i < 8; i++) from.setUint8(24 + i, 0xa0 + i);
  const into = new DataView(new ArrayBuffer(4 + SLL2_HEADER_BYTES));
  writeSll2Header(into, 4, from, 12);
  const expected = '86dd 0000 01020304 0304 04 06 a0a1a2a3a4a5a6a7';
  const octets = new Uint8Array(into.buffer, 4);
  expect(Buffer.from(octets).toString('hex')).toBe(expected.replaceAll(' ', ''));
});
