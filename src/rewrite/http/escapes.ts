/**
 * Values that stand escaped in the text of an answer: as character references in markup, as escapes of strings in
 * JSON and scripts. A browser says later what they stand for; a script that only cuts them out says them as they are.
 */
import { encodeUtf8 } from '../octet-text.ts';
import type { Answer } from './answers.ts';
import { fieldOf } from './recorded-requests.ts';

/** Names of references to ASCII characters, and to the blank that is none (HTML, section 13.5). */
const NAMED: Readonly<Record<string, string>> = {
  ...{ amp: '&', AMP: '&', lt: '<', LT: '<', gt: '>', GT: '>', quot: '"', QUOT: '"', apos: "'" },
  ...{ sol: '/', bsol: '\\', equals: '=', plus: '+', colon: ':', semi: ';', comma: ',' },
  ...{ period: '.', num: '#', percnt: '%', quest: '?', excl: '!', commat: '@', dollar: '$' },
  ...{ lpar: '(', rpar: ')', lsqb: '[', lbrack: '[', rsqb: ']', rbrack: ']', lcub: '{' },
  ...{ lbrace: '{', rcub: '}', rbrace: '}', verbar: '|', vert: '|', ast: '*', midast: '*' },
  ...{ lowbar: '_', grave: '`', Hat: '^', Tab: '\t', NewLine: '\n', nbsp: '\u00a0' },
};

const CODE_POINT_MAX = 0x10_ffff;

/** A character reference; an escape within a string of JSON or of a script. */
export const REFERENCE = String.raw`&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});`;
export const ESCAPE = String.raw`\\(?:["'/\\]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})`;
const REFERENCES = new RegExp(REFERENCE, 'g');
const ESCAPES = new RegExp(`(?:${ESCAPE})+`, 'g');

/** What is escaped in a text. */
export type TextKind = 'markup' | 'json' | 'other';

/** @param body its own, which need not be unpacked again */
export function textKindOf({ fields }: Pick<Answer, 'fields'>, body: string): TextKind {
  const type = (fieldOf(fields, 'content-type') ?? '').toLowerCase();
  if (/[/+]json\b/.test(type)) return 'json';
  if (/\b(?:html|xml)\b/.test(type)) return 'markup';
  if (/javascript|ecmascript/.test(type)) return 'json';
  if (type !== '') return 'other';
  const start = /^\s*([{[<])/.exec(body)?.[1];
  if (start === undefined) return 'other';
  return start === '<' ? 'markup' : 'json';
}

/** What stands there without its escapes. @param written octets as text, like what is given */
export function unescaped(written: string, kind: TextKind): string {
  if (kind === 'other') return written;
  // Markup has scripts, and attributes hold JSON; JSON holds markup.
  return kind === 'markup'
    ? withoutEscapes(withoutReferences(written))
    : withoutReferences(withoutEscapes(written));
}

function withoutReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(REFERENCES, (whole) => {
    const name = whole.slice(1, -1);
    if (!name.startsWith('#')) return encodeUtf8(NAMED[name] ?? '') || whole;
    const isHex = /^#x/i.test(name);
    const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
    return code === 0 || code > CODE_POINT_MAX ? whole : encodeUtf8(String.fromCodePoint(code));
  });
}

function withoutEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  // Those in a row together: two of them may be one character.
  return text.replace(ESCAPES, (run) =>
    encodeUtf8(
      run.replace(
        /\\(?:u(....)|x(..)|(.))/g,
        (_, wide?: string, hex?: string, plain?: string) =>
          plain ?? String.fromCharCode(Number.parseInt(wide ?? hex ?? '', 16)),
      ),
    ),
  );
}
