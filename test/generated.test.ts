/** What is made from the tables of options is up to date, and has all of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generatedFiles, withTables } from '../scripts/generated.ts';
import { loadCommands } from '../src/cli/commands.ts';

const COMMANDS = await loadCommands();

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

test.each([...generatedFiles(read)])('%s is as `npm run options` writes it', (path, text) => {
  expect(read(path)).toBe(text);
});

test.each(COMMANDS)('docs/options.md has every option of $name', ({ name, table }) => {
  const [, section = ''] = read('docs/options.md').split(`## \`gryphon ${name}\``);
  const [own = ''] = section.split(/^## /m);
  const rows = [...own.matchAll(/^\| `(?:-\w, )?--([a-z-]+)/gm)].map(([, option]) => option);
  // What inspect has in common with replay is explained there.
  const isElsewhere = (group: string): boolean => name === 'inspect' && group === 'Which sessions';
  const expected = Object.values(table).filter(({ group }) => !isElsewhere(group));
  expect(rows.sort()).toEqual(expected.map((option) => option.name).sort());
});

test('a table that is out of date would be made anew, and one of no group is an error', () => {
  const stale = '<!-- options: report, Output -->\n| a |\n\nAfter.\n';
  expect(withTables(stale)).toMatch(
    /^<!--.*-->\n\| option [^\n]*\n\|---.*\n(?:\| `--.*\n)+\nAfter\.\n$/,
  );
  expect(() => withTables('<!-- options: report, Nothing -->\n')).toThrow('names no options');
});

test.each(COMMANDS.flatMap(({ table }) => Object.values(table)))(
  'the example of --$name can be read, and so can its default',
  ({ kind, initial }) => {
    expect(() => initial()).not.toThrow();
    if (kind !== null) expect(kind.parse(kind.example)).not.toBe(undefined);
  },
);
