/** Fixed seeds of every test run; `npm run simulate` plays others. */
import { describe, expect, test } from 'vitest';
import { drawScenario } from './draw-scenario.ts';
import { runScenario } from './run-scenario.ts';

/** Several tests, so that a slow machine is not too slow for one of them. */
const RUNS_PER_TEST = 100;

/**
 * Registers tests that play so many seeds. A file each of some thousands, so that all cores have some: the
 * whole is `simulate.test.ts` and `seeds-*.test.ts`, ten thousand runs.
 */
export function playSeeds(seed: number, runs: number): void {
  describe('engine and model servers, over a path with faults', () => {
    const firsts = Array.from({ length: runs / RUNS_PER_TEST }, (_, i) => seed + i * RUNS_PER_TEST);
    test.each(firsts)('seeds from %i', (first) => {
      const failed: string[] = [];
      const seen = { frames: 0, repeated: 0, completed: 0, users: 0 };
      for (let each = first; each < first + RUNS_PER_TEST; each++) {
        const verdict = runScenario(drawScenario(each));
        if (verdict.faults.length > 0) failed.push(`--seed ${each}: ${verdict.faults.join('; ')}`);
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
}
