/** A run waits for its time, is refused behind it, and is let go at once when it is to end. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StartGate } from '../../src/run/threads/start-gate.ts';

const NOW_MS = Date.UTC(2026, 11, 1, 10);
beforeEach(() => vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => vi.useRealTimers());

/** When it opened, in ms from now; null: not yet. */
function watched(gate: StartGate): { readonly at: () => number | null } {
  let at: number | null = null;
  gate.wait().then(
    () => {
      at = Date.now() - NOW_MS;
    },
    () => undefined,
  );
  return { at: () => at };
}

test('it opens at its time, even one that is weeks ahead', async () => {
  for (const ms of [5_000, 40 * 86_400_000]) {
    vi.setSystemTime(NOW_MS);
    const { at } = watched(new StartGate(NOW_MS + ms));
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(at()).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    expect(at()).toBe(ms);
  }
});

test('without a time it is open; and who is to end is not kept waiting', async () => {
  await new StartGate(null).wait();
  const gate = new StartGate(NOW_MS + 5_000);
  const { at } = watched(gate);
  await vi.advanceTimersByTimeAsync(1_000);
  gate.open();
  await vi.advanceTimersByTimeAsync(0);
  expect(at()).toBe(1_000);
});

test('behind its time it refuses, and says by how much', async () => {
  await expect(new StartGate(NOW_MS - 250).wait()).rejects.toMatchObject({
    code: 'ERR_RUN_LATE',
    kind: 'environment',
    message: expect.stringContaining('2026-12-01T09:59:59.750Z and was ready 250 ms later'),
  });
  const years = new StartGate(Date.UTC(2020, 0)).wait();
  await expect(years).rejects.toThrow(/ and was ready \d+h \d\dm later: nothing was played$/);
});
