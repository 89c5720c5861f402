import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { OpeningPace } from '../../src/schedule/opening-pace.ts';

/** A turn of the loop: what is opened in it leaves at its end, together. */
const TURN_NS = NS_PER_MS;
/** When an opening that is not answered comes again (RFC 6298, section 2). */
const FIRST_TIMEOUT_NS = NS_PER_SECOND;
const TURNS_MAX = 200_000;

interface World {
  readonly users: number;
  /** Users that are to start in a second. */
  readonly offered: number;
  readonly roundTripNs: number;
  /** Of every other user: another one. */
  readonly otherTripNs?: number;
  /** Whether the target hears an opening that is made then. */
  hears(user: number, nowNs: number): boolean;
}

interface Opening {
  readonly user: number;
  readonly openedNs: number;
  readonly tries: number;
}

interface Played {
  /** When the last user was answered or, where openings are never answered, opened. */
  readonly endNs: number;
  /** When nine tenths of them were: those that are left wait for their openings to come again. */
  readonly mostNs: number;
  readonly openings: number;
  readonly lost: number;
  readonly triesMax: number;
  readonly heldTurns: number;
  /** The longest time in which nobody was opened, though somebody was to be. */
  readonly pauseNs: number;
}

/** Queue of things with a time, in order of that time. */
class Later<T> {
  readonly #byTurn = new Map<number, T[]>();
  put(atNs: number, item: T): void {
    const turn = Math.ceil(atNs / TURN_NS);
    const there = this.#byTurn.get(turn);
    if (there === undefined) this.#byTurn.set(turn, [item]);
    else there.push(item);
  }
  take(turn: number): readonly T[] {
    const items = this.#byTurn.get(turn) ?? [];
    this.#byTurn.delete(turn);
    return items;
  }
}

function play(world: World, triesMax = 12): Played {
  const { users, offered, roundTripNs, otherTripNs = roundTripNs, hears } = world;
  const pace = new OpeningPace();
  const answers = new Later<Opening>();
  const repeats = new Later<Opening>();
  let begun = 0;
  let over = 0;
  let mostNs = 0;
  let openings = 0;
  let lost = 0;
  let mostTries = 0;
  let heldTurns = 0;
  let pauseNs = 0;
  let openedNs = 0;
  const send = (opening: Opening, nowNs: number): void => {
    openings++;
    mostTries = Math.max(mostTries, opening.tries);
    if (hears(opening.user, nowNs)) {
      answers.put(nowNs + (opening.user % 2 === 0 ? roundTripNs : otherTripNs), opening);
      return;
    }
    lost++;
    if (opening.tries === triesMax) over++;
    else {
      const waitNs = FIRST_TIMEOUT_NS * 2 ** (opening.tries - 1);
      repeats.put(nowNs + waitNs, { ...opening, tries: opening.tries + 1 });
    }
  };
  for (let turn = 1; turn < TURNS_MAX; turn++) {
    const nowNs = turn * TURN_NS;
    for (const { openedNs } of answers.take(turn)) {
      pace.onAnswer(openedNs, nowNs);
      over++;
    }
    for (const opening of repeats.take(turn)) send(opening, nowNs);
    if (pace.isHolding) heldTurns++;
    const isDue = (): boolean => begun < users && (begun / offered) * NS_PER_SECOND <= nowNs;
    if (isDue()) pauseNs = Math.max(pauseNs, nowNs - openedNs);
    while (isDue()) {
      if (pace.nextDueNs() > nowNs) break;
      openedNs = nowNs;
      pace.onOpen(nowNs, turn);
      send({ user: begun++, openedNs: nowNs, tries: 1 }, nowNs);
    }
    if (over < 0.9 * users) mostNs = nowNs;
    if (over === users) {
      return { endNs: nowNs, mostNs, openings, lost, triesMax: mostTries, heldTurns, pauseNs };
    }
  }
  throw new Error(`${over} of ${users} users are over`);
}

