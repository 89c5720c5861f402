import fc from 'fast-check';
import * as hdr from 'hdr-histogram-js';
import { describe, expect, test } from 'vitest';
import { buildResult } from '../../src/measure/build-result.ts';
import {
  Latency,
  LatencyRecorder,
  type LatencyRow,
  LatencyTable,
} from '../../src/measure/histograms.ts';
import type { RunResult } from '../../src/measure/result.ts';
import { csvReport } from '../../src/report/csv.ts';
import { hgrmReport } from '../../src/report/hgrm.ts';
import { hlogReport } from '../../src/report/hlog.ts';
import { junitReport } from '../../src/report/junit.ts';
import { markdownReport } from '../../src/report/markdown.ts';
import { outputFiles } from '../../src/report/output-files.ts';
import { textReport } from '../../src/report/text.ts';
import { verdictOf } from '../../src/report/verdict.ts';
import { FACTS, NOTHING_COUNTED, sampleRecord, sampleResult } from '../measure/sample-run.ts';

const ALL_WELL = {
  COMPLETED: 1000,
  REFUSED: 0,
  RESET: 0,
  TIMED_OUT: 0,
  ABORTED: 0,
  RESET_DURING_ANSWER: 0,
  TIMED_OUT_WAITING: 0,
  TIMED_OUT_CONNECTING: 0,
  ABORTED_CLOSED_EARLY: 0,
  EXCHANGES_SENT: 1980,
  EXCHANGES_PLANNED: 1980,
};
const NOBODY = { ...NOTHING_COUNTED, STARTED: 0 };

const NOBODY_COMPLETED = {
  COMPLETED: 0,
  ABORTED: 991,
  ABORTED_CLOSED_EARLY: 991,
  EXCHANGES_OF_COMPLETED: 0,
};

const behind = () => {
  const recorder = new LatencyRecorder();
  recorder.record(Latency.LAG, 50_000_000);
  const record = { ...sampleRecord(ALL_WELL), latency: LatencyTable.of([recorder.columns]) };
  return buildResult(FACTS, record, []);
};

/** Of five clients' connections; those of the sample, but for their number. */
const ofClients = (result: RunResult, completed: number): RunResult => {
  const none = { planned: 5, waiting: 0, live: 0, completed, refused: 0, reset: 0, timedOut: 0 };
  return { ...result, clients: { ...none, aborted: 5 - completed } };
};

test('answers that broke the rules are told in the first line, and whether any was understood', () => {
  const ends = { ...ALL_WELL, COMPLETED: 988, ABORTED: 12, ABORTED_ANSWER_MALFORMED: 9 };
  const some = { ...ends, ABORTED_ANSWER_BAD_LENGTH: 3 };
  const { level, caveat } = verdictOf(sampleResult([], {}, some));
  expect(level).toBe('mixed');
  expect(caveat).toBe(
    'users ended early: 9 by an answer that is none of its protocol, 3 by an answer of a length that is none',
  );
  const none = sampleResult([], {}, { ...some, ANSWER_BY_PROTOCOL: 0 });
  expect(verdictOf(none).caveat).toMatch(/; no answer at all was of the protocol .*--protocol/);
});

test('one of a thing is not told as several', () => {
  const { plan, capture } = FACTS;
  const sessions = { total: 1, replayable: 1, skipped: {} };
  const facts = { plan: { ...plan, users: 1 }, capture: { ...capture, sessions } };
  const counted = { ...ALL_WELL, CONNECTED: 1, EXCHANGES_INTENDED: 1 };
  const report = textReport(sampleResult([], facts, counted), { color: false });
  const text = report.replace(/\s+/g, ' ');
  for (const part of ['1 session, 1 of', 'by 1 user from', '1 request, ', '1 time, '])
    expect(text).toContain(part);
});

describe('clients with several connections', () => {
  test('are told beside their connections', () => {
    const all = ofClients(sampleResult([], {}, ALL_WELL), 5);
    expect(verdictOf(all).headline).toBe('all 5 clients completed, with 1,000 connections');
    const some = ofClients(sampleResult(), 4);
    expect(verdictOf(some).headline).toBe(
      '4 of 5 clients completed, with 990 of 1,000 connections',
    );
    const text = textReport(some, { color: false });
    expect(text).toContain('clients    5 planned: 4 completed, 1 aborted');
    expect(text).toContain('connections, by how they ended (1,000 planned)');
    expect(markdownReport(some)).toContain('| clients (5 planned) | completed 4, aborted 1 |');
  });
});

