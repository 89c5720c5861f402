/**
 * struct mmsghdr and struct iovec (linux/socket.h, linux/uio.h) of 64-bit machines, as rows of 32-bit words:
 *
 *     mmsghdr, 64 octets:
 *       0-1 name | 2 name bytes | 4-5 iovecs | 6-7 iovec count | 8-13 control, flags | 14 sent bytes
 *     iovec, 16 octets: 0-1 base | 2-3 bytes
 *
 * Addresses are written as two words each: a BigInt a packet would cost more than the packet.
 */

/** A message, and where in it what stands, in words. */
export const MESSAGE_BYTES = 64;
export const MESSAGE_WORDS = MESSAGE_BYTES / 4;
export const MESSAGE_NAME = 0;
export const MESSAGE_NAME_BYTES = 2;
export const MESSAGE_IOVECS = 4;
export const MESSAGE_IOVEC_COUNT = 6;

/** A piece of a message, and where its length stands, in words; its address is the first two. */
export const IOVEC_BYTES = 16;
export const IOVEC_WORDS = IOVEC_BYTES / 4;
export const IOVEC_LENGTH = 2;

const WORD = 0x1_0000_0000;

/** Writes an address, below 2^53, into two words. */
export function writeAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address % WORD;
  words[at + 1] = address / WORD;
}
