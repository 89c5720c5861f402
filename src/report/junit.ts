/** The result as JUnit's XML, in the subset that CI servers have in common. */
import type { RunResult } from '../measure/result.ts';
import { outcomeText } from './format.ts';
import { verdictOf } from './verdict.ts';

/** One case for the run itself and one per threshold; facts stand in names and failure texts. */
export function junitReport(result: RunResult): string {
  const run = { ...result, thresholds: [] };
  const verdict = verdictOf(run);
  const time = result.durationSeconds.toFixed(3);
  const cases = [
    testCase(`run: ${verdict.headline}`, time, {
      failure: verdict.level === 'bad' ? verdict.headline : null,
      // No failure: the exit code is that of the run without it.
      output: verdict.caveat,
    }),
    ...result.thresholds.map((outcome) => {
      const found = outcomeText(outcome);
      const failure = outcome.ok ? null : `found ${found}`;
      return testCase(outcome.expression, '0.000', { failure, output: null });
    }),
  ];
  const failures = cases.filter((each) => each.includes('<failure')).length;
  const counts = `tests="${cases.length}" failures="${failures}" errors="0" skipped="0"`;
  const startedAt = result.startedAt.replace(/\.\d+Z$/, '');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="gryphon" ${counts} time="${time}">`,
    `  <testsuite name="gryphon replay" ${counts} time="${time}" timestamp="${startedAt}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase(
  name: string,
  time: string,
  { failure, output }: { readonly failure: string | null; readonly output: string | null },
): string {
  const head = `    <testcase name="${escapeXml(name)}" classname="gryphon.replay" time="${time}"`;
  const type = name.startsWith('run: ') ? 'run' : 'threshold';
  const inner: string[] = [];
  if (failure !== null) {
    const message = escapeXml(failure);
    const text = `${escapeXml(name)}: ${message}`;
    inner.push(`      <failure message="${message}" type="${type}">${text}</failure>`);
  }
  if (output !== null) inner.push(`      <system-out>${escapeXml(output)}</system-out>`);
  return inner.length === 0 ? `${head}/>` : `${head}>\n${inner.join('\n')}\n    </testcase>`;
}

/** Characters that XML 1.0 does not allow become U+FFFD. */
const escapeXml = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to be replaced
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