describe('the verdict', () => {
  test.each([
    ['every user completed', sampleResult([], {}, ALL_WELL), 'good', 'all 1,000 users completed'],
    ['some did not', sampleResult(), 'mixed', '990 of 1,000 users completed'],
    ['none did', sampleResult([], {}, NOBODY_COMPLETED), 'bad', '0 of 1,000 users'],
    ['nobody started', sampleResult([], {}, NOBODY), 'bad', 'nothing was replayed'],
    ['a threshold held', sampleResult(['errors:rate<5%']), 'good', 'the threshold held'],
    [
      'one of two did not',
      sampleResult(['errors:rate<5%', 'errors:count==0']),
      'bad',
      '1 of 2 thresholds did not hold',
    ],
    [
      'it was interrupted',
      sampleResult(['errors:rate<5%'], { isInterrupted: true }),
      'bad',
      'interrupted: the threshold held',
    ],
    [
      'the embedded target received wrong bytes',
      sampleResult(['errors:rate<5%'], {}, { EMBEDDED_BAD_OCTETS: 3 }),
      'bad',
      'faulty: the embedded target received 3 wrong bytes and 0 bad checksums',
    ],
  ])('when %s', (_when, result, level, headline) => {
    const verdict = verdictOf(result);
    expect(verdict.level).toBe(level);
    expect(verdict.headline).toContain(headline);
    expect(verdict.caveat).toBeNull();
  });

  test.each([
    [
      'statuses that nobody recorded',
      {
        EXCHANGES_FAILED: 1980,
        STATUS_5XX: 1980,
        EXCHANGES_MISMATCHED: 1980,
        MISMATCHED_STATUS: 1980,
        MISMATCHED_LENGTH: 0,
      },
      '100% of the answers have another status than the recorded ones (5xx 1,980)',
    ],
    [
      'other lengths',
      { EXCHANGES_MISMATCHED: 199, MISMATCHED_LENGTH: 199 },
      '10.1% of the answers are not as long',
    ],
    ['what came unasked', { EXCHANGES_UNSOLICITED: 1200 }, 'the target spoke unasked 1,200 times'],
  ])('is not good with %s, and says so in the first line', (_what, changes, caveat) => {
    for (const thresholds of [[], ['errors:rate<5%']]) {
      const result = sampleResult(thresholds, {}, { ...ALL_WELL, ...changes });
      expect(verdictOf(result).level).toBe('mixed');
      const text = textReport(result, { color: false });
      expect(text).toMatch(/^! /);
      expect(text.slice(0, 250).replace(/\s+/g, ' ')).toContain(caveat);
    }
  });

  test('pings that were answered are told beside the answers', () => {
    const result = sampleResult([], {}, { ...ALL_WELL, PINGS_ANSWERED: 1_200 });
    const text = textReport(result, { color: false }).replace(/\s+/g, ' ');
    expect(text).toContain('1,200 pings of the target answered');
  });

  test.each([
    ['each of 500 users has played the twice that there were ports for', true, 500, 2, 60, 1],
    ['so has the half of 1,000 users that a share has', true, 1_000, 2, 60, 2],
    ['somebody could have played once more', false, 500, 3, 60, 1],
    ['the time was over', false, 500, 2, 10, 1],
    ['there was no time', false, 500, 2, null, 1],
  ])(
    'tells that addresses and ports were used up: %s',
    (_when, told, users, iterations, until, of) => {
      const result = sampleResult(
        ['errors:rate<5%'],
        {
          plan: { ...FACTS.plan, users, iterations, untilSeconds: until },
          shares: { of, played: [1] },
        },
        ALL_WELL,
      );
      const verdict = verdictOf(result);
      expect([verdict.ending, verdict.level]).toEqual(['done', told ? 'mixed' : 'good']);
      const caveat =
        'the load ended after 10 s of 60 s: each address and port serves once, and all were used ' +
        '(give more --ports or --clients)';
      expect(verdict.caveat).toBe(told ? caveat : null);
    },
  );

  test('takes a tenth of unlike answers for chance', () => {
    const changes = {
      ...ALL_WELL,
      EXCHANGES_MISMATCHED: 198,
      MISMATCHED_LENGTH: 0,
      MISMATCHED_STATUS: 198,
      EXCHANGES_FAILED: 198,
    };
    expect(verdictOf(sampleResult([], {}, changes)).level).toBe('good');
  });

  test('of a generator that fell behind says so in the first line of every report', () => {
    const result = behind();
    const caveat = 'the generator fell behind its plan (p99 of its lag 50 ms, bound 10 ms)';
    const [first = '', second = ''] = textReport(result, { color: false }).split('\n');
    expect(first).toContain('BUT the generator fell behind its plan');
    expect(`${first} ${second.trim()}`).toContain(caveat);
    expect(markdownReport(result).split('\n')[2]).toContain('the generator fell behind');
    // A remark, and no failure: the exit code is 0.
    expect(junitReport(result)).toContain('<system-out>the generator fell behind');
    expect(junitReport(result)).toContain('failures="0"');
  });

  test.each([
    [12, 1_000, true],
    [10, 990, false],
    [0, 1_000, false],
  ])(
    'of %i packets that were lost in the ring beside %i says so beyond a hundredth',
    (lost, received, isSaid) => {
      const changes = { ...ALL_WELL, RING_DROPPED: lost, PACKETS_RECEIVED: received };
      const { level, caveat } = verdictOf(sampleResult([], {}, changes));
      expect(level).toBe('good');
      expect(caveat?.includes('1.19% of the replies were lost here') ?? false).toBe(isSaid);
    },
  );
});

