/** What recorded requests say that they may have been told before: values, and where they stand. */
import { parseCookies } from '../http/cookie-jar.ts';
import { decodePercent } from '../http/encodings.ts';
import { fieldOf, type RecordedRequest } from '../http/recorded-requests.ts';
import { isForm, isJson, isMultipart, isPacked } from '../http/send.ts';
import { jsonLeaves } from './json-leaves.ts';

/** Parts of a request. */
export type SentPart = 'cookie' | 'header' | 'query' | 'path' | 'form' | 'json' | 'body' | 'frame';

/** How a value is written where it stands. */
export type SentAs = 'raw' | 'percent' | 'base64';

/** Where a request has a value. */
export interface SentPlace {
  readonly part: SentPart;
  /** Of the cookie, field, parameter or JSON path; of a path the segment before the value. */
  readonly name: string;
  readonly as: SentAs;
}

/** Told of each value of a request. @param within the longer value that it is a part of */
export type OnSentValue = (value: string, place: SentPlace, within: string | undefined) => void;

/** Of fewer octets nothing is told apart from what is there by chance. */
export const VALUE_BYTES_MIN = 6;
/** Digits that stand alone under a name may be fewer: order numbers. */
const NUMBER_BYTES_MIN = 4;
/** ViewStates are long; what is longer is a document. */
const VALUE_BYTES_MAX = 64 << 10;
/** Parts of a value that are looked at: of a text that is no value there are more. */
const PIECES_MAX = 64;
const PIECE_BYTES_MIN = 8;
/** Words are as long; what is longer and has no digit may still have been made by a server. */
const WORD_BYTES_MAX = 15;
const BASE64_BYTES_MIN = 12;

/** Fields that say what a client is and can, not what it was told. */
const CLIENTS_OWN = new Set([
  ...['accept', 'accept-encoding', 'accept-language', 'accept-charset', 'cache-control'],
  ...['connection', 'content-length', 'content-type', 'content-encoding', 'date', 'dnt', 'expect'],
  ...[
    'host',
    'if-modified-since',
    'if-unmodified-since',
    'keep-alive',
    'origin',
    'pragma',
    'range',
  ],
  ...['referer', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'via'],
  ...['proxy-connection', 'upgrade-insecure-requests', 'x-forwarded-for', 'x-real-ip'],
]);

const FILE_NAME =
  /\.(?:css|js|mjs|map|png|jpe?g|gif|webp|svg|ico|woff2?|ttf|html?|php|aspx?|jsp|txt|xml|pdf|zip|t?gz)$/i;

/** Whether a value is one that servers hand out: no word, and long enough. */
export function isTelling(value: string, isWhole: boolean): boolean {
  const { length } = value;
  if (length < NUMBER_BYTES_MIN || length > VALUE_BYTES_MAX) return false;
  if (/^\d+$/.test(value)) return length >= (isWhole ? NUMBER_BYTES_MIN : VALUE_BYTES_MIN);
  if (length < VALUE_BYTES_MIN || /^(.)\1*$/s.test(value)) return false;
  if (/\d/.test(value)) return true;
  return length > WORD_BYTES_MAX ? !/\s/.test(value) : /[a-z][A-Z]/.test(value);
}

/** Tells all values of a request. */
export function sentValues(request: RecordedRequest, onValue: OnSentValue): void {
  const told: ToldValues = new ToldValues(onValue);
  for (const { name, value } of request.fields) {
    if (name === 'cookie') {
      for (const pair of parseCookies(value)) told.whole(pair.value, 'cookie', pair.name);
    } else if (!CLIENTS_OWN.has(name) && !name.startsWith('sec-')) told.field(value, name);
  }
  const { path, target } = request;
  told.path(path);
  const mark = target.indexOf('?');
  if (mark >= 0) told.pairs(target.slice(mark + 1), 'query');
  if (isPacked(request) || request.body === '') return;
  if (isForm(request)) told.pairs(request.body, 'form');
  else if (isJson(request)) {
    for (const leaf of jsonLeaves(request.body)) told.whole(leaf.value, 'json', leaf.path());
  } else if (isMultipart(request)) told.parts(request);
  else if (request.body.length <= VALUE_BYTES_MAX) told.whole(request.body, 'body', '');
}

