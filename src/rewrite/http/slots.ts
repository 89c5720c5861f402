/** Places of a recorded request that are written anew, and what stands there instead. */

import type { Encoding } from './encodings.ts';
import { overlap } from './exchanges.ts';
import type { Range } from './recorded-requests.ts';
import type { Place } from './template.ts';

/** What a template's place stands for once its request is known. */
export type BoundPlace =
  | Exclude<Place, { readonly is: 'recorded' } | { readonly is: 'learnt' }>
  /** @param sites ids of those that may have handed it out */
  | { readonly is: 'learnt'; readonly name: string; readonly sites: readonly number[] };

/** A recorded pair of a Cookie field. */
export interface RecordedPair {
  readonly name: string;
  readonly value: string;
  /** The server set it in the recording. */
  readonly isServers: boolean;
  /** The sites of this very value. */
  readonly sites: readonly number[];
}

/** What stands in a slot. */
export type SlotValue =
  | {
      readonly is: 'template';
      /** Undefined where it names what was never learnt in the recording. */
      readonly parts: readonly (string | BoundPlace)[] | undefined;
      readonly encoding: Encoding;
      /** What stands around it. */
      readonly before: string;
      readonly behind: string;
    }
  /** What a client got where the recorded one got this value. */
  | {
      readonly is: 'alias';
      readonly recorded: string;
      /** The rule's name, or the cookie's, for messages. */
      readonly handedOutAs: string;
      readonly sites: readonly number[];
      readonly encoding: Encoding;
    }
  /** The cookies of the jar, within the recorded field. */
  | {
      readonly is: 'cookies';
      readonly pairs: readonly RecordedPair[];
      /** What stays of the field where any cookie is left: its name, and the line end. */
      readonly before: string;
      readonly behind: string;
    };

/** A place and its value; without octets where something is added. */
export interface Slot {
  readonly at: Range;
  readonly value: SlotValue;
}

/** Nothing: what stood there is left out. */
export const NOTHING: SlotValue = {
  is: 'template',
  parts: [],
  encoding: 'raw',
  before: '',
  behind: '',
};

/** Which of overlapping slots counts: what is set, before what is replaced, before what follows. */
export const Rank = {
  /** Learnt values, wherever their recorded form stands. */
  ALIAS: 0,
  /** The Cookie field. */
  COOKIES: 1,
  /** The first replacement of a document; those behind it have higher ranks. */
  REPLACE: 2,
  /** Fields, parameters and values that are set. */
  SET: 1_000_000,
} as const;

/** Slots of one text, gathered in any order: of those that overlap the one of the higher rank counts. */
export class SlotList {
  readonly #slots: (Slot & { readonly rank: number; readonly order: number })[] = [];

  add(at: Range, value: SlotValue, rank: number): void {
    this.#slots.push({ at, value, rank, order: this.#slots.length });
  }

  /** In ascending order, without overlaps; what is added at the same place stays in its order. */
  get(): readonly Slot[] {
    const kept: (Slot & { readonly order: number })[] = [];
    const ranked = this.#slots.toSorted((a, b) => b.rank - a.rank || b.order - a.order);
    for (const slot of ranked) {
      if (!kept.some(({ at }) => isInTheWay(at, slot.at))) kept.push(slot);
    }
    kept.sort((a, b) => a.at.from - b.at.from || a.at.to - b.at.to || a.order - b.order);
    return kept.map(({ at, value }) => ({ at, value }));
  }
}

/** Whether two slots cannot both be: of the same octets, or one is added within the other. */
function isInTheWay(a: Range, b: Range): boolean {
  if (a.from === a.to && b.from === b.to) return false;
  return overlap(a, b);
}
