import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import {
  openProgress,
  progressShare,
  progressText,
  wantsPlainText,
} from '../../src/cli/progress.ts';
import type { ProgressSnapshot } from '../../src/run/options.ts';
import { fakeContext } from './fake-context.ts';

const SECOND = 1_000_000_000;

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
  responseNsP99: 12_300_000,
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

describe('on a terminal', () => {
  test('a bar is drawn and taken away', async () => {
    const { stream, drawn } = terminal();
    const context = fakeContext({ terminal: stream, env: { TERM: 'xterm' } });
    const progress = await openProgress(context, { isQuiet: false, isShown: true });
    progress.onSnapshot(snapshot());
    progress.stop();
    progress.stop();
    expect(drawn()).toContain('replaying [=====               ] 25% 12 s of about 5m 00s');
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
    // Before the note the line was cleared (CSI 2 K); after it the bar is drawn as it was.
    const before = order.at(0) ?? '';
    expect(before).toContain('\u001b[2K');
    expect(drawn().slice(before.length)).toContain('replaying [=====               ] 25%');
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
