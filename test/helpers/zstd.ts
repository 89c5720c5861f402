/** Zstandard frames (RFC 8878) as a packer makes them of contents that are at hand: they say how much they hold. */

/** Of a block (RFC 8878, 3.1.1.2.4). */
const BLOCK_BYTES_MAX = 128 << 10;

/** A frame of one segment, of blocks that are not packed, or of one octet that is repeated where the content is. */
export function zstdFrame(content: Uint8Array, stated = content.length): Buffer {
  const head = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0);
  head.writeUInt32LE(stated, 5);
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < Math.max(1, content.length); at += BLOCK_BYTES_MAX) {
    const part = content.subarray(at, at + BLOCK_BYTES_MAX);
    const isRepeated = part.length > 1 && part.every((octet) => octet === part[0]);
    const isLast = at + BLOCK_BYTES_MAX >= content.length;
    const block = Buffer.alloc(3);
    block.writeUIntLE((part.length << 3) | (isRepeated ? 2 : 0) | (isLast ? 1 : 0), 0, 3);
    blocks.push(block, isRepeated ? part.subarray(0, 1) : part);
  }
  return Buffer.concat([head, ...blocks]);
}
