/** Modules of users' own: what is wrong with a file or with a plan is one line, and nothing is sent. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { draftPlan } from '../../src/run/plan/draft-plan.ts';
import { makeModules } from '../../src/run/plan/modules.ts';
import { NO_SURROUNDINGS, planRun } from '../../src/run/plan/plan-run.ts';
import { unplayedOf } from '../../src/run/plan/run-plan.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { record, said } from '../helpers/recorded.ts';
import { OPTIONS } from '../replay/play.ts';

const folder = mkdtempSync(join(tmpdir(), 'gryphon-modules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
/** Makes the module of a file with this text. */
async function load(source: string, options?: unknown): Promise<readonly ProtocolModule[]> {
  const path = join(folder, `${files++}.mjs`);
  writeFileSync(path, source);
  return await makeModules([{ kind: 'file', path, options }]);
}

const FUNCTIONS = 'plan() {}, client() {}, connection() {}';

describe('a file', () => {
  test('exports a module, or a function that makes one of the options', async () => {
    const [plain] = await load(`export default { name: 'plain', ${FUNCTIONS} };`);
    expect(plain.name).toBe('plain');
    const [made] = await load(
      `export default async ({ tag }) => ({ name: tag, ${FUNCTIONS}, rewrite() {} });`,
      { tag: 'made' },
    );
    expect(made.name).toBe('made');
  });

  test.each([
    ['export default {', /cannot be loaded: .+/, 'ERR_MODULE_LOAD'],
    ["import './absent.mjs';", /cannot be loaded: Cannot find module/, 'ERR_MODULE_LOAD'],
    ["throw new Error('no licence\\nat all');", /cannot be loaded: no licence$/, 'ERR_MODULE_LOAD'],
    [
      "export default () => { throw new Error('no options'); };",
      /its function has thrown: no options$/,
      'ERR_MODULE_LOAD',
    ],
    ['export const module = {};', /it has no default export$/, 'ERR_MODULE_SHAPE'],
    ["export default 'text';", /its default export is no module, but text$/, 'ERR_MODULE_SHAPE'],
    [`export default { ${FUNCTIONS} };`, /its module has no name$/, 'ERR_MODULE_SHAPE'],
    ["export default { name: 'm', plan() {} };", /m\.client is no function$/, 'ERR_MODULE_SHAPE'],
    [
      `export default { name: 'm', ${FUNCTIONS}, rewrite: 1 };`,
      /m\.rewrite is no function$/,
      'ERR_MODULE_SHAPE',
    ],
  ])('%s', async (source, message, code) => {
    const refused = load(source);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ code, kind: 'usage' });
  });
});

const { scripts, capture } = record([
  { messages: [said('client', 'ask'), said('server', 'answer'), said('client', 'bye')] },
  {
    messages: [said('client', 'GET / HTTP/1.1\r\n\r\n'), said('server', 'HTTP/1.1 200 OK\r\n\r\n')],
  },
]);

const plan = (module: Partial<ProtocolModule>) =>
  playThrough(
    planRewrites(
      scripts,
      [1, 0],
      [{ name: 'm', plan: () => undefined, client: () => 0, connection: () => 0, ...module }],
      (offset, into) => capture.read(offset, into),
    ),
  );

