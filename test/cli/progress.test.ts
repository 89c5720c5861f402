import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openProgress, wantsPlainText } from '../../src/cli/progress.ts';
import { progressLine, progressShare, progressText } from '../../src/cli/progress-line.ts';
import { progressLines } from '../../src/cli/progress-panel.ts';
import type { ProgressSnapshot } from '../../src/run/plan/options.ts';
import { fakeContext } from './fake-context.ts';
import { FakeScreen } from './fake-screen.ts';

const SECOND = 1_000_000_000;
const SHOWN = { isQuiet: false, isShown: true };

const snapshot = (part: Partial<ProgressSnapshot> = {}): ProgressSnapshot => ({
  phase: 'replaying',
  elapsedNs: 12 * SECOND,
  expectedNs: 300 * SECOND,
  capture: { bytesRead: 0, bytes: 0, elapsedMs: 0 },
  users: {
    planned: 10_000,
    waiting: 7000,
    live: 500,
    completed: 2400,
    refused: 1,
    reset: 2,
    timedOut: 3,
    aborted: 94,
  },
  exchanges: { intended: 5000, sent: 4990, answered: 4900 },
  rates: { achieved: 998, wanted: 1000 },
  responseNsP50: 3_100_000,
  responseNsP99: 12_300_000,
  lagNsP99: 40_000,
  losses: { retransmitted: 7, unsent: 0, ringFull: 2 },
  ...part,
});

/** A terminal that remembers what was drawn. */
function terminal(): { stream: NodeJS.WriteStream; drawn: () => string } {
  const stream = new PassThrough();
  let drawn = '';
  stream.on('data', (chunk) => {
    drawn += chunk;
  });
  // The parts of a terminal that a bar looks at.
  const parts = {
    isTTY: true,
    columns: 200,
    rows: 50,
    cursorTo: () => true,
    clearLine: () => true,
  };
  return {
    stream: Object.assign(stream, parts) as unknown as NodeJS.WriteStream,
    drawn: () => drawn,
  };
}

describe('the line', () => {
  test('says how long, how many, how fast and how slow', () => {
    expect(progressText(snapshot())).toBe(
      'replaying 12 s of about 5m 00s, 500 live, 2,400 of 10,000 done, 100 failed, ' +
        '998/s of 1,000/s wanted, p99 12.3 ms',
    );
  });

  test('leaves out what is not known', () => {
    const text = progressText(snapshot({ expectedNs: null, rates: null, responseNsP99: null }));
    expect(text).toBe('replaying 12 s, 500 live, 2,400 of 10,000 done, 100 failed');
  });

  test('expects no end that has passed', () => {
    expect(progressText(snapshot({ expectedNs: 11 * SECOND }))).not.toContain('about');
  });

  test('of indexing is about the capture', () => {
    const capture = { bytesRead: 250_000_000, bytes: 500_000_000, elapsedMs: 2000 };
    expect(progressText(snapshot({ phase: 'indexing', capture }))).toBe(
      'indexing 250 MB of 500 MB, 125 MB/s, about 2 s left',
    );
    const begun = { ...capture, bytesRead: 0, elapsedMs: 0 };
    expect(progressText(snapshot({ phase: 'indexing', capture: begun }))).toBe(
      'indexing 0 B of 500 MB',
    );
    expect(progressShare(snapshot({ phase: 'indexing', capture }))).toBe(0.5);
  });

  test('of what has no size yet is a word', () => {
    expect(progressText(snapshot({ phase: 'indexing' }))).toBe('indexing');
    expect(progressText(snapshot({ phase: 'preparing' }))).toBe('preparing');
  });

  test('shares stay defined when there is nothing yet', () => {
    const users = { ...snapshot().users, planned: 0, waiting: 0, live: 0 };
    expect(progressShare(snapshot({ phase: 'indexing' }))).toBe(0);
    expect(progressShare(snapshot({ users }))).toBe(0);
    expect(progressShare(snapshot())).toBe(0.25);
  });
});

