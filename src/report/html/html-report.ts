/**
 * The result as one HTML file: opens offline, in light and dark, on paper and on a phone. All
 * figures and tables are text; scripts draw the charts alone.
 */
import type { RunResult } from '../../measure/result.ts';
import { verdictOf } from '../verdict.ts';
import { type Chart, chartsOf } from './chart-data.ts';
import { requestsSection } from './class-section.ts';
import { drawnSeconds } from './drawn-intervals.ts';
import { figuresSection, headerSection, tablesSection } from './html-sections.ts';
import { html, type Markup } from './markup.ts';
import { chartFigures, type HtmlAssets, htmlPage } from './page.ts';

/** The whole page (UTF-8). */
export function htmlReport(result: RunResult, assets: HtmlAssets): string {
  const charts = chartsOf(result);
  const content = {
    headline: verdictOf(result).headline,
    header: headerSection(result),
    main: html`${figuresSection(result)}
${requestsSection(result)}
${chartsSection(charts, result)}
${tablesSection(result)}`,
    charts,
    version: result.version,
  };
  return htmlPage(content, assets);
}

function chartsSection(charts: readonly Chart[], { timeline }: RunResult): Markup {
  const isShort = !charts.some(({ axis }) => axis === 'seconds');
  const note = `The run ended within one interval of ${timeline.intervalSeconds} s: there is nothing to draw over time.`;
  const seconds = drawnSeconds(timeline);
  const isJoined = seconds !== timeline.intervalSeconds;
  const steps = `Drawn in steps of ${seconds} s; result.json and timeline.csv have each of ${timeline.intervalSeconds} s.`;
  return html`<section aria-labelledby="over-time">
<h2 id="over-time">Charts</h2>
${isShort ? html`<p class="note">${note}</p>` : []}
${isJoined ? html`<p class="note">${steps}</p>` : []}
${chartFigures(charts)}
</section>`;
}
