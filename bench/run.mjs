/**
 * Runs benches: all of them, or those whose path contains one of the words given.
 *
 *   npm run bench -- [--smoke] [WORD…]
 *
 * With --smoke the sizes are tiny: it shows that every bench still runs and moves something, and
 * measures nothing. A bench fails that ends with an error (as `moved` of figures.mjs makes it where a
 * figure is nothing), that prints a figure which is no number, or that has no figure at all.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FIGURE, SKIPPED, TOLD_VARIABLE } from './figures.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** What a figure prints as where it came from nothing. */
const NO_NUMBER = /\b(?:NaN|Infinity|undefined)\b/;

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const isSmoke = process.argv.includes('--smoke');

const benches = readdirSync(HERE, { recursive: true })
  .filter((path) => path.endsWith('.bench.mjs'))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .sort();
if (benches.length === 0) {
  process.stderr.write(`no bench is called ${words.join(' or ')}\n`);
  process.exit(2);
}
const faults = [];
const skipped = [];
const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-run-'));
try {
  for (const bench of benches) {
    process.stdout.write(`\n== ${bench}\n`);
    const { fault, isSkipped } = await run(bench, join(folder, 'told'));
    if (fault !== null) faults.push(`${bench}: ${fault}`);
    else if (isSkipped) skipped.push(bench);
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (skipped.length > 0) process.stdout.write(`\nskipped: ${skipped.join(', ')}\n`);
if (faults.length > 0) {
  process.stderr.write(`\nfailed:\n${faults.join('\n')}\n`);
  process.exit(1);
}
process.stdout.write(`\n${benches.length - skipped.length} benches ran\n`);

/** One bench in a process of its own. @returns what is wrong with it, or null */
async function run(bench, told) {
  writeFileSync(told, '');
  const argv = [join(HERE, bench), ...(isSmoke ? ['--smoke'] : [])];
  const env = { ...process.env, [TOLD_VARIABLE]: told };
  const child = spawn(process.execPath, argv, { stdio: ['inherit', 'pipe', 'inherit'], env });
  let printed = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text) => {
    process.stdout.write(text);
    printed += text;
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  const lines = readFileSync(told, 'utf8').split('\n');
  const isSkipped = lines.some((line) => line.startsWith(SKIPPED));
  return { isSkipped, fault: faultOf(status, printed, lines, isSkipped) };
}

function faultOf(status, printed, lines, isSkipped) {
  if (status !== 0) return `ended with ${status}`;
  const line = printed.split('\n').find((each) => NO_NUMBER.test(each));
  if (line !== undefined) return `a figure is no number: ${line}`;
  const hasFigure = lines.some((each) => each.startsWith(FIGURE));
  return hasFigure || isSkipped ? null : 'it has no figure';
}
