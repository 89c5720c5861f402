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

function finderOf(
  { regex, between }: LearnRule['from'],
  run: (look: () => void) => void,
): (text: string) => string | undefined {
  if (regex !== undefined) {
    const pattern = new RegExp(regex);
    return (text) => {
      let match: RegExpExecArray | null = null;
      run(() => {
        match = pattern.exec(text);
      });
      // The compiler does not see that it was set.
      const found = match as RegExpExecArray | null;
      return found === null ? undefined : (found[1] ?? found[0]);
    };
  }
  if (between === undefined) return (text) => text;
  const [before, behind] = between.map(encodeUtf8);
  return (text) => {
    const found = text.indexOf(before);
    if (found < 0) return undefined;
    const from = found + before.length;
    const to = text.indexOf(behind, from);
    return to < 0 ? undefined : text.slice(from, to);
  };
}

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
