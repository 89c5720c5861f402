/** JUnit's XML by a second reader: libxml2, with a schema of what CI servers have in common. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunResult, ThresholdOutcome } from '../../src/measure/result.ts';
import { junitReport } from '../../src/report/junit.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, run } from '../helpers/process.ts';
import { sampleResult } from '../measure/sample-run.ts';

const SCHEMA = fileURLToPath(new URL('../report/junit.xsd', import.meta.url));

/** All that ASCII has besides text, what XML forbids beyond it, halves of a pair, and XML's own signs. */
const ODD = `${String.fromCharCode(...Array.from({ length: 32 }, (_, i) => i))}\u007f\u0085\u2028\ufffe\uffff\ud800"'<&>]]>é€😀`;

describe.runIf(canRun("JUnit's schema", ['xmllint']))("JUnit's XML", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-junit-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const fileOf = (xml: string): string => {
    const file = join(folder, 'junit.xml');
    writeFileSync(file, xml);
    return file;
  };

  const threshold = (expression: string, ok: boolean): ThresholdOutcome => ({
    ...{ expression, ok, actual: null, limit: 1, unit: 'count', note: ODD },
  });

  const odd = (): RunResult => ({
    ...sampleResult([], { failure: ODD }),
    thresholds: [threshold(`response{GET ${ODD}}:p(99)<1s`, false), threshold(ODD, true)],
  });

  test.each<[string, RunResult]>([
    ['without thresholds', sampleResult()],
    ['with thresholds that held and that did not', sampleResult(['errors:rate<5%', 'lag:max<1ns'])],
    ['of a run that failed', sampleResult([], { failure: 'no route', isInterrupted: true })],
    ['with names of any characters', odd()],
  ])('%s is valid, and its counts are those of its cases', async (_, result) => {
    const file = fileOf(junitReport(result));
    await must(['xmllint', '--noout', '--nonet', '--schema', SCHEMA, file]);
    const count = async (of: string): Promise<number> => {
      const found = Number(await must(['xmllint', '--nonet', '--xpath', `number(${of})`, file]));
      expect(found, of).not.toBeNaN();
      return found;
    };
    for (const [attribute, element] of [
      ['tests', 'testcase'],
      ['failures', 'testcase/failure'],
      ['errors', 'testcase/error'],
      ['skipped', 'testcase/skipped'],
    ] as const) {
      const found = await count(`count(//${element})`);
      expect([attribute, await count(`/testsuites/@${attribute}`)]).toEqual([attribute, found]);
      expect(await count(`//testsuite/@${attribute}`)).toBe(found);
    }
    expect(await count('count(//testcase)')).toBe(1 + result.thresholds.length);
  });

  test('tells each character of a name that XML allows', async () => {
    const file = fileOf(junitReport(odd()));
    const names = ['xmllint', '--nonet', '--xpath', 'string(//testcase[3]/@name)', file];
    const told = await must(names);
    // Blanks of any kind are one and the same in an attribute; the other controls cannot be told at all.
    const gone = '\ufffd';
    const controls = `${gone.repeat(9)}  ${gone.repeat(2)} ${gone.repeat(18)}`;
    expect(told.replace(/\n$/, '')).toBe(
      `${controls}\u007f\u0085\u2028${gone.repeat(3)}"'<&>]]>é€😀`,
    );
  });

  test.each([
    ['a case without a name', ['<testcase name="[^"]*"', '<testcase']],
    ['a time that is none', ['time="10.000"', 'time="soon"']],
    ['a count that is none', ['failures="0"', 'failures="-1"']],
    ['an element of its own', ['</testsuite>', '<verdict/></testsuite>']],
  ] as const)('%s would be found', async (_, [was, is]) => {
    const file = fileOf(junitReport(sampleResult()).replace(new RegExp(was), is));
    const { code, stderr } = await run(['xmllint', '--noout', '--nonet', '--schema', SCHEMA, file]);
    expect(stderr).toContain('fails to validate');
    expect(code).not.toBe(0);
  });
});
