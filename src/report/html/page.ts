/** What all pages have in common: nothing is loaded, charts have their data below them as tables. */
import { words } from '../format.ts';
import type { Chart } from './chart-data.ts';
import { html, jsonMarkup, type Markup, table, verbatim } from './markup.ts';

/** The stylesheets and scripts that the page holds, as text. */
export interface HtmlAssets {
  readonly style: string;
  /** Draws the charts with `uPlot`. */
  readonly script: string;
  readonly chartStyle: string;
  /** uPlot, as a script that defines it. */
  readonly chartScript: string;
}

/** Nothing is loaded from anywhere, whatever the page is told. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
/** Empty, so that no browser asks for one. */
const ICON = 'data:,';

/** More rows than this of a chart's data are left to the JSON document. */
const ROWS_MAX = 120;

/** What a page shows. */
export interface PageContent {
  readonly headline: string;
  readonly header: Markup;
  /** It has an element with the id `figures`. */
  readonly main: Markup;
  readonly charts: readonly Chart[];
  readonly version: string;
}

/** The whole page (UTF-8). */
export function htmlPage(
  { headline, header, main, charts, version }: PageContent,
  assets: HtmlAssets,
): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${ICON}">
<title>gryphon: ${headline}</title>
<style>${verbatim(assets.chartStyle)}
${verbatim(assets.style)}</style>
</head>
<body>
<a class="skip" href="#figures">Skip to the figures</a>
${header}
<main>
${main}
</main>
<footer>gryphon ${version}. Times are in milliseconds unless they say otherwise.</footer>
<script type="application/json" id="charts">${jsonMarkup(charts)}</script>
<script>${verbatim(assets.chartScript)}</script>
<script>${verbatim(assets.script)}</script>
</body>
</html>
`;
  return page.html;
}

/** Charts side by side. */
export const chartFigures = (charts: readonly Chart[]): Markup => html`<div class="charts">
${charts.map(chartFigure)}</div>`;

const chartFigure = (chart: Chart): Markup => html`<figure id="chart-${chart.id}">
<figcaption><h3>${chart.title} <span class="unit">${chart.unit}</span></h3><p>${chart.summary}.</p></figcaption>
<div class="plot" role="img" aria-label="Chart: ${chart.title}; its data is below it"></div>
<details><summary>Data</summary>
${chartTable(chart)}</details>
</figure>
`;

/** The data of a chart as a table; of very many rows some, evenly spread. */
function chartTable({ x, lines, title, axis, unit }: Chart): Markup {
  const step = Math.max(1, Math.ceil(x.length / ROWS_MAX));
  const shown = x.map((_, i) => i).filter((i) => i % step === 0 || i === x.length - 1);
  const part = step === 1 ? '' : `, one row of ${step}`;
  return table(
    `${title}, ${unit}${part}`,
    [axis === 'seconds' ? 'until, s' : 'percentile', ...lines.map(({ name }) => words(name))],
    shown.map((i) => [
      axis === 'seconds' ? short(x[i] ?? 0) : short(100 - 100 / (x[i] ?? 1)),
      ...lines.map(({ values }) => {
        const value = values[i] ?? null;
        return value === null ? '-' : short(value);
      }),
    ]),
  );
}

/** Five digits that count are enough to compare by. */
const short = (value: number): string => String(Number(value.toPrecision(5)));
