/**
 * A TPACKET_V3 ring (Documentation/networking/packet_mmap.rst): blocks that the kernel fills with packets
 * of any length and hands over whole, when they are full or a time has passed. For recording: a merged
 * packet of 64 KiB has room, and a small one takes little.
 *
 *     block:  8 status | 12 packets | 16 offset of the first one                (32-bit words)
 *     packet: 0 offset of the next | 4 seconds | 8 nanoseconds | 12 captured | 16 length
 *             20 status | 24 link offset, 26 network offset (16 bits each)
 *             48 struct sockaddr_ll: 48 family, 50 EtherType (16 bits each), 52 interface, 56 ARPHRD (16 bits),
 *             58 packet type, 59 octets of the address (8 bits each), 60 address (8 octets)
 */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import { MAP_SHARED, map, PROT_READ, PROT_WRITE, unmap, viewOf } from '../sys/memory.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  intOption,
  PACKET_IGNORE_OUTGOING,
  PACKET_RX_RING,
  PACKET_STATISTICS,
  PACKET_VERSION,
  packetAddress,
  SOCK_DGRAM,
  SOL_PACKET,
  Socket,
  TPACKET_V3,
} from '../sys/socket.ts';

const BLOCK_BYTES = 1 << 20;
/** What the kernel wants to be told of frames, which are of any length here. */
const FRAME_BYTES = 2_048;
/** A block that is not full is handed over after this long. */
const RETIRE_MS = 50;

const BLOCK_STATUS = 8;
const BLOCK_PACKETS = 12;
const BLOCK_FIRST = 16;
const PACKET_LINK_ADDRESS = 48;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;

/** What is recorded, and how large the ring is. */
export interface BlockRingOptions {
  readonly interfaceIndex: number;
  readonly filter: readonly BpfInstruction[];
  /** Octets of the ring, at least one block of 1 MiB. */
  readonly ringBytes: number;
  /** Not what this machine sends: on the loopback interface it comes in as well. */
  readonly isIncomingOnly: boolean;
}

/** Gets one packet: its octets lie in the ring's `data` from `start`, its struct sockaddr_ll from `linkAddress`. */
export type OnRecorded = (
  start: number,
  capturedBytes: number,
  packetBytes: number,
  seconds: number,
  nanoseconds: number,
  linkAddress: number,
) => void;

/** Packets in both directions, block by block. */
export class BlockRing {
  /** The ring, octet by octet and as numbers; neither must be touched after `close`. */
  readonly data: Uint8Array;
  readonly view: DataView;
  readonly #socket: Socket;
  readonly #words: Int32Array;
  readonly #address: number;
  readonly #blocks: number;
  #block = 0;
  #received = 0;
  #dropped = 0;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER, ERR_IO_MMAP */
  constructor({ interfaceIndex, filter, ringBytes, isIncomingOnly }: BlockRingOptions) {
    this.#blocks = Math.max(1, Math.floor(ringBytes / BLOCK_BYTES));
    this.#socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
    try {
      attachFilter(this.#socket, filter);
      if (isIncomingOnly) this.#set(PACKET_IGNORE_OUTGOING, intOption(1), 'ignoring own packets');
      this.#set(PACKET_VERSION, intOption(TPACKET_V3), 'choosing TPACKET_V3');
      // struct tpacket_req3: the last two are room of our own in a block, and features.
      const frames = (this.#blocks * BLOCK_BYTES) / FRAME_BYTES;
      const request = Uint32Array.of(
        BLOCK_BYTES,
        this.#blocks,
        FRAME_BYTES,
        frames,
        RETIRE_MS,
        0,
        0,
      );
      const bytes = this.#blocks * BLOCK_BYTES;
      const doing = `making a ring of ${bytes} bytes`;
      this.#set(PACKET_RX_RING, new Uint8Array(request.buffer), doing);
      const protection = PROT_READ | PROT_WRITE;
      this.#address = map({
        bytes,
        protection,
        flags: MAP_SHARED,
        fd: this.#socket.fd,
        what: 'a ring',
      });
      this.#socket.bind(packetAddress(ETH_P_ALL, interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
    const buffer = viewOf(this.#address, this.#blocks * BLOCK_BYTES);
    this.data = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
  }

  #set(option: number, value: Uint8Array, doing: string): void {
    this.#socket.setOption(SOL_PACKET, option, value, doing);
  }

  /** Hands over the packets of the next block, and gives it back. @returns whether there was one */
  takeBlock(onPacket: OnRecorded): boolean {
    const block = this.#block * BLOCK_BYTES;
    const status = (block + BLOCK_STATUS) >>> 2;
    // Atomics order the status against the packets' octets, on processors that would not.
    if ((Atomics.load(this.#words, status) & TP_STATUS_USER) === 0) return false;
    const view = this.view;
    let at = block + view.getUint32(block + BLOCK_FIRST, true);
    for (let left = view.getUint32(block + BLOCK_PACKETS, true); left > 0; left--) {
      onPacket(
        at + view.getUint16(at + 26, true),
        view.getUint32(at + 12, true),
        view.getUint32(at + 16, true),
        view.getUint32(at + 4, true),
        view.getUint32(at + 8, true),
        at + PACKET_LINK_ADDRESS,
      );
      at += view.getUint32(at, true);
    }
    Atomics.store(this.#words, status, TP_STATUS_KERNEL);
    this.#block = (this.#block + 1) % this.#blocks;
    return true;
  }

  /** Another filter from now on. @throws ReplayError ERR_IO_FILTER */
  setFilter(filter: readonly BpfInstruction[]): void {
    attachFilter(this.#socket, filter);
  }

  /** Packets that passed the filter since it was opened, and those of them without room in the ring. */
  readCounts(): { readonly received: number; readonly dropped: number } {
    // struct tpacket_stats_v3: packets, drops, times that the ring was full; reading sets all to 0.
    const stats = new Uint8Array(12);
    this.#socket.readOption(SOL_PACKET, PACKET_STATISTICS, stats);
    const view = new DataView(stats.buffer);
    this.#received += view.getUint32(0, true);
    this.#dropped += view.getUint32(4, true);
    return { received: this.#received, dropped: this.#dropped };
  }

  close(): void {
    unmap(this.#address, this.#blocks * BLOCK_BYTES);
    this.#socket.close();
  }
}
