/** Results side by side: what is compared, what is refused, and what is more than noise. */
import { describe, expect, test } from 'vitest';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { type Change, compareResults } from '../../src/measure/compare-results.ts';
import { mergeResults } from '../../src/measure/merge-results.ts';
import type { RunResult } from '../../src/measure/result.ts';
import type { RunIdentity } from '../../src/measure/run-record.ts';
import { comparisonMarkdown } from '../../src/report/comparison-markdown.ts';
import { comparisonText } from '../../src/report/comparison-text.ts';
import { comparisonVerdict } from '../../src/report/comparison-words.ts';
import { comparisonPage } from '../../src/report/html/comparison-page.ts';
import { parseResult } from '../../src/report/json.ts';
import { sampleRun } from '../measure/sample-record.ts';

const ASSETS = { style: '', script: '', chartStyle: '', chartScript: '' };

/** A run whose answers take around so long, a little differently each time. */
function around(ms: number, run: number, identity: Partial<RunIdentity> = {}): RunResult {
  const responseMs = Array.from({ length: 200 }, (_, i) => ms * (1 + i / 1_000) + run / 100);
  const result = sampleRun({ responseMs, identity });
  return { ...result, startedAt: new Date(Date.parse(result.startedAt) + run).toISOString() };
}

const named = (results: readonly RunResult[], name: string) =>
  results.map((result, i) => ({ source: `${name}${i + 1}.json`, result }));

const runs = (ms: number, count: number, first = 0, identity: Partial<RunIdentity> = {}) =>
  Array.from({ length: count }, (_, i) => around(ms, first + i, identity));

const comparison = (base: RunResult[], next: RunResult[], expressions: string[] = []) =>
  compareResults(named(base, 'b'), named(next, 'n'), expressions.map(parseThreshold), false);

const changeOf = (base: RunResult[], next: RunResult[], name = 'response:p(99)'): Change =>
  comparison(base, next).figures.find((each) => each.name === name)?.change ?? 'unknown';

describe('a change', () => {
  test.each<[string, RunResult[], RunResult[], Change]>([
    ['of four runs a side, half as long again', runs(10, 4), runs(15, 4, 10), 'worse'],
    ['of four runs a side, shorter', runs(15, 4), runs(10, 4, 10), 'better'],
    ['of runs that are alike', runs(10, 5), runs(10, 5, 1), 'noise'],
    ['of three runs a side', runs(10, 3), runs(15, 3, 10), 'unknown'],
    ['of one run a side', runs(10, 1), runs(90, 1, 10), 'unknown'],
    ['of three runs against six', runs(10, 3), runs(15, 6, 10), 'worse'],
  ])('%s', (_, base, next, change) => {
    expect(changeOf(base, next)).toBe(change);
  });

  test('has its medians, a band around their difference, and the chance', () => {
    const { figures } = comparison(runs(10, 5), runs(15, 5, 10));
    const p99 = figures.find(({ name }) => name === 'response:p(99)');
    expect(p99).toMatchObject({ unit: 'ms', better: 'less', chance: 2 / 252 });
    const difference = (p99?.next ?? 0) - (p99?.base ?? 0);
    expect(difference / 6).toBeGreaterThan(0.98);
    expect(difference).toBeGreaterThanOrEqual(p99?.low ?? Number.NaN);
    expect(difference).toBeLessThanOrEqual(p99?.high ?? Number.NaN);
    expect(p99?.low).toBeGreaterThan(5.8);
  });

  test('for the better is a higher rate, and a lower latency', () => {
    const slow = [1, 2, 3, 4].map((i) =>
      sampleRun({ responseMs: [10, 10, 10], durationSeconds: 10 + i }),
    );
    const quick = [1, 2, 3, 4].map((i) =>
      sampleRun({ responseMs: [10, 10, 10], durationSeconds: i }),
    );
    expect(changeOf(slow, quick, 'exchanges:rate')).toBe('better');
    expect(changeOf(quick, slow, 'exchanges:rate')).toBe('worse');
  });
});

