/**
 * The fixed seeds of every test run, and whether the simulator itself is to be trusted: the same seed is
 * the same run, and what goes wrong is cut down to what it takes. `npm run simulate` plays others.
 */
import { describe, expect, test } from 'vitest';
import { drawScenario } from './draw-scenario.ts';
import { runScenario } from './run-scenario.ts';
import type { Fault } from './scenario.ts';
import { shrink } from './shrink.ts';

const RUNS = 1_000;
/** Several tests, so that a slow machine is not too slow for one of them. */
const RUNS_PER_TEST = 100;

describe('engine and model servers, over a path with faults', () => {
  const firsts = Array.from({ length: RUNS / RUNS_PER_TEST }, (_, i) => 1 + i * RUNS_PER_TEST);
  test.each(firsts)('seeds from %i', (first) => {
    const failed: string[] = [];
    const seen = { frames: 0, repeated: 0, completed: 0, users: 0 };
    for (let seed = first; seed < first + RUNS_PER_TEST; seed++) {
      const verdict = runScenario(drawScenario(seed));
      if (verdict.faults.length > 0) failed.push(`--seed ${seed}: ${verdict.faults.join('; ')}`);
      seen.frames += verdict.frames;
      seen.repeated += verdict.repeated;
      seen.completed += verdict.completed;
      seen.users += verdict.users;
    }
    expect(failed).toEqual([]);
    // It was no fair weather, and most came through nevertheless.
    expect(seen.repeated).toBeGreaterThan(seen.frames / 100);
    expect(seen.completed).toBeGreaterThan(seen.users / 2);
    expect(seen.completed).toBeLessThan(seen.users);
  });
});

test('a seed is a run: every frame leaves again at the same time', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const [one, other] = [runScenario(drawScenario(seed)), runScenario(drawScenario(seed))];
    expect(other).toEqual(one);
  }
  expect(runScenario(drawScenario(1)).digest).not.toBe(runScenario(drawScenario(2)).digest);
});

test('what fails is cut down to the faults that it takes', () => {
  const scenario = drawScenario(16);
  const lose = (index: number): Fault => ({ kind: 'lose', way: 'toServer', index });
  const faults = Array.from({ length: 200 }, (_, index) => lose(index));
  const least = shrink({ ...scenario, faults }, (each) =>
    [31, 77, 78].every((index) =>
      each.faults.some((fault) => 'index' in fault && fault.index === index),
    ),
  );
  expect(least.faults).toEqual([lose(31), lose(77), lose(78)]);
});
