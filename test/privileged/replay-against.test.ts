/** One plan, two targets, one comparison. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/measure/compare-results.ts';
import { CLIENTS_ON_LINK, type Lab, makeLab, runInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import type { Running } from '../helpers/process.ts';
import { fixture, replayCommand } from '../helpers/replay.ts';
import { type Folder, listening, makeFolder } from '../helpers/servers.ts';

const SLOW_HTTP = fileURLToPath(new URL('servers/slow-http.mjs', import.meta.url));
/** How long the servers wait before they answer: so far apart that what a busy machine adds to both leaves the one slower. */
const SLOW_MS = 200;
const QUICK_MS = 20;

describe.runIf(canRun('two targets', ['ip', 'ss']))('--against', () => {
  let lab: Lab;
  let folder: Folder;
  const servers: Running[] = [];

  beforeAll(async () => {
    lab = await makeLab();
    folder = makeFolder('against');
    for (const [port, ...how] of [
      ['80', `${SLOW_MS}`],
      ['81', `${QUICK_MS}`],
      ['82', '1', 'nth=2'],
    ]) {
      const server = startInside(lab.target, [process.execPath, SLOW_HTTP, port, ...how]);
      servers.push(server);
      await listening(lab.target, server, Number(port));
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
    const row =
      /response:p\(50\) +([\d.]+) ms +([\d.]+) ms +\+([\d.,]+)% +(\S+)% to \+\S+% +worse$/m;
    const [quick = 0, slow = 0, change = 0, low = 0] =
      row
        .exec(stdout)
        ?.slice(1)
        .map((figure) => Number(figure.replace(',', ''))) ?? [];
    expect(quick).toBeGreaterThanOrEqual(QUICK_MS);
    expect(slow).toBeGreaterThanOrEqual(SLOW_MS);
    expect(change).toBeCloseTo((slow / quick - 1) * 100, -1);
    expect(low).toBeGreaterThanOrEqual(-100);
    const read = (name: string) => readFileSync(join(folder.path, name), 'utf8');
    const { base, next, figures, answers } = JSON.parse(read('comparison.json')) as Comparison;
    expect(answers).toMatchObject({ requests: 10, unlike: 0, varying: 0, examples: [] });
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

  test('tells the requests that one target answers unlike the other, and how', async () => {
    const { ipv4 } = lab.target;
    const { code, stdout } = await runInside(
      lab.client,
      replayCommand([
        ...[fixture('http-keepalive.pcap'), '--users', '16', '--pace', 'none', '--seed', '1'],
        ...['--rounds', '1', '--check', 'body', '--out', folder.path, '--no-progress'],
        ...['--clients', CLIENTS_ON_LINK.ipv4, '--target', `${ipv4}:82`, '--against', `${ipv4}:81`],
      ]),
      { timeoutMs: 90_000 },
    );
    expect(code).toBe(0);
    const read = (name: string) => readFileSync(join(folder.path, name), 'utf8');
    const { answers } = JSON.parse(read('comparison.json')) as Comparison;
    const { examples = [], requests = 0, unlike = 0, unlikeBy } = answers ?? {};
    expect(requests).toBe(130);
    expect(unlikeBy).toEqual({ status: unlike, length: 0, body: 0 });
    expect(examples.length).toBe(unlike);
    // Each session has a second request, and it alone is refused.
    expect(examples.map(({ session, number }) => [session, number])).toEqual(
      Array.from({ length: 16 }, (_, i) => [i + 1, 2]),
    );
    for (const { request, base, next } of examples) {
      expect(request).toMatch(/&nth=2$/);
      expect([base.text, next.text]).toEqual(['200', '503']);
    }
    expect(stdout).toMatch(
      /^answers +16 of 130 requests answered unlike each other \(16 status\)$/m,
    );
    for (const name of ['comparison.html', 'comparison.md']) {
      expect(read(name)).toMatch(/nth=2 \(session 1, request 2\)/);
    }
  });
});
