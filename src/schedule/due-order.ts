/** Puts linked lists of users into due order. */
import { DUE_SHIFT, LINKS_SHIFT, NEXT, type TimerRows } from './timer-rows.ts';

/**
 * A stable bottom-up merge sort; equals keep their order. Only who follows whom is rearranged.
 * @param head the list's first user
 * @param end what follows the last one; negative
 * @returns the first user
 */
export function sortByDue(head: number, end: number, { due, links }: TimerRows): number {
  let first = head;
  for (let run = 1, merges = 2; merges > 1; run *= 2) {
    merges = 0;
    let rest = first;
    let last = end;
    while (rest >= 0) {
      merges++;
      let left = rest;
      let leftCount = 0;
      for (; leftCount < run && rest >= 0; leftCount++) rest = links[(rest << LINKS_SHIFT) | NEXT];
      let right = rest;
      let rightCount = 0;
      for (; rightCount < run && rest >= 0; rightCount++)
        rest = links[(rest << LINKS_SHIFT) | NEXT];
      while (leftCount > 0 || rightCount > 0) {
        const isLeft =
          rightCount === 0 || (leftCount > 0 && due[left << DUE_SHIFT] <= due[right << DUE_SHIFT]);
        const user = isLeft ? left : right;
        if (isLeft) {
          left = links[(left << LINKS_SHIFT) | NEXT];
          leftCount--;
        } else {
          right = links[(right << LINKS_SHIFT) | NEXT];
          rightCount--;
        }
        if (last >= 0) links[(last << LINKS_SHIFT) | NEXT] = user;
        else first = user;
        last = user;
      }
    }
    links[(last << LINKS_SHIFT) | NEXT] = end;
  }
  return first;
}
