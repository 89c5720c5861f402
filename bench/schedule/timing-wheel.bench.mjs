// The timing wheel beside a binary heap and Node's own timers: one timer a user, put off by every
// answer, as a replay does it.
//
//   node bench/schedule/timing-wheel.bench.mjs [--smoke]
//
// One variant a process, variants alternated; minimum and median of ns per operation.
import { Instant } from '../../dist/base/instant.js';
import { moved } from '../figures.mjs';
import { inTurn } from '../rounds.mjs';

const SMOKE = process.argv.includes('--smoke');
const RUNS = SMOKE ? 1 : 10;
const USERS = SMOKE ? 1000 : 1_000_000;
const NS_PER_MS = 1e6;

const due = new Instant();
/** A time to be handed over: the same place each time. */
const at = (ns) => {
  due.ns = ns;
  return due;
};

/** Due times of every magnitude from 0.1 ms to 10 s, as think times and timeouts are. */
function dues(seed) {
  const column = new Float64Array(USERS);
  let state = seed;
  for (let i = 0; i < USERS; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    column[i] = Math.floor(0.1 * NS_PER_MS * 100_000 ** (state / 2 ** 32));
  }
  return column;
}

/** What a heap costs: entries are (due, user); putting off leaves the old entry to be skipped. */
class BinaryHeap {
  #due = new Float64Array(4 * USERS);
  #user = new Int32Array(4 * USERS);
  #length = 0;
  #armed = new Float64Array(USERS).fill(Infinity);

  arm(user, { ns: dueNs }) {
    this.#armed[user] = dueNs;
    let i = this.#length++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#due[parent] <= dueNs) break;
      this.#due[i] = this.#due[parent];
      this.#user[i] = this.#user[parent];
      i = parent;
    }
    this.#due[i] = dueNs;
    this.#user[i] = user;
  }

  nextDueNs() {
    return this.#length === 0 ? Infinity : this.#due[0];
  }

  advance({ ns: nowNs }, limit, sink) {
    let fired = 0;
    while (fired < limit && this.#length > 0 && this.#due[0] <= nowNs) {
      const dueNs = this.#due[0];
      const user = this.#user[0];
      this.#pop();
      if (this.#armed[user] !== dueNs) continue;
      this.#armed[user] = Infinity;
      fired++;
      sink.onDue(user);
    }
    return fired;
  }

  #pop() {
    const last = --this.#length;
    const dueNs = this.#due[last];
    const user = this.#user[last];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#due[child + 1] < this.#due[child]) child++;
      if (this.#due[child] >= dueNs) break;
      this.#due[i] = this.#due[child];
      this.#user[i] = this.#user[child];
      i = child;
    }
    this.#due[i] = dueNs;
    this.#user[i] = user;
  }
}

/**
 * Every user is armed, put off three times as its answers come, and fires; the clock goes on in
 * steps of 50 µs, a turn of the loop.
 */
function play(timers) {
  const first = dues(1);
  const again = dues(2);
  const now = new Instant();
  let hash = 0;
  let fired = 0;
  const startedNs = process.hrtime.bigint();
  for (let user = 0; user < USERS; user++) timers.arm(user, at(first[user]));
  const armedNs = process.hrtime.bigint();
  for (let round = 1; round <= 3; round++) {
    for (let user = 0; user < USERS; user++) timers.arm(user, at(first[user] + round * NS_PER_MS));
  }
  const putOffNs = process.hrtime.bigint();
  const sink = {
    onDue(user) {
      hash = (Math.imul(hash, 31) + user) | 0;
      fired++;
      // Half of them go on to another turn.
      if (user % 2 === 0 && fired <= USERS) timers.arm(user, at(now.ns + again[user]));
    },
  };
  while (timers.nextDueNs() !== Infinity) {
    now.ns = Math.max(now.ns + 50_000, timers.nextDueNs());
    timers.advance(now, 1024, sink);
  }
  const endedNs = process.hrtime.bigint();
  return {
    arm: Number(armedNs - startedNs) / USERS,
    putOff: Number(putOffNs - armedNs) / (3 * USERS),
    fire: Number(endedNs - putOffNs) / fired,
    fired,
    hash,
  };
}

/** setTimeout and clearTimeout for the same users; they cannot be fired in virtual time. */
function playNodeTimers() {
  const first = dues(1);
  const timers = new Array(USERS);
  const nothing = () => undefined;
  const startedNs = process.hrtime.bigint();
  for (let user = 0; user < USERS; user++) {
    timers[user] = setTimeout(nothing, 60_000 + first[user] / NS_PER_MS);
  }
  const armedNs = process.hrtime.bigint();
  // Node's cheapest way to put a timer off.
  for (let round = 0; round < 3; round++) {
    for (let user = 0; user < USERS; user++) timers[user].refresh();
  }
  const putOffNs = process.hrtime.bigint();
  for (let user = 0; user < USERS; user++) clearTimeout(timers[user]);
  return {
    arm: Number(armedNs - startedNs) / USERS,
    putOff: Number(putOffNs - armedNs) / (3 * USERS),
    fire: Number.NaN,
    fired: 0,
    hash: 0,
  };
}

async function runVariant(name) {
  if (name === 'setTimeout') return playNodeTimers();
  if (name === 'heap') return play(new BinaryHeap());
  const { TimingWheel } = await import('../../dist/schedule/timing-wheel.js');
  return play(new TimingWheel(USERS));
}

const VARIANTS = ['wheel', 'heap', 'setTimeout'];
const variant = process.argv[process.argv.indexOf('--variant') + 1];

if (process.argv.includes('--variant')) {
  const rssBefore = process.memoryUsage().rss;
  const result = await runVariant(variant);
  const rssBytes = process.memoryUsage().rss - rssBefore;
  process.stdout.write(JSON.stringify({ ...result, bytesPerUser: rssBytes / USERS }));
} else {
  const results = inTurn(import.meta.url, VARIANTS, RUNS, SMOKE ? ['--smoke'] : []);
  const fmt = (value) =>
    (value === null || Number.isNaN(value) ? '-' : value.toFixed(1)).padStart(8);
  console.log(`${USERS} users, ${RUNS} runs; ns per operation, minimum and median`);
  console.log('variant       arm min  median  put off min  median   fire min  median   hash');
  for (const [name, runs] of results) {
    const isNeverFired = (key) => name === 'setTimeout' && key === 'fire';
    const figure = (key, ns) => (isNeverFired(key) ? ns : moved(`${name}: ${key} ns`, ns));
    const column = (key) => runs.map((run) => figure(key, run[key])).sort((a, b) => a - b);
    const pair = (key) => `${fmt(column(key)[0])}${fmt(column(key)[runs.length >> 1])}`;
    const { hash, fired } = runs[0];
    console.log(
      `${name.padEnd(12)}${pair('arm')}  ${pair('putOff')}    ${pair('fire')}   ${hash} (${fired} fired)`,
    );
  }
}
