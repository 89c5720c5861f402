/**
 * One timer a user, for millions of users: a hierarchical timing wheel (Varghese and Lauck, 1987).
 *
 * Time is cut into ticks of 2^14 ns. Five levels of 256 slots each hold users whose due tick first
 * differs from the wheel's own tick in that level's digit (base 256): level 0 holds what is due
 * within the next 4 ms, to the tick; level 1 within a second, to 4 ms; and so on up to 208 days.
 * When the wheel's tick reaches a slot of a higher level, its users are dealt out to the levels
 * below (a cascade). A bitmap of occupied slots lets the wheel step over empty time at once.
 *
 * A slot is a doubly linked list through the users' rows. The ends of a list hold `-2 - slot`, so that
 * a user can be taken out without knowing where it is; `-1` says that a user is not armed.
 *
 * - Laziness: a timer that is put off (most are: every answer puts the retransmission off) only
 *   changes `dueNs`. It is moved when its old slot comes up.
 * - Exactness: the slot that comes up next is kept in due order, so that `nextDueNs` is exact and
 *   virtual time can jump to it. A slot that lies in the past as a whole is not sorted: all of it
 *   fires anyway.
 */

import { assert } from '../base/assert.ts';
import type { Instant } from '../base/instant.ts';
import { NEVER_NS } from '../base/time.ts';
import { DueMarks } from './due-marks.ts';
import { sortByDue } from './due-order.ts';
import { DUE_SHIFT, LINKS_SHIFT, NEXT, PREV, TimerRows } from './timer-rows.ts';

/** Dues must lie before this (208 days); the wheel's levels end there. */
export const WHEEL_RANGE_NS = 2 ** 54;

const TICK_NS = 2 ** 14;
const TICKS_PER_NS = 2 ** -14;
const LEVELS = 5;
const SLOTS_PER_LEVEL = 256;
const DIGIT_BITS = 8;
const LAST_TICK = SLOTS_PER_LEVEL ** LEVELS - 1;
/**
 * Users dealt out in one `advance`: about 0.1 ms. A slot of an upper level can hold every user
 * there is, and a turn of the loop must stay short.
 */
const CASCADE_LIMIT = 4096;
/** Over so many users of the sorted slot a place is looked for step by step; in longer ones by marks. */
const WALK_MAX = 16;

const NOT_ARMED = -1;
const NO_SLOT = -1;

/** Called for each user whose timer is due; the timer is already off. */
export interface DueSink {
  onDue(user: number): void;
}

/** Timers of the users `0 .. users - 1`, one each. */
export class TimingWheel {
  readonly #rows: TimerRows;
  readonly #due: Float64Array;
  readonly #links: Int32Array;
  /** First and last user of each slot; negative when it is empty. */
  readonly #head = new Int32Array(LEVELS * SLOTS_PER_LEVEL).fill(NO_SLOT);
  readonly #tail = new Int32Array(LEVELS * SLOTS_PER_LEVEL).fill(NO_SLOT);
  /** A bit a slot: it is occupied. Eight words a level. */
  readonly #occupied = new Int32Array((LEVELS * SLOTS_PER_LEVEL) >>> 5);
  /** A bit a word of `#occupied`: it is not 0. One byte a level. */
  readonly #occupiedWords = new Uint8Array(LEVELS);

  /** No occupied slot lies before this tick. */
  #tick = 0;
  /** The tick's lower 32 bits, and what is above them. */
  #tickLow = 0;
  #tickHigh = 0;
  /** An upper slot whose cascade has begun; everything else waits for it. */
  #cascading = NO_SLOT;
  /** The slot of level 0 that is in due order, and the end of its tick. */
  #sortedSlot = NO_SLOT;
  #sortedEndNs = Number.NEGATIVE_INFINITY;
  /** Of the sorted slot, once it has turned out to be long. */
  readonly #marks = new DueMarks(TICK_NS);
  #isMarked = false;

  constructor(users: number) {
    this.#rows = new TimerRows(users);
    this.#due = this.#rows.due;
    this.#links = this.#rows.links;
    for (let user = 0; user < users; user++) {
      this.#due[user << DUE_SHIFT] = NEVER_NS;
      this.#links[(user << LINKS_SHIFT) | NEXT] = NOT_ARMED;
      this.#links[(user << LINKS_SHIFT) | PREV] = NOT_ARMED;
    }
  }

  isArmed(user: number): boolean {
    return this.#links[(user << LINKS_SHIFT) | NEXT] !== NOT_ARMED;
  }

