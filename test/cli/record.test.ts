/** `gryphon record`: what it is told, before anything is opened. */
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { fakeContext } from './fake-context.ts';

const GOOD = {
  '--interface': 'gryphon-none0',
  '--server': '80,443',
  '--out': 'o',
};

async function record(more: Readonly<Record<string, string | null>>) {
  const given = Object.entries({ ...GOOD, ...more });
  const args = given.flatMap(([name, text]) => (text === null ? [] : [name, text]));
  const context = fakeContext({ args: ['record', ...args] });
  const code = await main(context);
  return { code, err: context.err.join('') };
}

test.each([
  { more: { '--server': null }, fault: 'no server given; --server 80,443' },
  {
    more: { '--server': 'http' },
    fault: "--server: 'http' is not a whole number from 1 to 65,535",
  },
  { more: { '--interface': null }, fault: 'no interface given; --interface eth0' },
  { more: { '--out': null }, fault: 'no folder given; --out DIR' },
  {
    more: { '--answers': 'some' },
    fault: "--answers: 'some' is no amount of an answer; write headers, full, or how many octets",
  },
  {
    more: { '--answers': '65536' },
    fault: "--answers: '65536' is not a whole number from 0 to 65,535",
  },
  { more: { '--sessions': '0%' }, fault: '--sessions is not above 0% and at most 100%; write 10%' },
])('$more is one fault: $fault', async ({ more, fault }) => {
  expect(await record(more)).toEqual({ code: 2, err: `gryphon: ${fault}\n` });
});

test('an interface that is not there: 4, with those that are', async () => {
  const { code, err } = await record({});
  expect(code).toBe(4);
  expect(err).toMatch(/^gryphon: there is no interface gryphon-none0; there are lo\b/);
});
