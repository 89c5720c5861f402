/**
 * A TPACKET_V2 ring (Documentation/networking/packet_mmap.rst): the kernel writes packets into
 * frames of mapped memory and sets each one's status, in order; we read them and hand them back.
 * V3 would hand over whole blocks, and so add a millisecond to what we measure.
 *
 *     struct tpacket2_hdr, as 32-bit words:
 *       0 status | 1 length | 2 captured | 3 link offset, network offset (16 bits each)
 *       4 seconds | 5 nanoseconds
 *
 * The socket is of type SOCK_DGRAM: packets begin at their IP header whatever the link layer is,
 * and a VLAN tag is not in the way. So does the filter see them.
 */
import { assert } from '../base/assert.ts';
import type { PacketSink, Receiver } from '../replay/ports.ts';
import { type BpfInstruction, emitBpf } from './bpf.ts';
import type { RunClock } from './run-clock.ts';
import { lastErrno, systemError } from './sys/errno.ts';
import {
  KernelMemory,
  MAP_SHARED,
  map,
  PAGE_BYTES,
  PROT_READ,
  PROT_WRITE,
  unmap,
  viewOf,
} from './sys/memory.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  intOption,
  PACKET_ADD_MEMBERSHIP,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_PROMISC,
  PACKET_RX_RING,
  PACKET_STATISTICS,
  PACKET_VERSION,
  packetAddress,
  packetMembership,
  SO_ATTACH_FILTER,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
  Socket,
  TPACKET_V2,
} from './sys/socket.ts';

/** struct tpacket2_hdr (32) and sockaddr_ll (20) aligned to 16, and 16 octets for a link header. */
const FRAME_HEADER_BYTES = 80;
const FRAME_ALIGNMENT = 16;

const STATUS = 0;
const CAPTURED = 2;
const OFFSETS = 3;
const SECONDS = 4;
const NANOSECONDS = 5;

const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;

/** Large enough that frames waste little of it, small enough to be found in one piece. */
const BLOCK_BYTES = Math.max(128 << 10, PAGE_BYTES);

/** Frames of a ring by default: 100 ms of 500,000 replies a second; 20 MB at 308 octets each. */
export const RING_FRAMES = 1 << 16;

export interface PacketReceiverOptions {
  readonly interfaceIndex: number;
  /** Which packets, and how many octets of each (what the program returns). */
  readonly filter: readonly BpfInstruction[];
  /** The most the filter ever returns. */
  readonly snapBytes: number;
  readonly clock: RunClock;
  /** At least this many packets can wait to be received. */
  readonly ringFrames?: number;
  /** See frames to other link-layer addresses as well: for a source MAC that is not the device's. */
  readonly promiscuous?: boolean;
}