describe('a plan', () => {
  test('is asked of each session, as it was recorded, after all were shown', () => {
    const seen: string[] = [];
    plan({
      survey: ({ session }) => seen.push(`survey ${session}`),
      plan: (session) => {
        const stages = Array.from({ length: session.messages + 1 }, (_, i) =>
          Buffer.from(session.stage(i) ?? []).toString(),
        );
        const said = Array.from({ length: session.messages }, (_, i) =>
          Buffer.from(session.message(i)).toString(),
        );
        seen.push(
          JSON.stringify([session.session, session.protocol, session.server, said, stages]),
        );
        return undefined;
      },
    });
    expect(seen).toEqual([
      'survey 0',
      'survey 1',
      JSON.stringify([0, '', '192.0.2.80:80', ['ask', 'bye'], ['', 'answer', '']]),
      JSON.stringify([
        1,
        'http1',
        '192.0.2.80:80',
        ['GET / HTTP/1.1\r\n\r\n'],
        ['', 'HTTP/1.1 200 OK\r\n\r\n'],
      ]),
    ]);
  });

  const rewrite = () => 'ready' as const;
  const onAnswer = () => undefined;
  test.each<[string, object, Partial<ProtocolModule>, RegExp]>([
    ['no lists', {}, {}, /rewrites are not ascending numbers of its 2 messages/],
    ['a message beyond', { rewrites: [2], reads: [] }, { rewrite }, /of its 2 messages/],
    ['a message twice', { rewrites: [1, 1], reads: [] }, { rewrite }, /not ascending/],
    ['half a message', { rewrites: [0.5], reads: [] }, { rewrite }, /not ascending/],
    ['a stage beyond', { rewrites: [], reads: [3] }, { onAnswer }, /of its 3 stages/],
    ['nobody to write', { rewrites: [0], reads: [] }, {}, /has no function rewrite/],
    ['nobody to read', { rewrites: [], reads: [0] }, {}, /has no function onAnswer/],
    ['nobody to talk', { rewrites: [], reads: [], dialogueBefore: 0 }, {}, /no function dialogue/],
    [
      'a dialogue that ends beyond',
      { rewrites: [], reads: [], dialogueBefore: 3 },
      { dialogue: () => ({ taken: 0 }) },
      /dialogueBefore is no message/,
    ],
    [
      'compressed packets that are sent as they are',
      { rewrites: [0], reads: [], inflatedFrom: 1 },
      { rewrite },
      /inflatedFrom is no message behind its first/,
    ],
    [
      'compressed packets from the first message on',
      { rewrites: [0, 1], reads: [], inflatedFrom: 0 },
      { rewrite },
      /inflatedFrom is no message behind its first/,
    ],
    ['a reason that is none', { refused: 7 }, {}, /refused is no text/],
  ])('of %s is refused by name', (_, made, functions, message) => {
    const refused = () =>
      plan({ ...functions, plan: () => made as ReturnType<ProtocolModule['plan']> });
    expect(refused).toThrow(message);
    expect(refused).toThrow(expect.objectContaining({ code: 'ERR_MODULE_PLAN', kind: 'usage' }));
  });

  test('that throws, or asks for a message that is not there, names module and session', () => {
    const thrower = { plan: (session: { message(i: number): unknown }) => void session.message(9) };
    expect(() => plan(thrower as Partial<ProtocolModule>)).toThrow(
      'module m: plan of session 0: session 0 has no message 9',
    );
  });
});

describe('sessions that a module refuses', () => {
  const draft = (refuses: (session: number) => boolean) =>
    draftPlan(scripts, OPTIONS, {
      rewrites: plan({
        plan: ({ session }) =>
          refuses(session)
            ? { plan: null, rewrites: [], reads: [], refused: 'encrypted' }
            : undefined,
      }),
    });

  test('are left out, and said to be, under the reason', () => {
    const drafted = draft((session) => session === 0);
    expect([...drafted.played]).toEqual([1]);
    expect(drafted.warnings).toContain('sessions are left out: 1, m: encrypted');
    expect(unplayedOf(planRun(drafted, NO_SURROUNDINGS, 0))).toEqual({ 'm: encrypted': 1 });
  });

  test('where none is left there is nothing to play', () => {
    expect(() => draft(() => true)).toThrow(
      expect.objectContaining({ code: 'ERR_RUN_ALL_REFUSED', kind: 'usage' }),
    );
  });

  test('a run whose module wants nothing is played as recorded, and says so', () => {
    const drafted = draft(() => false);
    expect(drafted.warnings).toEqual([
      'no module changes anything in these sessions: all is played as recorded',
    ]);
    expect(planRun(drafted, NO_SURROUNDINGS, 0).rewriting).toBeUndefined();
  });
});
