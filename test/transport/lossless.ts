/** What transports have in common that know no packets and no loss: what a user may send arrives at once. */
import { Instant } from '../../src/base/instant.ts';
import { NEVER_NS } from '../../src/base/time.ts';
import {
  type Delivery,
  NOBODY,
  type SendTimes,
  type Transport,
  TransportEvent,
  type TransportListener,
} from '../../src/transport/transport.ts';

/** A user's connection. */
export interface Line {
  /** Octets of the user's that have arrived, and one more for its end. */
  acked: number;
  isOpening: boolean;
  isEndAsked: boolean;
  isOver: boolean;
}

/** Something on its way to a user. */
export interface Arrival {
  readonly atNs: number;
  readonly user: number;
  readonly events: number;
}

export abstract class Lossless<Came extends Arrival> implements Transport {
  readonly delivery = {
    bytes: 0,
    isPushed: true,
    arrived: new Instant(),
    data: new DataView(new ArrayBuffer(0)) as DataView,
    dataStart: 0,
    atHandBytes: 0,
  } satisfies Delivery;
  nowNs = 0;
  protected readonly lines = new Map<number, Line>();
  readonly #times: SendTimes;
  #arrivals: Came[] = [];
  #timed: { readonly user: number; readonly wanted: number }[] = [];

  constructor(times: SendTimes) {
    this.#times = times;
  }

  abstract open(user: number, target: number): void;
  abstract emit(user: number): void;

  /** Notes in line and `delivery` what has come in. @returns whether its user is still to hear of it */
  protected abstract take(came: Came): boolean;

  /** When the next thing comes in. */
  nextArrivalNs(): number {
    return this.#arrivals.at(0)?.atNs ?? NEVER_NS;
  }

  /** Hands over what has come in by now. */
  receive(nowNs: number, listener: TransportListener): void {
    this.nowNs = nowNs;
    for (let next = this.#arrivals.at(0); next !== undefined; next = this.#arrivals.at(0)) {
      if (next.atNs > nowNs) return;
      this.#arrivals.shift();
      if (!this.take(next)) continue;
      this.delivery.arrived.ns = next.atNs;
      listener.onEvents(next.user, next.events);
    }
  }

  finish(user: number): void {
    this.lineOf(user).isEndAsked = true;
  }

  abort(user: number): void {
    this.lineOf(user).isOver = true;
  }

  flush(): void {
    const timed = this.#timed;
    this.#timed = [];
    const sent = new Instant(this.nowNs);
    for (const { user, wanted } of timed) this.#times.onSent(user, wanted, sent);
  }

  ackedBytes(user: number): number {
    return this.lineOf(user).acked;
  }

  isOpening(user: number): boolean {
    return this.lineOf(user).isOpening;
  }

  nextPiece = (): boolean => false;
  dueNs = (): number => NEVER_NS;
  onTimeout = (): number => TransportEvent.NONE;
  isOutstanding = (): boolean => false;
  isRepeating = (): boolean => false;
  hasHole = (): boolean => false;
  roundTripUs = (): number => 0;
  lingerRoundTripUs = (): number => NOBODY;
  hasLeftLate = (): void => undefined;
  expectMore = (): void => undefined;

  /** A new connection of that user's, whose SYN leaves with the next flush. */
  protected begin(user: number): Line {
    const line = { acked: 0, isOpening: true, isEndAsked: false, isOver: false };
    this.lines.set(user, line);
    this.timed(user, true, 0);
    return line;
  }

  /** The time at which this leaves is that of the next flush. */
  protected timed(user: number, isSyn: boolean, limit: number): void {
    this.#timed.push({ user, wanted: this.#times.wanted(user, isSyn, limit) });
  }

  protected lineOf(user: number): Line {
    const line = this.lines.get(user);
    if (line === undefined) throw new Error(`user ${user} was never opened`);
    return line;
  }

  protected arrive(came: Came): void {
    this.#arrivals.push(came);
    this.#arrivals = this.#arrivals.toSorted((a, b) => a.atNs - b.atNs);
  }
}
