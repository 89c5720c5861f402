import { expect, test } from 'vitest';

// JavaScript, as all benches are: what it takes is said here.
const FIGURES = new URL('../bench/figures.mjs', import.meta.url).href;
const { moved } = (await import(FIGURES)) as {
  readonly moved: (what: string, figure: unknown) => number;
};

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, undefined, null])(
  'a bench whose figure is %s has measured nothing',
  (figure) => {
    expect(() => moved('packets/s', figure)).toThrow(
      `packets/s is ${figure}: nothing was measured`,
    );
  },
);

test('a figure that moved is handed on', () => {
  expect(moved('packets/s', 0.5)).toBe(0.5);
});
