import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Waiter } from '../../src/io/receive/wait.ts';

const lastedNs = (what: () => void): number => {
  const beganNs = process.hrtime.bigint();
  what();
  return Number(process.hrtime.bigint() - beganNs);
};

test('a wait ends when something can be read, and a pause does not', () => {
  const fd = openSync('/dev/zero', 'r');
  const waiter = new Waiter([fd]);
  try {
    expect(lastedNs(() => expect(waiter.wait(90 * NS_PER_MS)).toBe(true))).toBeLessThan(
      90 * NS_PER_MS,
    );
    expect(lastedNs(() => waiter.pause(5 * NS_PER_MS))).toBeGreaterThanOrEqual(5 * NS_PER_MS);
  } finally {
    waiter.close();
    closeSync(fd);
  }
});
