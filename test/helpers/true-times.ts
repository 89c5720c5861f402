/** Whether latencies are those of the network. */
import { expect } from 'vitest';
import { percentileOf } from './answer-times.ts';

/**
 * Percentiles that gryphon told are those of the network: never shorter, since sent is stamped before the packet
 * leaves and arrival by the kernel, and longer by 0.1 ms or 2 % at most.
 * @param exactMs times on the network, ascending
 */
export function expectTrueTimes(
  exactMs: readonly number[],
  told: readonly (readonly [percent: number, ms: number | null | undefined])[],
): void {
  for (const [percent, ms] of told) {
    const exact = percentileOf(exactMs, percent);
    expect(ms, `p${percent}`).toBeGreaterThanOrEqual(exact);
    expect((ms ?? Number.NaN) - exact, `p${percent}`).toBeLessThanOrEqual(
      Math.max(0.1, 0.02 * exact),
    );
  }
}
