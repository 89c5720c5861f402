/** Which sessions get a whole script: who plays a few of many need not wait for the others. */
import type { RecordedEndpoint } from '../reading/session-facts.ts';

/** Which replayable sessions get what they say; of the others only starts, durations and servers are known. */
export interface WantedScripts {
  /** The first so many of those servers' sessions. */
  readonly sessionsMax: number;
  readonly isWanted: (server: RecordedEndpoint) => boolean;
}

/** Counts wanted sessions off, as they come. */
export class WantedSessions {
  readonly #areWanted: readonly boolean[];
  #more: number;

  /** @param wanted null: all of them */
  constructor(wanted: WantedScripts | null, servers: readonly RecordedEndpoint[]) {
    this.#more = wanted?.sessionsMax ?? Number.POSITIVE_INFINITY;
    this.#areWanted = servers.map((server) => wanted?.isWanted(server) ?? true);
  }

  /** Whether any is still to come. */
  get hasMore(): boolean {
    return this.#more > 0;
  }

  /** Whether the next session, which is this server's (by its row), is one of them. */
  take(server: number): boolean {
    if (this.#more <= 0 || !this.#areWanted[server]) return false;
    this.#more--;
    return true;
  }
}