/** Likewise of what a frame of a WebSocket says. */
export function frameValues(payload: string, onValue: OnSentValue): void {
  const told = new ToldValues(onValue);
  if (!/^\s*[{[]/.test(payload)) {
    if (payload.length <= VALUE_BYTES_MAX) told.whole(payload, 'frame', '');
    return;
  }
  for (const leaf of jsonLeaves(payload)) told.whole(leaf.value, 'frame', leaf.path());
}

class ToldValues {
  readonly #onValue: OnSentValue;

  constructor(onValue: OnSentValue) {
    this.#onValue = onValue;
  }

  /** A value that stands there under a name, and its parts. */
  whole(value: string, part: SentPart, name: string, as: SentAs = 'raw'): void {
    const place: SentPlace = { part, name, as };
    const isValue = isTelling(value, true);
    if (isValue) this.#onValue(value, place, undefined);
    this.#packed(value, place);
    if (value.length < PIECE_BYTES_MIN) return;
    let pieces = 0;
    for (const [piece] of value.matchAll(/[\w-]{8,}/g)) {
      if (piece === value) continue;
      if (pieces++ === PIECES_MAX) return;
      if (isTelling(piece, false)) this.#onValue(piece, place, isValue ? value : undefined);
    }
  }

  /** What base64 stands for, where that is text. */
  #packed(value: string, place: SentPlace): void {
    if (value.length < BASE64_BYTES_MIN || !/^[\w+/-]+={0,2}$/.test(value)) return;
    const plain = Buffer.from(value, 'base64').toString('latin1');
    if (!/^[\x20-\x7e]+$/.test(plain) || !isTelling(plain, true)) return;
    this.#onValue(plain, { ...place, as: 'base64' }, value);
  }

  /** A header field: as a whole, and behind a scheme (`Bearer …`), in lists and in pairs. */
  field(value: string, name: string): void {
    this.whole(value, 'header', name);
    for (const [word] of value.matchAll(/[^\s,;="]{6,}={0,2}/g)) {
      if (word !== value && isTelling(word, false)) {
        this.#onValue(word, { part: 'header', name, as: 'raw' }, value);
        this.#packed(word, { part: 'header', name, as: 'raw' });
      }
    }
  }

  /** Segments of a path, but for the names of files: links have them. */
  path(path: string): void {
    let before = '';
    for (const segment of path.split(/[/;]/)) {
      if (FILE_NAME.test(segment)) continue;
      const equals = segment.indexOf('=');
      const text = equals < 0 ? segment : segment.slice(equals + 1);
      const name = equals < 0 ? before : segment.slice(0, equals);
      this.#encoded(text, 'path', name, false);
      before = segment;
    }
  }

  /** `a=b&c=d`. */
  pairs(text: string, part: SentPart): void {
    for (const pair of text.split('&')) {
      const equals = pair.indexOf('=');
      const name = decodePercent(pair.slice(0, Math.max(0, equals)), true);
      this.#encoded(pair.slice(equals + 1), part, name, true);
    }
  }

  #encoded(text: string, part: SentPart, name: string, isForm: boolean): void {
    const plain = decodePercent(text, isForm);
    this.whole(plain, part, name, plain === text ? 'raw' : 'percent');
    // What was handed out may have been encoded then, too.
    if (plain !== text) this.whole(text, part, name);
  }

  /** A form in parts (RFC 7578), without its files. */
  parts({ fields, body }: RecordedRequest): void {
    const boundary = /boundary="?([^";]+)/i.exec(fieldOf(fields, 'content-type') ?? '')?.[1];
    if (boundary === undefined) return;
    for (const part of body.split(`--${boundary}`)) {
      const end = part.indexOf('\r\n\r\n');
      const head = part.slice(0, Math.max(0, end));
      const name = /\bname="([^"]*)"/i.exec(head)?.[1];
      if (name === undefined || /\bfilename\*?=/i.test(head)) continue;
      this.whole(part.slice(end + 4).replace(/\r\n$/, ''), 'form', name);
    }
  }
}
