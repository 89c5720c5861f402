/** Finds which of many texts stand in another one, by one walk over it. */
import { append } from '../../base/append.ts';

/** So many octets tell most beginnings apart. */
const GRAM_BYTES = 4;
/** Rows of the filter: at least, and for each beginning. */
const FILTER_ROWS_MIN = 64;
const FILTER_ROWS_PER_GRAM = 8;

/** Texts that begin alike. */
interface Beginning<Value> {
  readonly lengths: Set<number>;
  readonly values: Map<string, Value[]>;
}

/** Values by texts, whose first octets are asked for at every octet of another text. */
export class FormIndex<Value> {
  readonly #beginnings = new Map<number, Beginning<Value>>();
  /** A row a hash of first octets: 0 where nothing begins so. A power of two. */
  #filter = new Uint8Array(FILTER_ROWS_MIN);
  /** Texts that are too short for that. */
  readonly #short = new Map<string, Value[]>();

  /** @param form octets as text */
  add(form: string, value: Value): void {
    if (form.length < GRAM_BYTES) {
      append(this.#short, form, value);
      return;
    }
    const gram = gramAt(form);
    const known = this.#beginnings.get(gram);
    const beginning = known ?? { lengths: new Set(), values: new Map() };
    if (known === undefined) this.#begin(gram, beginning);
    beginning.lengths.add(form.length);
    append(beginning.values, form, value);
  }

  #begin(gram: number, beginning: Beginning<Value>): void {
    this.#beginnings.set(gram, beginning);
    let rows = this.#filter.length;
    if (this.#beginnings.size * FILTER_ROWS_PER_GRAM > rows) {
      rows *= 2;
      this.#filter = new Uint8Array(rows);
      for (const each of this.#beginnings.keys()) this.#filter[hashOf(each) & (rows - 1)] = 1;
    }
    this.#filter[hashOf(gram) & (rows - 1)] = 1;
  }

  /** The values whose texts stand in one, again wherever they do. */
  *in(text: string): Generator<Value> {
    for (const [form, values] of this.#short) if (text.includes(form)) yield* values;
    const filter = this.#filter;
    const mask = filter.length - 1;
    let gram = gramAt(text) >>> 8;
    for (let at = 0; at + GRAM_BYTES <= text.length; at++) {
      gram = (gram << 8) | text.charCodeAt(at + GRAM_BYTES - 1);
      if (filter[hashOf(gram) & mask] === 0) continue;
      const beginning = this.#beginnings.get(gram);
      if (beginning === undefined) continue;
      for (const bytes of beginning.lengths) {
        const values = beginning.values.get(text.slice(at, at + bytes));
        if (values !== undefined) yield* values;
      }
    }
  }
}

/** The first four octets as one number. */
const gramAt = (text: string): number =>
  (text.charCodeAt(0) << 24) |
  (text.charCodeAt(1) << 16) |
  (text.charCodeAt(2) << 8) |
  text.charCodeAt(3);

const hashOf = (gram: number): number => Math.imul(gram, 0x9e3779b1) >>> 12;
