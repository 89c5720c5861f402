/** Puts linked lists of users into due order. */

/**
 * A stable bottom-up merge sort; equals keep their order. Only `next` is rearranged.
 * @param head the list's first user
 * @param end what stands in `next` behind the last one; negative
 * @param next a row a user: who follows
 * @returns the first user
 */
export function sortByDue(
  head: number,
  end: number,
  next: Int32Array,
  dueNs: Float64Array,
): number {
  let first = head;
  for (let run = 1, merges = 2; merges > 1; run *= 2) {
    merges = 0;
    let rest = first;
    let last = end;
    while (rest >= 0) {
      merges++;
      let left = rest;
      let leftCount = 0;
      for (; leftCount < run && rest >= 0; leftCount++) rest = next[rest];
      let right = rest;
      let rightCount = 0;
      for (; rightCount < run && rest >= 0; rightCount++) rest = next[rest];
      while (leftCount > 0 || rightCount > 0) {
        const isLeft = rightCount === 0 || (leftCount > 0 && dueNs[left] <= dueNs[right]);
        const user = isLeft ? left : right;
        if (isLeft) {
          left = next[left];
          leftCount--;
        } else {
          right = next[right];
          rightCount--;
        }
        if (last >= 0) next[last] = user;
        else first = user;
        last = user;
      }
    }
    next[last] = end;
  }
  return first;
}
