/**
 * Which of its target's connections each connection of a run is: the first, the second, and so on.
 *
 * Connections play the run's sessions in turn, and a session has its target. Where a thread's users
 * are `step` sessions apart, one iteration walks along a cycle of sessions: the whole row, or, where
 * both have a common divisor, every so-manieth of it. So how many connections of a target came before
 * one is counted by whole cycles and the rest of one, and found again the same way: no table of
 * connections, whatever their number.
 */
import { lastNotAfter } from './sorted.ts';

/** The target of each session that is played, in their order, and how many targets there are. */
export interface TargetTurns {
  readonly targetOf: Uint16Array;
  readonly targets: number;
}

/** The cycles along which sessions follow each other `step` apart. */
export class SessionCycles {
  readonly targets: number;
  /** Sessions of a cycle, and how many cycles there are. */
  readonly length: number;
  readonly cycles: number;
  readonly targetOf: Uint16Array;
  /** A session: where in its cycle it is, and how many before it there have its target. */
  readonly placeOf: Uint32Array;
  readonly rankOf: Uint32Array;
  /** The sessions, one cycle after another. */
  readonly order: Uint32Array;
  /** Places of cycle `c` with target `t`, ascending: those from `first[c * targets + t]` to the next. */
  readonly first: Uint32Array;
  readonly places: Uint32Array;

  constructor({ targetOf, targets }: TargetTurns, step: number) {
    const sessions = targetOf.length;
    const cycles = commonDivisor(step, sessions);
    this.targets = targets;
    this.targetOf = targetOf;
    this.cycles = cycles;
    this.length = sessions / cycles;
    this.placeOf = new Uint32Array(sessions);
    this.rankOf = new Uint32Array(sessions);
    this.order = new Uint32Array(sessions);
    this.places = new Uint32Array(sessions);
    this.first = new Uint32Array(cycles * targets + 1);
    const stride = step % sessions;
    const seen = new Uint32Array(targets);
    for (let cycle = 0; cycle < cycles; cycle++) {
      seen.fill(0);
      for (let place = 0, session = cycle; place < this.length; place++) {
        this.order[cycle * this.length + place] = session;
        this.placeOf[session] = place;
        this.rankOf[session] = seen[targetOf[session]]++;
        session = (session + stride) % sessions;
      }
      const list = cycle * targets;
      for (let target = 0; target < targets; target++) {
        this.first[list + target + 1] = this.first[list + target] + seen[target];
      }
    }
    for (let session = 0; session < sessions; session++) {
      const list = (session % cycles) * targets + targetOf[session];
      this.places[this.first[list] + this.rankOf[session]] = this.placeOf[session];
    }
  }

  /** How many sessions of a cycle have the target. */
  countIn(cycle: number, target: number): number {
    const list = cycle * this.targets + target;
    return this.first[list + 1] - this.first[list];
  }

  /** How many of a cycle's first `places` have the target; going round where these are more. */
  countBefore(cycle: number, target: number, places: number): number {
    const rounds = Math.floor(places / this.length);
    const rest = places - rounds * this.length;
    const list = cycle * this.targets + target;
    let low = this.first[list];
    let high = this.first[list + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.places[middle] < rest) low = middle + 1;
      else high = middle;
    }
    return rounds * this.countIn(cycle, target) + low - this.first[list];
  }

  /** How many of `count` sessions that follow each other from this one on have the target. */
  countFrom(session: number, target: number, count: number): number {
    const cycle = session % this.cycles;
    const place = this.placeOf[session];
    return this.countBefore(cycle, target, place + count) - this.countBefore(cycle, target, place);
  }
}

/** Users that play sessions in turn. */
export interface TurnUsers {
  readonly users: number;
  readonly iterations: number;
  /** The session that the first of them plays in an iteration; each next user plays the one `step` on. */
  readonly sessionAt: (iteration: number) => number;
}

/** The ranks of the connections of some users. */
export class TargetRanks {
  readonly #cycles: SessionCycles;
  readonly #users: TurnUsers;
  /** For each target, by iteration: its connections before it, and behind the last one all of them. */
  readonly #before: readonly Float64Array[];
  /** The same, less those that stand before the iteration's first user in its cycle. */
  readonly #base: readonly Float64Array[];

  /** @param cycles whose step is that between two users */
  constructor(cycles: SessionCycles, users: TurnUsers) {
    this.#cycles = cycles;
    this.#users = users;
    const { iterations } = users;
    const columns = () =>
      Array.from({ length: cycles.targets }, () => new Float64Array(iterations + 1));
    this.#before = columns();
    this.#base = columns();
    for (let iteration = 0; iteration < iterations; iteration++) {
      const session = users.sessionAt(iteration);
      const cycle = session % cycles.cycles;
      const place = cycles.placeOf[session];
      for (let target = 0; target < cycles.targets; target++) {
        const skipped = cycles.countBefore(cycle, target, place);
        const end = cycles.countBefore(cycle, target, place + users.users);
        const before = this.#before[target];
        this.#base[target][iteration] = before[iteration] - skipped;
        before[iteration + 1] = before[iteration] + end - skipped;
      }
    }
  }

  /** How many connections go to a target. */
  total(target: number): number {
    return this.#before[target][this.#users.iterations];
  }

  /** How many connections before this one go to its target. */
  rankOf(user: number, iteration: number): number {
    const { placeOf, order, length, rankOf, targetOf } = this.#cycles;
    const first = this.#users.sessionAt(iteration);
    const cycle = first % this.#cycles.cycles;
    const place = placeOf[first] + user;
    const rounds = Math.floor(place / length);
    const session = order[cycle * length + place - rounds * length];
    const target = targetOf[session];
    const inRounds = rounds * this.#cycles.countIn(cycle, target);
    return this.#base[target][iteration] + inRounds + rankOf[session];
  }

  targetOf(user: number, iteration: number): number {
    const { placeOf, order, length, targetOf, cycles } = this.#cycles;
    const first = this.#users.sessionAt(iteration);
    return targetOf[order[(first % cycles) * length + ((placeOf[first] + user) % length)]];
  }

  /** The iteration in which a target's connection of this rank is; it has one. */
  iterationOf(target: number, rank: number): number {
    return lastNotAfter(this.#before[target], rank);
  }

  /** The user whose connection it is. */
  userOf(target: number, rank: number, iteration: number): number {
    const { placeOf, length, places, first: firstOf, targets, cycles } = this.#cycles;
    const first = this.#users.sessionAt(iteration);
    const cycle = first % cycles;
    const each = this.#cycles.countIn(cycle, target);
    const index = rank - this.#base[target][iteration];
    const rounds = Math.floor(index / each);
    const place = places[firstOf[cycle * targets + target] + index - rounds * each];
    return rounds * length + place - placeOf[first];
  }
}

/** The greatest common divisor of two whole numbers above 0. */
export function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
