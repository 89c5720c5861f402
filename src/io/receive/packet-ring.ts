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

import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  MAP_SHARED,
  map,
  PAGE_BYTES,
  PROT_READ,
  PROT_WRITE,
  unmap,
  viewOf,
} from '../sys/memory.ts';
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
  SOCK_DGRAM,
  SOL_PACKET,
  Socket,
  SocketHandle,
  TPACKET_V2,
} from '../sys/socket.ts';

/** struct tpacket2_hdr (32) and sockaddr_ll (20) aligned to 16, and 16 octets for a link header. */
const FRAME_HEADER_BYTES = 80;
const FRAME_ALIGNMENT = 16;

const STATUS = 0;
const CAPTURED = 2;
const OFFSETS = 3;
const SECONDS = 4;
const NANOSECONDS = 5;

/**
 * Whether the processor keeps loads in order, and stores behind what came before them (Intel SDM, volume 3, 8.2.2; AMD64
 * the same), so that a plain access of the status does what Atomics do elsewhere. Atomics are a call of 60 ns each.
 */
const IS_ORDERED = process.arch === 'x64';

const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;

/** Large enough that frames waste little of it, small enough to be found in one piece. */
const BLOCK_BYTES_MIN = 128 << 10;

/**
 * Frames of a ring for nobody knows how much: 100 ms of 300,000 replies a second. Each has room for the longest
 * prefix, whatever comes: 41 MB at 1,232 octets.
 */
export const RING_FRAMES = 1 << 15;
/**
 * At most, where it is known who may have packets waiting: 100 ms of 160,000 replies a second, which is as many as a thread
 * has taken. All of them count as the process's from the first on, written or not: 35 MiB at 2,168 octets.
 */
export const RING_FRAMES_MAX = 1 << 14;
/** And at least, since servers may say more than recorded ones did: 55 ms of 150,000 replies a second. */
const RING_FRAMES_MIN = 1 << 13;

/** A ring for whole packets has fewer: 2,180 of 64 KiB. */
const RING_BYTES_MAX = 144e6;
/** A block holds at least so many frames, so that little of it is left over. */
const BLOCK_FRAMES_MIN = 15;

/** Every interface there is, now or later. */
export const ALL_INTERFACES = 0;

/** How a ring is laid out: what struct tpacket_req says. */
export interface RingShape {
  readonly frameBytes: number;
  readonly framesPerBlock: number;
  readonly blockBytes: number;
  readonly blocks: number;
}

/**
 * The layout of a ring for at least `frames` packets of `snapBytes` octets. The kernel wants frames
 * aligned to 16 octets and blocks that are whole pages, of 4, 16 or 64 KiB.
 */