  /** When the user's timer is due, in ns since the start of the run; NEVER_NS when it is off. */
  dueNsOf(user: number): number {
    return this.#due[user << DUE_SHIFT];
  }

  /**
   * Sets the user's timer, armed before or not; NEVER_NS turns it off. A due time that has passed
   * fires at the next `advance` (or the running one). May be called from within `onDue`.
   */
  arm(user: number, due: Instant): void {
    const dueNs = due.ns;
    if (!(dueNs < NEVER_NS)) {
      assert(dueNs === NEVER_NS, 'a due time is a number');
      this.cancel(user);
      return;
    }
    if (this.#links[(user << LINKS_SHIFT) | NEXT] !== NOT_ARMED) {
      const armedNs = this.#due[user << DUE_SHIFT];
      // Putting off is lazy, except within the sorted slot, whose order it would break.
      if (dueNs >= armedNs && armedNs >= this.#sortedEndNs) {
        this.#due[user << DUE_SHIFT] = dueNs;
        return;
      }
      this.#unlink(user);
    }
    this.#due[user << DUE_SHIFT] = dueNs;
    this.#link(user, dueNs);
  }

  /** Turns the user's timer off; harmless when it is off. May be called from within `onDue`. */
  cancel(user: number): void {
    if (this.#links[(user << LINKS_SHIFT) | NEXT] === NOT_ARMED) return;
    this.#unlink(user);
    this.#due[user << DUE_SHIFT] = NEVER_NS;
  }

  /**
   * When to call `advance` again, in ns since the start of the run; NEVER_NS when no timer is on.
   * Never later than the earliest due time. It may be earlier (by at most one cascade per level and
   * what was put off): the `advance` then fires nothing, and the next answer is closer. When the
   * last `advance` stopped short of what was due, this lies in the past.
   */
  nextDueNs(): number {
    for (;;) {
      const slot = this.#earliestSlot();
      if (slot === NO_SLOT) return NEVER_NS;
      const slotTick = this.#tickOf(slot);
      if (slot >= SLOTS_PER_LEVEL) return slotTick * TICK_NS;
      this.#sort(slot, (slotTick + 1) * TICK_NS);
      const user = this.#head[slot];
      if (user >= 0) return this.#due[user << DUE_SHIFT];
    }
  }

  /**
   * Turns off and reports every timer with `dueNs <= now`, tick by tick, at most `limit` of them;
   * `nextDueNs` says whether some are left. A spurious call is harmless. Must not be called from
   * within `onDue`.
   * @param now not before the last call's, and before WHEEL_RANGE_NS @returns how many were reported
   */
  advance(now: Instant, limit: number, sink: DueSink): number {
    const nowNs = now.ns;
    assert(nowNs < WHEEL_RANGE_NS, 'a run is shorter than 208 days');
    const nowTick = Math.floor(nowNs * TICKS_PER_NS);
    let fired = 0;
    let moved = 0;
    while (fired < limit) {
      const slot = this.#earliestSlot();
      const slotTick = slot === NO_SLOT ? NEVER_NS : this.#tickOf(slot);
      if (slotTick > nowTick) {
        this.#moveTo(nowTick);
        break;
      }
      this.#moveTo(slotTick);
      if (slot >= SLOTS_PER_LEVEL) {
        moved += this.#cascade(slot, CASCADE_LIMIT - moved);
        if (moved === CASCADE_LIMIT) break;
      } else {
        fired += this.#fire(slot, slotTick, now, limit - fired, sink);
        if (slotTick === nowTick) break;
      }
    }
    return fired;
  }

  /** Reports what is due in the wheel's own slot of level 0. */
  #fire(slot: number, slotTick: number, { ns }: Instant, limit: number, sink: DueSink): number {
    const endNs = (slotTick + 1) * TICK_NS;
    let fired = 0;
    while (fired < limit) {
      if (endNs > ns) this.#sort(slot, endNs);
      const user = this.#head[slot];
      if (user < 0) break;
      const dueNs = this.#due[user << DUE_SHIFT];
      if (dueNs >= endNs) {
        this.#unlink(user);
        this.#link(user, dueNs);
        continue;
      }
      if (dueNs > ns) break;
      this.#unlink(user);
      this.#due[user << DUE_SHIFT] = NEVER_NS;
      fired++;
      sink.onDue(user);
    }
    return fired;
  }

