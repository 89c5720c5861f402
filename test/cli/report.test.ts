import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { jsonReport } from '../../src/report/json.ts';
import { sampleResult } from '../measure/sample-run.ts';
import { type FakeContext, fakeContext } from './fake-context.ts';

async function report(...args: string[]): Promise<FakeContext & { code: number }> {
  const context = fakeContext({ args: ['report', ...args] });
  context.written.set('r.json', jsonReport(sampleResult(['response:p(99)<1ms'])));
  return Object.assign(context, { code: await main(context) });
}

test('the summary is what the run ended with, and rendering it is no failure', async () => {
  const { code, out, err } = await report('r.json');
  expect(code).toBe(0);
  expect(out.join('')).toContain('1 of 1 thresholds did not hold');
  expect(err).toEqual([]);
});

test('formats go where they are told to', async () => {
  const { code, out, written } = await report('r.json', '--junit', 'j.xml', '--markdown', '-');
  expect(code).toBe(0);
  expect(written.get('j.xml')).toContain('<testsuites');
  expect(out).toHaveLength(1);
  expect(out[0]).toContain('|');
});

test('one latency is chosen for its distribution', async () => {
  const { out } = await report('r.json', '--hgrm', '-', '--latency', 'connect');
  const { out: other } = await report('r.json', '--hgrm', '-');
  expect(out[0]).toContain('Total count    =          998]');
  expect(other[0]).toContain('Total count    =         1980]');
});

test('a folder gets all of them', async () => {
  const { out, written } = await report('r.json', '--out', 'o');
  expect(out).toEqual([]);
  expect([...written.keys()]).toContain('o/junit.xml');
});

test.each([
  { args: [], fault: 'no result given' },
  { args: ['r.json', 's.json'], fault: 'gryphon compare puts them side by side' },
  { args: ['none.json'], fault: 'none.json is not there' },
  { args: ['r.json', '--latency', 'conect'], fault: 'did you mean connect?' },
  { args: ['r.json', '--junit', '-', '--hlog', '-'], fault: 'more than one report' },
  { args: ['r.json', '--svg', 'x.svg'], fault: 'unknown option --svg' },
])('$args is refused: $fault', async ({ args, fault }) => {
  const { code, out, err } = await report(...args);
  expect(code).toBe(2);
  expect(err.join('')).toContain(fault);
  expect(out).toEqual([]);
});

test('a file that is no result is refused', async () => {
  const context = fakeContext({ args: ['report', 'x'] });
  context.written.set('x', '{"schema":"gryphon.inspect/1"}');
  expect(await main(context)).toBe(2);
  expect(context.err.join('')).toContain('x is no result of a replay');
});