/** Receives what the filter accepts, with the kernel's timestamps. */
export class PacketReceiver implements Receiver {
  /** The ring; it must not be touched after `close`. */
  readonly data: DataView;
  /** To wait on: it can be read when a packet is in the ring. */
  readonly fd: number;
  readonly #socket: Socket;
  readonly #clock: RunClock;
  readonly #words: Uint32Array;
  readonly #address: number;
  readonly #frameBytes: number;
  readonly #framesPerBlock: number;
  readonly #blocks: number;
  /** The frame that comes next: its octet in the ring, and which one of its block it is. */
  #at = 0;
  #frameOfBlock = 0;
  #block = 0;
  /** When the ring was last seen empty. */
  #emptyNs: number;
  #dropped = 0;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_MMAP */
  constructor(options: PacketReceiverOptions) {
    const { interfaceIndex, filter, snapBytes, clock, ringFrames = RING_FRAMES } = options;
    this.#clock = clock;
    this.#frameBytes =
      Math.ceil((FRAME_HEADER_BYTES + snapBytes) / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
    assert(this.#frameBytes <= BLOCK_BYTES, 'a frame fits a block');
    this.#framesPerBlock = Math.floor(BLOCK_BYTES / this.#frameBytes);
    this.#blocks = Math.ceil(ringFrames / this.#framesPerBlock);
    // Protocol 0: nothing is received before the filter and the ring are there.
    this.#socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
    this.fd = this.#socket.fd;
    try {
      attachFilter(this.#socket, filter);
      this.#socket.setOption(
        SOL_PACKET,
        PACKET_IGNORE_OUTGOING,
        intOption(1),
        'ignoring own packets',
      );
      if (options.promiscuous) usePromiscuous(this.#socket, interfaceIndex);
      this.#address = this.#openRing();
      this.#socket.bind(packetAddress(ETH_P_ALL, interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
    const buffer = viewOf(this.#address, this.#blocks * BLOCK_BYTES);
    this.data = new DataView(buffer);
    this.#words = new Uint32Array(buffer);
    this.#emptyNs = clock.nowNs();
  }

  receive(limit: number, sink: PacketSink): number {
    const words = this.#words;
    const nowNs = this.#clock.nowNs();
    this.#clock.keepFresh(nowNs);
    let received = 0;
    while (received < limit) {
      const at = this.#at;
      const word = at >>> 2;
      // Atomics order the status against the packet's octets, on processors that would not.
      if ((Atomics.load(words, word + STATUS) & TP_STATUS_USER) === 0) {
        this.#emptyNs = nowNs;
        return received;
      }
      const seconds = words[word + SECONDS];
      const arrivedNs = this.#clock.arrivedNs(
        seconds,
        words[word + NANOSECONDS],
        nowNs,
        this.#emptyNs,
      );
      sink.onPacket(at + (words[word + OFFSETS] >>> 16), words[word + CAPTURED], arrivedNs);
      Atomics.store(words, word + STATUS, TP_STATUS_KERNEL);
      this.#advance();
      received++;
    }
    return received;
  }

  /** Packets that the ring had no room for, since it was opened. */
  readDropped(): number {
    // struct tpacket_stats: packets, drops; reading sets both back to 0.
    const stats = new Uint8Array(8);
    this.#socket.readOption(SOL_PACKET, PACKET_STATISTICS, stats);
    this.#dropped += new DataView(stats.buffer).getUint32(4, true);
    return this.#dropped;
  }

  close(): void {
    unmap(this.#address, this.#blocks * BLOCK_BYTES);
    this.#socket.close();
  }

  #advance(): void {
    this.#at += this.#frameBytes;
    if (++this.#frameOfBlock < this.#framesPerBlock) return;
    this.#frameOfBlock = 0;
    if (++this.#block === this.#blocks) this.#block = 0;
    this.#at = this.#block * BLOCK_BYTES;
  }

  #openRing(): number {
    const socket = this.#socket;
    socket.setOption(SOL_PACKET, PACKET_VERSION, intOption(TPACKET_V2), 'choosing TPACKET_V2');
    // struct tpacket_req.
    const request = Uint32Array.of(
      BLOCK_BYTES,
      this.#blocks,
      this.#frameBytes,
      this.#blocks * this.#framesPerBlock,
    );
    const doing = `making a ring of ${this.#blocks * BLOCK_BYTES} octets`;
    socket.setOption(SOL_PACKET, PACKET_RX_RING, new Uint8Array(request.buffer), doing);
    return map({
      bytes: this.#blocks * BLOCK_BYTES,
      protection: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED,
      fd: socket.fd,
      what: 'the ring of received packets',
    });
  }
}

/**
 * Gives a socket its filter; to be done before it is bound.
 * @throws ReplayError ERR_IO_FILTER
 */
export function attachFilter(socket: Socket, filter: readonly BpfInstruction[]): void {
  const octets = emitBpf(filter);
  const memory = new KernelMemory(octets.length);
  new Uint8Array(memory.buffer).set(octets);
  // struct sock_fprog: instruction count, then the program's address at octet 8.
  const program = new Uint8Array(16);
  const data = new DataView(program.buffer);
  data.setUint16(0, filter.length, true);
  data.setBigUint64(8, BigInt(memory.address), true);
  try {
    if (socket.trySetOption(SOL_SOCKET, SO_ATTACH_FILTER, program)) return;
    throw systemError({
      code: 'ERR_IO_FILTER',
      doing: `attaching a packet filter of ${filter.length} instructions`,
      errno: lastErrno(),
      // The kernel's limit of 20 KB before 6.7 is less than many client ranges ask for.
      hint: 'sysctl -w net.core.optmem_max=131072, or give the client pool as fewer ranges',
    });
  } finally {
    memory.close();
  }
}

function usePromiscuous(socket: Socket, interfaceIndex: number): void {
  const membership = packetMembership(interfaceIndex, PACKET_MR_PROMISC);
  socket.setOption(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, 'entering promiscuous mode');
}