  /** Deals out at most `limit` users of an upper slot that the wheel's tick has reached. */
  #cascade(slot: number, limit: number): number {
    this.#cascading = slot;
    let moved = 0;
    for (let user = this.#head[slot]; user >= 0; user = this.#head[slot]) {
      if (moved === limit) return moved;
      this.#unlink(user);
      this.#link(user, this.#due[user << DUE_SHIFT]);
      moved++;
    }
    this.#cascading = NO_SLOT;
    return moved;
  }

  /** Never backwards, and never past an occupied slot. */
  #moveTo(tick: number): void {
    if (tick <= this.#tick) return;
    this.#tick = tick;
    this.#tickLow = tick >>> 0;
    this.#tickHigh = (tick - this.#tickLow) / 0x1_0000_0000;
    if (tick * TICK_NS >= this.#sortedEndNs) {
      this.#sortedSlot = NO_SLOT;
      this.#sortedEndNs = Number.NEGATIVE_INFINITY;
      this.#isMarked = false;
    }
  }

  #link(user: number, dueNs: number): void {
    const tick = Math.min(Math.floor(dueNs * TICKS_PER_NS), LAST_TICK);
    const slot = tick <= this.#tick ? this.#tickLow & 0xff : this.#slotOf(tick);
    if (slot === this.#sortedSlot) {
      this.#linkInOrder(user, dueNs, slot);
      return;
    }
    this.#linkAfter(this.#tail[slot], user, slot);
  }

  /** The slot for a later tick than the wheel's own. */
  #slotOf(tick: number): number {
    const low = tick >>> 0;
    const high = (tick - low) / 0x1_0000_0000;
    if (high !== this.#tickHigh) return 4 * SLOTS_PER_LEVEL + high;
    const level = (31 - Math.clz32(low ^ this.#tickLow)) >>> 3;
    return level * SLOTS_PER_LEVEL + ((low >>> (level * DIGIT_BITS)) & 0xff);
  }

  /** After every user that is due no later: first come, first served among equals. */
  #linkInOrder(user: number, dueNs: number, slot: number): void {
    const head = this.#head[slot];
    if (head >= 0 && dueNs < this.#due[head << DUE_SHIFT]) {
      this.#linkAfter(-2 - slot, user, slot);
      if (this.#isMarked) this.#marks.onLinked(user, head, this.#rows);
      return;
    }
    let before = this.#tail[slot];
    for (let steps = 0; before >= 0 && dueNs < this.#due[before << DUE_SHIFT]; steps++) {
      if (steps === WALK_MAX) {
        before = this.#placeByMarks(dueNs);
        break;
      }
      before = this.#links[(before << LINKS_SHIFT) | PREV];
    }
    this.#linkAfter(before, user, slot);
    if (this.#isMarked)
      this.#marks.onLinked(user, this.#links[(user << LINKS_SHIFT) | NEXT], this.#rows);
  }

  /** The last user of the sorted slot that is due no later. */
  #placeByMarks(dueNs: number): number {
    if (!this.#isMarked) {
      const head = this.#head[this.#sortedSlot];
      this.#marks.build(head, this.#rows, this.#sortedEndNs - TICK_NS);
      this.#isMarked = true;
    }
    let before = this.#marks.placeOf(dueNs);
    while (before >= 0 && dueNs < this.#due[before << DUE_SHIFT])
      before = this.#links[(before << LINKS_SHIFT) | PREV];
    return before;
  }

  /** Puts the user behind `before`, or first in the slot when that is negative. */
  #linkAfter(before: number, user: number, slot: number): void {
    const end = -2 - slot;
    const head = this.#head[slot];
    const after =
      before >= 0 ? this.#links[(before << LINKS_SHIFT) | NEXT] : head >= 0 ? head : end;
    this.#links[(user << LINKS_SHIFT) | PREV] = before >= 0 ? before : end;
    this.#links[(user << LINKS_SHIFT) | NEXT] = after;
    if (before >= 0) this.#links[(before << LINKS_SHIFT) | NEXT] = user;
    else this.#head[slot] = user;
    if (after >= 0) this.#links[(after << LINKS_SHIFT) | PREV] = user;
    else this.#tail[slot] = user;
    if (head < 0) {
      this.#occupied[slot >>> 5] |= 1 << (slot & 31);
      this.#occupiedWords[slot >>> DIGIT_BITS] |= 1 << ((slot >>> 5) & 7);
    }
  }

  #unlink(user: number): void {
    const before = this.#links[(user << LINKS_SHIFT) | PREV];
    const after = this.#links[(user << LINKS_SHIFT) | NEXT];
    this.#links[(user << LINKS_SHIFT) | NEXT] = NOT_ARMED;
    if (this.#isMarked) this.#marks.onUnlinked(user, before, this.#rows);
    if (before >= 0) this.#links[(before << LINKS_SHIFT) | NEXT] = after;
    else this.#head[-2 - before] = after;
    if (after >= 0) this.#links[(after << LINKS_SHIFT) | PREV] = before;
    else this.#tail[-2 - after] = before;
    if (before < 0 && after < 0) this.#vacate(-2 - before);
  }

  #vacate(slot: number): void {
    const word = slot >>> 5;
    this.#occupied[word] &= ~(1 << (slot & 31));
    if (this.#occupied[word] === 0) this.#occupiedWords[slot >>> DIGIT_BITS] &= ~(1 << (word & 7));
  }

  /** The occupied slot with the lowest tick, or NO_SLOT. */
  #earliestSlot(): number {
    if (this.#cascading !== NO_SLOT) {
      if (this.#head[this.#cascading] >= 0) return this.#cascading;
      this.#cascading = NO_SLOT;
    }
    const slot = this.#nextOccupied(0, this.#tickLow & 0xff);
    if (slot !== NO_SLOT) return slot;
    for (let level = 1; level < LEVELS; level++) {
      const upper = this.#nextOccupied(level, this.#digit(level) + 1);
      if (upper !== NO_SLOT) return upper;
    }
    return NO_SLOT;
  }

  #digit(level: number): number {
    return level === 4 ? this.#tickHigh : (this.#tickLow >>> (level * DIGIT_BITS)) & 0xff;
  }

  /** The first occupied slot of a level at `digit` (0..256) or after it, or NO_SLOT. */
  #nextOccupied(level: number, digit: number): number {
    const words = this.#occupiedWords[level];
    if (words === 0 || digit === SLOTS_PER_LEVEL) return NO_SLOT;
    const word = digit >>> 5;
    const bits = this.#occupied[level * 8 + word] & (-1 << (digit & 31));
    if (bits !== 0) return level * SLOTS_PER_LEVEL + word * 32 + lowestBit(bits);
    const later = words & (-2 << word);
    if (later === 0) return NO_SLOT;
    const laterWord = lowestBit(later);
    const laterBits = this.#occupied[level * 8 + laterWord];
    return level * SLOTS_PER_LEVEL + laterWord * 32 + lowestBit(laterBits);
  }

  /** The first tick of an occupied slot. */
  #tickOf(slot: number): number {
    const level = slot >>> DIGIT_BITS;
    const digit = slot & 0xff;
    if (level === 0) return this.#tick - (this.#tickLow & 0xff) + digit;
    const slotTicks = SLOTS_PER_LEVEL ** level;
    const turnTicks = slotTicks * SLOTS_PER_LEVEL;
    return Math.floor(this.#tick / turnTicks) * turnTicks + digit * slotTicks;
  }

  /** Puts a slot of level 0 into due order and sends away the users that have been put off. */
  #sort(slot: number, endNs: number): void {
    if (slot === this.#sortedSlot && endNs === this.#sortedEndNs) return;
    // While it is rearranged no slot counts as sorted: #link must not walk a list in disorder.
    this.#sortedSlot = NO_SLOT;
    this.#isMarked = false;
    let isInOrder = true;
    let lastNs = Number.NEGATIVE_INFINITY;
    for (let user = this.#head[slot]; user >= 0; ) {
      const following = this.#links[(user << LINKS_SHIFT) | NEXT];
      const dueNs = this.#due[user << DUE_SHIFT];
      if (dueNs >= endNs) {
        this.#unlink(user);
        this.#link(user, dueNs);
      } else {
        isInOrder &&= dueNs >= lastNs;
        lastNs = dueNs;
      }
      user = following;
    }
    if (!isInOrder) this.#mergeSort(slot);
    this.#sortedSlot = slot;
    this.#sortedEndNs = endNs;
  }

  #mergeSort(slot: number): void {
    const end = -2 - slot;
    const first = sortByDue(this.#head[slot], end, this.#rows);
    this.#head[slot] = first;
    let before = end;
    for (let user = first; user >= 0; user = this.#links[(user << LINKS_SHIFT) | NEXT]) {
      this.#links[(user << LINKS_SHIFT) | PREV] = before;
      before = user;
    }
    this.#tail[slot] = before;
  }
}

/** The index of the lowest set bit; `bits` is not 0. */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
