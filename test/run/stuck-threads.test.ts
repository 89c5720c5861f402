/** Threads that have stopped moving are noticed, and those that only rest are not. */
import { describe, expect, test } from 'vitest';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { watchedModules } from '../../src/replay/watched-modules.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { StuckThreads } from '../../src/run/threads/stuck-threads.ts';

/** Two threads, of which those named move, looked at five times a second. */
function watch(modules: readonly (string | null)[] = [null, null]) {
  const rows = [createCounters(), createCounters()];
  const warnings: string[] = [];
  const stuck = new StuckThreads(
    rows,
    (thread) => modules[thread],
    (text) => warnings.push(text),
  );
  let nowMs = 5;
  const resting = new Set<number>();
  const look = (seconds: number, moving: readonly number[], isDraining = false) => {
    let found: readonly number[] = [];
    for (let i = 0; i < 5 * seconds; i++) {
      nowMs += 200;
      for (const thread of moving) rows[thread][Counter.CLOCK_NS] += 1;
      found = stuck.look(nowMs, isDraining, (thread) => resting.has(thread));
    }
    return found;
  };
  const sleep = (ms: number): void => {
    nowMs += ms;
  };
  return { look, sleep, stuck, warnings, resting };
}

describe('a thread that does not move', () => {
  test('is told of once, after ten seconds, with the module that it is in', () => {
    const { look, warnings } = watch([null, './loop.mjs']);
    look(9, [0]);
    expect(warnings).toEqual([]);
    expect(look(30, [0])).toEqual([]);
    expect(warnings).toEqual([
      'thread 1 has not moved for 10 s, in module ./loop.mjs: interrupt the run (Ctrl-C) to end it with what is known',
    ]);
  });

  test('is given up two seconds after the run was told to end, and no sooner than it is stuck', () => {
    const late = watch();
    late.look(20, [0]);
    expect(late.look(1, [0], true)).toEqual([]);
    expect(late.look(2, [0], true)).toEqual([1]);
    const early = watch();
    expect(early.look(9, [0], true)).toEqual([]);
    expect(early.look(2, [0], true)).toEqual([1]);
    expect(early.warnings).toEqual(['thread 1 has not moved for 10 s']);
  });

  test('has time from when it has something to do', () => {
    const { look, resting, warnings } = watch([null, './load.mjs']);
    resting.add(0).add(1);
    expect(look(60, [], true)).toEqual([]);
    resting.delete(1);
    expect(look(9, [], true)).toEqual([]);
    expect(look(2, [], true)).toEqual([1]);
    expect(warnings).toEqual(['thread 1 has not moved for 10 s, in module ./load.mjs']);
  });

  test('all of them are told of in one line', () => {
    const { look, warnings } = watch(['a', 'a']);
    look(30, []);
    expect(warnings).toEqual([
      expect.stringMatching(/^threads 0, 1 have not moved for 10 s, in module a:/),
    ]);
  });
});

test('a thread that moves again, one that has ended, and a machine that slept are not stuck', () => {
  const { look, sleep, stuck, warnings } = watch();
  look(9, [0]);
  look(1, [0, 1]);
  look(9, [0]);
  stuck.end(1);
  look(60, [0]);
  sleep(3_600_000);
  expect(look(1, [0], true)).toEqual([]);
  expect(look(5, [0], true)).toEqual([]);
  expect(warnings).toEqual([]);
});

test('modules say which of them is being called, with what they are given and return', () => {
  const called = new Int32Array(3);
  const seen: unknown[] = [];
  const module: ProtocolModule = {
    name: 'm',
    plan(session) {
      seen.push([called[2], this.name, session]);
      return undefined;
    },
    client: () => {
      throw new Error('no client');
    },
    connection: () => 0,
    answerEnd: (...given) => {
      seen.push([called[2], ...given]);
      return 7;
    },
  };
  const [, watched] = watchedModules([module, module], called, 2);
  expect(watched.plan('session' as never)).toBeUndefined();
  expect(() => watched.client(null as never)).toThrow('no client');
  expect(called[2]).toBe(0);
  expect(watched.answerEnd?.('plan', 1, 'octets' as never, 3)).toBe(7);
  expect(seen).toEqual([
    [2, 'm', 'session'],
    [2, 'plan', 1, 'octets', 3],
  ]);
  expect([...called]).toEqual([0, 0, 0]);
  expect({ rewrite: watched.rewrite, onEnd: watched.onEnd }).toEqual({});
});
