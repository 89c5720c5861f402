import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { peakMemoryBytes } from '../../src/io/process-memory.ts';

test('the most that was held is read from its line', () => {
  expect(peakMemoryBytes('VmPeak:\t  9000 kB\nVmHWM:\t    4321 kB\nVmRSS:\t 17 kB\n')).toBe(
    4321 * 1024,
  );
});

test('without the line it is what is held now', () => {
  expect(peakMemoryBytes('')).toBeGreaterThan(1 << 20);
});

test('memory of a parent is not taken for our own', () => {
  const heldBytes = 600 << 20;
  // As large as the parent that it is started from, which writes to each of its pages.
  const child = `
    const { spawnSync } = require('node:child_process');
    const held = Buffer.alloc(${heldBytes}, 1);
    const status = spawnSync('cat', ['/proc/self/status'], { encoding: 'utf8' }).stdout;
    process.stdout.write(status + held[0]);`;
  const status = execFileSync(process.execPath, ['-e', child], { encoding: 'utf8' });
  expect(peakMemoryBytes(status)).toBeLessThan(heldBytes / 4);
});
