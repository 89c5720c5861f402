/** What all pages begin with: the verdict, what it is about, and what should be known first. */
import type { ThresholdOutcome } from '../../measure/result.ts';
import { filesText, outcomeText } from '../format.ts';
import { html, type Markup, table } from './markup.ts';

/** In place of colours, for those who do not see them. */
const MARKS = { good: '✓', mixed: '!', bad: '✗' } as const;

/** What a page's head says. */
export interface HeadCard {
  readonly level: keyof typeof MARKS;
  /** The verdict in a word or two. */
  readonly word: string;
  readonly headline: string;
  /** What to know before the figures are believed; or null. */
  readonly caveat: string | null;
  readonly facts: readonly (readonly [name: string, fact: string | Markup])[];
  /** What else should be known, and what these lines are called. */
  readonly notes: readonly string[];
  readonly notesName: string;
}

/** The head of a page. */
export const headCard = (card: HeadCard): Markup => html`<header class="${card.level}">
<p class="verdict"><span class="mark" aria-hidden="true">${MARKS[card.level]}</span> <span class="word">${card.word}</span></p>
<h1>${card.headline}</h1>
${card.caveat === null ? [] : html`<p class="caveat">But ${card.caveat}.</p>`}
<dl>${card.facts.map(([name, fact]) => html`<dt>${name}</dt><dd>${fact}</dd>\n`)}</dl>
${
  card.notes.length === 0
    ? []
    : html`<ul class="warnings" aria-label="${card.notesName}">${card.notes.map((note) => html`<li>${note}</li>`)}</ul>`
}
</header>`;

/** The command by which it can be done again, as a POSIX shell would have to be given it. */
export const commandFact = (command: readonly string[]): readonly [string, Markup] => [
  'Command',
  html`<code>gryphon${command.map((argument) => html` <span>${quoted(argument)}</span>`)}</code>`,
];

const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

const FILES_SHOWN = 4;

/** The captures that were played. */
export const captureFact = (files: readonly string[]): readonly [string, string] => [
  'Capture',
  filesText(files, FILES_SHOWN),
];

/** A time of the machine's clock. */
export const timeMarkup = (iso: string): Markup => html`<time datetime="${iso}">${iso}</time>`;

/** Which thresholds held; nothing where there are none. */
export function thresholdTable(outcomes: readonly ThresholdOutcome[]): Markup | readonly [] {
  if (outcomes.length === 0) return [];
  return html`<div class="words">${table(
    'Thresholds',
    ['threshold', 'held', 'found'],
    outcomes.map((outcome) => [
      html`<code>${outcome.expression}</code>`,
      html`<span class="${outcome.ok ? 'good' : 'bad'}">${outcome.ok ? '✓ held' : '✗ did not hold'}</span>`,
      outcomeText(outcome),
    ]),
    ['held', 'found'],
  )}</div>`;
}