describe('the line on a terminal', () => {
  const whole =
    'replaying 100 failed, 998/s of 1,000/s wanted, p99 12.3 ms, [===       ] 25%, ' +
    '12 s of about 5m 00s, 2,400 of 10,000 done, 500 live';

  test.each([
    { columns: 200, line: whole },
    { columns: whole.length, line: whole },
    { columns: whole.length - 1, line: whole.replace(', 500 live', '') },
    {
      columns: 79,
      line: 'replaying 100 failed, 998/s, p99 12.3 ms, 25%, 12 s of about 5m 00s, 500 live',
    },
    { columns: 59, line: '100 failed, 998/s, p99 12.3 ms, 25%, 12 s of about 5m 00s' },
    { columns: 39, line: '100 failed, 998/s, p99 12.3 ms, 25%' },
    { columns: 20, line: '100 failed, 998/s' },
  ])('of $columns columns has what matters most', ({ columns, line }) => {
    expect(progressLine(snapshot(), columns)).toBe(line);
  });

  test('is one of reading while captures are read', () => {
    const capture = { bytesRead: 250_000_000, bytes: 500_000_000, elapsedMs: 2000 };
    const reading = snapshot({ phase: 'indexing', capture });
    expect(progressLine(reading, 79)).toBe(
      'indexing [=====     ] 50%, 250 MB of 500 MB, 125 MB/s, about 2 s left',
    );
    expect(progressLine(reading, 39)).toBe('50%, 250 MB of 500 MB, about 2 s left');
    expect(progressLine(snapshot({ phase: 'preparing' }), 39)).toBe('preparing');
  });

  test('never is longer than the terminal is wide', () => {
    const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 250 }), count, count, count, (columns, a, b, c) => {
        const users = { ...snapshot().users, planned: a + b, waiting: 0, live: b, completed: a };
        const rates = { achieved: c, wanted: a };
        const line = progressLine(
          snapshot({ users, rates, elapsedNs: b, responseNsP99: c }),
          columns,
        );
        expect(line.length).toBeLessThanOrEqual(columns);
        if (columns >= 39) expect(line).toContain('failed');
      }),
    );
  });
});

