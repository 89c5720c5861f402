import type { CaptureBytes, Sender } from '../../transport/ports.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../wire/frame-batch.ts';
import type { RunClock } from '../receive/run-clock.ts';
import { Waiter } from '../receive/wait.ts';
import { Errno } from '../sys/errno.ts';
import { CallStamps } from './call-stamps.ts';
import { BATCH_FRAMES } from './packet-sender.ts';
import { isShortage, SendFaults } from './send-faults.ts';
import { XdpRing } from './xdp-ring.ts';

/** As the other senders: a flush waits for room this often before it leaves frames for the next one. */
const WAITS_PER_FLUSH = 50;
const WAIT_NS = 200_000;
/** What stands before an IP header, with a tag. */
const LINK_BYTES_MAX = 18;

/** Where the AF_XDP sender leaves and what it sends from. */
export interface XdpSenderOptions {
  readonly interfaceIndex: number;
  /** The interface's queue: nobody else may have it. */
  readonly queue: number;
  /** The longest IP packet that the interface takes. */
  readonly mtu: number;
  /** Where payload is copied from. */
  readonly captureBytes: CaptureBytes;
  readonly clock: RunClock;
  readonly batchFrames?: number;
}

/**
 * Sends whole link-layer frames by an AF_XDP socket: past netfilter, routing, traffic control and tcpdump. Payload is
 * copied, here once and by the kernel once; what is saved is what a packet socket looks at in each frame.
 */
export class XdpSender implements Sender {
  readonly batch: FrameBatch;
  readonly faults = new SendFaults();
  readonly #ring: XdpRing;
  readonly #captureBytes: CaptureBytes;
  readonly #stamps: CallStamps;
  readonly #headerWords: Uint32Array;
  readonly #frameBytesMax: number;
  readonly #waiter = new Waiter([]);
  #waitsLeft = 0;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_MMAP */
  constructor(options: XdpSenderOptions) {
    const { interfaceIndex, queue, mtu, captureBytes, clock, batchFrames = BATCH_FRAMES } = options;
    this.#frameBytesMax = LINK_BYTES_MAX + mtu;
    this.#ring = new XdpRing(interfaceIndex, queue, this.#frameBytesMax);
    this.#captureBytes = captureBytes;
    this.batch = new FrameBatch(batchFrames);
    this.#stamps = new CallStamps(clock, this.batch);
    const { buffer, byteOffset } = this.batch.headers;
    this.#headerWords = new Uint32Array(buffer, byteOffset, (batchFrames * HEADER_SLOT_BYTES) / 4);
  }

  flush(): void {
    const { batch } = this;
    let queued = 0;
    for (let frame = 0; frame < batch.count; frame++) if (this.#compose(frame)) queued++;
    this.#waitsLeft = WAITS_PER_FLUSH;
    this.#stamps.begin();
    for (let sent = 0; sent < queued; ) {
      const frames = Math.min(queued - sent, this.#stamps.frames);
      this.#stamps.onCall(sent, sent + frames);
      this.#ring.publish(frames);
      this.#send();
      this.#stamps.onReturn(frames);
      sent += frames;
    }
    // Where some were refused those behind them bear a stamp that is too early by a call at most, the last ones this.
    if (queued < batch.count) this.#stamps.onCall(queued, batch.count);
    batch.count = 0;
  }

  close(): void {
    this.#ring.close();
    this.#waiter.close();
  }

  /** Has the kernel take all that is published. */
  #send(): void {
    const ring = this.#ring;
    for (let waiting = ring.waiting; waiting > 0; ) {
      const errno = ring.kick();
      const left = ring.waiting;
      // The device had no room for one, which is gone.
      if (errno === Errno.EBUSY) this.faults.count(Errno.ENOBUFS);
      else if (left === waiting) {
        const isPassing = errno === 0 || errno === Errno.EINTR || isShortage(errno);
        if (!isPassing) {
          this.#refuse(errno, left);
          return;
        }
        if (this.#waitsLeft-- <= 0) return;
        this.#waiter.wait(WAIT_NS);
      }
      waiting = left;
    }
  }

  /** They stay in the ring, and leave when the interface is up again: TCP's peers know repetitions. */
  #refuse(errno: number, frames: number): void {
    for (let i = 0; i < frames; i++) this.faults.count(errno);
  }

  /** Copies a frame to a chunk and queues it. @returns false where it is refused, and counted */
  #compose(frame: number): boolean {
    const { headerBytes, extentCount, extentOffset, extentBytes } = this.batch;
    const first = frame * EXTENTS_PER_FRAME;
    const header = headerBytes[frame];
    const last = first + extentCount[frame];
    let payload = 0;
    for (let extent = first; extent < last; extent++) payload += extentBytes[extent];
    if (header + payload > this.#frameBytesMax) return this.#refused(Errno.EMSGSIZE);
    const ring = this.#ring;
    const start = ring.take();
    if (start < 0) return this.#refused(Errno.ENOBUFS);
    const { words } = ring;
    const from = (frame * HEADER_SLOT_BYTES) / 4;
    for (let i = 0; i * 4 < header; i++) words[start / 4 + i] = this.#headerWords[from + i];
    let at = start + header;
    for (let extent = first; extent < last; extent++) {
      const end = at + extentBytes[extent];
      this.#captureBytes.read(extentOffset[extent], ring.octets.subarray(at, end));
      at = end;
    }
    ring.queue(start, at - start);
    return true;
  }

  #refused(errno: number): false {
    this.faults.count(errno);
    return false;
  }
}
