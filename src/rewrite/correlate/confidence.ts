/** How sure it is that a value is the server's, and new each time: a score of what speaks for it. */
import type { HandedIn } from './answer-values.ts';
import type { Findings } from './evidence.ts';

/** From `HIGH` and from `MEDIUM` on rules are written; below it a value is only listed. */
export const Confidence = { HIGH: 0.7, MEDIUM: 0.5 } as const;

/** What is known of a place. */
export interface PlaceFacts {
  readonly findings: Findings;
  readonly in: HandedIn;
  /** What it is called where it is handed out, and where it is sent. */
  readonly names: readonly string[];
  /** A recorded value. */
  readonly example: string;
  /** It came in answer to a request that changes something. */
  readonly isMade: boolean;
}

/** What a comparison of clients says; without one, what a single recording can. */
const BY_COMPARISON = { yes: 0.9, partly: 0.6, no: 0.05, unknown: 0.35 } as const;
/** Clients that asked for different things may have got different things for that. */
const WEAK = 0.45;
/** The same client asked the same again, and got something else. */
const CHANGES = 0.85;
/** What all clients got alike is no client's own, whatever it is called. */
const SHARED_MAX = 0.2;

const FOR_NAME = 0.15;
const FOR_LENGTH = 0.1;
const FOR_MAKING = 0.1;
/** What a server sets as a cookie it wants to see again. */
const FOR_COOKIES = 0.15;
const AGAINST_LINKS = 0.15;

/** What applications call values that they hand out. */
const TELLING_NAME =
  /csrf|xsrf|token|nonce|session|sess?id|\bsid\b|auth|jwt|bearer|ticket|viewstate|eventvalidation|verification|\bstate\b|\bcode\b|secret|order|cart|basket|checkout|transaction|booking|reservation|invoice/i;
const LONG_BYTES = 16;

/** From 0 to 1. */
export function confidenceOf({ findings, in: place, names, example, isMade }: PlaceFacts): number {
  const { differs, isWeak, changes } = findings;
  const isShared = differs === 'no';
  let score: number = isWeak && !isShared ? WEAK : BY_COMPARISON[differs];
  if (changes && !isShared) score = Math.max(score, CHANGES);
  if (names.some((name) => TELLING_NAME.test(name))) score += FOR_NAME;
  if (example.length >= LONG_BYTES && /\d/.test(example) && /[a-z]/i.test(example)) {
    score += FOR_LENGTH;
  }
  if (isMade) score += FOR_MAKING;
  if (place === 'cookie') score += FOR_COOKIES;
  if (place === 'link' || place === 'text') score -= AGAINST_LINKS;
  return Math.round(100 * Math.max(0, Math.min(isShared ? SHARED_MAX : 1, score))) / 100;
}
