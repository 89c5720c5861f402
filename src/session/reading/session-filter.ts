/** Picks the sessions that a selection asks for. */
import { isInBlock } from '../../base/address-block.ts';
import { hash32 } from '../../base/prng.ts';
import { NS_PER_SECOND } from '../../base/time.ts';
import type { Epoch } from '../../capture/capture-clock.ts';
import type { SessionFacts } from './session-facts.ts';
import type { SessionSelection } from './session-selection.ts';
import type { StreamResolver } from './stream-resolver.ts';

/** A selection, applied to the sessions of one capture. */
export class SessionFilter {
  readonly #facts: SessionFacts;
  readonly #resolver: StreamResolver;
  readonly #selection: SessionSelection;
  readonly #epoch: Epoch;

  /** @param epoch from which the facts' times count */
  constructor(
    facts: SessionFacts,
    resolver: StreamResolver,
    selection: SessionSelection,
    epoch: Epoch,
  ) {
    this.#facts = facts;
    this.#resolver = resolver;
    this.#selection = selection;
    this.#epoch = epoch;
  }

  /** Whether a session is wanted. */
  isSelected(session: number): boolean {
    const { servers, clients, indices } = this.#selection;
    if (servers !== undefined && this.#facts.listedSides(session) === 0) return false;
    if (indices !== undefined) {
      const isListed = indices.some(({ first, last }) => first <= session && session <= last);
      if (!isListed) return false;
    }
    if (clients !== undefined) {
      const address = this.#facts.addressOf(session, 1 - this.#facts.serverSideOf(session));
      if (!clients.some((prefix) => isInBlock(prefix, address))) return false;
    }
    return (
      this.#beginsInWindow(session) && this.#hasWantedSize(session) && this.#isInFraction(session)
    );
  }

  #beginsInWindow(session: number): boolean {
    const { fromSeconds, untilSeconds, fromAfterNs, untilAfterNs } = this.#selection;
    const { seconds, nanoseconds } = this.#epoch;
    const afterNs = this.#facts.startRawNsOf(session) - nanoseconds;
    const startSeconds =
      (Number.isNaN(seconds) ? 0 : seconds) + (afterNs + nanoseconds) / NS_PER_SECOND;
    if (fromSeconds !== undefined && startSeconds < fromSeconds) return false;
    if (untilSeconds !== undefined && startSeconds >= untilSeconds) return false;
    if (fromAfterNs !== undefined && afterNs < fromAfterNs) return false;
    return untilAfterNs === undefined || afterNs < untilAfterNs;
  }

  #hasWantedSize(session: number): boolean {
    const { bytesMin = 0, bytesMax = Number.POSITIVE_INFINITY } = this.#selection;
    if (bytesMin === 0 && bytesMax === Number.POSITIVE_INFINITY) return true;
    const bytes = this.#resolver.measure(session, 0) + this.#resolver.measure(session, 1);
    return bytes >= bytesMin && bytes <= bytesMax;
  }

  /** By the endpoints, so that the same connections are picked from every copy of a capture. */
  #isInFraction(session: number): boolean {
    const { fraction } = this.#selection;
    if (fraction === undefined) return true;
    let hash = 0;
    for (const side of [0, 1]) {
      const address = this.#facts.addressHashOf(session, side);
      // Added up, so that it does not matter who sent first.
      hash = (hash + hash32(address, this.#facts.portOf(session, side))) >>> 0;
    }
    return hash32(hash, 0) < fraction * 2 ** 32;
  }
}
