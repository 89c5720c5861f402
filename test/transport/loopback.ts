/**
 * A second transport: no packets, no loss. What a user may send has arrived at once, and a server
 * answers whole messages a while later, as it is told.
 */
import type { ClientStream } from '../../src/transport/client-stream.ts';
import { type SendTimes, TransportEvent } from '../../src/transport/transport.ts';
import { type Arrival, Lossless } from './lossless.ts';

interface Answer extends Arrival {
  readonly bytes: number;
}

/** What the server says once `asked` octets of a user have arrived. */
export interface Reply {
  readonly asked: number;
  readonly bytes: number;
}

export class Loopback extends Lossless<Answer> {
  readonly #stream: ClientStream;
  readonly #replies: readonly Reply[];
  readonly #delayNs: number;

  constructor(stream: ClientStream, times: SendTimes, replies: readonly Reply[], delayNs: number) {
    super(times);
    this.#stream = stream;
    this.#replies = replies;
    this.#delayNs = delayNs;
  }

  open(user: number, _target: number): void {
    this.begin(user);
    this.#answer(user, TransportEvent.CONNECTED, 0);
  }

  emit(user: number): void {
    const line = this.lineOf(user);
    const limit = this.#stream.streamLimit(user);
    if (line.isOpening || line.isOver) return;
    const before = line.acked;
    line.acked = limit;
    if (limit > before) this.timed(user, false, limit);
    for (const { asked, bytes } of this.#replies) {
      if (before < asked && asked <= limit) {
        this.#answer(user, TransportEvent.ACKED | TransportEvent.DATA, bytes);
      }
    }
    if (!line.isEndAsked) return;
    line.isOver = true;
    line.acked = limit + 1;
    const both = TransportEvent.ACKED | TransportEvent.PEER_FIN | TransportEvent.CLOSED;
    this.#answer(user, both, 0);
  }

  protected take({ user, events, bytes }: Answer): boolean {
    if (events & TransportEvent.CONNECTED) this.lineOf(user).isOpening = false;
    this.delivery.bytes = bytes;
    return true;
  }

  #answer(user: number, events: number, bytes: number): void {
    this.arrive({ atNs: this.nowNs + this.#delayNs, user, events, bytes });
  }
}
