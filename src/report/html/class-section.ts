/** Classes of requests, and how answers were unlike the recorded ones, as tables of the HTML report. */
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
  return [html`<div class="sortable">${table('Requests, by kind', head, rows)}</div>`];
}

function differencesPart(result: RunResult): readonly Markup[] {
  const rows = differenceRows(result);
  if (rows.length === 0) return [];
  const head = ['unlike', 'recorded → came', 'answers', 'for instance'];
  return [table('Answers unlike the recorded ones', head, rows)];
}
