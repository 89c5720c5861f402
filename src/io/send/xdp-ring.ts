/**
 * Frames on their way out by an AF_XDP socket: memory that the kernel knows (UMEM), in chunks of one frame each, a ring
 * of those that are to leave, and one of those that have left (Documentation/networking/af_xdp.rst). A call tells the
 * kernel to take what is in the first ring; it takes some 32 a call.
 *
 * In copy mode, which every driver has. In zero-copy mode a driver takes the queue's receiving half as well, and
 * replies would come to nobody.
 */
import { Errno, lastErrno, systemError } from '../sys/errno.ts';
import {
  KernelMemory,
  MAP_SHARED,
  map,
  PROT_READ,
  PROT_WRITE,
  unmap,
  viewOf,
} from '../sys/memory.ts';
import {
  growSendBuffer,
  intOption,
  MSG_DONTWAIT,
  SOCK_RAW,
  Socket,
  sendAt,
} from '../sys/socket.ts';
import {
  AF_XDP,
  SOL_XDP,
  umemRegistration,
  XDP_DESCRIPTOR_WORDS,
  XDP_MMAP_OFFSETS,
  XDP_MMAP_OFFSETS_BYTES,
  XDP_PGOFF_TX_RING,
  XDP_RING_OFFSET,
  XDP_TX_RING,
  XDP_UMEM_COMPLETION_RING,
  XDP_UMEM_FILL_RING,
  XDP_UMEM_PGOFF_COMPLETION_RING,
  XDP_UMEM_REG,
  xdpAddress,
} from '../sys/xdp.ts';
import { SEND_BUFFER_BYTES } from './send-buffer.ts';

/** Frames that may be on their way, a power of two: the memory for them is charged to the user (RLIMIT_MEMLOCK, 8 MB as a rule). */
const CHUNKS = 1_024;
/** What a chunk may be (XDP_UMEM_MIN_CHUNK_SIZE, and a page). */
const CHUNK_BYTES = [2_048, 4_096] as const;
/** The kernel wants one, and nothing is ever received. */
const FILL_ENTRIES = 64;
/** A queue that somebody had a moment ago (the probe before the run) is given back by the kernel in its own time. */
const BIND_TRIES = 100;
const BIND_PAUSE_MS = 10;

/** One socket's rings; a frame is composed in a chunk, queued, and leaves by `kick`. */
export class XdpRing {
  /** All chunks. */
  readonly octets: Uint8Array;
  /** The same, as the machine's words. */
  readonly words: Uint32Array;
  readonly #chunkBytes: number;
  readonly #socket: Socket;
  readonly #memory: KernelMemory;
  readonly #tx: Ring;
  readonly #completion: Ring;
  /** Chunks that nobody uses: the first `#freeCount`. */
  readonly #free = Uint32Array.from({ length: CHUNKS }, (_, i) => i);
  #freeCount = CHUNKS;
  #queued = 0;
  #completed = 0;

