/** Where in the text of a JSON document a value stands (RFC 8259), and where one can be added. */
import type { Range } from './recorded-requests.ts';

/** A place in a document. */
export interface JsonPlace extends Range {
  /** The value is not there: the last name of the path can be added here, behind these octets. */
  readonly addBefore?: string;
}

const BLANK = /[ \t\r\n]*/y;
const WORD = /-?[0-9][0-9.eE+-]*|true|false|null/y;
/** Deeper than any document that people send. */
const DEPTH_MAX = 200;

/**
 * Where the value at a path stands.
 * @param text octets as text
 * @param steps names and indexes
 * @returns null where it is not there and cannot be added
 */
export function jsonPlace(text: string, steps: readonly (string | number)[]): JsonPlace | null {
  return new JsonScanner(text).find(steps);
}

class JsonScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  find(steps: readonly (string | number)[]): JsonPlace | null {
    for (const [i, step] of steps.entries()) {
      const place = typeof step === 'number' ? this.#toItem(step) : this.#toMember(step);
      if (place === 'found') continue;
      return i === steps.length - 1 ? place : null;
    }
    this.#blanks();
    const from = this.#at;
    return this.#skipValue(0) ? { from, to: this.#at } : null;
  }

  #toItem(index: number): 'found' | null {
    if (!this.#take('[')) return null;
    for (let i = 0; i < index; i++) {
      if (!this.#skipValue(0) || !this.#take(',')) return null;
    }
    this.#blanks();
    return this.#text[this.#at] === ']' ? null : 'found';
  }

  #toMember(name: string): 'found' | JsonPlace | null {
    if (!this.#take('{')) return null;
    let isFirst = true;
    for (;;) {
      const end = this.#at;
      if (this.#take('}')) return { from: end, to: end, addBefore: isFirst ? '' : ',' };
      if (!isFirst && !this.#take(',')) return null;
      const key = this.#string();
      if (key === null || !this.#take(':')) return null;
      if (nameOf(key) === name) return 'found';
      if (!this.#skipValue(0)) return null;
      isFirst = false;
    }
  }

  /** Steps over a value; false where there is none. */
  #skipValue(depth: number): boolean {
    this.#blanks();
    const first = this.#text[this.#at];
    if (first !== '{' && first !== '[') {
      return (first === '"' ? this.#string() : this.#word()) !== null;
    }
    if (depth === DEPTH_MAX) return false;
    this.#at++;
    const close = first === '{' ? '}' : ']';
    if (this.#take(close)) return true;
    for (;;) {
      if (first === '{' && (this.#string() === null || !this.#take(':'))) return false;
      if (!this.#skipValue(depth + 1)) return false;
      if (this.#take(close)) return true;
      if (!this.#take(',')) return false;
    }
  }

  #blanks(): void {
    BLANK.lastIndex = this.#at;
    BLANK.exec(this.#text);
    this.#at = BLANK.lastIndex;
  }

  /** Steps over blanks and this character; stays where it does not follow. */
  #take(character: string): boolean {
    const before = this.#at;
    this.#blanks();
    if (this.#text[this.#at] === character) {
      this.#at++;
      return true;
    }
    this.#at = before;
    return false;
  }

  #word(): string | null {
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#text)?.[0] ?? null;
    if (word !== null) this.#at += word.length;
    return word;
  }

  /** A string with its quotes; by hand, for it may have megabytes. */
  #string(): string | null {
    this.#blanks();
    const from = this.#at;
    if (this.#text[from] !== '"') return null;
    for (let at = from + 1; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (character === '\\') at++;
      else if (character === '"') {
        this.#at = at + 1;
        return this.#text.slice(from, this.#at);
      }
    }
    return null;
  }
}

function nameOf(key: string): string {
  try {
    return String(JSON.parse(Buffer.from(key, 'latin1').toString('utf8')));
  } catch {
    return '';
  }
}
