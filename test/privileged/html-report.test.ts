/** The HTML report in a browser: Debian's Chromium, driven by playwright-core. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunResult } from '../../src/measure/result.ts';
import { canRun } from '../helpers/privilege.ts';
import { findTool, must } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe.runIf(canRun('the HTML report in a browser', ['chromium']))('the HTML report', () => {
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
    result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as RunResult;
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

  interface Opened {
    readonly page: Page;
    /** What went wrong, or was asked of the network. */
    readonly faults: readonly string[];
  }

  async function open(width: number, colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const faults: string[] = [];
    page.on('console', (message) => faults.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (!/^(?:file|data):/.test(request.url())) faults.push(`asks for ${request.url()}`);
    });
    await page.goto(pathToFileURL(join(folder, 'report.html')).href);
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

  test.each(['light', 'dark'] as const)(
    'draws every chart, in %s, without a fault',
    async (scheme) => {
      const { page, faults } = await open(1280, scheme);
      expect(await idsOf(page, 'figure')).toEqual([
        'chart-latency',
        'chart-rates',
        'chart-users',
        'chart-ended',
        'chart-spectrum',
      ]);
      const pixels = await drawn(page);
      expect(pixels).toHaveLength(5);
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
    expect(Number(await rows.first().locator('td').first().textContent())).toBeCloseTo(
      (first?.sent ?? 0) / seconds,
      0,
    );
  });

  test.each([320, 390, 1280])('does not scroll sideways on %i pixels', async (width) => {
    const { page, faults } = await open(width);
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - window.innerWidth',
    );
    expect(overflow).toBeLessThanOrEqual(0);
    expect(faults).toEqual([]);
  });

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

  test('is drawn again for paper, in ink on white', async () => {
    const { page, faults } = await open(1280, 'dark');
    await page.emulateMedia({ media: 'print' });
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    const colors = await page.evaluate(`(() => {
      const { backgroundColor, color } = getComputedStyle(document.body);
      return { backgroundColor, color };
    })()`);
    expect(colors).toEqual({ backgroundColor: 'rgb(255, 255, 255)', color: 'rgb(0, 0, 0)' });
    expect(faults).toEqual([]);
  });
});
