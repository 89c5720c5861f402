/** Runs whose requests come at a rate, in virtual time; the built program, started as a process. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseResult } from '../../src/report/json.ts';
import { run } from '../helpers/process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

async function played(capture: string, ...options: string[]) {
  const argv = [join(ROOT, 'bin/gryphon.js'), 'replay', join(ROOT, 'fixtures', capture)];
  const ended = await run([process.execPath, ...argv, ...options, '--seed', '1', '--json', '-']);
  expect({ code: ended.code, said: ended.code === 0 ? '' : ended.stderr }).toEqual({
    code: 0,
    said: '',
  });
  return { result: await parseResult(ended.stdout, 'stdout'), said: ended.stderr };
}

test('in every second as many requests are sent as were asked for, within 2 %', async () => {
  const options = ['--request-rate', '5000/s', '--duration', '4s'];
  const { result } = await played('http-keepalive.pcap', ...options);
  const { intervals } = result.timeline;
  const sentBy = (second: number): number =>
    intervals.findLast(({ endSeconds }) => endSeconds <= second + 0.001)?.sent ?? 0;
  for (const second of [1, 2, 3, 4]) {
    const sent = sentBy(second) - sentBy(second - 1);
    expect(sent).toBeGreaterThanOrEqual(4_900);
    expect(sent).toBeLessThanOrEqual(5_100);
  }
  // Each start is a user of its own, and as many as it takes have started.
  expect(result.users.completed).toBe(result.users.planned);
  expect(result.exchanges.answered).toBe(result.exchanges.planned);
});

test('pipelined requests count one by one, and what they make of the rate is said', async () => {
  const options = ['--request-rate', '2000/s', '--users', '100'];
  const { result, said } = await played('redis-pipelined.pcap', ...options);
  const seconds = result.timeline.intervals.at(-1)?.endSeconds ?? 0;
  const perSecond = result.exchanges.sent / seconds;
  expect(perSecond).toBeGreaterThan(1_900);
  expect(perSecond).toBeLessThan(2_100);
  expect(said).toMatch(/requests a second of --request-rate 2,000\/s/);
});
