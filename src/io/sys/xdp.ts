/** AF_XDP sockets: constants of linux/if_xdp.h (Documentation/networking/af_xdp.rst). */

/** Address family, and level of options. */
export const AF_XDP = 44;
export const SOL_XDP = 283;

/** Options: where in a map the parts of a ring lie; sizes of rings; the memory that frames lie in. */
export const XDP_MMAP_OFFSETS = 1;
export const XDP_TX_RING = 3;
export const XDP_UMEM_REG = 4;
export const XDP_UMEM_FILL_RING = 5;
export const XDP_UMEM_COMPLETION_RING = 6;

/** Where rings are mapped from. */
export const XDP_PGOFF_TX_RING = 0x8000_0000;
export const XDP_UMEM_PGOFF_COMPLETION_RING = 0x1_8000_0000;

/** Of `struct sockaddr_xdp`: the kernel copies frames, whatever the driver could do. */
const XDP_COPY = 1 << 1;

/** struct xdp_mmap_offsets: four rings (rx, tx, fill, completion) of producer, consumer, entries and flags, 64 bits each. */
export const XDP_MMAP_OFFSETS_BYTES = 128;
/** Of one of them, in 32-bit words. */
export const XDP_RING_OFFSET = {
  TX: 8,
  COMPLETION: 24,
  PRODUCER: 0,
  CONSUMER: 2,
  ENTRIES: 4,
} as const;

/** struct xdp_desc as 32-bit words: address (64), length, options. */
export const XDP_DESCRIPTOR_WORDS = 4;

/** struct sockaddr_xdp. */
export function xdpAddress(interfaceIndex: number, queue: number): Uint8Array {
  const octets = new Uint8Array(16);
  const data = new DataView(octets.buffer);
  data.setUint16(0, AF_XDP, true);
  data.setUint16(2, XDP_COPY, true);
  data.setUint32(4, interfaceIndex, true);
  data.setUint32(8, queue, true);
  return octets;
}

/** struct xdp_umem_reg of memory at `address`, in chunks. */
export function umemRegistration(address: number, bytes: number, chunkBytes: number): Uint8Array {
  const octets = new Uint8Array(32);
  const data = new DataView(octets.buffer);
  data.setBigUint64(0, BigInt(address), true);
  data.setBigUint64(8, BigInt(bytes), true);
  data.setUint32(16, chunkBytes, true);
  return octets;
}
