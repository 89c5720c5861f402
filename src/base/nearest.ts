/** More wrong letters than this and the guess would be a guess. */
const DISTANCE_MAX = 2;

/**
 * The name nearest to a mistyped one: the only one that it begins, else the closest of those at most
 * two letters off, else one that begins it; `null` when there is none.
 */
export function nearest(mistyped: string, names: readonly string[]): string | null {
  // A start of a name is what people write when they shorten it.
  const starts = mistyped.length < 3 ? [] : names.filter((name) => name.startsWith(mistyped));
  if (starts.length === 1) return starts.at(0) ?? null;
  let best: string | null = null;
  let bestDistance = Math.min(DISTANCE_MAX, Math.ceil(mistyped.length / 2)) + 1;
  for (const name of names) {
    const distance = editDistance(mistyped.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  if (best !== null || mistyped.length < 2) return best;
  return names.find((name) => mistyped.startsWith(name)) ?? null;
}

/** ` (did you mean 'NAME'?)` of the nearest name, for a message's midst; '' when there is none. */
export function guessText(mistyped: string, names: readonly string[]): string {
  const name = nearest(mistyped, names);
  return name === null ? '' : ` (did you mean '${name}'?)`;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows.at(i)?.at(j) ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + differs);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, at(i - 2, j - 2) + 1);
      row.push(cost);
    }
  }
  return at(a.length, b.length);
}