describe('the terminal summary', () => {
  test('is this', async () => {
    const result = sampleResult(['response:p(99)<20ms', 'errors:rate<5%']);
    const text = textReport(result, { color: false });
    await expect(text).toMatchFileSnapshot('golden/summary.txt');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('is in colour only when asked', () => {
    const result = sampleResult(['errors:rate<5%']);
    expect(textReport(result, { color: false })).not.toContain('\u001b');
    const colored = textReport(result, { color: true });
    expect(colored).toContain('\u001b[32m✓\u001b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are what is taken out
    const plain = colored.replace(/\u001b\[\d+m/g, '');
    expect(plain).toBe(textReport(result, { color: false }));
  });

  test('shows what was not measured as such', () => {
    const record = { ...sampleRecord(NOBODY), latency: new LatencyTable() };
    const text = textReport(buildResult({ ...FACTS, durationNs: 0 }, record, []), { color: false });
    expect(text).toMatch(/ {2}response +0 +- +-/);
    expect(text).not.toMatch(/NaN|Infinity|undefined|null/);
  });

  test('gives warnings and notes', () => {
    const generator = { ...FACTS.generator, warnings: ['the ring was small'], notes: ['ARP: on'] };
    const text = textReport(sampleResult([], { generator }), { color: false });
    expect(text.split('\n').slice(1, 3)).toEqual(['! the ring was small', '']);
    expect(text).toMatch(/^ {11}ARP: on$/m);
  });
});

describe('on a screen', () => {
  const linesOf = (text: string) => text.trimEnd().split('\n');

  test('more than three warnings stand at the end', () => {
    const warnings = ['one', 'two', 'three', 'four', 'five'];
    const result = sampleResult([], { generator: { ...FACTS.generator, warnings } });
    const lines = linesOf(textReport(result, { color: false }));
    expect(lines.slice(0, 5)).toEqual([
      '! 990 of 1,000 users completed',
      '! one',
      '! two',
      '! three',
      '',
    ]);
    expect(lines.slice(-3)).toEqual(['', '! four', '! five']);
  });

  test('warnings of what is missing from the figures go first', () => {
    const warnings = [
      'users are few',
      'this machine forwards packets',
      '3 frames were not sent: x',
    ];
    const result = sampleResult([], { generator: { ...FACTS.generator, warnings } });
    expect(linesOf(textReport(result, { color: false })).slice(1, 4)).toEqual([
      '! 3 frames were not sent: x',
      '! users are few',
      '! this machine forwards packets',
    ]);
  });

  test('that is too low for all of it, the verdict is said again at the end', () => {
    const result = sampleResult(['errors:rate<5%']);
    const whole = linesOf(textReport(result, { color: true, rows: 1000 }));
    expect(whole.at(-1)).toContain('generator');
    expect(linesOf(textReport(result, { color: true, rows: whole.length + 1 }))).toEqual(whole);
    const low = linesOf(textReport(result, { color: true, rows: whole.length }));
    expect(low).toEqual([...whole, '', whole.at(0)]);
  });

  test('a run in which all is well fits into 24 rows without being asked to', () => {
    const facts = { plan: { ...FACTS.plan, target: '10.20.0.5:80', mode: 'local' } };
    const noLoss = {
      RETRANSMITTED: 0,
      SYN_RETRANSMITTED: 0,
      UNSENT_NO_BUFFERS: 0,
      DROPPED_STALE: 0,
    };
    const answered = { EXCHANGES_SENT: 1980, EXCHANGES_INTENDED: 1980, EXCHANGES_MISMATCHED: 0 };
    const changes = { ...ALL_WELL, ...noLoss, ...answered };
    const lines = linesOf(textReport(sampleResult([], facts, changes), { color: false }));
    expect(lines.length).toBeLessThan(24);
  });

  test('definitions of every row are there when they are asked for', () => {
    const result = sampleResult();
    expect(textReport(result, { color: false })).not.toContain('96 bytes of state');
    const explained = textReport(result, { color: false, explain: true }).replace(/\n {11}/g, ' ');
    expect(explained).toContain('96 bytes of state');
    const names = [
      ...textReport(result, { color: false }).matchAll(/^ {0,2}(\w+(?: byte)?) {2}/gm),
    ];
    const states = ['completed', 'refused', 'reset', 'timed out', 'aborted'];
    for (const [, name = ''] of names) {
      if (states.includes(name) || name === 'capture') continue;
      expect(explained).toMatch(new RegExp(`^(?:.*, )?${name}\\b.*[a-z]{2}`, 'm'));
    }
  });

  test('figures of one table have one unit and as many decimals', () => {
    const text = textReport(sampleResult(), { color: false });
    const [, table = ''] = /^latency, ms.*\n([\s\S]*?)\n\n/m.exec(text) ?? [];
    const figures = [...table.matchAll(/[\d,]+\.\d+/g)].map(([figure]) => figure);
    expect(figures.length).toBeGreaterThan(20);
    for (const figure of figures) expect(figure).toMatch(/^\d{1,3}(?:,\d{3})*\.\d{3}$/);
  });

  test('no line is wider than it, whatever the result', () => {
    const count = fc.oneof(fc.nat(2000), fc.nat({ max: Number.MAX_SAFE_INTEGER }));
    const figure = fc.oneof(count, fc.double({ min: 0, noNaN: true }));
    const name = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.string({ unit: 'binary', maxLength: 90 }),
    );
    const latencyRow = fc.record({
      count,
      ...Object.fromEntries(
        ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'p99.99', 'max'].map((column) => [
          column,
          fc.option(fc.double({ min: 0, max: 1.5e8, noNaN: true })),
        ]),
      ),
    }) as fc.Arbitrary<LatencyRow>;
    const screens = fc.record({
      columns: fc.option(fc.integer({ min: 40, max: 300 })),
      rows: fc.option(fc.integer({ min: 5, max: 100 })),
      explain: fc.boolean(),
    });
    const base = sampleResult(['response:p(99)<20ms', 'errors:rate<5%']);
    fc.assert(
      fc.property(
        screens,
        fc.array(name, { minLength: 1, maxLength: 5 }),
        fc.array(name, { maxLength: 6 }),
        fc.array(figure, { minLength: 40, maxLength: 40 }),
        fc.array(latencyRow, { minLength: 7, maxLength: 7 }),
        (screen, files, warnings, figures, rows) => {
          const result = withFigures(base, files, warnings, figures, rows);
          const width = Math.min(80, screen.columns ?? 80);
          for (const line of linesOf(textReport(result, { ...screen, color: false }))) {
            expect(line.length, line).toBeLessThanOrEqual(width);
          }
        },
      ),
    );
  });
});

/** A result all of whose counts and texts are replaced, in the order in which they come. */
function withFigures(
  base: RunResult,
  files: readonly string[],
  warnings: readonly string[],
  figures: readonly number[],
  rows: readonly LatencyRow[],
): RunResult {
  let next = 0;
  const replaced = (part: unknown): unknown => {
    if (typeof part === 'number') return figures.at(next++ % figures.length);
    if (Array.isArray(part)) return part.map(replaced);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, replaced(each)]));
  };
  const { timeline, ...summed } = base;
  const result = { ...(replaced(summed) as RunResult), timeline };
  const [connect, firstByte, response, service, lag, held, login] = rows as [
    LatencyRow,
    LatencyRow,
    LatencyRow,
    LatencyRow,
    LatencyRow,
    LatencyRow,
    LatencyRow,
  ];
  return {
    ...result,
    capture: { ...result.capture, files },
    latency: { unit: 'ms', connect, firstByte, response, service, lag, held, login },
    generator: { ...result.generator, warnings, notes: warnings },
  };
}

