/** Tables of text, for a screen of so many columns. */

/**
 * A table; where it is wider than the room for it, several, each with as many columns as fit beside
 * the first one, which all of them have.
 */
export function tables(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number,
  room: number,
): string[] {
  const widths = widthsOf([head, ...rows]);
  const parts: number[][] = [[0]];
  let width = widths[0];
  for (let i = 1; i < head.length; i++) {
    if (width + 2 + widths[i] > room && (parts.at(-1)?.length ?? 0) > 1) {
      parts.push([0]);
      width = widths[0];
    }
    parts.at(-1)?.push(i);
    width += 2 + widths[i];
  }
  return parts.flatMap((part, i) => {
    const pick = (row: readonly string[]) => part.map((column) => row[column]);
    const lines = table(
      pick(head),
      rows.map(pick),
      part.filter((each) => each < textColumns).length,
    );
    return i === 0 ? lines : ['', ...lines];
  });
}

/** Columns as wide as they need; all but the first `textColumns` are set to the right. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number,
): string[] {
  const widths = widthsOf([head, ...rows]);
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  '),
  );
}

/** How wide each column has to be. */
function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return widths;
}
