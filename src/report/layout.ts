/** How text is laid out on a screen of so many columns. */

/** The width of a terminal that nobody has made wider: no line of a summary is longer. */
export const SCREEN_COLUMNS = 80;

/** Room for the name of a row, and the space behind it. */
export const LABEL_COLUMNS = 11;

/** Below this nothing can be laid out; a narrower screen breaks lines by itself. */
const COLUMNS_MIN = 40;

/** The columns to lay out for: those of the screen (0: it does not know), from 40 to 80. */
export const columnsOf = (screen: number | null | undefined): number =>
  Math.max(COLUMNS_MIN, Math.min(SCREEN_COLUMNS, screen || SCREEN_COLUMNS));

/** A row of a summary: its name, then text that goes on below itself where the line is full. */
export function row(label: string, text: string, columns: number): string[] {
  return hanging(label.padEnd(LABEL_COLUMNS), text, columns);
}

/** Less room than this beside a head, and the text goes below it. */
const BESIDE_COLUMNS_MIN = 16;

/** Text behind a head, broken into lines that stand below each other. */
export function hanging(head: string, text: string, columns: number): string[] {
  if (columns - head.length < BESIDE_COLUMNS_MIN) return wrap(head + text, columns);
  const indent = ' '.repeat(head.length);
  return wrap(text, columns - head.length).map((line, i) => (i === 0 ? head : indent) + line);
}

/** Text that is not to be broken where it fits into one line. */
export const whole = (text: string): string => text.replaceAll(' ', NO_BREAK_SPACE);

const NO_BREAK_SPACE = '\u00a0';

/**
 * Text as lines of at most `columns` characters, broken at spaces (but not between a number and its
 * unit), and within a word only where it is longer than a line. What would move the cursor (a file name may hold anything) becomes `?`.
 */
export function wrap(text: string, columns: number): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const shown = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
  const words = shown.split(/(?<!\d) | (?!(?:[nµm]?s|[kMGT]?B|bytes)\b)/);
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    let rest = word;
    if (line !== '' && line.length + 1 + rest.length > columns) {
      lines.push(line);
      line = '';
    }
    while (rest.length > columns) {
      lines.push(rest.slice(0, columns));
      rest = rest.slice(columns);
    }
    line = line === '' ? rest : `${line} ${rest}`;
  }
  return [...lines, line].map((each) => each.replaceAll(NO_BREAK_SPACE, ' '));
}

/** Cells side by side, two spaces between columns: the first column to the left, the others to the right. */
export function alignRight(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows.at(0) ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells.at(column)?.length ?? 0)),
  );
  return rows.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  '),
  );
}
