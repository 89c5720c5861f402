/**
 * Receives what the channel thread has put into a shard's ring: replies that an intercept has seen,
 * stamped in this machine's wall clock.
 */
import { Instant } from '../../base/instant.ts';
import { RECORD_HEADER_BYTES, RecordRing } from '../../base/record-ring.ts';
import type { PacketSink, QueueingReceiver } from '../../transport/ports.ts';
import type { RunClock } from '../receive/run-clock.ts';
import { takeEvent } from '../sys/eventfd.ts';

/** The shared memory of a shard's replies; the eventfd wakes the shard. */
export interface ShardInbox {
  readonly ring: SharedArrayBuffer;
  readonly fd: number;
}

/** Hands over the records of one shard's inbox as if the kernel's ring had them. */
export class ChannelReceiver implements QueueingReceiver {
  readonly data: DataView;
  /** To wait on. */
  readonly fd: number;
  readonly arrived = new Instant();
  readonly #ring: RecordRing;
  readonly #clock: RunClock;

  constructor(inbox: ShardInbox, clock: RunClock) {
    this.#ring = new RecordRing(inbox.ring);
    this.data = this.#ring.data;
    this.fd = inbox.fd;
    this.#clock = clock;
  }

  receive(limit: number, sink: PacketSink): number {
    const ring = this.#ring;
    const clock = this.#clock;
    const { arrived } = this;
    clock.read();
    clock.keepFresh(clock.now);
    let received = 0;
    for (let at = this.#first(); at >= 0 && received < limit; at = ring.release(at)) {
      const { data } = ring;
      // Nothing says since when the ring has been empty at the other end: any past is possible.
      arrived.ns = clock.arrivedNs(
        data.getUint32(at),
        data.getUint32(at + 4),
        Number.NEGATIVE_INFINITY,
      );
      sink.onPacket(at + RECORD_HEADER_BYTES, data.getUint16(at + 8), arrived);
      received++;
    }
    return received;
  }

  get isWaiting(): boolean {
    return this.#ring.oldest() >= 0;
  }

  get isCrowded(): boolean {
    return this.#ring.isQuarterFull;
  }

  /** Replies that found no room in the ring. */
  readDropped(): number {
    return this.#ring.dropped;
  }

  /** The oldest record; when there is none, the next one raises the eventfd again. */
  #first(): number {
    const at = this.#ring.oldest();
    if (at >= 0 || !this.#ring.isSignalled) return at;
    takeEvent(this.fd);
    this.#ring.beginWait();
    return this.#ring.oldest();
  }
}
