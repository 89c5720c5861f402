/** What names may do to a table of Markdown: nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { markdownReport, plain, TEXT, table } from '../../src/report/markdown.ts';
import { sampleResult } from '../measure/sample-run.ts';

/** A row's cells as GitHub's rules split them: at each `|` that no backslash stands before. */
const cellsOf = (line: string): string[] => line.match(/(?:\\.|[^\\|])+/g) ?? [];

const odd = fc.string({ unit: 'binary', maxLength: 20 });
const signs = fc.string({
  unit: fc.constantFrom(
    '|',
    '\\',
    '\r',
    '\n',
    '`',
    '~',
    '[',
    '<',
    ' ',
    'a',
    '\u2028',
    '\u0085',
    '\v',
  ),
  maxLength: 12,
});

describe('text in a cell', () => {
  test('stays one cell of one line, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(odd, signs), fc.oneof(odd, signs), (name, value) => {
        const lines = table(['name', 'value'], [[name, value]], TEXT);
        expect(lines).toHaveLength(3);
        const [, , row] = lines;
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these end lines, or are no text
        expect(row).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
        expect(row).toMatch(/^\| .* \|$/u);
        expect(cellsOf(row).map((cell) => cell.slice(1, -1))).toEqual([plain(name), plain(value)]);
      }),
    );
  });

  test('a lone carriage return ends no row, a pipe no cell, and tildes strike nothing out', () => {
    expect(plain('a\rb\r\nc|d ~~e~~')).toBe('a b c\\|d \\~\\~e\\~\\~');
    const classes = [
      {
        ...{ name: 'GET /a\r| b |', sent: 1, answered: 1, mismatched: 0, histogram: '' },
        response: sampleResult().latency.response,
      },
    ];
    const rows = markdownReport({ ...sampleResult(), classes }).split(/\r\n|\r|\n/);
    expect(rows.filter((row) => row.startsWith('| GET /a'))).toEqual([
      expect.stringMatching(/^\| GET \/a \\\| b \\\| \| 1 \| 1 \| 0 \|/u),
    ]);
  });
});
