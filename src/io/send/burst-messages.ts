/**
 * The bursts of a FrameBatch as the kernel wants them: one struct mmsghdr a burst, its headers and its extents
 * as iovecs, in memory of our own (layouts: frame-messages.ts). Extents that join are one iovec.
 */
import { ARENA_BASE, EXTENTS_PER_FRAME, type FrameBatch } from '../../wire/frame-batch.ts';
import { BURST_SLOT_BYTES, burstEnd, writeBurst } from '../../wire/segment-burst.ts';
import { KernelMemory } from '../sys/memory.ts';
import { MSG_DONTWAIT } from '../sys/socket.ts';
import {
  IOVEC_BYTES,
  IOVEC_LENGTH,
  IOVEC_WORDS,
  MESSAGE_BYTES,
  MESSAGE_IOVEC_COUNT,
  MESSAGE_IOVECS,
  MESSAGE_WORDS,
  writeAddress,
} from './message-layout.ts';
import type { SendCalls } from './send-calls.ts';

/** Bursts of one batch: messages for a packet socket with PACKET_VNET_HDR. */
export class BurstMessages {
  /** How many the batch has: rows of `from` and `to`, in the order of frames. */
  count = 0;
  readonly from: Uint16Array;
  readonly to: Uint16Array;
  readonly #memory: KernelMemory;
  readonly #octets: Uint8Array;
  readonly #data: DataView;
  readonly #messages: Uint32Array;
  readonly #messagesAddress: number;
  readonly #iovecs: Uint32Array;
  readonly #iovecsAddress: number;
  readonly #mapAddress: number;
  readonly #arenaAddress: number;
  readonly #calls: SendCalls;
  #iovecsUsed = 0;

  /** @param capacity frames of a batch; the others as of FrameMessages */
  constructor(capacity: number, mapAddress: number, arenaAddress: number, calls: SendCalls) {
    this.#calls = calls;
    const bursts = capacity >>> 1;
    const messagesAt = bursts * BURST_SLOT_BYTES;
    const iovecsAt = messagesAt + bursts * MESSAGE_BYTES;
    const iovecs = bursts + capacity * EXTENTS_PER_FRAME;
    const memory = new KernelMemory(iovecsAt + iovecs * IOVEC_BYTES);
    const { buffer, address } = memory;
    this.#memory = memory;
    this.#mapAddress = mapAddress;
    this.#arenaAddress = arenaAddress - ARENA_BASE;
    this.from = new Uint16Array(bursts);
    this.to = new Uint16Array(bursts);
    this.#octets = new Uint8Array(buffer, 0, messagesAt);
    this.#data = new DataView(buffer, 0, messagesAt);
    this.#messages = new Uint32Array(buffer, messagesAt, bursts * MESSAGE_WORDS);
    this.#messagesAddress = address + messagesAt;
    this.#iovecs = new Uint32Array(buffer, iovecsAt, iovecs * IOVEC_WORDS);
    this.#iovecsAddress = address + iovecsAt;
  }

  /** Finds the batch's bursts, and fills in their messages; before the frames are counted back to 0. */
  prepare(batch: FrameBatch): void {
    this.count = 0;
    this.#iovecsUsed = 0;
    for (let frame = 0; frame < batch.count; ) {
      const end = burstEnd(batch, frame);
      if (end > frame + 1) this.#add(batch, frame, end);
      frame = end;
    }
  }

  #add(batch: FrameBatch, from: number, to: number): void {
    const burst = this.count++;
    this.from[burst] = from;
    this.to[burst] = to;
    const slot = burst * BURST_SLOT_BYTES;
    const iovecs = this.#iovecs;
    const first = this.#iovecsUsed;
    const headerBytes = writeBurst(batch, from, to, this.#octets, this.#data, slot);
    writeAddress(iovecs, first * IOVEC_WORDS, this.#memory.address + slot);
    iovecs[first * IOVEC_WORDS + IOVEC_LENGTH] = headerBytes;
    let used = first + 1;
    let joinsAt = -1;
    const { extentCount, extentOffset, extentBytes } = batch;
    for (let frame = from; frame < to; frame++) {
      const row = frame * EXTENTS_PER_FRAME;
      for (let extent = row; extent < row + extentCount[frame]; extent++) {
        const offset = extentOffset[extent];
        if (offset === joinsAt) {
          iovecs[(used - 1) * IOVEC_WORDS + IOVEC_LENGTH] += extentBytes[extent];
        } else {
          const base = offset < ARENA_BASE ? this.#mapAddress : this.#arenaAddress;
          writeAddress(iovecs, used * IOVEC_WORDS, base + offset);
          iovecs[used * IOVEC_WORDS + IOVEC_LENGTH] = extentBytes[extent];
          used++;
        }
        joinsAt = offset + extentBytes[extent];
      }
    }
    this.#iovecsUsed = used;
    const message = burst * MESSAGE_WORDS;
    writeAddress(
      this.#messages,
      message + MESSAGE_IOVECS,
      this.#iovecsAddress + first * IOVEC_BYTES,
    );
    this.#messages[message + MESSAGE_IOVEC_COUNT] = used - first;
  }

  /**
   * Sends bursts `from .. to - 1`.
   * @returns how many the kernel took, from the first one on
   */
  send(fd: number, from: number, to: number): number {
    const address = this.#messagesAddress + from * MESSAGE_BYTES;
    return Math.max(0, this.#calls.sendmmsg(fd, address, to - from, MSG_DONTWAIT));
  }

  /** Gives the memory back. */
  close(): void {
    this.#memory.close();
  }
}
