/** The values of a JSON document that are no lists and no objects, with their paths (RFC 8259). */
import { decodeUtf8, encodeUtf8 } from '../octet-text.ts';

/** A text or a number. */
export interface JsonLeaf {
  /** Octets as text, without quotes and escapes. */
  readonly value: string;
  /** Of the raw value in the document, without quotes. */
  readonly from: number;
  readonly to: number;
  /** As rules have it: `$.data.items[0].id`. To be asked before the next leaf is. */
  readonly path: () => string;
}

/** Deeper than any document that people send. */
const DEPTH_MAX = 200;
/** Behind it a value is looked for in vain: what is longer is no document that a rule reads. */
const LEAVES_MAX = 200_000;

const TOKEN = /[\s,:]*(?:([{}[\]])|"((?:[^"\\]|\\.)*)"|(-?\d[\d.eE+-]*)|(true|false|null))/sy;

/** Where a leaf lies: names and indexes, one a level. */
interface Level {
  readonly isList: boolean;
  index: number;
  name: string;
}

/**
 * The leaves of a document, as far as it can be read: one that is cut off has those before.
 * @param text octets as text
 */
export function* jsonLeaves(text: string): Generator<JsonLeaf> {
  const levels: Level[] = [];
  let isName = false;
  const path = (): string => pathOf(levels);
  TOKEN.lastIndex = 0;
  for (let at = 0, leaves = 0; leaves < LEAVES_MAX; ) {
    // Whoever asks may read another document in between.
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return;
    at = TOKEN.lastIndex;
    const [, bracket, quoted, number] = match;
    const level = levels.at(-1);
    if (bracket === '{' || bracket === '[') {
      if (levels.length === DEPTH_MAX) return;
      levels.push({ isList: bracket === '[', index: 0, name: '' });
      isName = bracket === '{';
      continue;
    }
    if (isName && quoted !== undefined && level !== undefined) {
      level.name = plainText(quoted);
      isName = false;
      continue;
    }
    if (bracket !== undefined) levels.pop();
    else if (quoted !== undefined || number !== undefined) {
      leaves++;
      const to = quoted === undefined ? at : at - 1;
      const raw = quoted ?? number ?? '';
      const value = quoted === undefined ? raw : plainText(raw);
      yield { value, from: to - raw.length, to, path };
    }
    const around = levels.at(-1);
    if (around === undefined) return;
    around.index++;
    isName = !around.isList;
  }
}

function plainText(quoted: string): string {
  if (!quoted.includes('\\')) return quoted;
  try {
    return encodeUtf8(String(JSON.parse(decodeUtf8(`"${quoted}"`))));
  } catch {
    return quoted;
  }
}

function pathOf(levels: readonly Level[]): string {
  let path = '$';
  for (const { isList, index, name } of levels) {
    const text = decodeUtf8(name);
    if (isList) path += `[${index}]`;
    else path += /^[A-Za-z_$][\w$-]*$/.test(text) ? `.${text}` : `[${JSON.stringify(text)}]`;
  }
  return path;
}
