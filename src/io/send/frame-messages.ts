/**
 * A FrameBatch as the kernel wants it: one struct mmsghdr and up to seven struct iovec a frame, in
 * memory of our own. Pointers that never change (message → iovecs, first iovec → header slot) are
 * written once; a flush writes lengths and the addresses of extents.
 */
import {
  ARENA_BASE,
  EXTENTS_PER_FRAME,
  FrameBatch,
  HEADER_SLOT_BYTES,
} from '../../wire/frame-batch.ts';
import { Errno } from '../sys/errno.ts';
import { KernelMemory } from '../sys/memory.ts';
import { POLLFD_BYTES, POLLOUT, TIMESPEC_BYTES } from '../sys/poll.ts';
import { MSG_DONTWAIT } from '../sys/socket.ts';
import { CallStamps, NO_CLOCK, type StampClock } from './call-stamps.ts';
import {
  IOVEC_BYTES,
  IOVEC_LENGTH,
  IOVEC_WORDS,
  MESSAGE_BYTES,
  MESSAGE_IOVEC_COUNT,
  MESSAGE_IOVECS,
  MESSAGE_NAME,
  MESSAGE_NAME_BYTES,
  MESSAGE_WORDS,
  writeAddress,
} from './message-layout.ts';
import { KERNEL_SEND_CALLS, type SendCalls } from './send-calls.ts';
import { isShortage, type SendFaults } from './send-faults.ts';

const IOVECS_PER_FRAME = 1 + EXTENTS_PER_FRAME;

/** Room for struct sockaddr_in6 (28) a message. */
export const NAME_BYTES = 32;

const PER_WORD = 1 / 0x1_0000_0000;

/**
 * How often a flush waits for room before it counts what is left as unsent: about 10 ms in all. A
 * longer stall would keep replies and timers waiting, and TCP sends the frames again anyway.
 */
const WAITS_PER_FLUSH = 50;
const WAIT_NS = 200_000;

/** A batch's frames as an array of struct mmsghdr: a header slot and extents each. */
export class FrameMessages {
  readonly batch: FrameBatch;
  readonly stamps: CallStamps;
  /** Socket names, `NAME_BYTES` each: only used where `named` was asked for. */
  readonly names: Uint8Array;
  readonly #memory: KernelMemory;
  readonly #messages: Uint32Array;
  readonly #messagesAddress: number;
  readonly #iovecs: Uint32Array;
  readonly #mapAddress: number;
  /** Such that an extent's offset from ARENA_BASE on, added to it, is an address. */
  readonly #arenaAddress: number;
  readonly #poll: Uint32Array;
  readonly #pollAddress: number;
  readonly #calls: SendCalls;
  #waitsLeft = 0;

