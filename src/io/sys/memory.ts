/** Memory that the kernel can be pointed at: mmap and munmap (mman.h). */
import koffi from 'koffi';
import { lastErrno, systemError } from './errno.ts';
import { ADDRESS, libcFunction } from './libc.ts';

/** Protections and flags of mmap(2) (asm-generic/mman-common.h). */
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;

type Mmap = (
  address: number,
  bytes: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number;

const mmap = libcFunction<Mmap>('mmap', 'intptr_t', [
  ADDRESS,
  'size_t',
  'int',
  'int',
  'int',
  'int64_t',
]);
const munmap = libcFunction<(address: number, bytes: number) => number>('munmap', 'int', [
  ADDRESS,
  'size_t',
]);
const getpagesize = libcFunction<() => number>('getpagesize', 'int', []);

/** Octets of a page: 4096, 16384 or 65536. */
export const PAGE_BYTES = getpagesize();

/** What is to be mapped, where, and of which file. */
export interface Mapping {
  readonly bytes: number;
  readonly protection: number;
  readonly flags: number;
  /** Where to, with MAP_FIXED. */
  readonly address?: number;
  readonly fd?: number;
  readonly offset?: number;
  /** For the error: what is mapped. */
  readonly what: string;
}

/**
 * Maps, and returns the address.
 * @throws ReplayError ERR_IO_MMAP
 */
export function map(mapping: Mapping): number {
  const { address = 0, bytes, protection, flags, fd = -1, offset = 0, what } = mapping;
  const at = mmap(address, bytes, protection, flags, fd, offset);
  if (at !== -1) return at;
  throw systemError({ code: 'ERR_IO_MMAP', doing: `mapping ${what}`, errno: lastErrno() });
}

/** Gives memory back (munmap(2)); whoever still touches it crashes. */
export function unmap(address: number, bytes: number): void {
  munmap(address, bytes);
}

/** The memory at `address` as an ArrayBuffer; touching it after `unmap` ends the process. */
export const viewOf = (address: number, bytes: number): ArrayBuffer => koffi.view(address, bytes);

/** Zeroed memory of our own at an address that does not move, for as long as it is not closed. */
export class KernelMemory {
  readonly address: number;
  readonly #bytes: number;
  /** Must not be touched after `close`: the pages are gone, and the process with them. */
  readonly buffer: ArrayBuffer;
  #isOpen = true;

  /** @throws ReplayError ERR_IO_MMAP */
  constructor(bytes: number) {
    this.#bytes = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    this.address = map({
      bytes: this.#bytes,
      protection: PROT_READ | PROT_WRITE,
      flags: MAP_PRIVATE | MAP_ANONYMOUS,
      what: 'memory for packets',
    });
    this.buffer = viewOf(this.address, this.#bytes);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    unmap(this.address, this.#bytes);
  }
}
