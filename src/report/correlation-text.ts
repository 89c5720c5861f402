/** What `gryphon inspect --correlate` found, as a table. */
import { formatCount } from '../base/units.ts';
import type { CorrelatedReport, CorrelationReport, SentReport } from './inspect-document.ts';
import { hanging } from './layout.ts';
import { tables } from './tables.ts';

/** More rows than this are counted only. */
const ROWS_MAX = 40;
/** Of those who hand a value out, and of the places where it is sent. */
const NAMED_MAX = 2;
const NAME_CHARACTERS_MAX = 40;

const HIGH = 0.7;
const MEDIUM = 0.5;

/** @param room columns of the terminal */
export function correlationLines(found: CorrelationReport, room: number): readonly string[] {
  const { sessions, clients, rows } = found;
  const sure = rows.filter(({ rule }) => rule !== null);
  const others = rows.filter(({ rule }) => rule === null);
  const where = `${counted(sessions, 'HTTP session')} of ${counted(clients, 'client')}`;
  const values = sure.reduce((sum, row) => sum + row.values, 0);
  const head =
    rows.length === 0
      ? `nothing in ${where} was sent back that an answer had handed out`
      : `${counted(values, 'value')} in ${where} that answers handed out and later requests had`;
  const shown = sure.slice(0, ROWS_MAX);
  return [
    ...hanging('Correlated: ', head, room),
    ...(shown.length === 0 ? [] : tables(HEAD, shown.map(cells), 3, room)),
    ...notes(found, sure, others).flatMap((note) => hanging('! ', note, room)),
  ];
}

const HEAD = ['Value', 'handed out by', 'sent in', 'clients', 'values', 'differs', 'sure', 'rule'];

function cells(row: CorrelatedReport): readonly string[] {
  return [
    placeText(row),
    listed(row.by.map(cut)),
    sentIn(row),
    formatCount(row.clients),
    formatCount(row.values),
    differsText(row),
    sureText(row.confidence),
    row.rule ?? '-',
  ];
}

function notes(
  { clients, sessionsLeft, sessionsHoled, isCut }: CorrelationReport,
  sure: readonly CorrelatedReport[],
  others: readonly CorrelatedReport[],
): readonly string[] {
  // What stands in one of many links is seldom more than that.
  const isLost = ({ isUnfindable, in: place }: CorrelatedReport): boolean =>
    isUnfindable && place !== 'link' && place !== 'text';
  const lost = others.filter(isLost);
  const low = others.filter((row) => !isLost(row));
  const [first] = lost;
  const said: readonly (readonly [boolean, string])[] = [
    [sure.length > ROWS_MAX, `${formatCount(sure.length - ROWS_MAX)} more rows (--json has all)`],
    [
      sure.some(({ isAcross }) => isAcross),
      'some of it is sent on connections on which it was not handed out: replay with --per client',
    ],
    [
      low.length > 0,
      `${counted(low.length, 'more place')} handed out what all clients had alike, or what may be there by ` +
        'chance: in no rule (--json has them)',
    ],
    [
      first !== undefined,
      `${counted(lost.length, 'place')} of which no rule can be made` +
        (first === undefined ? '' : `: ${placeText(first)} of ${listed(first.by.map(cut))}`),
    ],
    [
      clients === 1 && others.length + sure.length > 0,
      'one client was recorded: what differs between clients is not known. Record several',
    ],
    [
      sessionsLeft > 0,
      `${counted(sessionsLeft, 'session')} beyond 512 MiB of payload, or 64 MiB of a client, not looked at`,
    ],
    [
      sessionsHoled > 0,
      `${counted(sessionsHoled, 'session')} whose answers were not captured whole, not looked at`,
    ],
    [isCut, 'there is more than is looked at: select a part of the sessions'],
  ];
  return said.flatMap(([isSo, text]) => (isSo ? [text] : []));
}

/** `JSON $.access_token`, `cookie sid`. */
function placeText({ in: place, name }: CorrelatedReport): string {
  const label = cut(name);
  switch (place) {
    case 'json':
      return `JSON ${label}`;
    case 'hidden':
      return `form field ${label}`;
    case 'location':
      return `Location ${label}${label.endsWith('/') ? '…' : ''}`;
    case 'link':
      return `link ${label}${label.endsWith('/') ? '…' : ''}`;
    case 'text':
      return 'text';
    default:
      return `${place} ${label}`;
  }
}

/** `header authorization, form csrf`: the first of the places where requests have it. */
export const sentIn = ({ sent }: CorrelatedReport): string =>
  listed(sent.map((each) => sentText(each, sent)));

/** How it is encoded, where it never stands there as it is. */
function sentText({ part, name, as }: SentReport, all: readonly SentReport[]): string {
  const label = part === 'path' ? `${cut(name)}/…` : cut(name);
  const isRaw = all.some((each) => each.part === part && each.name === name && each.as === 'raw');
  const how = isRaw || as === 'raw' ? '' : ENCODINGS[as];
  return `${part === 'json' ? 'JSON' : part} ${label}`.trimEnd() + how;
}

const ENCODINGS = { percent: ' (percent-encoded)', base64: ' (base64)' };

/** Where a client got another value each time, that tells more than others having got another one. */
function differsText({ differs, changes }: CorrelatedReport): string {
  if (differs === 'yes') return changes ? 'always' : 'yes';
  if (changes) return 'each time';
  return differs === 'unknown' ? '?' : differs;
}

const sureText = (confidence: number): string => {
  if (confidence >= HIGH) return 'high';
  return confidence >= MEDIUM ? 'medium' : 'low';
};

function listed(texts: readonly string[]): string {
  const shown = [...new Set(texts)];
  const more = shown.length - NAMED_MAX;
  const named = shown.slice(0, NAMED_MAX).join(', ');
  return more > 0 ? `${named}, ${formatCount(more)} more` : named;
}

/** Names may be anything that was recorded. */
function cut(text: string): string {
  const shown = text.replace(/[^\x20-\x7e]/g, '.');
  if (shown.length <= NAME_CHARACTERS_MAX) return shown;
  return `${shown.slice(0, NAME_CHARACTERS_MAX - 1)}…`;
}

const counted = (count: number, what: string): string =>
  `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
