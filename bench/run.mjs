/**
 * Runs benches: all of them, or those whose path contains one of the words given.
 *
 *   npm run bench -- [--smoke] [WORD…]
 *
 * With --smoke the sizes are tiny: it shows that every bench still runs, and measures nothing.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
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
const failed = [];
for (const bench of benches) {
  process.stdout.write(`\n== ${bench}\n`);
  const args = [join(HERE, bench), ...(isSmoke ? ['--smoke'] : [])];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) failed.push(bench);
}
if (failed.length > 0) {
  process.stderr.write(`\nfailed: ${failed.join(', ')}\n`);
  process.exit(1);
}
process.stdout.write(`\n${benches.length} benches ran\n`);
