/** What is lost comes again: RFC 6298 (the timer) and RFC 6582 (duplicate acknowledgements). */
import { CWND_UNIT, halveCwnd } from './congestion.ts';
import type { PathMtu } from './path-mtu.ts';
import type { StreamSource, TcpSettings } from './ports.ts';
import { rtoNs } from './round-trip.ts';
import { TcpEvent } from './tcp-event.ts';
import type { Transmitter } from './transmitter.ts';
import { UserFlag, type UserTable } from './user-table.ts';

const DUPLICATE_ACKS = 3;

export class LossRecovery {
  readonly #users: UserTable;
  readonly #source: StreamSource;
  readonly #transmitter: Transmitter;
  readonly #pathMtu: PathMtu;
  readonly #settings: TcpSettings;

  constructor(
    users: UserTable,
    source: StreamSource,
    transmitter: Transmitter,
    pathMtu: PathMtu,
    settings: TcpSettings,
  ) {
    this.#users = users;
    this.#source = source;
    this.#transmitter = transmitter;
    this.#pathMtu = pathMtu;
    this.#settings = settings;
  }

  onDuplicateAck(user: number, nowNs: number): void {
    const users = this.#users;
    const count = users.duplicateAcks[user] + 1;
    users.duplicateAcks[user] = Math.min(count, 255);
    if (count !== DUPLICATE_ACKS || users.flags[user] & UserFlag.RECOVERY) return;
    users.flags[user] |= UserFlag.RECOVERY;
    halveCwnd(users, user);
    users.cwnd[user] = users.ssthresh[user];
    this.#transmitter.retransmitFirst(user, nowNs);
  }

  /** RFC 6298, section 5.4 to 5.6; with a zero window this is the probe's repetition. */
  onTimeout(user: number, nowNs: number): number {
    const users = this.#users;
    const isProbe = users.sndWnd[user] === 0;
    // RFC 9293, section 3.8.6.1: a window that stays shut is no reason to give up.
    if (users.retries[user] >= this.#settings.dataRetriesMax && !isProbe) return TcpEvent.GAVE_UP;
    if (users.retries[user] === 0) halveCwnd(users, user);
    users.retries[user] = Math.min(users.retries[user] + 1, 255);
    users.cwnd[user] = CWND_UNIT;
    users.duplicateAcks[user] = 0;
    users.flags[user] &= ~UserFlag.RECOVERY;
    users.sndNxt[user] = users.sndUna[user];
    users.dueNs[user] = nowNs + rtoNs(users, user);
    const offset = this.#transmitter.offsetOf(user, users.sndUna[user]);
    if (isProbe && offset < this.#source.streamLimit(user)) {
      this.#transmitter.probe(user, nowNs);
      return TcpEvent.NONE;
    }
    const isLowered = this.#pathMtu.suspectBlackHole(user, offset);
    this.#transmitter.emit(user, nowNs);
    return isLowered ? TcpEvent.MSS_LOWERED : TcpEvent.NONE;
  }
}
