/** When what a user was to say left: how late that was by our fault, and how late by the server's. */
import { Latency, type LatencyRecorder } from '../measure/histograms.ts';
import type { ClientStream } from '../transport/client-stream.ts';
import type { SendTimes } from '../transport/transport.ts';
import { NO_EXCHANGE, OpenExchanges } from './open-exchanges.ts';
import { PlayFlag, type PlayTable } from './play-table.ts';
import type { Stages } from './stages.ts';

/** Of a connection: its opening. Of a turn: the first octet of its last message. */
export class PlaySendTimes implements SendTimes {
  readonly #plays: PlayTable;
  readonly #stages: Stages;
  readonly #exchanges: OpenExchanges;
  readonly #stream: ClientStream;
  readonly #latency: LatencyRecorder;

  constructor(plays: PlayTable, stages: Stages, stream: ClientStream, latency: LatencyRecorder) {
    this.#plays = plays;
    this.#stages = stages;
    this.#exchanges = new OpenExchanges(plays, stages);
    this.#stream = stream;
    this.#latency = latency;
  }

  /** The user's connection is about to be opened, or a turn's last message may be sent. */
  request(user: number): void {
    this.#plays.flags[user] |= PlayFlag.STAMP;
  }

  isWanted(user: number, isOpening: boolean, end: number): boolean {
    const plays = this.#plays;
    if (!(plays.flags[user] & PlayFlag.STAMP)) return false;
    if (!isOpening && end <= this.#turnStart(user)) return false;
    plays.flags[user] &= ~PlayFlag.STAMP;
    return true;
  }

  /** Stream offset at which the message begins that ends the open exchange's request. */
  #turnStart(user: number): number {
    const exchange = this.#exchanges.of(user);
    if (exchange === NO_EXCHANGE) return 0;
    return this.#stream.messageStart(user, this.#stages.exchanges.message[exchange]);
  }

  onSent(user: number, sentNs: number): void {
    const plays = this.#plays;
    const flags = plays.flags[user];
    if (flags & PlayFlag.HELD) {
      plays.flags[user] &= ~PlayFlag.HELD;
      this.#latency.record(Latency.HELD, Math.max(0, sentNs - plays.sentNs[user]));
    } else if (flags & PlayFlag.CONNECTED) {
      this.#latency.record(Latency.LAG, Math.max(0, sentNs - plays.intendedNs[user]));
    }
    plays.sentNs[user] = sentNs;
  }

  /** All that may be sent now was: a turn that a full window holds back is not late by our fault. */
  onEmitted(user: number, nowNs: number): void {
    const plays = this.#plays;
    if ((plays.flags[user] & (PlayFlag.STAMP | PlayFlag.HELD)) !== PlayFlag.STAMP) return;
    plays.flags[user] |= PlayFlag.HELD;
    this.#latency.record(Latency.LAG, Math.max(0, nowNs - plays.intendedNs[user]));
    plays.sentNs[user] = nowNs;
  }
}
