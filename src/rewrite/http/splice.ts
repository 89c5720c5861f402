/**
 * How a request is written that has a message for itself, as nearly all have: what stays is copied from the
 * recorded one, and each slot has its step in between. Made once, so that a user's request makes no objects.
 * Bodies in chunks, compressed ones and frames of WebSockets are put together from edits (`render.ts`).
 */
import type { MessageWriter } from '../module.ts';
import { octetsForNow, octetsOfText } from '../octet-text.ts';
import { constantText, textOfSlot } from './fill.ts';
import type { Range } from './recorded-requests.ts';
import type { RequestPlan } from './request-plan.ts';
import type { Slot } from './slots.ts';
import type { RequestValues } from './values.ts';

/** Octets of the request, and what stands there instead. */
interface Step {
  readonly from: number;
  readonly to: number;
  /** Row of the slot, or LENGTH. */
  readonly slot: number;
  /** What is the same for all clients; null where it is not. */
  readonly octets: Uint8Array | null;
  /** What stands around the body's length. */
  readonly before: string;
  readonly behind: string;
}

/** Instead of a slot: the length of the body, where that has changed. */
const LENGTH = -1;

/** A request's slots in the order in which they are written. */
export class Splice {
  readonly #plan: RequestPlan;
  readonly #slots: readonly Slot[];
  /** By slot; null where clients say different things. */
  readonly #constants: readonly (string | null)[];
  readonly #steps: readonly Step[];
  readonly #texts: (string | undefined)[];

  private constructor(plan: RequestPlan) {
    this.#plan = plan;
    this.#slots = [...plan.head, ...plan.body];
    this.#constants = this.#slots.map(constantText);
    this.#texts = this.#slots.map(() => undefined);
    this.#steps = stepsOf(plan, this.#constants);
  }

  /** @returns null where the request's body is no row of octets */
  static of(plan: RequestPlan): Splice | null {
    const { layout, frame, body } = plan;
    const isPlain = layout.chunks === null && layout.packed === null && frame === undefined;
    return isPlain || (body.length === 0 && frame === undefined) ? new Splice(plan) : null;
  }

  /**
   * Writes the message.
   * @param start where the request begins in it
   * @returns false where a value cannot stand where it has to; what was written counts for nothing then
   */
  write(values: RequestValues, start: number, out: MessageWriter): boolean {
    const { place, head, layout } = this.#plan;
    const slots = this.#slots;
    const constants = this.#constants;
    const texts = this.#texts;
    let bytes = layout.bodyBytes;
    for (let i = 0; i < slots.length; i++) {
      const text = constants[i] ?? textOfSlot(slots[i], values, place);
      if (text === null) return false;
      texts[i] = text;
      const { from, to } = slots[i].at;
      if (i >= head.length && text !== undefined) bytes += text.length - (to - from);
    }
    let at = 0;
    for (const step of this.#steps) {
      const { slot, octets } = step;
      const text = slot === LENGTH ? this.#lengthText(step, bytes) : texts[slot];
      if (text === undefined) continue;
      const from = start + step.from;
      if (from > at) out.copy(at, from);
      if (text !== '') out.put(octets ?? octetsForNow(text));
      at = start + step.to;
    }
    if (at < out.recorded.length) out.copy(at, out.recorded.length);
    return true;
  }

  #lengthText({ before, behind }: Step, bytes: number): string | undefined {
    return bytes === this.#plan.layout.bodyBytes ? undefined : `${before}${bytes}${behind}`;
  }
}

function stepsOf(
  { head, body, layout }: RequestPlan,
  constants: readonly (string | null)[],
): readonly Step[] {
  const stepOf = ({ from, to }: Range, slot: number): Step => {
    const text = constants[slot];
    const octets = text === null ? null : octetsOfText(text);
    return { from, to, slot, octets, before: '', behind: '' };
  };
  const lengthOf = ({ from, to }: Range, before: string, behind: string): Step => ({
    from,
    to,
    slot: LENGTH,
    octets: null,
    before,
    behind,
  });
  const steps = head.map(({ at }, slot) => stepOf(at, slot));
  if (body.length > 0) {
    const { lengths, fieldsEnd, lineEnd, bodyFrom } = layout;
    for (const at of lengths) steps.push(lengthOf(at, '', ''));
    if (lengths.length === 0) {
      steps.push(lengthOf({ from: fieldsEnd, to: fieldsEnd }, 'Content-Length: ', lineEnd));
    }
    steps.sort((a, b) => a.from - b.from || a.to - b.to);
    for (const [i, { at }] of body.entries()) {
      const moved = { from: at.from + bodyFrom, to: at.to + bodyFrom };
      steps.push(stepOf(moved, head.length + i));
    }
  }
  return steps;
}
