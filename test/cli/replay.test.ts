/** `gryphon replay` around a run that is played by the test. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { main } from '../../src/cli/main.ts';
import type { RunResult } from '../../src/measure/result.ts';
import type { ReplayOptions, RunHost } from '../../src/run/plan/options.ts';
import { NOTHING_COUNTED, sampleResult } from '../measure/sample-run.ts';
import { type FakeContext, type FakeWorld, fakeContext } from './fake-context.ts';

type Run = (options: ReplayOptions, host: RunHost, version: string) => Promise<RunResult>;

const { runReplay, describePlan } = vi.hoisted(() => ({
  runReplay: vi.fn<Run>(),
  describePlan: vi.fn(async () => 'the plan\n'),
}));
vi.mock('../../src/run/replay-run.ts', () => ({ runReplay }));
vi.mock('../../src/run/dry-run.ts', () => ({ describePlan }));

beforeEach(() => {
  vi.clearAllMocks();
  runReplay.mockResolvedValue(sampleResult());
});

async function replay(
  args: readonly string[] = [],
  world: FakeWorld = {},
): Promise<FakeContext & { code: number }> {
  const context = fakeContext({ ...world, args: ['replay', 'x.pcap', ...args] });
  return Object.assign(context, { code: await main(context) });
}

test('the run gets the options and the version, and its result is printed', async () => {
  const { code, out } = await replay(['-u', '5']);
  expect(code).toBe(0);
  expect(runReplay).toHaveBeenCalledWith(
    expect.objectContaining({ captures: ['x.pcap'], users: 5, seed: 42 }),
    expect.anything(),
    '0.0.0-test',
  );
  expect(out.join('')).toContain('990 of 1,000 users completed');
});

test('nothing is run when an option is wrong', async () => {
  const { code, out, err } = await replay(['-u', '0', '--threshold', 'nonsense', '--frob']);
  expect(code).toBe(2);
  expect(err.join('').trimEnd().split('\n')).toHaveLength(3);
  expect(out).toEqual([]);
  expect(runReplay).not.toHaveBeenCalled();
});

test('nothing is run when a report could not be written afterwards', async () => {
  const refuse = async () => {
    throw new ReplayError({ code: 'ERR_T', kind: 'environment', message: 'read-only' });
  };
  for (const [option, files] of [
    ['--out', { makeFolder: refuse }],
    ['--json', { checkWritable: refuse }],
  ] as const) {
    const { code, err } = await replay([option, 'there'], { files });
    expect(code).toBe(4);
    expect(err).toEqual(['gryphon: read-only\n']);
  }
  expect(runReplay).not.toHaveBeenCalled();
});

test('warnings of the run go to stderr as lines', async () => {
  runReplay.mockImplementation(async (_, host) => {
    host.onWarning('the capture is damaged');
    return sampleResult();
  });
  const { out, err } = await replay();
  expect(err).toEqual(['gryphon: the capture is damaged\n']);
  expect(out).toHaveLength(1);
  expect((await replay(['--quiet'])).err).toEqual([]);
});

test('what the run throws is one line and its exit code', async () => {
  runReplay.mockRejectedValue(
    new ReplayError({ code: 'ERR_T', kind: 'capture', message: 'no sessions', hint: 'look again' }),
  );
  const { code, out, err } = await replay();
  expect(code).toBe(3);
  expect(err).toEqual(['gryphon: no sessions; look again\n']);
  expect(out).toEqual([]);
});

test('a fault of ours is told with its stack when --verbose asks for it', async () => {
  runReplay.mockRejectedValue(new TypeError('x is not a function'));
  const plain = await replay();
  expect(plain.code).toBe(1);
  expect(plain.err.join('')).not.toContain('replay.test.ts');
  for (const { args, env } of [
    { args: ['--verbose'], env: {} },
    { args: [], env: { GRYPHON_VERBOSE: '1' } },
  ]) {
    const { err } = await replay(args, { env });
    expect(err.join('')).toContain('replay.test.ts');
  }
});

test('a run whose figures say so ends with its code and a line', async () => {
  const plan = { ...sampleResult().plan, target: '10.0.0.1:80', mode: 'local' };
  const counts = { ...NOTHING_COUNTED, REFUSED: 1000 };
  runReplay.mockResolvedValue(sampleResult([], { plan }, counts));
  const { code, err, out } = await replay(['--target', '10.0.0.1:80']);
  expect(code).toBe(5);
  expect(err.join('')).toMatch(/^gryphon: the target 10\.0\.0\.1:80 cannot be reached/);
  expect(out).toHaveLength(1);
});

test('clients that may be strangers are warned of', async () => {
  const { err } = await replay(['--target', '10.0.0.1:80', '-c', '8.8.8.0/24']);
  expect(err.join('')).toContain('have public addresses');
});

test('a variable that stands for no option is told, but not with --quiet', async () => {
  const env = { GRYPHON_USRES: '5', GRYPHON_MODE: 'sink', GRYPHON_TOKEN: 'x' };
  const { code, err } = await replay([], { env });
  expect(code).toBe(0);
  expect(err).toEqual([
    'gryphon: GRYPHON_USRES stands for no option and is ignored; did you mean GRYPHON_USERS?\n',
  ]);
  expect((await replay(['--quiet'], { env })).err).toEqual([]);
});

test('which of --map and --target goes first is said', async () => {
  const target = ['--target', '10.0.0.1:80'];
  const { err } = await replay([...target, '--map', '80-10.0.0.2:80']);
  expect(err.join('')).toContain('--map goes first; --target gets');
  expect((await replay(target)).err).toEqual([]);
});

test('--dry-run prints the plan and runs nothing', async () => {
  const { code, out } = await replay(['--dry-run', '--out', 'o'], {
    files: { makeFolder: () => Promise.reject(new Error('made a folder')) },
  });
  expect(code).toBe(0);
  expect(out).toEqual(['the plan\n']);
  expect(runReplay).not.toHaveBeenCalled();
});

describe('Ctrl-C', () => {
  /** Interrupts the run this many times, then lets it end. */
  async function interrupted(times: number): Promise<FakeContext & { code: number }> {
    const context = fakeContext({ args: ['replay', 'x.pcap', '--json', 'r.json'] });
    runReplay.mockImplementation(async (_, host) => {
      expect(host.interrupted.aborted).toBe(false);
      for (let i = 0; i < times; i++) context.interrupt();
      return sampleResult([], { isInterrupted: host.interrupted.aborted });
    });
    return Object.assign(context, { code: await main(context) });
  }

  test('the first lets the run end and every report be written, and ends with 130', async () => {
    const { code, exits, out, err, written } = await interrupted(1);
    expect(code).toBe(130);
    expect(exits).toEqual([]);
    expect(out.join('')).toContain('interrupted');
    expect(err.join('')).toContain('once more to leave at once');
    expect(written.has('r.json')).toBe(true);
  });

  test('while the capture is read there is nothing to report', async () => {
    const context = fakeContext({ args: ['replay', 'x.pcap'] });
    runReplay.mockImplementation(async (_, host) => {
      context.interrupt();
      host.interrupted.throwIfAborted();
      return sampleResult();
    });
    expect(await main(context)).toBe(130);
    expect(context.err.at(-1)).toBe('gryphon: interrupted before anything was sent\n');
    expect(context.out).toEqual([]);
  });

  test('the second leaves at once with 130', async () => {
    expect((await interrupted(2)).exits).toEqual([130]);
  });

  test('one that comes when all was played says so, and a second one leaves all the same', async () => {
    const context = fakeContext({ args: ['replay', 'x.pcap'] });
    runReplay.mockImplementation(async (_, host) => {
      host.onPlayed?.();
      context.interrupt();
      const result = sampleResult();
      context.interrupt();
      return result;
    });
    expect(await main(context)).toBe(0);
    const said = context.err.join('');
    expect(said).toContain('all was played already: tidying up and reporting; once more to leave');
    expect(said).not.toContain('interrupted');
    expect(context.exits).toEqual([130]);
  });

  test('without one the run is not interrupted', async () => {
    expect((await interrupted(0)).code).toBe(0);
  });

  test('after the run it is nobody’s any more', async () => {
    const context = await interrupted(1);
    context.interrupt();
    expect(context.exits).toEqual([]);
  });
});

test('a job of GitHub gets its summary and annotations', async () => {
  const env = { GITHUB_STEP_SUMMARY: 'summary.md', GITHUB_ACTIONS: 'true' };
  const result = sampleResult(['response:max<1ms']);
  runReplay.mockResolvedValue(result);
  const { code, err, written } = await replay([], { env });
  expect(code).toBe(99);
  expect(err.join('')).toContain('::error title=response%3Amax<1ms::found 1.98 s\n');
  expect(written.get('summary.md')).toMatch(/^## ❌ gryphon: /);
  const outside = await replay();
  expect(outside.written.has('summary.md')).toBe(false);
  expect(outside.err.join('')).not.toContain('::error');
});

test('a summary that a job cannot have does not change how the run ends', async () => {
  const append = () => Promise.reject(new Error('it is full'));
  const { code, err } = await replay([], { env: { GITHUB_STEP_SUMMARY: 's' }, files: { append } });
  expect(code).toBe(0);
  expect(err.join('')).toContain("gryphon: the job's summary: it is full");
});