  /**
   * @param frameBytes the longest frame
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_MMAP
   */
  constructor(interfaceIndex: number, queue: number, frameBytes: number) {
    const chunkBytes = CHUNK_BYTES.find((bytes) => bytes >= frameBytes);
    if (chunkBytes === undefined) throw tooLong(frameBytes);
    this.#chunkBytes = chunkBytes;
    const bytes = CHUNKS * chunkBytes;
    this.#socket = new Socket(AF_XDP, SOCK_RAW, 0);
    const opened: { close(): void }[] = [this.#socket];
    try {
      this.#memory = new KernelMemory(bytes);
      opened.push(this.#memory);
      const { address, buffer } = this.#memory;
      const socket = this.#socket;
      growSendBuffer(socket, SEND_BUFFER_BYTES);
      const memory = umemRegistration(address, bytes, chunkBytes);
      socket.setOption(SOL_XDP, XDP_UMEM_REG, memory, `registering ${bytes} bytes for frames`);
      for (const [option, entries] of [
        [XDP_UMEM_FILL_RING, FILL_ENTRIES],
        [XDP_UMEM_COMPLETION_RING, CHUNKS],
        [XDP_TX_RING, CHUNKS],
      ]) {
        socket.setOption(SOL_XDP, option, intOption(entries), 'making a ring of frames');
      }
      const offsets = new Uint8Array(XDP_MMAP_OFFSETS_BYTES);
      socket.readOption(SOL_XDP, XDP_MMAP_OFFSETS, offsets);
      this.#tx = new Ring(socket.fd, offsets, XDP_RING_OFFSET.TX, XDP_PGOFF_TX_RING, 4);
      opened.push(this.#tx);
      const { COMPLETION } = XDP_RING_OFFSET;
      const from = XDP_UMEM_PGOFF_COMPLETION_RING;
      this.#completion = new Ring(socket.fd, offsets, COMPLETION, from, 2);
      opened.push(this.#completion);
      bindToQueue(socket, interfaceIndex, queue);
      this.octets = new Uint8Array(buffer);
      this.words = new Uint32Array(buffer);
    } catch (fault) {
      for (const one of opened.reverse()) one.close();
      throw fault;
    }
  }

  /** Takes a chunk to compose a frame in. @returns where it begins in `octets`, or -1 while all are on their way */
  take(): number {
    if (this.#freeCount === 0) this.#reclaim();
    if (this.#freeCount === 0) return -1;
    return this.#free[--this.#freeCount] * this.#chunkBytes;
  }

  /** The next frame to leave lies here. */
  queue(at: number, bytes: number): void {
    const { words, entries } = this.#tx;
    const row = entries + (this.#queued & (CHUNKS - 1)) * XDP_DESCRIPTOR_WORDS;
    words[row] = at;
    words[row + 1] = 0;
    words[row + 2] = bytes;
    words[row + 3] = 0;
    this.#queued = (this.#queued + 1) >>> 0;
  }

  /** So many of those that were queued, from the first on, are the kernel's. */
  publish(frames: number): void {
    const { words, producer } = this.#tx;
    Atomics.store(words, producer, words[producer] + frames);
  }

  /** How many published frames the kernel has not taken. */
  get waiting(): number {
    const { words, producer, consumer } = this.#tx;
    return (words[producer] - Atomics.load(words, consumer)) >>> 0;
  }

  /** Has the kernel take some. @returns 0, or errno */
  kick(): number {
    return sendAt(this.#socket.fd, 0, 0, MSG_DONTWAIT) < 0 ? lastErrno() : 0;
  }

  close(): void {
    this.#socket.close();
    this.#tx.close();
    this.#completion.close();
    this.#memory.close();
  }

  /** Chunks whose frames have left are free, in whatever order they left. */
  #reclaim(): void {
    const { words, entries, producer, consumer } = this.#completion;
    const until = Atomics.load(words, producer);
    for (; this.#completed !== until; this.#completed = (this.#completed + 1) >>> 0) {
      const at = words[entries + (this.#completed & (CHUNKS - 1)) * 2];
      this.#free[this.#freeCount++] = Math.floor(at / this.#chunkBytes);
    }
    Atomics.store(words, consumer, until);
  }
}

/** A ring's map: where its parts lie, in words. */
class Ring {
  readonly words: Uint32Array;
  readonly producer: number;
  readonly consumer: number;
  readonly entries: number;
  readonly #address: number;
  readonly #bytes: number;

  /** @param of a row of XDP_RING_OFFSET */
  constructor(fd: number, offsets: Uint8Array, of: number, from: number, entryWords: number) {
    // Offsets have 64 bits, of which the upper ones are 0.
    const at = new Uint32Array(offsets.buffer);
    this.producer = at[of + XDP_RING_OFFSET.PRODUCER] / 4;
    this.consumer = at[of + XDP_RING_OFFSET.CONSUMER] / 4;
    this.entries = at[of + XDP_RING_OFFSET.ENTRIES] / 4;
    this.#bytes = (this.entries + CHUNKS * entryWords) * 4;
    this.#address = map({
      bytes: this.#bytes,
      protection: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED,
      fd,
      offset: from,
      what: 'a ring of frames',
    });
    this.words = new Uint32Array(viewOf(this.#address, this.#bytes));
  }

  close(): void {
    unmap(this.#address, this.#bytes);
  }
}

function bindToQueue(socket: Socket, interfaceIndex: number, queue: number): void {
  const address = xdpAddress(interfaceIndex, queue);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 1; ; tries++) {
    if (socket.tryBind(address)) return;
    const errno = lastErrno();
    if (errno === Errno.EBUSY && tries < BIND_TRIES) {
      Atomics.wait(pause, 0, 0, BIND_PAUSE_MS);
      continue;
    }
    throw systemError({
      code: 'ERR_IO_SOCKET',
      doing: `binding an AF_XDP socket to queue ${queue} of the interface`,
      errno,
      hint: 'each thread needs a queue that nobody else has: use --threads 1, or --sender packet',
    });
  }
}

const tooLong = (frameBytes: number): Error =>
  systemError({
    code: 'ERR_IO_SOCKET',
    doing: `making room for frames of ${frameBytes} bytes by AF_XDP, which has pages,`,
    errno: Errno.EMSGSIZE,
    hint: 'use --sender packet',
  });
