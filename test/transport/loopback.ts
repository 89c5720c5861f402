/**
 * A second transport: no packets, no loss. What a user may send has arrived at once, and a server
 * answers whole messages a while later, as it is told.
 */
import { NEVER_NS } from '../../src/base/time.ts';
import type { ClientStream } from '../../src/transport/client-stream.ts';
import {
  type Delivery,
  NOBODY,
  type SendTimes,
  type Transport,
  TransportEvent,
  type TransportListener,
} from '../../src/transport/transport.ts';

interface Line {
  /** Octets of the user's that have arrived, and whether its end has. */
  acked: number;
  isEnded: boolean;
  isEndAsked: boolean;
  isOpening: boolean;
}

interface Arrival {
  readonly atNs: number;
  readonly user: number;
  readonly events: number;
  readonly bytes: number;
}

/** What the server says once `asked` octets of a user have arrived. */
export interface Reply {
  readonly asked: number;
  readonly bytes: number;
}

export class Loopback implements Transport {
  readonly delivery = {
    bytes: 0,
    isPushed: true,
    arrivedNs: 0,
    data: new DataView(new ArrayBuffer(0)),
    dataStart: 0,
    atHandBytes: 0,
  } satisfies Delivery;
  readonly #stream: ClientStream;
  readonly #times: SendTimes;
  readonly #replies: readonly Reply[];
  readonly #delayNs: number;
  readonly #lines = new Map<number, Line>();
  readonly #arrivals: Arrival[] = [];
  #timed: { readonly user: number; readonly wanted: number }[] = [];
  #nowNs = 0;

  constructor(stream: ClientStream, times: SendTimes, replies: readonly Reply[], delayNs: number) {
    this.#stream = stream;
    this.#times = times;
    this.#replies = replies;
    this.#delayNs = delayNs;
  }

  nextPiece(): boolean {
    return false;
  }

  /** When the next thing comes in. */
  nextArrivalNs(): number {
    return this.#arrivals.at(0)?.atNs ?? NEVER_NS;
  }

  /** Hands over what has come in by now. */
  receive(nowNs: number, listener: TransportListener): void {
    this.#nowNs = nowNs;
    for (let next = this.#arrivals.at(0); next !== undefined; next = this.#arrivals.at(0)) {
      if (next.atNs > nowNs) return;
      this.#arrivals.shift();
      const { user, events, bytes, atNs } = next;
      if (events & TransportEvent.CONNECTED) this.#lineOf(user).isOpening = false;
      this.delivery.bytes = bytes;
      this.delivery.arrivedNs = atNs;
      listener.onEvents(user, events, atNs, nowNs);
    }
  }

  open(user: number, _target: number, nowNs: number): void {
    this.#lines.set(user, { acked: 0, isEnded: false, isEndAsked: false, isOpening: true });
    this.#timed.push({ user, wanted: this.#times.wanted(user, true, 0) });
    this.#arrive(user, nowNs, TransportEvent.CONNECTED, 0);
  }

  emit(user: number, nowNs: number): void {
    const line = this.#lineOf(user);
    const limit = this.#stream.streamLimit(user);
    if (line.isOpening || line.isEnded) return;
    const before = line.acked;
    line.acked = limit;
    if (limit > before) {
      this.#timed.push({ user, wanted: this.#times.wanted(user, false, limit) });
    }
    for (const { asked, bytes } of this.#replies) {
      if (before < asked && asked <= limit) {
        this.#arrive(user, nowNs, TransportEvent.ACKED | TransportEvent.DATA, bytes);
      }
    }
    if (!line.isEndAsked) return;
    line.isEnded = true;
    line.acked = limit + 1;
    const both = TransportEvent.ACKED | TransportEvent.PEER_FIN | TransportEvent.CLOSED;
    this.#arrive(user, nowNs, both, 0);
  }

  finish(user: number): void {
    this.#lineOf(user).isEndAsked = true;
  }

  abort(user: number): void {
    this.#lineOf(user).isEnded = true;
  }

  flush(): void {
    const timed = this.#timed;
    this.#timed = [];
    for (const { user, wanted } of timed) this.#times.onSent(user, wanted, this.#nowNs);
  }

  ackedBytes(user: number): number {
    return this.#lineOf(user).acked;
  }

  isOpening(user: number): boolean {
    return this.#lineOf(user).isOpening;
  }

  dueNs = (): number => NEVER_NS;
  onTimeout = (): number => TransportEvent.NONE;
  isOutstanding = (): boolean => false;
  isRepeating = (): boolean => false;
  hasHole = (): boolean => false;
  roundTripUs = (): number => 0;
  lingerRoundTripUs = (): number => NOBODY;
  hasLeftLate = (): void => undefined;
  expectMore = (): void => undefined;

  #lineOf(user: number): Line {
    const line = this.#lines.get(user);
    if (line === undefined) throw new Error(`user ${user} was never opened`);
    return line;
  }

  #arrive(user: number, nowNs: number, events: number, bytes: number): void {
    this.#arrivals.push({ atNs: nowNs + this.#delayNs, user, events, bytes });
  }
}
