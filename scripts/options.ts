/** Writes what is made from the tables of options: `npm run options`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated.ts';

const pathOf = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

for (const [path, text] of generatedFiles((each) => readFileSync(pathOf(each), 'utf8'))) {
  writeFileSync(pathOf(path), text);
}
