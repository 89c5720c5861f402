/**
 * The fixed seeds of every test run, and whether the simulator itself is to be trusted: the same seed is
 * the same run, and what goes wrong is cut down to what it takes. `npm run simulate` plays others.
 */
import { expect, test } from 'vitest';
import { drawScenario } from './draw-scenario.ts';
import { playSeeds } from './play-seeds.ts';
import { runScenario } from './run-scenario.ts';
import type { Fault } from './scenario.ts';
import { shrink } from './shrink.ts';

playSeeds(1, 1_000);

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
