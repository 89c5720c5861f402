/** Figures of each class of requests, against what the recorded requests and answers come to by hand. */
import { describe, expect, test } from 'vitest';
import { Latency } from '../../src/measure/histograms.ts';
import {
  ClassCount,
  classCountsOf,
  type RequestClasses,
} from '../../src/measure/request-classes.ts';
import type { Said, SessionSpec } from '../helpers/scripts.ts';
import { type Played, play } from './play.ts';

const MS = 1_000_000;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const asked = (text: string): Said => ({ from: 'client', text, afterMs: 5 });
const answered = (afterMs: number, text: string | number = OK): Said => ({
  from: 'server',
  text,
  afterMs,
});

/** By name: how many were sent, how many answered, and their response times in ms. */
function figures(classes: RequestClasses): Record<string, readonly number[]> {
  return Object.fromEntries(
    classes.names.map((name, i) => [
      name,
      [
        classCountsOf(classes.counts, i)[ClassCount.SENT],
        classes.response.count(i),
        Math.round((classes.response.minNs(i) ?? 0) / MS),
        Math.round((classes.response.maxNs(i) ?? 0) / MS),
      ],
    ]),
  );
}

/** The steps of all classes together are those of the run, and so are sums and ends. */
function expectWhole({ classes, latency }: Played): void {
  const sum = new Map<number, number>();
  for (const [i] of classes.names.entries()) {
    const { indexes, counts } = classes.response.sparse(i);
    for (const [at, index] of indexes.entries()) {
      sum.set(index, (sum.get(index) ?? 0) + counts[at]);
    }
  }
  const { indexes, counts } = latency.sparse(Latency.RESPONSE);
  expect([...sum].sort(([a], [b]) => a - b)).toEqual(
    [...indexes].map((index, at) => [index, counts[at]]),
  );
  const totals = classes.names.map((_, i) => classes.response.totals(i).sumNs);
  expect(totals.reduce((a, b) => a + b, 0)).toBe(latency.totals(Latency.RESPONSE).sumNs);
}

test('requests of one template are one class, and the classes are the whole', () => {
  const specs: SessionSpec[] = [1, 2, 3].map((i) => ({
    said: [
      asked(get(`/cart/${i}?at=${i}`)),
      answered(10 * i),
      asked(get('/cart')),
      answered(7),
      asked(get(`/cart/${i}00`)),
      answered(100),
    ],
  }));
  const played = play(specs, { users: 6 });
  expect(figures(played.classes)).toEqual({
    'GET /cart': [6, 6, 7, 7],
    'GET /cart/{id}': [12, 12, 10, 100],
  });
  expectWhole(played);
});

test('a request whose body is a message of its own is of its class', () => {
  const head = 'POST /form HTTP/1.1\r\nContent-Length: 6\r\n\r\n';
  const played = play([{ said: [asked(head), asked('a=b&cd'), answered(9)] }]);
  expect(figures(played.classes)).toEqual({ 'POST /form': [1, 1, 9, 9] });
  expectWhole(played);
});

test('requests that go out together are of a class each', () => {
  const both = `${get('/a')}${get('/b/1')}${get('/a')}`;
  const played = play([{ said: [asked(both), answered(20, OK + OK + OK)] }], { users: 3 });
  expect(figures(played.classes)).toEqual({
    'GET /a': [6, 6, 20, 20],
    'GET /b/{id}': [3, 3, 20, 20],
  });
  expectWhole(played);
});

test('what is not HTTP beside what is counts as other', () => {
  const played = play([
    { said: [asked(get('/a')), answered(3)] },
    { said: [{ from: 'client', text: 40 }, answered(30, 500)], startMs: 500 },
  ]);
  expect(figures(played.classes)).toEqual({ 'GET /a': [1, 1, 3, 3], other: [1, 1, 30, 30] });
  expectWhole(played);
});

test('without any request that has a name nothing is told apart', () => {
  const played = play([{ said: [{ from: 'client', text: 40 }, answered(30, 500)] }]);
  expect(played.classes.names).toEqual([]);
});

test('a request that is never answered is sent, and not answered', () => {
  const server: SessionSpec = {
    said: [asked(get('/a')), answered(3, 'HTTP/1.1 2')],
    end: 'server',
  };
  const recorded: SessionSpec = { said: [asked(get('/a')), answered(3)] };
  const played = play([recorded], { server: [server] });
  expect(figures(played.classes)).toEqual({ 'GET /a': [1, 0, 0, 0] });
});

describe('of more names than classes', () => {
  const name = (i: number): string =>
    `/${String.fromCharCode(103 + (i % 16), 103 + Math.floor(i / 16))}`;
  const specs: SessionSpec[] = Array.from({ length: 205 }, (_, i) => ({
    startMs: 20 * i,
    // The last five are asked for twice.
    said: [
      asked(get(name(i))),
      answered(1 + i),
      ...(i < 200 ? [] : [asked(get(name(i))), answered(2)]),
    ],
  }));

  test('the most frequent have one, the rest is other', () => {
    const played = play(specs);
    const found = figures(played.classes);
    expect(Object.keys(found)).toHaveLength(201);
    expect(found.other[0]).toBe(5);
    for (let i = 200; i < 205; i++) expect(found[`GET ${name(i)}`][0]).toBe(2);
    expectWhole(played);
  });
});