describe('a comparison is refused', () => {
  const asked = (changes: Record<string, string>): RunResult =>
    around(10, 1, { planDigest: 'ff', asked: { users: '1000', pace: '"think"', ...changes } });

  test('whose record cannot be read: its file is named, as where shares are added', () => {
    const whole = around(10, 1);
    const odd = { ...whole, record: { ...around(10, 2).record, latency: [] } } as RunResult;
    const both = [...named([whole], 'whole'), ...named([odd], 'odd')];
    const said = 'odd1.json: the result cannot be added to others: its record is cut';
    expect(() => compareResults([both[0]], [both[1]], [], false)).toThrow(said);
    expect(() => mergeResults(both, [], false)).toThrow(said);
  });

  test.each([
    [
      'other captures',
      around(10, 1, { captureDigest: '1' }),
      'they played other captures (http.pcap and http.pcap)',
    ],
    ['another number of users', asked({ users: '5' }), 'users 1000 and 5'],
    ['another pace', asked({ pace: '"none"' }), 'pace "think" and "none"'],
    [
      'another ramp',
      asked({ ramp: '[{"atNs":0,"users":0},{"atNs":0,"users":0},{"atNs":1500000000,"users":9}]' }),
      'ramp not given and 0s:0,1.5s:9',
    ],
    ['another limit of gaps', asked({ maxGapNs: '2000000000' }), 'maxGap not given and 2 s'],
    ['another clock', around(10, 1, { clock: 'virtual' }), 'real and virtual time'],
    ['a share of a run', around(10, 1, { shares: 3 }), 'a whole run and share 1 of 3'],
  ])('of %s', (_, other, said) => {
    const [base, next] = [named([around(10, 0)], 'b'), named([other], 'n')];
    expect(() => compareResults(base, next, [], false)).toThrow(
      expect.objectContaining({
        kind: 'usage',
        message: expect.stringContaining(`b1.json and n1.json cannot be compared: ${said}`),
      }),
    );
    expect(compareResults(base, next, [], true).notes.join()).toContain(said);
  });

  test('but another target, other clients, another seed are what one may compare', () => {
    const plan = { ...around(10, 0).plan, target: '10.0.0.6:80', seed: 9 };
    const other = asked({ target: '"b"', seed: '9' });
    const { notes } = comparison([around(10, 0)], [{ ...other, plan }]);
    expect(notes).toEqual(['b1.json and n1.json: target 10.0.0.5:80 and 10.0.0.6:80']);
  });

  test('and the same run on both sides, and one that did not run well, are told', () => {
    const run = around(10, 0);
    expect(comparison([run], [run]).notes).toEqual(['b1.json and n1.json are the same run']);
    const broken = { ...around(10, 1), interrupted: true };
    expect(comparison([run], [broken]).notes).toEqual(['n1.json was interrupted']);
    const others = [around(10, 2), around(10, 3)].map((each) => ({ ...each, interrupted: true }));
    expect(comparison([run, others[0]], [broken, others[1]]).notes).toEqual([
      'each of b2.json, n1.json and n2.json was interrupted',
    ]);
  });
});

describe('thresholds of a comparison', () => {
  test.each([
    ['response:p(99)<+10%', 10.5, true],
    ['response:p(99)<+10%', 15, false],
    ['response:p(99)<12ms', 15, false],
    ['exchanges:rate>-5%', 15, true],
  ])('%s with %d ms after 10 ms holds: %s', (expression, ms, ok) => {
    const found = comparison(runs(10, 1), runs(ms, 1, 10), [expression]);
    expect(found.thresholds).toMatchObject([{ expression, ok }]);
    expect(comparisonVerdict(found).level).toBe(ok ? 'good' : 'bad');
  });
});

