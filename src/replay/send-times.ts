/** When what a user was to say left: how late that was by our fault, and how late by the server's. */
import type { Instant } from '../base/instant.ts';
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import { NO_TIME, type SendTimes } from '../transport/transport.ts';
import type { LaterTurn } from './later-turns.ts';
import { NO_EXCHANGE, OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** What a packet's time is wanted for: bits. */
const OPEN_TURN = 1;
const LATER_TURNS = 2;

/** Of a connection: its opening. Of a turn: the first octet of its last message. */
export class PlaySendTimes implements SendTimes {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  /** Which turns are open, of whom. */
  readonly exchanges: OpenExchanges;
  readonly #stream: ClientStream;
  readonly #latency: LatencyRecorder;

  constructor(plays: PlayTable, stages: Stages, stream: ClientStream, latency: LatencyRecorder) {
    this.#plays = plays;
    this.#stages = stages;
    this.exchanges = new OpenExchanges(plays, stages);
    this.#stream = stream;
    this.#latency = latency;
  }

  /** The user's connection is about to be opened, or a turn's last message may be sent. */
  request(user: number): void {
    this.#plays.flags[user] |= PlayFlag.STAMP;
  }

  wanted(user: number, isOpening: boolean, end: number): number {
    const plays = this.#plays;
    const isLaterThere = this.exchanges.later.areWaiting && !isOpening;
    const later = isLaterThere ? this.#boardLater(user, end) : NO_TIME;
    if (!(plays.flags[user] & PlayFlag.STAMP)) return later;
    if (!isOpening && end <= this.#turnStart(user)) return later;
    plays.flags[user] &= ~PlayFlag.STAMP;
    return OPEN_TURN | later;
  }

  /** Stream offset at which the message begins that ends the open exchange's request. */
  #turnStart(user: number): number {
    const message = this.#openMessage(user);
    return message < 0 ? 0 : this.#stream.messageStart(user, message);
  }

  /** -1 where no exchange is open. */
  #openMessage(user: number): number {
    const exchange = this.exchanges.of(user);
    return exchange === NO_EXCHANGE ? -1 : this.#stages.exchanges.message[exchange];
  }

  /** A packet with octets up to `end` is about to leave: the first one of the turns that begin before. */
  #boardLater(user: number, end: number): number {
    const { later } = this.exchanges;
    let first: LaterTurn | null = null;
    for (;;) {
      const turn = later.firstWaiting(user);
      if (turn === null || end <= this.#stream.messageStart(user, turn.message)) break;
      later.board(turn, first);
      first ??= turn;
    }
    return first === null ? NO_TIME : LATER_TURNS;
  }

  onSent(user: number, wanted: number, sent: Instant): void {
    if (wanted & OPEN_TURN) this.#onOpenSent(user, sent);
    if (!(wanted & LATER_TURNS)) return;
    const openMessage = this.#openMessage(user);
    const first = this.exchanges.later.leave();
    for (let turn: LaterTurn | null = first; turn !== null; turn = turn.beside) {
      if (turn.isHeld) this.#latency.record(Latency.HELD, Math.max(0, sent.ns - turn.sentNs));
      else this.#latency.record(Latency.LAG, Math.max(0, sent.ns - turn.intendedNs));
      turn.sentNs = sent.ns;
      // The answers before it came while it was on its way out.
      if (turn.message === openMessage) this.#plays.sentNs[user] = sent.ns;
    }
  }

  #onOpenSent(user: number, sent: Instant): void {
    const plays = this.#plays;
    const flags = plays.flags[user];
    if (flags & PlayFlag.HELD) {
      plays.flags[user] &= ~PlayFlag.HELD;
      this.#latency.record(Latency.HELD, Math.max(0, sent.ns - plays.sentNs[user]));
    } else if (flags & PlayFlag.CONNECTED) {
      this.#latency.record(Latency.LAG, Math.max(0, sent.ns - plays.intendedNs[user]));
    }
    plays.sentNs[user] = sent.ns;
  }

  /** All that may be sent now was: a turn that a full window holds back is not late by our fault. */
  onEmitted(user: number): void {
    const plays = this.#plays;
    const { later } = this.exchanges;
    if (later.areWaiting) {
      later.hold(user, plays.now.ns, ({ intendedNs }) => {
        this.#latency.record(Latency.LAG, Math.max(0, plays.now.ns - intendedNs));
      });
    }
    if ((plays.flags[user] & (PlayFlag.STAMP | PlayFlag.HELD)) !== PlayFlag.STAMP) return;
    plays.flags[user] |= PlayFlag.HELD;
    this.#latency.record(Latency.LAG, Math.max(0, plays.now.ns - plays.intendedNs[user]));
    plays.sentNs[user] = plays.now.ns;
  }
}
