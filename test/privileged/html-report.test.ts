/** The HTML report and the comparison page in a browser: Debian's Chromium, driven by playwright-core. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { kernelFiles } from '../../src/cli/files.ts';
import type { AnswerExample } from '../../src/measure/compare-answers.ts';
import type { Comparison } from '../../src/measure/compare-results.ts';
import { encodeHistogram } from '../../src/measure/histogram-codec.ts';
import type { RunResult } from '../../src/measure/result.ts';
import { comparisonPage } from '../../src/report/html/comparison-page.ts';
import { htmlReport } from '../../src/report/html/html-report.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, must } from '../helpers/process.ts';

const MS_OF_UNIT: Readonly<Record<string, number>> = { ns: 1e-6, µs: 1e-3, ms: 1, s: 1e3 };

/** `12.5 ms` as milliseconds. */
function msOf(text: string): number {
  const [number = '', unit = ''] = text.split(' ');
  return Number(number) * (MS_OF_UNIT[unit] ?? Number.NaN);
}

/** What two targets answered to one request; the texts are as long as they may be. */
const unlike = (number: number): AnswerExample => ({
  kind: number % 2 === 0 ? 'status' : 'body',
  session: 1_234,
  number,
  request: `GET /shop/articles/${number}/pictures?size=large&session=${'0123456789abcdef'.repeat(4)}`,
  base: { text: '200, 10,240 bytes', count: 16, of: 16 },
  next: { text: '503, 1,024 bytes', count: 15, of: 16 },
});