describe('the table of intervals', () => {
  const result = sampleResult();
  const [head = [], ...rows] = csvReport(result)
    .split('\r\n')
    .slice(0, -1)
    .map((line) => line.split(','));
  const column = (name: string): string[] => rows.map((row) => row[head.indexOf(name)] ?? '');

  test('has a row an interval and a cell for each name', () => {
    expect(rows.length).toBe(result.timeline.intervals.length);
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([head.length]));
    expect(new Set(head).size).toBe(head.length);
    expect(csvReport(result)).toMatch(/\r\n$/);
  });

  test('has the figures of the result, and nothing where nothing was measured', () => {
    const { intervals } = result.timeline;
    expect(column('answered').map(Number)).toEqual(intervals.map(({ answered }) => answered));
    // Counts are totals up to the interval's end, latencies those within it.
    const within = column('response_count').map(Number);
    const sums = within.map((_, i) => within.slice(0, i + 1).reduce((sum, count) => sum + count));
    expect(column('answered').map(Number)).toEqual(sums);
    expect(column('response_p99_ms')).toEqual(
      intervals.map(({ latency }) => String(latency.response?.p99 ?? '')),
    );
    const none = { ...result.timeline.intervals[0], latency: {} };
    const timeline = { intervalSeconds: 1, intervals: [none] };
    expect(csvReport({ ...result, timeline }).split('\r\n')[1]).toMatch(/(,0,,,){6}$/);
  });
});