describe('the lines on a terminal', () => {
  const panel = [
    'replaying [===       ] 25%, 12 s of about 5m 00s',
    'now       998/s of 1,000/s wanted, p50 3.10 ms, p99 12.3 ms',
    'users     7,000 waiting, 500 live, 2,400 of 10,000 done',
    'failed    1 refused, 2 reset, 3 timed out, 94 aborted',
    'packets   7 sent again, 0 not sent, 2 replies dropped here',
    'generator lag p99 40 µs',
  ];

  test('are six while users are played, where there is room', () => {
    expect(progressLines(snapshot(), { columns: 80, rows: 24 })).toEqual(panel);
    const draining = progressLines(snapshot({ phase: 'draining' }), { columns: 120, rows: 24 });
    expect(draining).toHaveLength(6);
    const reading = snapshot({ phase: 'preparing' });
    expect(progressLines(reading, { columns: 120, rows: 24 })).toEqual(['preparing']);
  });

  test('are one on a terminal that is narrower or lower', () => {
    const line = [progressLine(snapshot(), 78)];
    expect(progressLines(snapshot(), { columns: 79, rows: 24 })).toEqual(line);
    expect(progressLines(snapshot(), { columns: 79, rows: 9 })).toEqual(line);
    expect(progressLines(snapshot(), { columns: 120, rows: 9 })).toHaveLength(1);
    expect(progressLines(snapshot(), { columns: 80, rows: 10 })).toHaveLength(6);
  });

  test('say when nothing was measured', () => {
    const none = { rates: null, responseNsP50: null, responseNsP99: null, lagNsP99: null };
    const lines = progressLines(snapshot(none), { columns: 80, rows: 24 });
    expect(lines[1]).toBe('now       -');
    expect(lines[5]).toBe('generator -');
  });

  test('are never as long as the terminal is wide, and cut no number', () => {
    const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(fc.integer({ min: 80, max: 250 }), count, count, (columns, a, b) => {
        const users = {
          ...snapshot().users,
          planned: a + 2 * b,
          waiting: b,
          live: b,
          completed: a,
        };
        const rates = { achieved: a, wanted: b };
        const losses = { retransmitted: a, unsent: b, ringFull: a };
        const lines = progressLines(
          snapshot({ users, rates, losses, elapsedNs: b, expectedNs: a, lagNsP99: a }),
          { columns, rows: 24 },
        );
        for (const line of lines) {
          expect(line.length).toBeLessThan(columns);
          expect(line).toMatch(/[\]a-zµ%]$/);
        }
      }),
    );
  });

  test('are redrawn in place, with notes above them, and leave nothing behind', async () => {
    const screen = new FakeScreen(120, 12);
    const context = fakeContext({ terminal: screen.stream });
    const log = (text: string) => void screen.stream.write(text);
    for (let i = 0; i < 9; i++) log(`earlier ${i}\n`);
    const progress = await openProgress({ ...context, log }, SHOWN);
    progress.onSnapshot(snapshot({ phase: 'preparing' }));
    for (let live = 100; live <= 500; live += 100) {
      progress.onSnapshot(snapshot({ users: { ...snapshot().users, live } }));
    }
    progress.onSnapshot(snapshot());
    expect(screen.lines().slice(-7)).toEqual(['earlier 8', ...panel]);
    progress.note('one thing');
    progress.note('another');
    progress.onSnapshot(snapshot());
    const noted = ['earlier 8', 'gryphon: one thing', 'gryphon: another'];
    expect(screen.lines().slice(-9)).toEqual([...noted, ...panel]);
    // A window that becomes narrower, and wide again.
    screen.resize(60);
    progress.onSnapshot(snapshot());
    expect(screen.lines().slice(-4)).toEqual([...noted, progressLine(snapshot(), 59)]);
    screen.resize(120);
    progress.onSnapshot(snapshot());
    expect(screen.lines().slice(-9)).toEqual([...noted, ...panel]);
    progress.note('stopping');
    progress.stop();
    log('summary\n');
    expect(screen.lines().slice(-5)).toEqual([...noted, 'gryphon: stopping', 'summary']);
    expect(screen.modes).toEqual({ wraps: true, showsCursor: true });
  });

  test('are written only when they have changed, each frame at once', async () => {
    const screen = new FakeScreen(120, 24);
    const progress = await openProgress(fakeContext({ terminal: screen.stream }), SHOWN);
    progress.onSnapshot(snapshot());
    const { writes } = screen;
    progress.onSnapshot(snapshot());
    expect(screen.writes).toBe(writes);
    progress.onSnapshot(snapshot({ elapsedNs: 13 * SECOND }));
    expect(screen.writes).toBe(writes + 1);
    progress.stop();
  });
});

describe('without a terminal', () => {
  test('there is one line every ten seconds, and no burst after a stall', async () => {
    const context = fakeContext();
    const progress = await openProgress(context, { isQuiet: false, isShown: true });
    for (let ms = 0; ms < 25_000; ms += 250) {
      progress.onSnapshot(snapshot());
      context.advance(250);
    }
    expect(context.err).toHaveLength(2);
    context.advance(60_000);
    progress.onSnapshot(snapshot());
    progress.onSnapshot(snapshot());
    expect(context.err).toHaveLength(3);
    expect(context.err[0]).toBe(`gryphon: ${progressText(snapshot())}\n`);
    expect(context.out).toEqual([]);
  });

  test('notes are lines', async () => {
    const context = fakeContext();
    const progress = await openProgress(context, { isQuiet: false, isShown: true });
    progress.note('something to know');
    expect(context.err).toEqual(['gryphon: something to know\n']);
  });
});

