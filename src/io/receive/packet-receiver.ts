import { Instant } from '../../base/instant.ts';
import type { PacketSink, QueueingReceiver } from '../../transport/ports.ts';
import { PacketRing, type PacketRingOptions } from './packet-ring.ts';
import type { RunClock } from './run-clock.ts';

/** A ring's options, and the clock that its stamps are put on. */
export interface PacketReceiverOptions extends PacketRingOptions {
  readonly clock: RunClock;
}

/** Receives what the filter accepts, with the kernel's timestamps in run time. */
export class PacketReceiver implements QueueingReceiver {
  /** The ring; it must not be touched after `close`. */
  readonly data: DataView;
  /** To wait on: it can be read when a packet is in the ring. */
  readonly fd: number;
  readonly arrived = new Instant();
  readonly #ring: PacketRing;
  readonly #clock: RunClock;
  /** When the ring was last seen empty. */
  #emptyNs = -0;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER, ERR_IO_MMAP */
  constructor(options: PacketReceiverOptions) {
    this.#clock = options.clock;
    this.#ring = new PacketRing(options);
    this.data = this.#ring.data;
    this.fd = this.#ring.fd;
    this.#emptyNs = this.#clock.nowNs();
  }

  receive(limit: number, sink: PacketSink): number {
    const ring = this.#ring;
    const clock = this.#clock;
    const { arrived } = this;
    clock.read();
    clock.keepFresh(clock.now);
    const nowNs = clock.now.ns;
    for (let received = 0; received < limit; received++) {
      if (!ring.hasPacket()) {
        this.#emptyNs = nowNs;
        return received;
      }
      arrived.ns = clock.arrivedNs(ring.seconds, ring.nanoseconds, this.#emptyNs);
      sink.onPacket(ring.start, ring.capturedBytes, arrived);
      ring.release();
    }
    return limit;
  }

  get isWaiting(): boolean {
    return this.#ring.hasPacket();
  }

  get isCrowded(): boolean {
    return this.#ring.isQuarterFull;
  }

  /** Packets that the ring had no room for, since it was opened. */
  readDropped(): number {
    return this.#ring.readDropped();
  }

  close(): void {
    this.#ring.close();
  }
}
