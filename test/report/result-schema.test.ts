/** What a result's document may hold: as the program reads it, and by the schema that is published. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { parseThreshold } from '../../src/cli/values/thresholds.ts';
import { isHistogram } from '../../src/measure/histogram-check.ts';
import { decodeHistogram } from '../../src/measure/histogram-reader.ts';
import { jsonReport, parseResult } from '../../src/report/json.ts';
import { textReport } from '../../src/report/text.ts';
import { sampleRun } from '../measure/sample-record.ts';
import { sampleResult } from '../measure/sample-run.ts';

const SCHEMA = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../schema/result.json', import.meta.url)), 'utf8'),
);
const validate = new Ajv2020({ validateFormats: false }).compile(SCHEMA);

type Node = Readonly<Record<string, unknown>> | readonly unknown[];
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

const RECORDED = sampleRun({ responseMs: [5, 7, 9, 4], reset: 2, durationSeconds: 2 }, [
  parseThreshold('response:p(99)<20ms'),
]);

describe('a result that is written', () => {
  test.each([
    ['with thresholds', sampleResult(['errors:rate<5%', 'response:max<1ns'])],
    ['with a record', RECORDED],
    ['that failed', sampleResult([], { failure: 'the intercept went away', isInterrupted: true })],
  ])('%s reads back as it was, and is as the published schema says', async (_, result) => {
    const text = jsonReport(result);
    expect(await parseResult(text, 'r.json')).toEqual(result);
    validate(JSON.parse(text));
    expect(validate.errors).toBeNull();
  });

  test('has nothing that the schema does not name', () => {
    expect(unnamed(JSON.parse(jsonReport(RECORDED)), SCHEMA, '')).toEqual([]);
    expect(unnamed({ version: '1', vrsion: '1' }, SCHEMA, '')).toEqual(['.vrsion']);
  });
});

/** A schema, or the definition that it refers to. */
function resolved(schema: Record<string, unknown>): Record<string, unknown> {
  const [, name] = /^#\/\$defs\/(\w+)$/.exec(String(schema.$ref)) ?? [];
  return name === undefined ? schema : SCHEMA.$defs[name];
}

/** Places of members that an object's schema does not name. */
function unnamed(value: unknown, schema: Record<string, unknown>, place: string): string[] {
  if (!isNode(value)) return [];
  const choices = (resolved(schema).anyOf as Record<string, unknown>[] | undefined) ?? [schema];
  const one = choices
    .map(resolved)
    .find(({ type }) => type === (Array.isArray(value) ? 'array' : 'object')) as Record<
    string,
    Record<string, unknown>
  >;
  if (Array.isArray(value)) {
    return value.flatMap((each, i) => unnamed(each, one.items, `${place}[${i}]`));
  }
  return Object.entries(value).flatMap(([key, each]) => {
    const found = (one.properties?.[key] ?? one.propertyNames) as
      | Record<string, unknown>
      | undefined;
    return found === undefined ? [`${place}.${key}`] : unnamed(each, found, `${place}.${key}`);
  });
}

describe('a result that somebody has changed', () => {
  test('is judged alike by the program and by the published schema, whatever is gone or odd', async () => {
    const paths = placesOf(JSON.parse(jsonReport(RECORDED)));
    expect(paths.length).toBeGreaterThan(200);
    let refused = 0;
    for (const path of paths) {
      for (const change of [DELETED, null, 'text', -1]) {
        const document = changed(path, change);
        const accepted = await parseResult(JSON.stringify(document), 'r.json').then(
          () => true,
          () => false,
        );
        if (!accepted) refused++;
        expect({ path, change, accepted }).toEqual({ path, change, accepted: validate(document) });
      }
    }
    expect(refused).toBeGreaterThan(paths.length);
  });

  test.each([
    [
      ['latency', 'response', 'p99'],
      'slow',
      'latency.response.p99 is wrong: expected number, found string',
    ],
    [['users', 'completed'], DELETED, 'users.completed is missing'],
    [['thresholds', 0, 'ok'], 1, 'thresholds[0].ok is wrong: expected boolean, found number'],
    [['histograms', 'connect'], DELETED, 'histograms.connect is missing'],
    [['clock'], 'sun', 'clock is wrong: '],
  ])('is refused with the place: %j as %j', async (path, change, said) => {
    await expect(parseResult(JSON.stringify(changed(path, change)), 'r.json')).rejects.toThrow(
      `r.json is no result of a replay: ${said}`,
    );
  });
});

const DELETED = Symbol('deleted');

/** The sample's document with something else at a place. */
function changed(path: readonly (string | number)[], value: unknown): object {
  const document = JSON.parse(jsonReport(RECORDED));
  const last = path.at(-1) ?? '';
  const holder = path.slice(0, -1).reduce((node, key) => node[key], document);
  if (value === DELETED) delete holder[last];
  else holder[last] = value;
  return document;
}

/** The place of every member of objects; of arrays only the first element is looked into. */
function placesOf(value: unknown): (string | number)[][] {
  if (!isNode(value)) return [];
  const entries = Array.isArray(value) ? [[0, value[0]] as const] : Object.entries(value);
  return entries.flatMap(([key, each]) => {
    const below = placesOf(each).map((path) => [key, ...path]);
    return typeof key === 'number' ? below : [[key], ...below];
  });
}

