import { describe, expect, test } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { UnansweredWindow } from '../../src/schedule/unanswered-window.ts';

const TURN_NS = NS_PER_MS;
const LATE_NS = 10 * NS_PER_MS;
const TURNS_MAX = 100_000;

interface World {
  readonly users: number;
  /** Users that are to start in a second. */
  readonly offered: number;
  /** How many connections the target takes a second, at that time. */
  taken(nowNs: number): number;
  /** From when it takes a connection to its first word. */
  readonly answerNs: number;
  /** Users whose connections hear anything at all: one in so many. */
  readonly oneInHears?: number;
  /** How many the generator can start in a turn of the loop. */
  readonly startsPerTurn: number;
  /** Whether it runs. */
  runs?(nowNs: number): boolean;
}

interface Played {
  /** When the last user was started, and heard. */
  readonly startedNs: number;
  readonly endNs: number;
  /** The most connections that waited for the target to take them. */
  readonly queueMax: number;
  /** The last time at which a start was due for longer than LATE_NS. */
  readonly lateNs: number;
}

/** One target, and users who start in turns of the loop: on time where they can, and else as the window has it. */
function play(world: World, window = new UnansweredWindow()): Played {
  const { users, offered, taken, answerNs, startsPerTurn } = world;
  const { oneInHears = 1, runs = () => true } = world;
  const toHear = Math.ceil(users / oneInHears);
  const answers: { atNs: number; count: number }[] = [];
  let [started, heard, queue, queueMax, room, startedNs, lateNs] = [0, 0, 0, 0, 0, 0, 0];
  for (let turn = 1; turn < TURNS_MAX; turn++) {
    const nowNs = turn * TURN_NS;
    room = Math.min(queue, room + (taken(nowNs) * TURN_NS) / NS_PER_SECOND);
    const accepted = Math.floor(room);
    room -= accepted;
    queue -= accepted;
    if (accepted > 0) answers.push({ atNs: nowNs + answerNs, count: accepted });
    if (!runs(nowNs)) continue;
    while (answers.length > 0 && answers[0].atNs <= nowNs) {
      for (let of = answers.shift()?.count ?? 0; of > 0 && heard < toHear; of--, heard++) {
        window.onHeard(nowNs);
      }
    }
    const dueNs = (): number => (started / offered) * NS_PER_SECOND;
    const isKeptBack = (): boolean => window.isFull && nowNs - dueNs() > LATE_NS;
    if (started < users && nowNs - dueNs() > LATE_NS) lateNs = nowNs;
    for (let i = 0; i < startsPerTurn && started < users; i++) {
      if (dueNs() > nowNs || isKeptBack()) break;
      if (nowNs - dueNs() <= LATE_NS) window.onTime();
      window.onConnected();
      if (started++ % oneInHears === 0) queue++;
      startedNs = nowNs;
    }
    if (isKeptBack()) window.onLate(nowNs);
    queueMax = Math.max(queueMax, queue);
    if (started === users && heard === toHear) return { startedNs, endNs: nowNs, queueMax, lateNs };
  }
  throw new Error(`${started} of ${users} users have started, ${heard} were heard`);
}

const TAKEN = 20_000;
/** 1.5 times that: what is offered beyond it is late. */
const startsPerTurn = 30;
const steadily = (): number => TAKEN;
/** 150 ms in every 650 ms the server has no processor. */
const withStalls = (nowNs: number): number =>
  nowNs % (650 * NS_PER_MS) >= 500 * NS_PER_MS ? 0 : TAKEN;

describe('a target that takes less than a generator starts that is late', () => {
  test.each(
    [2, 4, 10].flatMap((times) => [
      { times, what: 'steadily', taken: steadily, share: 1 },
      { times, what: 'with stalls', taken: withStalls, share: 500 / 650 },
    ]),
  )('$times times, $what: is kept busy, and few wait for it', ({ times, taken, share }) => {
    const users = 4 * TAKEN;
    const world = { users, offered: times * TAKEN, taken, answerNs: NS_PER_MS };
    const { endNs, queueMax } = play({ ...world, startsPerTurn });
    expect(users / (endNs / NS_PER_SECOND)).toBeGreaterThan(0.95 * share * TAKEN);
    // Without a bound a backlog of 4096 is full after less than half a second. What is on time is not held.
    expect(queueMax).toBeLessThan(1_500);
  });

  test('and that becomes faster by itself has no more waiting than one that is', () => {
    const warmth = (nowNs: number): number => Math.min(1, 0.1 + nowNs / NS_PER_SECOND);
    const window = new UnansweredWindow();
    const users = 3 * TAKEN;
    const taken = (nowNs: number): number => warmth(nowNs) * TAKEN;
    play({ users, offered: 200_000, taken, answerNs: 0, startsPerTurn }, window);
    // As full as it is after that run.
    let room = 0;
    for (; !window.isFull; room++) window.onConnected();
    expect(room).toBeLessThanOrEqual(1_024);
  });
});

describe('holds nobody for long', () => {
  test('where the first word takes a second, and the target takes whatever comes', () => {
    const users = 60_000;
    const world = { users, offered: 1e6, taken: () => 1e6, answerNs: NS_PER_SECOND };
    // Without a window that takes two seconds; 256 a second would take four minutes.
    expect(play({ ...world, startsPerTurn }).startedNs).toBeLessThan(4 * NS_PER_SECOND);
  });

  const pauseNs = 1_500 * NS_PER_MS;
  const world = {
    users: 60_000,
    offered: TAKEN,
    taken: () => 1e6,
    startsPerTurn,
    runs: (nowNs: number): boolean => nowNs < pauseNs || nowNs > pauseNs + 30 * NS_PER_MS,
  };

  test('where the generator had stood still amid thousands that wait for good reason', () => {
    const { lateNs } = play({ ...world, answerNs: NS_PER_SECOND });
    expect(lateNs).toBeGreaterThan(pauseNs);
    expect(lateNs).toBeLessThan(pauseNs + 300 * NS_PER_MS);
  });

  test('where the target speaks to one in a thousand', () => {
    const { lateNs } = play({ ...world, answerNs: 0, oneInHears: 1_000 });
    expect(lateNs).toBeGreaterThan(pauseNs);
    expect(lateNs).toBeLessThan(pauseNs + 300 * NS_PER_MS);
  });
});
