import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isHttpRules, jsonPathSteps } from '../../../src/rewrite/http/rules.ts';
import { type DocumentFault, placeOf } from '../../../src/rewrite/http/shape.ts';
import '../../helpers/property-seed.ts';

function faultsOf(document: unknown): string[] {
  const faults: DocumentFault[] = [];
  isHttpRules(document, faults);
  return faults.map(({ path, what }) => `${placeOf(path)}: ${what}`);
}

const WHOLE = {
  $schema: 'https://example.com/rules.json',
  cookies: 'auto',
  unbound: 'fail',
  feeds: { account: { csv: 'accounts.csv', pick: 'once' } },
  values: { run: 'load-{{date -0d YYYY-MM-DD}}' },
  learn: [
    { name: 'token', when: { path: '/login', status: 200 }, from: { json: '$.access_token' } },
    { name: 'csrf', from: { between: ['name="csrf" value="', '"'] }, alias: false },
    {
      name: 'order',
      when: { method: 'POST', host: '*.test', status: '2xx' },
      from: { header: 'Location', regex: '/orders/(\\d+)' },
    },
  ],
  send: [
    { headers: { Host: 'shop.test', Accept: null, 'X-Number': 7 } },
    { when: { path: '/login' }, form: { user: '{{account.login}}' }, query: { a: null } },
    { json: { '$.a[0].b': true }, path: '/v2' },
    { replace: '2026-11-21T', with: '{{date -0d YYYY-MM-DD}}T' },
  ],
  skip: [{ when: { path: '/logout' } }],
};

const FAULTY: readonly (readonly [unknown, readonly string[]])[] = [
  [[], [': takes keys with values, not a list']],
  [null, [': takes keys with values, not nothing']],
  [{ cookie: 'auto' }, ['cookie: unknown key']],
  [{ cookies: 'on' }, ["cookies: takes off or auto, not 'on'"]],
  [{ cookies: true }, ['cookies: takes off or auto, not true']],
  [{ unbound: 'wait' }, ["unbound: takes recorded, skip or fail, not 'wait'"]],
  [{ feeds: { a: {} } }, ['feeds.a: has no csv']],
  [{ feeds: { client: { csv: 'x' } } }, ['feeds.client: is the name of a built-in value']],
  [
    { learn: [{ name: '1', from: { json: 'a' } }] },
    [
      'learn[0].name: is no name: letters, digits, _ and -, with a letter first',
      'learn[0].from.json: is no path of names and indexes: $.data.items[0].id, $["any name"]',
    ],
  ],
  [{ learn: [{ from: { header: 'A' } }] }, ['learn[0]: has no name']],
  [
    { learn: [{ name: 'a', from: {} }] },
    ['learn[0].from: has none of json, header, regex and between'],
  ],
  [
    { learn: [{ name: 'a', from: { json: '$.a', regex: 'b' } }] },
    ['learn[0].from: has json and regex, of which one can be meant'],
  ],
  [
    { learn: [{ name: 'a', from: { regex: '(' } }] },
    ['learn[0].from.regex: is no regular expression: Unterminated group'],
  ],
  [
    { learn: [{ name: 'a', from: { json: '$.a', after: 'b' } }] },
    ['learn[0].from: has after, which goes with regex or between'],
  ],
  [
    { learn: [{ name: 'a', from: { header: 'A', nth: 2 } }] },
    ['learn[0].from: has nth, which goes with regex or between'],
  ],
  [
    { learn: [{ name: 'a', from: { regex: 'a', nth: 0, after: '' } }] },
    [
      'learn[0].from.nth: takes a whole number from 1 to 10000, not 0',
      'learn[0].from.after: is empty',
    ],
  ],
  [
    { learn: [{ name: 'a', from: { regex: 'a', nth: '2' } }] },
    ['learn[0].from.nth: takes a number, not a text'],
  ],
  [
    { learn: [{ name: 'a', from: { between: ['a'] } }] },
    ['learn[0].from.between: takes a list of 2, not of 1'],
  ],
  [
    { send: [{ headers: { 'Content-Length': 3, 'a b': 1, X: 'a\nb' } }] },
    [
      'send[0].headers.Content-Length: follows from the body by itself',
      'send[0].headers["a b"]: is no name of a header field',
      'send[0].headers.X: has a line end, which would end the header field',
    ],
  ],
  [
    { send: [{ headers: { A: ['b'] } }] },
    ['send[0].headers.A: takes a value, or null to remove it, not a list'],
  ],
  [{ send: [{ replace: 'a' }] }, ['send[0]: has replace and no with']],
  [{ send: [{ with: 'a' }] }, ['send[0]: has with and no replace']],
  [{ send: [{ when: {} }] }, ['send[0]: says nothing to send']],
  [{ send: [{ path: 'a' }] }, ['send[0].path: has to begin with /']],
  [{ skip: [{}] }, ['skip[0]: has no when']],
  [
    { skip: [{ when: { status: 99 } }, { when: { status: '2x' } }] },
    [
      'skip[0].when.status: takes a whole number from 100 to 599, not 99',
      "skip[1].when.status: takes a status like 200 or 2xx, not '2x'",
    ],
  ],
];

describe('the document', () => {
  test('everything that may be said is accepted', () => {
    expect(faultsOf(WHOLE)).toEqual([]);
    expect(faultsOf({})).toEqual([]);
  });

  test.each(FAULTY)('%j is refused, with the place and what is wrong', (document, faults) => {
    expect(faultsOf(document)).toEqual(faults);
  });

  test('an unknown key says which keys there are', () => {
    const faults: DocumentFault[] = [];
    isHttpRules({ send: [{ header: {} }] }, faults);
    expect(faults).toEqual([
      expect.objectContaining({
        path: ['send', 0, 'header'],
        isKey: true,
        known: expect.arrayContaining(['headers', 'form']),
      }),
    ]);
  });

  test('the published schema accepts what the check accepts', () => {
    const text = readFileSync(new URL('../../../schema/rules.json', import.meta.url), 'utf8');
    const accepts = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(text));
    expect(accepts(WHOLE)).toBe(true);
    for (const document of [{ cookie: 'auto' }, { cookies: 'on' }, { learn: [{ name: 'a' }] }]) {
      expect(accepts(document)).toBe(false);
    }
  });

  test('any document is either accepted or said to be wrong, and never throws', () => {
    const keys = fc.constantFrom(
      'cookies',
      'learn',
      'send',
      'when',
      'from',
      'headers',
      'json',
      '__proto__',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>('auto', '', 'x', '$.a', 0, -1, 1e99, true, null, undefined),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (document) => {
        const faults: DocumentFault[] = [];
        expect(isHttpRules(document, faults)).toBe(faults.length === 0);
      }),
    );
  });
});

test.each([
  ['$', []],
  ['$.a', ['a']],
  ['$.a[0].b-c', ['a', 0, 'b-c']],
  ['$["a b"]["\\""]', ['a b', '"']],
  ['a', null],
  ['$a', null],
  ['$.a[*]', null],
  ['$..a', null],
])('%s as a path has these steps', (text, steps) => {
  expect(jsonPathSteps(text)).toEqual(steps);
});