/** A server with a bounded queue of connections that it has not accepted yet. */
class Backlog {
  readonly #length: number;
  readonly #perSecond: number;
  #queued = 0;
  #sinceNs = 0;
  constructor(length: number, perSecond: number) {
    this.#length = length;
    this.#perSecond = perSecond;
  }
  hears(nowNs: number): boolean {
    const served = ((nowNs - this.#sinceNs) * this.#perSecond) / NS_PER_SECOND;
    this.#queued = Math.max(0, this.#queued - served);
    this.#sinceNs = nowNs;
    if (this.#queued + 1 > this.#length) return false;
    this.#queued++;
    return true;
  }
}

describe('a target that is offered more than it takes', () => {
  const CAPACITY = 5_000;
  const cases = [1.2, 2, 4, 10].flatMap((times) =>
    [0.1, 30, 200].flatMap((roundTripMs) =>
      [511, 4096].map((backlog) => ({ times, roundTripMs, backlog })),
    ),
  );
  test.each(cases)(
    '$times times, $roundTripMs ms away, $backlog in its queue: is kept busy and loses little',
    ({ times, roundTripMs, backlog }) => {
      const users = 10 * CAPACITY;
      const server = new Backlog(backlog, CAPACITY);
      const { mostNs, lost, triesMax } = play({
        users,
        offered: times * CAPACITY,
        roundTripNs: roundTripMs * NS_PER_MS,
        hears: (_, nowNs) => server.hears(nowNs),
      });
      const done = (0.9 * users) / (mostNs / NS_PER_SECOND);
      // Where the queue is shorter than what is on the way, part of it stays empty now and then.
      expect(done / CAPACITY).toBeGreaterThan(roundTripMs < 100 ? 0.95 : 0.8);
      // Whoever tries for 15 s at most is in time for any usual `--timeout`.
      expect(triesMax).toBeLessThanOrEqual(5);
      expect(lost / users).toBeLessThan(1);
    },
  );
});

describe('a target that takes all', () => {
  test.each([
    { share: 0, roundTripMs: 0.1, doublings: 0 },
    { share: 0.05, roundTripMs: 0.1, doublings: 0 },
    // 6,000 and 18,000 openings are on the way at a time, from 1,024 on.
    { share: 0.05, roundTripMs: 300, doublings: 3 },
    { share: 0, roundTripMs: 900, doublings: 5 },
  ])(
    'holds nobody after $doublings round trips of $roundTripMs ms, though $share of the openings get lost',
    ({ share, roundTripMs, doublings }) => {
      const chance = new Prng(3);
      const { heldTurns } = play({
        users: 100_000,
        offered: 20_000,
        roundTripNs: roundTripMs * NS_PER_MS,
        hears: () => chance.nextUnit() >= share,
      });
      expect(heldTurns).toBeLessThanOrEqual(doublings * roundTripMs);
    },
  );
});

describe('nobody is held for long', () => {
  const OFFERED = 10_000;
  const PLANNED_NS = 4 * NS_PER_SECOND;

  test('where half of the clients are never heard, however few are opened', () => {
    const { endNs } = play(
      { users: 40_000, offered: OFFERED, roundTripNs: NS_PER_MS, hears: (user) => user % 2 === 0 },
      1,
    );
    expect(endNs).toBeLessThan(PLANNED_NS + 5 * NS_PER_SECOND);
  });

  test('where half of the clients are further away', () => {
    const { heldTurns, endNs } = play({
      users: 40_000,
      offered: OFFERED,
      roundTripNs: NS_PER_MS,
      otherTripNs: 200 * NS_PER_MS,
      hears: () => true,
    });
    expect(heldTurns * TURN_NS).toBeLessThan(2 * NS_PER_SECOND);
    expect(endNs).toBeLessThan(PLANNED_NS + NS_PER_SECOND);
  });

  test('where nothing was ever answered', () => {
    const { endNs } = play(
      { users: 40_000, offered: OFFERED, roundTripNs: 0, hears: () => false },
      1,
    );
    expect(endNs).toBeLessThan(PLANNED_NS + NS_PER_SECOND);
  });

  test('where so many openings in a row are lost that a round is full', () => {
    const { pauseNs } = play({
      users: 400_000,
      offered: 200_000,
      roundTripNs: NS_PER_MS,
      hears: (_, nowNs) => nowNs < 60 * NS_PER_MS || nowNs >= 200 * NS_PER_MS,
    });
    // The lost ones come again after a second.
    expect(pauseNs).toBeLessThan(50 * NS_PER_MS);
  });

  test('where the target falls silent', () => {
    const { endNs } = play(
      {
        users: 40_000,
        offered: OFFERED,
        roundTripNs: NS_PER_MS,
        hears: (user, nowNs) => nowNs < NS_PER_SECOND && user % 4 !== 0,
      },
      1,
    );
    expect(endNs).toBeLessThan(PLANNED_NS + 4 * NS_PER_SECOND);
  });
});