  /**
   * @param mapAddress where the joined capture is mapped (CaptureMap)
   * @param nameBytes length of the socket name a message carries: 0 for a bound packet socket
   * @param arenaAddress where the arena begins; 0 without any
   * @param calls what takes the frames: the kernel, unless a test says otherwise
   * @param clock what frames are stamped by
   */
  constructor(
    capacity: number,
    mapAddress: number,
    nameBytes: number,
    arenaAddress = 0,
    calls: SendCalls = KERNEL_SEND_CALLS,
    clock: StampClock = NO_CLOCK,
  ) {
    this.#calls = calls;
    const headerBytes = capacity * HEADER_SLOT_BYTES;
    const messagesAt = headerBytes;
    const iovecsAt = messagesAt + capacity * MESSAGE_BYTES;
    const namesAt = iovecsAt + capacity * IOVECS_PER_FRAME * IOVEC_BYTES;
    const pollAt = namesAt + capacity * NAME_BYTES;
    const memory = new KernelMemory(pollAt + POLLFD_BYTES + TIMESPEC_BYTES);
    const { buffer, address } = memory;
    this.#memory = memory;
    this.#mapAddress = mapAddress;
    this.#arenaAddress = arenaAddress - ARENA_BASE;
    this.batch = new FrameBatch(capacity, buffer);
    this.stamps = new CallStamps(clock, this.batch);
    this.#messages = new Uint32Array(buffer, messagesAt, capacity * MESSAGE_WORDS);
    this.#messagesAddress = address + messagesAt;
    this.#iovecs = new Uint32Array(buffer, iovecsAt, capacity * IOVECS_PER_FRAME * IOVEC_WORDS);
    this.names = new Uint8Array(buffer, namesAt, capacity * NAME_BYTES);
    this.#poll = new Uint32Array(buffer, pollAt, (POLLFD_BYTES + TIMESPEC_BYTES) / 4);
    this.#pollAddress = address + pollAt;
    for (let frame = 0; frame < capacity; frame++) {
      const message = frame * MESSAGE_WORDS;
      const iovec = frame * IOVECS_PER_FRAME * IOVEC_WORDS;
      writeAddress(this.#messages, message + MESSAGE_IOVECS, address + iovecsAt + iovec * 4);
      writeAddress(this.#iovecs, iovec, address + frame * HEADER_SLOT_BYTES);
      if (nameBytes === 0) continue;
      const nameAddress = address + namesAt + frame * NAME_BYTES;
      writeAddress(this.#messages, message + MESSAGE_NAME, nameAddress);
      this.#messages[message + MESSAGE_NAME_BYTES] = nameBytes;
    }
  }

  /** Fills in the messages of all frames of the batch; once a flush, before they are sent. */
  prepare(): void {
    this.fill(0, this.batch.count);
    this.begin();
  }

  /** A flush begins: it may wait for room anew. */
  begin(): void {
    this.#waitsLeft = WAITS_PER_FLUSH;
    this.stamps.begin();
  }

  /** Fills in the messages of frames `from .. to - 1`, before they are sent. */
  fill(from: number, to: number): void {
    const { headerBytes, extentCount, extentOffset, extentBytes } = this.batch;
    const messages = this.#messages;
    const iovecs = this.#iovecs;
    const mapAddress = this.#mapAddress;
    const arenaAddress = this.#arenaAddress;
    for (let frame = from; frame < to; frame++) {
      const extents = extentCount[frame];
      let at = frame * IOVECS_PER_FRAME * IOVEC_WORDS;
      iovecs[at + IOVEC_LENGTH] = headerBytes[frame];
      messages[frame * MESSAGE_WORDS + MESSAGE_IOVEC_COUNT] = 1 + extents;
      const first = frame * EXTENTS_PER_FRAME;
      for (let extent = first; extent < first + extents; extent++) {
        at += IOVEC_WORDS;
        const offset = extentOffset[extent];
        const address = (offset < ARENA_BASE ? mapAddress : arenaAddress) + offset;
        iovecs[at] = address;
        iovecs[at + 1] = address * PER_WORD;
        iovecs[at + IOVEC_LENGTH] = extentBytes[extent];
      }
    }
  }

  /** The same in calls that are short enough for one stamp each: frames `from .. to - 1` as `send` does. */
  sendStamped(fd: number, from: number, to: number, faults: SendFaults): void {
    const { stamps } = this;
    for (let next = from; next < to; ) {
      const end = Math.min(to, next + stamps.frames);
      stamps.onCall(next, end);
      this.send(fd, next, end, faults);
      stamps.onReturn(end - next);
      next = end;
    }
  }

  /** Sends frames `from .. to - 1`; each that the kernel does not take is charged to `faults`. */
  send(fd: number, from: number, to: number, faults: SendFaults): void {
    let next = from;
    while (next < to) {
      const address = this.#messagesAddress + next * MESSAGE_BYTES;
      const taken = this.#calls.sendmmsg(fd, address, to - next, MSG_DONTWAIT);
      // The kernel stops at the frame it does not take, and says why at the next call only.
      if (taken > 0) next += taken;
      else next += this.#onRefusal(fd, this.#calls.lastErrno(), faults);
    }
  }

  /** @returns how many frames to skip: 0 to try the same one again, else 1 */
  #onRefusal(fd: number, errno: number, faults: SendFaults): number {
    const isPassing = errno === Errno.EINTR || isShortage(errno);
    if (isPassing && this.#waitsLeft > 0) {
      this.#waitsLeft--;
      if (errno !== Errno.EINTR) this.#waitForRoom(fd, errno);
      return 0;
    }
    faults.count(errno);
    return 1;
  }

  /** ENOBUFS is a full queue behind the socket, which poll does not show: there, only time passes. */
  #waitForRoom(fd: number, errno: number): void {
    this.#poll[0] = fd;
    this.#poll[1] = errno === Errno.EAGAIN ? POLLOUT : 0;
    this.#poll[2] = 0;
    this.#poll[4] = WAIT_NS;
    this.#calls.ppoll(this.#pollAddress, 1, this.#pollAddress + POLLFD_BYTES, 0, 0);
  }

  /** Gives the memory back: the batch must not be touched any more. */
  close(): void {
    this.#memory.close();
  }
}