test('--no-progress leaves the notes, --quiet nothing', async () => {
  for (const { isQuiet, lines } of [
    { isQuiet: false, lines: 1 },
    { isQuiet: true, lines: 0 },
  ]) {
    const { stream, drawn } = terminal();
    const context = fakeContext({ terminal: stream });
    const progress = await openProgress(context, { isQuiet, isShown: false });
    context.advance(60_000);
    progress.onSnapshot(snapshot());
    progress.note('a note');
    progress.stop();
    expect(context.err).toHaveLength(lines);
    expect(drawn()).toBe('');
  }
});

const ESCAPE = '\u001b';

describe('on a terminal', () => {
  test('a bar is drawn and taken away', async () => {
    const { stream, drawn } = terminal();
    Object.assign(stream, { columns: 79 });
    const context = fakeContext({ terminal: stream, env: { TERM: 'xterm' } });
    const progress = await openProgress(context, { isQuiet: false, isShown: true });
    progress.onSnapshot(snapshot());
    progress.stop();
    progress.stop();
    expect(drawn()).toContain(progressLine(snapshot(), 78));
    expect(drawn()).toContain('100 failed');
    expect(context.err).toEqual([]);
  });

  test('a note stands between a bar that is taken away and a new one', async () => {
    const { stream, drawn } = terminal();
    const context = fakeContext({ terminal: stream });
    const order: string[] = [];
    const log = (text: string) => {
      order.push(drawn());
      context.log(text);
    };
    const progress = await openProgress({ ...context, log }, { isQuiet: false, isShown: true });
    progress.onSnapshot(snapshot());
    progress.note('a note');
    progress.stop();
    expect(context.err).toEqual(['gryphon: a note\n']);
    // Before the note all was cleared (CSI 0 J); after it the bar is drawn as it was.
    const before = order.at(0) ?? '';
    expect(before.slice(before.lastIndexOf('live'))).toContain('\u001b[0J');
    expect(drawn().slice(before.length)).toContain('[===       ] 25%');
  });

  test('what a narrower window made of the line is taken away with it', async () => {
    const { stream, drawn } = terminal();
    const progress = await openProgress(fakeContext({ terminal: stream }), SHOWN);
    progress.onSnapshot(snapshot());
    const wide = drawn().length;
    Object.assign(stream, { columns: 40 });
    progress.note('a note');
    progress.stop();
    // At the line's first character, wherever the terminal has put it; and all behind it goes.
    expect(drawn().slice(0, wide).endsWith('\r')).toBe(true);
    expect(drawn().slice(wide).startsWith(`${ESCAPE}[J`)).toBe(true);
    const lines = drawn()
      .slice(wide)
      .split(new RegExp(`${ESCAPE}\\[\\??\\d*[A-Za-z]|\\r`));
    for (const line of lines) expect(line.length).toBeLessThan(40);
    // Nor is the cursor brought back to where it was before.
    for (const code of '78') expect(drawn()).not.toContain(ESCAPE + code);
  });

  test('a note after the end brings no bar back', async () => {
    const { stream, drawn } = terminal();
    const context = fakeContext({ terminal: stream });
    const progress = await openProgress(context, { isQuiet: false, isShown: true });
    progress.stop();
    const before = drawn();
    progress.note('a note');
    expect(drawn()).toBe(before);
    expect(context.err).toHaveLength(1);
  });

  test.each([[{ NO_COLOR: '1' }], [{ CI: 'true' }], [{ TERM: 'dumb' }]])(
    '%o asks for plain lines',
    async (env) => {
      const { stream, drawn } = terminal();
      const context = fakeContext({ terminal: stream, env });
      const progress = await openProgress(context, { isQuiet: false, isShown: true });
      context.advance(10_000);
      progress.onSnapshot(snapshot());
      progress.stop();
      expect(drawn()).toBe('');
      expect(context.err).toHaveLength(1);
    },
  );

  test.each([
    [{ NO_COLOR: '' }],
    [{ CI: '' }],
    [{ CI: 'false' }],
    [{ TERM: 'xterm-256color' }],
    [{}],
  ])('%o does not', (env) => {
    expect(wantsPlainText(env)).toBe(false);
  });
});
