import { KernelMemory } from '../sys/memory.ts';
import {
  POLLERR,
  POLLFD_BYTES,
  POLLIN,
  ppoll,
  TIMESPEC_BYTES,
  useExactTimers,
} from '../sys/poll.ts';
import { clearSocketError } from '../sys/socket.ts';

/** Nobody can interrupt a wait, so it is never longer than what a Ctrl-C may take. */
const WAIT_NS_MAX = 100_000_000;

/** Blocks the calling thread until one of its descriptors can be read, or until a time. */
export class Waiter {
  readonly #memory: KernelMemory;
  readonly #words: Uint32Array;
  readonly #count: number;

  /**
   * To be made in the thread that waits: it also makes that thread's timers exact.
   * @param fds what to wait for; the caller keeps and closes them
   */
  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#memory = new KernelMemory(TIMESPEC_BYTES + fds.length * POLLFD_BYTES);
    this.#words = new Uint32Array(this.#memory.buffer);
    fds.forEach((fd, i) => {
      const at = (TIMESPEC_BYTES + i * POLLFD_BYTES) / 4;
      this.#words[at] = fd;
      this.#words[at + 1] = POLLIN;
    });
    useExactTimers();
  }

  /** Whether the last wait found that this one of the descriptors can be read. */
  isReady(index: number): boolean {
    return this.#words[(TIMESPEC_BYTES + index * POLLFD_BYTES) / 4 + 1] >>> 16 !== 0;
  }

  /**
   * Waits at most `timeoutNs` (0 or less only looks; more than 100 ms counts as 100 ms) and returns
   * whether something can be read. It may return early without.
   */
  wait(timeoutNs: number): boolean {
    if (this.#poll(this.#count, timeoutNs) <= 0) return false;
    return this.#canRead();
  }

  /** Waits so long, within the same bounds, whatever can be read. */
  pause(ns: number): void {
    this.#poll(0, ns);
  }

  #poll(count: number, timeoutNs: number): number {
    const words = this.#words;
    words[0] = 0;
    words[2] = timeoutNs <= 0 ? 0 : Math.min(Math.ceil(timeoutNs), WAIT_NS_MAX);
    const { address } = this.#memory;
    return ppoll(address + TIMESPEC_BYTES, count, address, 0, 0);
  }

  /**
   * A socket's error (its interface went down) is told by every poll until somebody takes it, and
   * nobody receives from a ring's socket: it is taken here, or the next wait would not wait.
   */
  #canRead(): boolean {
    let canRead = false;
    for (let i = 0; i < this.#count; i++) {
      const at = (TIMESPEC_BYTES + i * POLLFD_BYTES) / 4;
      const events = this.#words[at + 1] >>> 16;
      if ((events & POLLERR) !== 0) clearSocketError(this.#words[at]);
      if ((events & POLLIN) !== 0) canRead = true;
    }
    return canRead;
  }

  close(): void {
    this.#memory.close();
  }
}
