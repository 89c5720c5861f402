/** What is taken from answers: the values that rules name. */

import { decodeUtf8, encodeUtf8 } from '../octet-text.ts';
import type { Answer } from './answers.ts';
import { globMatcher } from './encodings.ts';
import { textKindOf, unescaped } from './escapes.ts';
import { jsonPlace } from './json-places.ts';
import { fieldOf, type RecordedRequest } from './recorded-requests.ts';
import { jsonPathSteps, type LearnRule, type WhenRule } from './rules.ts';

/** A value that was found in an answer, octets as text. */
export interface Learnt {
  readonly value: string;
  /** As it stands in the text, with its escapes. */
  readonly written: string;
}

/** Finds a value in an answer; undefined where it is not there. */
export type Extractor = (answer: Answer) => Learnt | undefined;

/** A rule that is ready to be used. */
export interface LearnFrom {
  readonly name: string;
  readonly when: RequestMatcher;
  readonly extract: Extractor;
  /** Undefined: by its length. */
  readonly alias: boolean | undefined;
}

/** Whether a recorded request is meant. @param status of its recorded answer; undefined: not known */
export type RequestMatcher = (request: RecordedRequest, status: number | undefined) => boolean;

/**
 * Runs what looks for a rule's pattern, and may stop it. That changes nothing, so that it may be run once more.
 * @param rule its name
 */
export type RunPattern = (rule: string, look: () => void) => void;

const runFreely: RunPattern = (_, look) => look();

/** A rule made ready. */
export const learnFrom = (rule: LearnRule, run: RunPattern = runFreely): LearnFrom => ({
  name: rule.name,
  when: requestMatcher(rule.when ?? {}),
  extract: extractorOf(rule, run),
  alias: rule.alias,
});

function extractorOf({ name: rule, from }: LearnRule, run: RunPattern): Extractor {
  const { header } = from;
  if (from.json !== undefined) {
    const steps = jsonPathSteps(from.json) ?? [];
    return (answer) => asIs(jsonValue(answer.body(), steps));
  }
  const find = finderOf(from, (look) => run(rule, look));
  if (header === undefined) return (answer) => inText(answer, find);
  const name = header.toLowerCase();
  return ({ fields }) => {
    for (const field of fields) {
      const found = field.name === name ? find(field.value) : undefined;
      if (found !== undefined) return asIs(found);
    }
    return undefined;
  };
}

const asIs = (value: string | undefined): Learnt | undefined =>
  value === undefined ? undefined : { value, written: value };

function inText(answer: Answer, find: (text: string) => string | undefined): Learnt | undefined {
  const body = answer.body();
  const written = find(body);
  if (written === undefined) return undefined;
  return { value: unescaped(written, textKindOf(answer, body)), written };
}

/** What a source finds. */
interface Match {
  readonly text: string;
  /** Where what tells it begins, and where the search for the next one goes on. */
  readonly start: number;
  readonly end: number;
}

function finderOf(
  from: LearnRule['from'],
  run: (look: () => void) => void,
): (text: string) => string | undefined {
  const next = nextOf(from, run);
  if (next === null) return (text) => text;
  const { nth = 1 } = from;
  const after = encodeUtf8(from.after ?? '');
  return (text) => {
    const place = text.indexOf(after);
    if (place < 0) return undefined;
    let found = next(text, place + after.length);
    for (let i = 1; i < nth && found !== undefined; i++) found = next(text, found.end);
    return found?.text;
  };
}

/** @returns null where a source takes all of a text */
function nextOf(
  { regex, between }: LearnRule['from'],
  run: (look: () => void) => void,
): ((text: string, at: number) => Match | undefined) | null {
  if (regex !== undefined) {
    const pattern = new RegExp(regex, 'g');
    return (text, at) => {
      let match: RegExpExecArray | null = null;
      run(() => {
        pattern.lastIndex = at;
        match = pattern.exec(text);
      });
      // The compiler does not see that it was set.
      const found = match as RegExpExecArray | null;
      if (found === null) return undefined;
      const bytes = Math.max(1, found[0].length);
      return { text: found[1] ?? found[0], start: found.index, end: found.index + bytes };
    };
  }
  if (between === undefined) return null;
  const [before, behind] = between.map(encodeUtf8);
  return (text, at) => {
    const found = text.indexOf(before, at);
    if (found < 0) return undefined;
    const from = found + before.length;
    const to = text.indexOf(behind, from);
    return to < 0 ? undefined : { text: text.slice(from, to), start: found, end: to };
  };
}

/**
 * Which of those that a regex or two delimiters find in a text is the value at an offset.
 * @param nthMax no more are looked at
 * @returns its number from 1, and whether it is the only one; undefined where it is none
 */
export function placeAmong(
  source: Pick<LearnRule['from'], 'regex' | 'between'>,
  text: string,
  valueAt: number,
  nthMax: number,
): { readonly nth: number; readonly isOnly: boolean } | undefined {
  const next = nextOf(source, (look) => look());
  let found = next?.(text, 0);
  for (let nth = 1; nth <= nthMax && found !== undefined; nth++) {
    const isIt = found.start <= valueAt && valueAt < found.end;
    found = next?.(text, found.end);
    if (isIt) return { nth, isOnly: nth === 1 && found === undefined };
  }
  return undefined;
}

/** What a source finds in a text, as it stands there. */
export const foundIn = (source: LearnRule['from'], text: string): string | undefined =>
  finderOf(source, (look) => look())(text);

/** By its place in the text, so that numbers stay as they are written and a cut document may do. */
function jsonValue(body: string, steps: readonly (string | number)[]): string | undefined {
  const place = jsonPlace(body, steps);
  if (place === null || place.addBefore !== undefined) return undefined;
  const text = body.slice(place.from, place.to);
  if (!text.startsWith('"')) return /^(?:[[{]|null$)/.test(text) ? undefined : text;
  try {
    return encodeUtf8(String(JSON.parse(decodeUtf8(text))));
  } catch {
    return undefined;
  }
}

/** Which requests a `when` means. */
export function requestMatcher(when: WhenRule): RequestMatcher {
  const method = when.method?.toUpperCase();
  const path = when.path === undefined ? null : globMatcher(encodeUtf8(when.path));
  const host = when.host === undefined ? null : globMatcher(when.host.toLowerCase());
  const fitsStatus = statusMatcher(when.status);
  return (request, status) =>
    (method === undefined || request.method.toUpperCase() === method) &&
    (path === null || path(request.path)) &&
    (host === null || host(hostOf(request))) &&
    (status === undefined || fitsStatus(status));
}

function statusMatcher(status: number | string | undefined): (status: number) => boolean {
  if (status === undefined) return () => true;
  const text = String(status).toLowerCase();
  if (text.endsWith('xx')) return (each) => Math.floor(each / 100) === Number(text[0]);
  return (each) => each === Number(text);
}

/** The host that a request is for, in small letters, without the port. */
export const hostOf = ({ fields, target }: Pick<RecordedRequest, 'fields' | 'target'>): string =>
  hostOfAuthority(
    /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1] ?? fieldOf(fields, 'host') ?? '',
  );

/** `shop.test` of `Shop.test:80`. */
export const hostOfAuthority = (authority: string): string =>
  authority
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1');
