/** Classes of requests, and how answers were unlike the recorded ones, as tables of the HTML report. */
import { OTHER_CLASS } from '../../measure/request-classes.ts';
import type { RunResult } from '../../measure/result.ts';
import { classTable } from '../class-figures.ts';
import { differenceRows } from '../difference-figures.ts';
import { html, type Markup, table } from './markup.ts';

/** Both tables; nothing where there is nothing to tell. The first is sorted by a click on a column. */
export function requestsSection(result: RunResult): Markup | readonly [] {
  const parts = [classesPart(result), differencesPart(result)].flat();
  if (parts.length === 0) return [];
  return html`<section aria-labelledby="requests">
<h2 id="requests">Requests</h2>
${parts}</section>`;
}

function classesPart({ classes }: RunResult): readonly Markup[] {
  if (classes.length === 0) return [];
  const [head = [], ...rows] = classTable(classes);
  const isOther = ([name]: readonly string[]): boolean => name === OTHER_CLASS;
  const others = rows.filter(isOther).map(([, ...cells]) => [OTHER_NAME, ...cells]);
  const told = rows.filter((cells) => !isOther(cells));
  const list = table('Requests, by kind', head, [...told, ...others]);
  return [html`<div class="sortable">${list}</div>`];
}

/** Its row stays the last one, by whatever column the table is sorted. */
const OTHER_NAME = html`${OTHER_CLASS} <span class="note rest">(none of these kinds)</span>`;

function differencesPart(result: RunResult): readonly Markup[] {
  const rows = differenceRows(result);
  if (rows.length === 0) return [];
  const head = ['unlike', 'recorded → came', 'answers', 'for instance'];
  const texts = ['recorded → came', 'for instance'];
  return [
    html`<div class="words">${table('Answers unlike the recorded ones', head, rows, texts)}</div>`,
  ];
}
