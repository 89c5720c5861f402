/**
 * Turns whose answers wait behind the open one: in an open loop, and where the recorded client did not wait. Each has
 * its own times, which are the open exchange's once the answers before it have come.
 */

/** A message whose answers wait behind the open one. */
export interface LaterTurn {
  readonly message: number;
  readonly intendedNs: number;
  /** When it left; before that when it was played, or since when a full window holds it. */
  sentNs: number;
  /** It was to be sent, and a full window holds it. */
  isHeld: boolean;
  /** Whether it is in a frame, which need not have left yet. */
  isInFrame: boolean;
  /** The next one that rides in the same frame. */
  beside: LaterTurn | null;
}

/** By user, in the order in which they were played; those that are in no frame yet are the last ones. */
export class LaterTurns {
  /** Only users with several turns open. */
  readonly #turns = new Map<number, LaterTurn[]>();
  /** Of each frame that has not left the first turn in it, in the order of the frames; the first `#left` have left. */
  readonly #riding: LaterTurn[] = [];
  #left = 0;
  /** How many are in no frame. */
  #waiting = 0;

  /** A turn is played. */
  add(user: number, message: number, intendedNs: number, playedNs: number): void {
    const turn: LaterTurn = {
      message,
      intendedNs,
      sentNs: playedNs,
      isHeld: false,
      isInFrame: false,
      beside: null,
    };
    const turns = this.#turns.get(user);
    if (turns === undefined) this.#turns.set(user, [turn]);
    else turns.push(turn);
    this.#waiting++;
  }

  /** Whether any user has any. */
  get areThere(): boolean {
    return this.#turns.size > 0;
  }

  /** Takes the turns up to a message out. @returns the message's own, or null where it has none */
  take(user: number, message: number): LaterTurn | null {
    const turns = this.#turns.get(user);
    if (turns === undefined) return null;
    let found: LaterTurn | null = null;
    while (turns.length > 0 && turns[0].message <= message) {
      const turn = turns.shift() as LaterTurn;
      if (!turn.isInFrame) this.#waiting--;
      if (turn.message === message) found = turn;
    }
    if (turns.length === 0) this.#turns.delete(user);
    return found;
  }

  /** The user has ended. */
  forget(user: number): void {
    const turns = this.#turns.get(user);
    if (turns === undefined) return;
    for (const turn of turns) if (!turn.isInFrame) this.#waiting--;
    this.#turns.delete(user);
  }

  /** Whether somebody's turn is in no frame yet. */
  get areWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** The user's first turn that is in no frame yet; null without one. */
  firstWaiting(user: number): LaterTurn | null {
    const turns = this.#turns.get(user);
    if (turns === undefined) return null;
    let at = turns.length;
    while (at > 0 && !turns[at - 1].isInFrame) at--;
    return at < turns.length ? turns[at] : null;
  }

  /** The first turn of a user that waited is in a frame. @param beside the frame's first one; null: it is that itself */
  board(turn: LaterTurn, beside: LaterTurn | null): void {
    turn.isInFrame = true;
    this.#waiting--;
    if (beside === null) this.#riding.push(turn);
    else {
      turn.beside = beside.beside;
      beside.beside = turn;
    }
  }

  /** The next frame with such turns in it has left. @returns the first of them; the others are `beside` it */
  leave(): LaterTurn {
    const turn = this.#riding[this.#left++];
    if (this.#left === this.#riding.length) {
      this.#riding.length = 0;
      this.#left = 0;
    }
    return turn;
  }

  /** The user's turns that are in no frame and not held yet, the latest first, are held from now on. */
  hold(user: number, nowNs: number, onHeld: (turn: LaterTurn) => void): void {
    const turns = this.#turns.get(user);
    if (turns === undefined) return;
    for (let at = turns.length - 1; at >= 0; at--) {
      const turn = turns[at];
      if (turn.isInFrame || turn.isHeld) return;
      turn.isHeld = true;
      turn.sentNs = nowNs;
      onHeld(turn);
    }
  }
}