/** Keeps what is written on canvases, where and in which colour: each text is centred at its place. */
const KEEP_LABELS = `
  window.labels = [];
  let printing = false;
  addEventListener('beforeprint', () => { printing = true; });
  addEventListener('afterprint', () => { printing = false; });
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, ...rest) {
    const half = this.measureText(text).width / 2;
    const color = this.fillStyle;
    window.labels.push({ canvas: this.canvas, text, left: x - half, right: x + half, color, printing });
    write.call(this, text, x, ...rest);
  };`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe.runIf(canRun('the HTML report in a browser', ['chromium']))('an HTML page', () => {
  let folder: string;
  let browser: Browser;
  let result: RunResult;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-html-'));
    // Several intervals of virtual time, so that there is something to draw.
    const load = ['fixtures/http-keepalive.pcap', '--users', '2000', '--rate', '200/s'];
    const threshold = ['--threshold', 'response:p(99)<10s'];
    await must(
      ['node', 'bin/gryphon.js', 'replay', ...load, ...threshold, '--out', folder, '--quiet'],
      { cwd: ROOT },
    );
    result = read('result.json') as RunResult;
    // The same result on both sides, of runs that began at different times: enough of them to know noise.
    const [bases, news] = ['base', 'new'].map((side, i) =>
      [0, 1, 2, 3].map((run) => {
        const startedAt = new Date(Date.parse(result.startedAt) + 1_000 * (4 * i + run));
        const file = join(folder, `${side}-${run}.json`);
        writeFileSync(file, JSON.stringify({ ...result, startedAt: startedAt.toISOString() }));
        return file;
      }),
    );
    const files = ['--base', bases.join(), ...news];
    const pages = ['--html', join(folder, 'comparison.html')];
    const document = ['--json', join(folder, 'comparison.json')];
    const limit = ['--threshold', 'response:p(50)<+10%'];
    await must(['node', 'bin/gryphon.js', 'compare', ...files, ...limit, ...pages, ...document], {
      cwd: ROOT,
    });
    // As --against writes it, which knows the answers as well.
    const found = read('comparison.json') as Comparison;
    const examples = Array.from({ length: 20 }, (_, i) => unlike(i + 1));
    const counted = { requests: 130, unlike: 20, unlikeBy: { status: 10, body: 10 } };
    const answers = { ...counted, varying: 3, left: 1, examples };
    const sides = { base: [result, result], next: [result, result], version: result.version };
    const page = comparisonPage({ ...found, answers }, sides, await kernelFiles.readHtmlAssets());
    writeFileSync(join(folder, 'against.html'), page);
    // Of three million answers, so that the spectrum has seven decades.
    const many = encodeHistogram({
      indexes: Uint32Array.of(9_000, 12_000, 20_000),
      counts: Float64Array.of(3_000_000, 100, 1),
    });
    const histograms = { ...result.histograms, response: many, service: many };
    const [kind] = result.classes;
    const classes = (
      [
        ['GET /b', 9],
        ['other', 99],
        ['GET /a', 1_000],
        ['GET /c', 10],
      ] as const
    ).map(([name, sent]) => ({ ...kind, name, sent }));
    const long = htmlReport({ ...result, histograms, classes }, await kernelFiles.readHtmlAssets());
    writeFileSync(join(folder, 'long.html'), long);
    browser = await chromium.launch({
      executablePath: findTool('chromium') ?? '',
      // Chromium refuses its sandbox to root.
      args: ['--no-sandbox'],
    });
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  type PageFile = 'report.html' | 'comparison.html' | 'against.html' | 'long.html';

  interface Opened {
    readonly page: Page;
    /** What went wrong, or was asked of the network. */
    readonly faults: readonly string[];
  }

  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

  async function open(
    width: number,
    colorScheme: 'light' | 'dark' = 'light',
    file: PageFile = 'report.html',
  ): Promise<Opened> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const faults: string[] = [];
    page.on('console', (message) => faults.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (!/^(?:file|data):/.test(request.url())) faults.push(`asks for ${request.url()}`);
    });
    await page.addInitScript(KEEP_LABELS);
    await page.goto(pathToFileURL(join(folder, file)).href);
    await page.waitForSelector('body[data-charts]');
    return { page, faults };
  }

  const idsOf = async (page: Page, selector: string): Promise<readonly (string | null)[]> =>
    await Promise.all(
      (await page.locator(selector).all()).map((found) => found.getAttribute('id')),
    );

  /** Pixels of the canvas that are not transparent, for each chart. */
  const drawn = async (page: Page): Promise<readonly number[]> =>
    await page.evaluate<number[]>(`[...document.querySelectorAll('.plot canvas')].map((canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      return data.filter((value, i) => i % 4 === 3 && value !== 0).length;
    })`);

  const CHARTS = {
    'report.html': [
      'chart-latency',
      'chart-rates',
      'chart-users',
      'chart-connections',
      'chart-ended',
      'chart-spectrum',
    ],
    'comparison.html': ['chart-spectrum'],
    'against.html': ['chart-spectrum'],
    'long.html': [],
  } as const;

  const PAGES: readonly PageFile[] = ['report.html', 'comparison.html', 'against.html'];

  test.each(PAGES.flatMap((file) => [[file, 'light'] as const, [file, 'dark'] as const]))(
    '%s draws every chart, in %s, without a fault',
    async (file, scheme) => {
      const { page, faults } = await open(1280, scheme, file);
      expect(await idsOf(page, 'figure')).toEqual(CHARTS[file]);
      const pixels = await drawn(page);
      expect(pixels).toHaveLength(CHARTS[file].length);
      for (const count of pixels) expect(count).toBeGreaterThan(1000);
      expect(faults).toEqual([]);
    },
  );

  test('says the numbers of the result', async () => {
    const { page } = await open(1280);
    const cards = await page.locator('.card strong').allTextContents();
    expect(cards[0]).toBe(result.users.completed.toLocaleString('en-US'));
    expect(cards[2]).toBe(result.exchanges.answered.toLocaleString('en-US'));
    const cell = page.locator('table', { hasText: 'requests that came due' });
    await expect(
      cell
        .locator('tr', { hasText: /^answered/ })
        .locator('td')
        .first()
        .textContent(),
    ).resolves.toBe(result.exchanges.answered.toLocaleString('en-US'));
    const rows = page.locator('#chart-rates details tbody tr');
    expect(await rows.count()).toBe(result.timeline.intervals.length);
    const [first] = result.timeline.intervals;
    const seconds = (first?.endSeconds ?? 0) - (first?.startSeconds ?? 0);
    const [due, sent] = await rows.first().locator('td').allTextContents();
    expect(Number(due)).toBeCloseTo((first?.due ?? 0) / seconds, 0);
    expect(Number(sent)).toBeCloseTo((first?.sent ?? 0) / seconds, 0);
  });

  test('says the numbers of the comparison', async () => {
    const { page, faults } = await open(1280, 'light', 'comparison.html');
    const { figures, thresholds } = read('comparison.json') as Comparison;
    const rows = page.locator('table', { hasText: 'Medians of each side' }).locator('tbody tr');
    expect(await rows.locator('th').allTextContents()).toEqual(figures.map(({ name }) => name));
    for (const [i, { name, base, next, unit }] of figures.entries()) {
      if (unit !== 'ms') continue;
      const [left = '', right = ''] = await rows.nth(i).locator('td').allTextContents();
      // Three digits are shown.
      for (const [text, value] of [
        [left, base],
        [right, next],
      ] as const) {
        expect(Math.abs(msOf(text) - (value ?? Number.NaN)), name).toBeLessThanOrEqual(
          (value ?? 0) * 0.005,
        );
      }
    }
    const held = page.locator('table', { hasText: 'Thresholds' }).locator('tbody .good');
    expect(await held.count()).toBe(thresholds.length);
    const head = await page.locator('header dl').textContent();
    for (const said of [
      ...result.capture.files,
      result.plan.target,
      '2,000 users',
      'gryphon replay',
    ]) {
      expect(head).toContain(said);
    }
    expect(faults).toEqual([]);
  });

  test.each(PAGES.flatMap((file) => [320, 390, 1280].map((width) => [file, width] as const)))(
    '%s does not scroll sideways on %i pixels',
    async (file, width) => {
      const { page, faults } = await open(width, 'light', file);
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - window.innerWidth',
      );
      expect(overflow).toBeLessThanOrEqual(0);
      expect(faults).toEqual([]);
    },
  );

  test('a phone shows what is known of each change, and what both answered, without scrolling a table', async () => {
    const { page, faults } = await open(390, 'light', 'against.html');
    const beyond = await page.evaluate<string[]>(`
      [...document.querySelectorAll('#changes td:nth-of-type(4), #answers td, #answers th')]
        .filter((cell) => cell.getBoundingClientRect().right > innerWidth)
        .map((cell) => cell.parentElement.textContent)`);
    expect(beyond).toEqual([]);
    const [head, row] = await page.locator('#answers tr').all();
    expect(await head.locator('th').allTextContents()).toEqual([
      'request',
      'unlike',
      'base',
      'new',
    ]);
    expect(await row.locator('th').textContent()).toBe(
      `${unlike(1).request} (session 1234, request 1)`,
    );
    expect(await row.locator('td').allTextContents()).toEqual([
      'body',
      '200, 10,240 bytes',
      '503, 1,024 bytes (15 of 16)',
    ]);
    expect(await page.locator('#answers p').textContent()).toBe(
      '20 of 130 requests answered unlike each other (10 status, 10 body); of 3 something varies ' +
        'from play to play at both targets; 1 more request not compared.',
    );
    expect(faults).toEqual([]);
  });

  test.each([390, 1280])(
    'the marks of a spectrum of three million answers do not touch, on %i pixels',
    async (width) => {
      const { page, faults } = await open(width, 'light', 'long.html');
      const marks = await page.evaluate<{ text: string; left: number; right: number }[]>(`
        window.labels
          .filter(({ canvas, text }) => text.endsWith('%') && canvas.closest('#chart-spectrum'))
          .map(({ text, left, right }) => ({ text, left, right }))`);
      expect(marks.length).toBeGreaterThanOrEqual(3);
      expect(marks[0].text).toBe('0%');
      for (const [i, { text, left }] of marks.slice(1).entries()) {
        expect(left, `${marks[i].text} and ${text}`).toBeGreaterThan(marks[i].right);
      }
      expect(faults).toEqual([]);
    },
  );

  test('can be used by keyboard: the first stop leads to the figures', async () => {
    const { page } = await open(1280);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('figures');
    const unnamed = await page.evaluate(`
      [...document.querySelectorAll('[role=img], table, section')]
        .filter((element) => !element.matches('[aria-label], [aria-labelledby], :has(> caption)'))
        .map(({ outerHTML }) => outerHTML.slice(0, 80))`);
    expect(unnamed).toEqual([]);
  });

  test.each(PAGES)(
    'charts of %s are printed in the colours of paper from a dark screen',
    async (file) => {
      const { page, faults } = await open(1280, 'dark', file);
      const paper = await page.pdf({ format: 'A4' });
      expect(paper.length).toBeGreaterThan(10_000);
      const colors = (printing: boolean) =>
        page.evaluate<string[]>(`[...new Set(
        window.labels.filter((label) => label.printing === ${printing}).map(({ color }) => color))]`);
      expect(await colors(true)).toEqual(['#444444']);
      // Before, and again after it.
      expect(await colors(false)).toEqual(['#a3adba']);
      expect(faults).toEqual([]);
    },
  );

  test('kinds of requests are sorted by a column, by click and by key, and the rest stays below', async () => {
    const { page, faults } = await open(1280, 'light', 'long.html');
    const table = page.locator('.sortable table');
    const names = async () =>
      (await table.locator('tbody th').allTextContents()).map((name) => name.split(' (')[0]);
    const sent = table.getByRole('button', { name: 'sent' });
    await sent.click();
    expect(await names()).toEqual(['GET /a', 'GET /c', 'GET /b', 'other']);
    expect(await table.locator('[aria-sort=descending]').textContent()).toBe('sent');
    await sent.press('Enter');
    expect(await names()).toEqual(['GET /b', 'GET /c', 'GET /a', 'other']);
    await table.getByRole('button').first().press('Space');
    expect(await names()).toEqual(['GET /a', 'GET /b', 'GET /c', 'other']);
    expect(await table.locator('[aria-sort=ascending]').textContent()).toMatch(/^requests/);
    expect(faults).toEqual([]);
  });

  /** Stretches of text in these elements that are drawn on more than one line. */
  const broken = async (page: Page, selector: string, pattern: string): Promise<string[]> =>
    await page.evaluate<string[]>(`
      [...document.querySelectorAll(${JSON.stringify(selector)})].flatMap((element) => {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        const found = [];
        while (texts.nextNode()) {
          for (const { 0: text, index } of texts.currentNode.data.matchAll(/${pattern}/g)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, index);
            range.setEnd(texts.currentNode, index + text.length);
            if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) found.push(text);
          }
        }
        return found;
      })`);

  test.each(PAGES)('no option of the command of %s is broken at a hyphen', async (file) => {
    const { page, faults } = await open(1280, 'light', file);
    for (let width = 320; width <= 500; width += 20) {
      await page.setViewportSize({ width, height: 900 });
      expect(await broken(page, 'header code', '--[\\w-]+'), `${width} pixels`).toEqual([]);
    }
    expect(faults).toEqual([]);
  });

  test.each(PAGES)('no word of a name in %s is broken on a phone', async (file) => {
    const { page, faults } = await open(390, 'light', file);
    expect(await broken(page, '#changes th, th code', '[\\w()]+')).toEqual([]);
    expect(faults).toEqual([]);
  });

  test.each(PAGES)('%s is drawn again for paper, in ink on white', async (file) => {
    const { page, faults } = await open(1280, 'dark', file);
    await page.emulateMedia({ media: 'print' });
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    // A browser lays the page out for paper after that: A4 without its margins.
    await page.setViewportSize({ width: 703, height: 1_000 });
    const beyond = await page.evaluate<string[]>(`
      [...document.querySelectorAll('canvas, table')]
        .filter((part) => part.getBoundingClientRect().right > innerWidth)
        .map((part) => part.closest('[id]').id)`);
    expect(beyond).toEqual([]);
    const colors = await page.evaluate(`(() => {
      const { backgroundColor, color } = getComputedStyle(document.body);
      return { backgroundColor, color };
    })()`);
    expect(colors).toEqual({ backgroundColor: 'rgb(255, 255, 255)', color: 'rgb(0, 0, 0)' });
    expect(faults).toEqual([]);
  });
});