export function ringShape(frames: number, snapBytes: number, pageBytes: number): RingShape {
  const frameBytes =
    Math.ceil((FRAME_HEADER_BYTES + snapBytes) / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
  const wanted = Math.max(BLOCK_BYTES_MIN, BLOCK_FRAMES_MIN * frameBytes);
  const blockBytes = Math.ceil(wanted / pageBytes) * pageBytes;
  const framesPerBlock = Math.floor(blockBytes / frameBytes);
  return { frameBytes, framesPerBlock, blockBytes, blocks: Math.ceil(frames / framesPerBlock) };
}

/**
 * Frames of a ring for packets of so many octets.
 * @param packetsAtOnce about so many may wait; null where nobody knows
 */
export const ringFramesFor = (snapBytes: number, packetsAtOnce: number | null): number =>
  Math.min(
    packetsAtOnce === null
      ? RING_FRAMES
      : Math.min(Math.max(packetsAtOnce, RING_FRAMES_MIN), RING_FRAMES_MAX),
    Math.floor(RING_BYTES_MAX / snapBytes),
  );

/** What a packet ring takes, from where, and how large it is. */
export interface PacketRingOptions {
  /** Whose packets, or `ALL_INTERFACES`. */
  readonly interfaceIndex: number;
  /** Which packets, and how many octets of each (what the program returns). */
  readonly filter: readonly BpfInstruction[];
  /** The most the filter ever returns. */
  readonly snapBytes: number;
  /** At least this many packets can wait to be received. */
  readonly ringFrames?: number;
  /** Without `ringFrames`: how many packets may wait at once, as far as that is known. */
  readonly packetsAtOnce?: number;
  /** See frames to other link-layer addresses as well: for a source MAC that is not the device's. */
  readonly promiscuous?: boolean;
  /** A packet socket that nothing was done with yet (`ReceiveGroup`); it stays open. Without it one is opened. */
  readonly socket?: number;
}

/**
 * What the filter accepts of the packets that come in, one at a time: while `hasPacket()`, read the
 * members, then `release()`.
 */
export class PacketRing {
  /** The ring; it must not be touched after `close`. */
  readonly data: DataView;
  /** To wait on: it can be read when a packet is in the ring. */
  readonly fd: number;
  readonly #socket: SocketHandle;
  readonly #opened: Socket | null;
  readonly #words: Uint32Array;
  readonly #address: number;
  readonly #shape: RingShape;
  /** The shape's members that are read for every packet. */
  readonly #frameBytes: number;
  readonly #framesPerBlock: number;
  readonly #blockBytes: number;
  readonly #blocks: number;
  /** The frame that comes next: its octet in the ring, and which one of its block it is. */
  #at = 0;
  #frameOfBlock = 0;
  #block = 0;
  #dropped = 0;
  #isOpen = true;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER, ERR_IO_MMAP */
  constructor(options: PacketRingOptions) {
    const { interfaceIndex, filter, snapBytes } = options;
    const { packetsAtOnce = null } = options;
    const { ringFrames = ringFramesFor(snapBytes, packetsAtOnce) } = options;
    this.#shape = ringShape(ringFrames, snapBytes, PAGE_BYTES);
    this.#frameBytes = this.#shape.frameBytes;
    this.#framesPerBlock = this.#shape.framesPerBlock;
    this.#blockBytes = this.#shape.blockBytes;
    this.#blocks = this.#shape.blocks;
    const { socket } = options;
    this.#opened = socket === undefined ? openPacketSocket() : null;
    this.#socket = this.#opened ?? new SocketHandle(socket ?? -1);
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
      this.#opened?.close();
      throw fault;
    }
    const buffer = viewOf(this.#address, this.#bytes);
    this.data = new DataView(buffer);
    this.#words = new Uint32Array(buffer);
  }

  /** Whether the next packet is there. */
  hasPacket(): boolean {
    const words = this.#words;
    const at = (this.#at >>> 2) + STATUS;
    // The status is ordered against the packet's octets.
    const status = IS_ORDERED ? words[at] : Atomics.load(words, at);
    return (status & TP_STATUS_USER) !== 0;
  }

  /** Whether packets wait in a quarter of the frames, to a block. */
  get isQuarterFull(): boolean {
    const block = (this.#block + (this.#blocks >>> 2)) % this.#blocks;
    const status = Atomics.load(this.#words, (block * this.#blockBytes) >>> 2);
    return this.#blocks >= 4 && (status & TP_STATUS_USER) !== 0;
  }

  /** Where the packet's IP header begins in `data`. */
  get start(): number {
    return this.#at + (this.#words[(this.#at >>> 2) + OFFSETS] >>> 16);
  }

  /** Octets present from there; the packet itself may be longer. */
  get capturedBytes(): number {
    return this.#words[(this.#at >>> 2) + CAPTURED];
  }

  /** When the kernel saw it (CLOCK_REALTIME): whole seconds, as many as fit 32 bits. */
  get seconds(): number {
    return this.#words[(this.#at >>> 2) + SECONDS];
  }

  /** The rest of its time. */
  get nanoseconds(): number {
    return this.#words[(this.#at >>> 2) + NANOSECONDS];
  }

  /** Gives the packet's frame back to the kernel and goes on to the next one. */
  release(): void {
    const words = this.#words;
    const at = (this.#at >>> 2) + STATUS;
    if (IS_ORDERED) words[at] = TP_STATUS_KERNEL;
    else Atomics.store(words, at, TP_STATUS_KERNEL);
    this.#at += this.#frameBytes;
    if (++this.#frameOfBlock < this.#framesPerBlock) return;
    this.#frameOfBlock = 0;
    if (++this.#block === this.#blocks) this.#block = 0;
    this.#at = this.#block * this.#blockBytes;
  }

  /**
   * Another filter from now on, with no packet lost or let in between the two; what is in the ring
   * already stays there.
   * @throws ReplayError ERR_IO_FILTER: the former filter is still in force
   */
  setFilter(filter: readonly BpfInstruction[]): void {
    attachFilter(this.#socket, filter);
  }

  /** Packets that the ring had no room for, since it was opened. */
  readDropped(): number {
    if (!this.#isOpen) return this.#dropped;
    // struct tpacket_stats: packets, drops; reading sets both back to 0.
    const stats = new Uint8Array(8);
    this.#socket.readOption(SOL_PACKET, PACKET_STATISTICS, stats);
    this.#dropped += new DataView(stats.buffer).getUint32(4, true);
    return this.#dropped;
  }

  /** Harmless when called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    unmap(this.#address, this.#bytes);
    this.#opened?.close();
  }

  get #bytes(): number {
    return this.#blocks * this.#blockBytes;
  }

  #openRing(): number {
    const socket = this.#socket;
    socket.setOption(SOL_PACKET, PACKET_VERSION, intOption(TPACKET_V2), 'choosing TPACKET_V2');
    // struct tpacket_req.
    const { blockBytes, blocks, frameBytes, framesPerBlock } = this.#shape;
    const request = Uint32Array.of(blockBytes, blocks, frameBytes, blocks * framesPerBlock);
    const doing = `making a ring of ${this.#bytes} bytes`;
    socket.setOption(SOL_PACKET, PACKET_RX_RING, new Uint8Array(request.buffer), doing);
    return map({
      bytes: this.#bytes,
      protection: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED,
      fd: socket.fd,
      what: 'the ring of received packets',
    });
  }
}

/**
 * Of protocol 0: nothing is received before the filter and the ring are there.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET
 */
export const openPacketSocket = (): Socket => new Socket(AF_PACKET, SOCK_DGRAM, 0);

function usePromiscuous(socket: SocketHandle, interfaceIndex: number): void {
  const membership = packetMembership(interfaceIndex, PACKET_MR_PROMISC);
  socket.setOption(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, 'entering promiscuous mode');
}