describe('a result that was damaged on its way', () => {
  const part = (value: unknown, path: readonly (string | number)[]): string =>
    path.reduce((node, key) => (node as Record<string | number, unknown>)[key], value) as string;

  test.each([
    [['histograms', 'response']],
    [['timeline', 'intervals', 0, 'histograms', 'response']],
    [['record', 'counters']],
    [['record', 'latency', 2]],
    [['record', 'timelines', 0, 'intervals', 0, 'changes']],
  ])('is refused with the place before anything is read from it: %j', async (path) => {
    const written = part(JSON.parse(jsonReport(RECORDED)), path);
    const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
    for (const odd of [written.slice(0, 3), `${written.slice(0, -3)}!`, `${written} x`]) {
      await expect(parseResult(JSON.stringify(changed(path, odd)), 'r.json'), odd).rejects.toThrow(
        `r.json is no result of a replay: ${place.slice(1)} is wrong: it is no`,
      );
    }
  });

  test('wherever a histogram is cut, or one of its characters is another one, it is none or can be read', () => {
    const { response } = RECORDED.histograms;
    expect(isHistogram(response)).toBe(true);
    const cut = Array.from(response.replace(/=+$/, ''), (_, at) => response.slice(0, at));
    // What is left without the last octets is whole only where those were none.
    expect(cut.slice(0, -2).filter(isHistogram)).toEqual([]);
    let refused = 0;
    for (const [at, character] of [...response].entries()) {
      const odd = response.slice(0, at) + (character === 'A' ? 'B' : 'A') + response.slice(at + 1);
      if (isHistogram(odd)) decodeHistogram(odd);
      else refused++;
    }
    expect(refused).toBeGreaterThan(0.9 * response.length);
  });
});

describe('a result of an earlier version', () => {
  test('lacks what it did not count, and is read all the same', async () => {
    const old = JSON.parse(jsonReport(sampleResult()));
    for (const name of ['failure', 'faults', 'shares', 'record']) delete old[name];
    for (const name of ['unsent', 'unsolicited', 'failed', 'statuses', 'planned']) {
      delete old.exchanges[name];
    }
    for (const name of ['held', 'login']) {
      delete old.latency[name];
      delete old.histograms[name];
    }
    delete old.packets.path;
    delete old.rates.due;
    const read = await parseResult(JSON.stringify(old), 'old.json');
    expect(read).toMatchObject({
      failure: null,
      failureKind: null,
      faults: [],
      exchanges: { unsent: 0, failed: 0, planned: 1990, sent: 1990 },
      packets: { path: { mtu: null, messages: 0, smallerTried: 0 } },
      rates: { due: 200, offered: 200 },
    });
    expect(read.latency.held.count).toBe(0);
    expect(read.latency.login.count).toBe(0);
    expect(textReport(read, { color: false })).toContain('990 of 1,000 users completed');
  });
});

describe('what is no result', () => {
  const whole = jsonReport(sampleResult());
  test.each([
    ['nothing', '', 'it is empty'],
    ['no JSON', '<html>', 'it is not JSON (line 1)'],
    ['JSON up to a fault', '{\n "a": 1\n x', 'it is not JSON (line 3)'],
    [
      'a document that is cut',
      whole.slice(0, 2_000),
      'it is cut: the JSON stops in the midst of line',
    ],
    ['one without its last character', whole.trimEnd().slice(0, -1), 'it is cut'],
    ['a number', '7', 'it is not an object'],
    ['null', 'null', 'it is not an object'],
    ['a list', '[]', 'it is not an object'],
    ['another schema', '{"schema":"gryphon.inspect/1"}', 'its schema is "gryphon.inspect/1", not'],
    ['no schema', '{}', 'it is the JSON of something else: it has no "schema"'],
    ['nothing but a schema', '{"schema":"gryphon.result/1"}', 'version is missing (and 2'],
    [
      'a later form',
      '{"schema":"gryphon.result/2"}',
      'a newer gryphon wrote it (schema gryphon.result/2',
    ],
  ])('is refused and named: %s', async (_name, text, message) => {
    const fault = await parseResult(text, 'r.json').catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ReplayError);
    expect(fault).toMatchObject({ kind: 'usage', message: expect.stringContaining(message) });
  });

  test('wherever a document is cut, it is said to be cut', async () => {
    for (let at = 1; at < whole.trimEnd().length; at += 97) {
      await expect(parseResult(whole.slice(0, at), 'r.json')).rejects.toThrow('it is cut');
    }
  });
});

test('a latency that an older version did not measure has an empty histogram', async () => {
  const { histograms, ...result } = sampleResult();
  const { held: _held, login: _login, ...older } = histograms;
  const text = JSON.stringify({ ...result, histograms: older });
  const read = (await parseResult(text, 'old.json')).histograms;
  for (const encoded of [read.held, read.login]) {
    expect(decodeHistogram(encoded)).toEqual({
      indexes: new Uint32Array(0),
      counts: new Float64Array(0),
    });
  }
});
