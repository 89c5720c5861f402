/** What is unpacked of Zstandard, and what is not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unzstd } from '../../../src/rewrite/databases/zstd-content.ts';
import { zstdFrame } from '../../helpers/zstd.ts';

const STATEMENTS = Buffer.from(
  Array.from({ length: 200 }, (_, i) => `insert into visits values (${i * i}) `).join(''),
);
/** By `zstd -3 --no-check --stream-size=…`, version 1.5.4. */
const PACKED =
  'KLUv/WD+GAURAGZfQBSwaTkkIq+DLclASplkSkmfaImDAUUANwA1AHEKw4wyyI3BGm2+iztuWyz2KhMNZ/4RCtn2XrNF' +
  'Qr7qNmMjv/wKv/IMAQFgQBhQIBBYMCAkHBAOCwaDhIKDIeFgAKHgEDVWVIl8uolII9Z45jLV4UgM0Tm/3DdPcZbMyGUs' +
  'rNDEIeWPeZMtNV3hV03l9CX3rdmuXTGIMQwrSZLjOnKCwQVrVVFUJqoZz+zvT7JVNhl597x51b1z1xU3nHDlONq+eeO2' +
  'UewxMyIWVPEKB4aAxausEtVU6qec0ut370grLVdcl1q3a4c1G+zXrhWNMlqUYpFIJHEoQ9J58hQKpUy39pQNgMioISxV' +
  'b/8zEGNEZMoDESAE/z9CQDFhzQN04UAgAZE4EEhARE7dxzS1Utuu5YR5UxFDly1Du7FgCNpWKu7Gf1CciT4xkVW4B5KN' +
  'wKEPM9sV/wQvbjILn3Vth0aVMfO3LFjk7aSYmmp5yLtMdwgyxB8+Cbg78W6imfPFKsAZsCPwfPO0yeg9BSdYfPpo4eM4' +
  '8OjDpE+wMA4GOwPK9tPqgnccNNjih67z2hBlKBcmKn5JOYTZBcuyqSJEvemJwqvHBD7ayFQIxkhCSARjJCEkgjGSEBLB' +
  'GEkosYGpEXhNtWZ6I4wm3g34GEUuzq00TJhFlj8UMJIVCBAXBJgEAkZANVS4TMpw/Md7r2Y43fhHgVAFAQN+aCgWAsuw' +
  'wio=';

/** A frame with this head, whose one block is not packed. */
const headed = (head: readonly number[], content: Uint8Array): Buffer => {
  const block = Buffer.alloc(3);
  block.writeUIntLE((content.length << 3) | 1, 0, 3);
  return Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, ...head), block, content]);
};

describe('a frame', () => {
  test('of another packer is unpacked', () => {
    const packed = Buffer.from(PACKED, 'base64');
    expect(packed.length).toBeLessThan(STATEMENTS.length / 4);
    expect(unzstd(packed, STATEMENTS.length)).toEqual(new Uint8Array(STATEMENTS));
  });

  test('holds what was packed, whatever its length', () => {
    const content = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 400_000 }).map((bytes) => new Uint8Array(bytes).fill(bytes)),
    );
    fc.assert(
      fc.property(content, fc.integer({ min: -1, max: 1 }), (all, off) => {
        const found = unzstd(zstdFrame(all), all.length + off);
        if (off === 0) expect(Buffer.compare(found ?? Buffer.of(), all)).toBe(0);
        else expect(found).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['an octet', [0x20, 5], 5],
    ['two octets, less 256', [0x60, 44, 0], 300],
    ['four octets', [0xa0, 5, 0, 0, 0], 5],
    ['eight octets', [0xe0, 5, 0, 0, 0, 0, 0, 0, 0], 5],
    ['behind a window of 16 MiB', [0x80, 14 << 3, 5, 0, 0, 0], 5],
  ])('says in %s how much it holds', (_, head, bytes) => {
    const content = new Uint8Array(bytes).map((__, i) => i);
    expect(unzstd(headed(head, content), bytes)).toEqual(content);
  });

  test.each([
    ['does not say how much it holds', headed([0x00, 10 << 3], Buffer.from('abcde'))],
    ['holds less than it says', zstdFrame(Buffer.from('abc'), 5)],
    ['holds more', zstdFrame(Buffer.from('abcdefgh'), 5)],
    ['is packed by a dictionary', headed([0x21, 7, 5], Buffer.from('abcde'))],
    ['looks back too far', headed([0x80, (14 << 3) | 1, 5, 0, 0, 0], Buffer.from('abcde'))],
    ['is cut', zstdFrame(Buffer.from('abcde')).subarray(0, 14)],
    ['ends amid its head', zstdFrame(Buffer.from('abcde')).subarray(0, 6)],
    ['is its magic alone', zstdFrame(Buffer.from('abcde')).subarray(0, 4)],
    ['is damaged', Buffer.from(PACKED, 'base64').fill(0xff, 20)],
  ])('that %s is none', (_, frame) => {
    expect(unzstd(frame, frame.length > 100 ? STATEMENTS.length : 5)).toBeNull();
  });

  test('is known by its first octets', () => {
    expect(unzstd(Buffer.of(0x78, 0x9c, 1, 2, 3), 5)).toBeUndefined();
    expect(unzstd(Buffer.of(0x28, 0xb5, 0x2f), 5)).toBeUndefined();
  });
});
