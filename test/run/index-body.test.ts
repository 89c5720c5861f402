/** The body of an index: read by blocks, each of which has to be what was written. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { IndexFile } from '../../src/io/files/index-file.ts';
import {
  BLOCK_BYTES,
  BlockDigests,
  DIGEST_BYTES,
  digestBytes,
  openBody,
} from '../../src/run/captures/index-body.ts';
import { makeFolder } from '../helpers/servers.ts';

const AT = 16;

/** @returns the digests of octets that are given piece by piece */
function digestsOf(octets: Uint8Array, pieceBytes: number): Uint8Array {
  const digests = new BlockDigests();
  for (let at = 0; at < octets.length; at += pieceBytes) {
    digests.add(octets.subarray(at, at + pieceBytes));
  }
  return digests.finish();
}

function withFile(octets: Uint8Array, use: (file: IndexFile) => void): void {
  const folder = makeFolder('index-body');
  try {
    const path = join(folder.path, 'x');
    writeFileSync(path, Buffer.concat([Buffer.alloc(AT), octets]));
    const fd = openSync(path, 'r');
    try {
      use(new IndexFile(fd, AT + octets.length));
    } finally {
      closeSync(fd);
    }
  } finally {
    folder.remove();
  }
}

test.each([0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])(
  '%i octets have the same digests in pieces of any size, and are found again',
  (bytes) => {
    const octets = Uint8Array.from({ length: bytes }, (_, i) => (i * 7) ^ (i >>> 8));
    const digests = digestsOf(octets, BLOCK_BYTES);
    expect(digests).toHaveLength(digestBytes(bytes));
    expect(digestsOf(octets, 1_000)).toEqual(digests);
    expect(digestsOf(octets, 2 * BLOCK_BYTES + 5)).toEqual(digests);
    withFile(octets, (file) => {
      const body = openBody(file, AT, bytes, digests);
      expect(body?.fetch(0, bytes)).toBe(true);
      expect(Buffer.compare(new Uint8Array(body?.memory ?? new ArrayBuffer(0)), octets)).toBe(0);
    });
  },
);

test('only blocks that are asked for are read, and one that is another cannot be had', () => {
  const octets = new Uint8Array(5 * BLOCK_BYTES).fill(1);
  const digests = digestsOf(octets, BLOCK_BYTES);
  digests[2 * DIGEST_BYTES] ^= 1;
  withFile(octets, (file) => {
    const body = openBody(file, AT, octets.length, digests);
    const memory = new Uint8Array(body?.memory ?? new ArrayBuffer(0));
    expect(body?.fetch(BLOCK_BYTES, BLOCK_BYTES)).toBe(true);
    expect(memory[BLOCK_BYTES]).toBe(0);
    expect(body?.fetch(2 * BLOCK_BYTES - 1, 2 * BLOCK_BYTES)).toBe(true);
    expect([memory[BLOCK_BYTES - 1], memory[BLOCK_BYTES], memory[2 * BLOCK_BYTES]]).toEqual([
      0, 1, 0,
    ]);
    expect(body?.fetch(3 * BLOCK_BYTES - 1, 3 * BLOCK_BYTES + 1)).toBe(false);
    expect(body?.fetch(3 * BLOCK_BYTES, 5 * BLOCK_BYTES)).toBe(true);
    expect(body?.fetch(0, octets.length)).toBe(false);
  });
});

test('what is no longer there, or longer than memory may be, cannot be had', () => {
  const octets = new Uint8Array(10).fill(1);
  withFile(octets, (file) => {
    const longer = new Uint8Array(20).fill(1);
    expect(openBody(file, AT, 20, digestsOf(longer, 20))?.fetch(0, 20)).toBe(false);
    expect(openBody(file, AT, 2 ** 52, digestsOf(octets, 10))).toBeNull();
  });
});