describe('the reports of a comparison', () => {
  const base = runs(10, 4);
  const next = runs(15, 4, 10);
  const worse = comparison(base, next, ['response:p(99)<+10%']);

  test('say first what they come to', () => {
    const headline =
      '1 of 1 thresholds did not hold; worse beyond noise: response:p(50), response:p(90), response:p(99) and 5 more';
    expect(comparisonVerdict(worse)).toEqual({ level: 'bad', headline });
    const [first = '', second = ''] = comparisonText(worse, null).split('\n');
    expect(`${first} ${second.trim()}`).toBe(`✗ ${headline}`);
    expect(comparisonMarkdown(worse)).toContain(`## ❌ gryphon: ${headline}`);
    expect(comparisonPage(worse, { base, next, version: '1' }, ASSETS)).toContain(
      `<h1>${headline}</h1>`,
    );
  });

  test('have a row a figure in a table whose columns stand below each other', () => {
    const lines = comparisonText(worse, 80).split('\n');
    const row = lines.find((line) => line.startsWith('response:p(99) '));
    expect(row).toMatch(
      /response:p\(99\) +12\.0 ms +18\.1 ms +\+50\.8% +\+50\.6% to \+51% +worse$/,
    );
    expect(comparisonMarkdown(worse)).toMatch(/^\| response:p\(99\) \| 12.0 ms \|.*\| worse \|$/m);
  });

  test('say what is to be done where noise cannot be told', () => {
    const few = comparison(runs(10, 1), runs(15, 1, 10));
    expect(comparisonVerdict(few)).toEqual({
      level: 'mixed',
      headline: 'whether changes are noise cannot be told from 1 and 1 runs',
    });
    expect(comparisonText(few, null).replaceAll(/\s+/g, ' ')).toContain('from 4 on each side on');
  });

  test('tell requests that are answered unlike each other', () => {
    const said = (text: string, count: number) => ({ text, count, of: 9 });
    const example = { kind: 'status', session: 3, number: 2, request: 'GET /a|b' } as const;
    const answers = {
      ...{ requests: 40, unlike: 1, unlikeBy: { status: 1, length: 0, body: 0 }, varying: 2 },
      examples: [{ ...example, base: said('200', 9), next: said('503', 4) }],
      left: 0,
    };
    const unlike = { ...comparison(runs(10, 4), runs(10, 4, 1)), answers };
    const headline = comparisonVerdict(unlike).headline;
    expect(comparisonVerdict(unlike).level).toBe('mixed');
    expect(headline).toMatch(/^1 of 40 requests answered unlike each other; /);
    expect(comparisonText(unlike, null).replaceAll(/\s+/g, ' ')).toContain(
      'answers 1 of 40 requests answered unlike each other (1 status); of 2 something varies from play ' +
        'to play at both targets status 200 → 503 (4 of 9): GET /a|b (session 3, request 2)',
    );
    expect(comparisonMarkdown(unlike)).toContain(
      '| status | GET /a\\|b (session 3, request 2) | 200 | 503 (4 of 9) |',
    );
    const page = comparisonPage(unlike, { base, next, version: '1' }, ASSETS);
    expect(page).toContain('<td class="text">503 (4 of 9)</td>');
    // Results that were read from files have no answers of their own.
    expect(comparisonPage(worse, { base, next, version: '1' }, ASSETS)).not.toContain(
      'answers-title',
    );
  });

  test('escape what stands in them', () => {
    const odd = compareResults(
      [{ source: '<b>|', result: base[0] }],
      [{ source: 'n', result: next[0] }],
      [],
      false,
    );
    expect(comparisonPage(odd, { base, next, version: '1' }, ASSETS)).not.toContain('<b>|');
    expect(comparisonMarkdown(odd)).toContain('&lt;b>\\|');
  });

  test('are made of results as they are read from files', async () => {
    const read = await parseResult(JSON.stringify(base[0]), 'b1.json');
    expect(comparison([read], [next[0]]).figures).toEqual(comparison([base[0]], [next[0]]).figures);
  });
});
