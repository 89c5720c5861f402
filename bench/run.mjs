/**
 * Runs benches: all of them, or those whose path contains one of the words given.
 *
 *   npm run bench -- [--smoke] [WORD…]
 *
 * With --smoke the sizes are tiny: it shows that every bench still runs and moves something, and
 * measures nothing, so that two run at a time. A bench fails that ends with an error (as `moved` of figures.mjs makes it where a
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
/** Where something is measured, nothing runs beside it. */
const atOnce = isSmoke ? 2 : 1;
const faults = [];
const skipped = [];
const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-run-'));
try {
  const left = benches.entries();
  await Promise.all(Array.from({ length: atOnce }, () => runAll(left)));
} finally {
  rmSync(folder, { recursive: true });
}
if (skipped.length > 0) process.stdout.write(`\nskipped: ${skipped.join(', ')}\n`);
if (faults.length > 0) {
  process.stderr.write(`\nfailed:\n${faults.join('\n')}\n`);
  process.exit(1);
}
process.stdout.write(`\n${benches.length - skipped.length} benches ran\n`);

/** Runs what is left, one bench after the other; several share an iterator. */
async function runAll(left) {
  for (const [i, bench] of left) {
    const shown = [];
    // Of several at a time each shows what it has printed when it is over.
    const show = atOnce === 1 ? (text) => process.stdout.write(text) : (text) => shown.push(text);
    show(`\n== ${bench}\n`);
    const { fault, isSkipped } = await run(bench, join(folder, `told-${i}`), show);
    process.stdout.write(shown.join(''));
    if (fault !== null) faults.push(`${bench}: ${fault}`);
    else if (isSkipped) skipped.push(bench);
  }
}

/** One bench in a process of its own. @returns what is wrong with it, or null */
async function run(bench, told, show) {
  writeFileSync(told, '');
  const argv = [join(HERE, bench), ...(isSmoke ? ['--smoke'] : [])];
  const env = { ...process.env, [TOLD_VARIABLE]: told };
  const child = spawn(process.execPath, argv, { stdio: ['inherit', 'pipe', 'pipe'], env });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      show(text);
      printed += text;
    });
  }
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