describe('the histogram log', () => {
  test('has the header of format 1.3', () => {
    expect(hlogReport(sampleResult()).split('\n').slice(1, 4)).toEqual([
      '#[Histogram log format version 1.3]',
      '#[StartTime: 1767323045.678 (seconds since epoch), 2026-01-02T03:04:05.678Z]',
      '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]);
  });

  test('holds one line per interval and tag, which HdrHistogram reads', () => {
    const text = hlogReport(sampleResult());
    const reader = new hdr.HistogramLogReader(text, 64);
    const counts = new Map<string, number>();
    for (let next = reader.nextIntervalHistogram(); next; next = reader.nextIntervalHistogram()) {
      const { tag, totalCount } = next as hdr.Histogram;
      counts.set(tag, (counts.get(tag) ?? 0) + totalCount);
    }
    expect(Object.fromEntries(counts)).toEqual({
      connect: 998,
      firstByte: 1980,
      response: 1980,
      service: 1980,
      lag: 1980,
    });
    const [, start, length, max] = /^Tag=response,([^,]+),([^,]+),([^,]+),HISTF/m.exec(text) ?? [];
    expect([start, length]).toEqual(['0.000', '1.000']);
    expect(Math.abs(Number(max) / 199 - 1)).toBeLessThan(0.001);
  });
});

test('a percentile distribution is in milliseconds and counts everything', () => {
  const lines = hgrmReport(sampleResult(), 'response').trimEnd().split('\n');
  expect(lines[0]).toBe('       Value     Percentile TotalCount 1/(1-Percentile)');
  expect(lines.at(-4)?.trim().split(/\s+/)).toEqual(['1980.760', '1.000000000000', '1980']);
  expect(lines.at(-2)).toMatch(/^#\[Max {5}= +1980\.760, Total count {4}= +1980\]$/);
});

describe('the JUnit report', () => {
  test('has a case for the run and one per threshold', () => {
    const xml = junitReport(sampleResult(['response:p(99)<20ms', 'errors:rate<5%']));
    expect(xml).toContain('tests="3" failures="1" errors="0" skipped="0" time="10.000"');
    expect(xml).toContain('timestamp="2026-01-02T03:04:05"');
    expect(xml).toContain('<testcase name="run: 990 of 1,000 users completed"');
    expect(xml).toContain('name="response:p(99)&lt;20ms"');
    expect(xml).toContain('<failure message="found 1.96 s" type="threshold">');
  });

  test('is not empty without thresholds', () => {
    expect(junitReport(sampleResult())).toContain('tests="1" failures="0"');
  });

  test('holds nothing that XML does not allow', () => {
    const plan = { ...FACTS.plan, mode: 'local' };
    const result = sampleResult([], { plan }, NOBODY);
    const thresholds = [
      {
        expression: 'a"<&>\u0000\u001b',
        ok: false,
        actual: 1,
        limit: 1,
        unit: 'count' as const,
        note: null,
      },
    ];
    const xml = junitReport({ ...result, thresholds });
    expect(xml).toContain('name="a&quot;&lt;&amp;&gt;\ufffd\ufffd"');
    expect(xml).toContain('<failure message="nothing was replayed" type="run">');
  });
});

test('the Markdown report is this', async () => {
  const result = sampleResult(['response:p(99)<20ms', 'errors:rate<5%'], {
    capture: { ...FACTS.capture, files: ['a|b_c.pcap'] },
  });
  await expect(markdownReport(result)).toMatchFileSnapshot('golden/summary-markdown.txt');
});

const NO_ASSETS = { style: '', script: '', chartStyle: '', chartScript: '' };

test('the output folder holds every report, and no plot of nothing', () => {
  expect([...outputFiles(sampleResult(), NO_ASSETS).keys()]).toEqual([
    'result.json',
    'report.html',
    'summary.txt',
    'summary.md',
    'junit.xml',
    'run.hlog',
    'timeline.csv',
    'metrics.txt',
    'classes.csv',
    'connect.hgrm',
    'firstByte.hgrm',
    'response.hgrm',
    'service.hgrm',
    'lag.hgrm',
  ]);
  expect(
    [...outputFiles(behind(), NO_ASSETS).keys()].filter((name) => name.endsWith('.hgrm')),
  ).toEqual(['lag.hgrm']);
});

describe('what was learnt of the path', () => {
  test.each([
    { name: 'nothing', counts: {}, said: [] },
    {
      name: 'from ICMP',
      counts: { PATH_MTU: 1400, PATH_MESSAGES: 10 },
      said: ['path MTU 1,400 learnt from ICMP'],
    },
    {
      name: 'from silence',
      counts: { SMALLER_TRIED: 3 },
      said: ['3 times full-sized segments vanished', 'ICMP seems to be filtered'],
    },
    {
      name: 'from silence, which may be our own',
      counts: { SMALLER_TRIED: 3, RING_DROPPED: 1, PACKETS_RECEIVED: 1_000 },
      said: ['were tried: what acknowledged them may have been lost here, or ICMP is filtered'],
    },
    {
      name: 'that messages were not believed',
      counts: { DROPPED_PATH_MESSAGE: 7 },
      said: ['7 that say a packet was too big'],
    },
  ])('is said: $name', ({ counts, said }) => {
    const result = sampleResult([], {}, { ...ALL_WELL, ...counts });
    const text = textReport(result, { color: false }).replaceAll(/\s+/g, ' ');
    for (const words of said) expect(text).toContain(words);
    if (said.length === 0) expect(text).not.toMatch(/ path | ICMP/);
  });
});
