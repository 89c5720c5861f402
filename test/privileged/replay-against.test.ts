/** One plan, two targets, one comparison. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/measure/compare-results.ts';
import { CLIENTS_ON_LINK, type Lab, makeLab, runInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, until } from '../helpers/process.ts';
import { fixture, replayCommand } from '../helpers/replay.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';

const SLOW_HTTP = fileURLToPath(new URL('servers/slow-http.mjs', import.meta.url));

describe.runIf(canRun('two targets', ['ip', 'ss']))('--against', () => {
  let lab: Lab;
  let folder: Folder;
  const servers: Running[] = [];

  beforeAll(async () => {
    lab = await makeLab();
    folder = makeFolder('against');
    for (const [port, delayMs] of [
      [80, 70],
      [81, 20],
    ]) {
      servers.push(
        startInside(lab.target, [process.execPath, SLOW_HTTP, String(port), String(delayMs)]),
      );
      await until(`the server at ${port}`, async () => {
        const { stdout } = await runInside(lab.target, ['ss', '-Hltn', `sport = :${port}`]);
        return stdout !== '';
      });
    }
  });
  afterAll(async () => {
    for (const server of servers) await server.stop('SIGTERM');
    await lab?.close();
    folder?.remove();
  });

  test('plays to both in turn, and says by how much the one is slower beyond noise', async () => {
    const { ipv4 } = lab.target;
    const { code, stdout, stderr } = await runInside(
      lab.client,
      replayCommand([
        ...[fixture('http-short.pcap'), '--users', '20', '--rate', '100/s', '--seed', '1'],
        ...['--clients', CLIENTS_ON_LINK.ipv4, '--target', `${ipv4}:80`, '--against', `${ipv4}:81`],
        ...['--threshold', 'response:p(50)<+100%', '--threshold', 'errors:rate<1%'],
        ...['--out', folder.path, '--no-progress'],
      ]),
      { timeoutMs: 90_000 },
    );
    expect({ code, stderr }).toEqual({ code: 99, stderr: '' });
    expect(stdout).toMatch(
      /^✗ 1 of 2 thresholds did not hold; worse beyond noise: response:p\(50\)/,
    );
    expect(stdout).toMatch(
      /response:p\(50\) +2\d\.\d ms +7\d\.\d ms +\+[12]\d\d(\.\d)?% .* worse$/m,
    );
    const read = (name: string) => readFileSync(join(folder.path, name), 'utf8');
    const { base, next, figures } = JSON.parse(read('comparison.json')) as Comparison;
    expect([base, next]).toMatchObject([
      { sources: ['base 1', 'base 2', 'base 3', 'base 4'], target: `${ipv4}:81` },
      { sources: ['new 1', 'new 2', 'new 3', 'new 4'], target: `${ipv4}:80` },
    ]);
    expect(figures.find(({ name }) => name === 'response:p(50)')).toMatchObject({
      change: 'worse',
      chance: 2 / 70,
    });
    expect(read('comparison.html')).toContain('<!doctype html>');
    for (const name of ['base-1.json', 'new-4.json', 'comparison.md', 'comparison.txt']) {
      expect(existsSync(join(folder.path, name))).toBe(true);
    }
  });
});
