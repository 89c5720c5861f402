/** Sets of octets of a stream, as a sorted list of intervals that do not touch. */
export class OctetSet {
  #intervals: [from: number, to: number][] = [];

  /** What has come before the first octet that has not, from octet 0 on. */
  get prefix(): number {
    const [first] = this.#intervals;
    return first !== undefined && first[0] === 0 ? first[1] : 0;
  }

  /** Intervals that lie behind a hole. */
  get behindHoles(): readonly (readonly [from: number, to: number])[] {
    return this.#intervals.filter(([from]) => from > 0);
  }

  add(from: number, to: number): void {
    if (to <= from) return;
    const kept: [number, number][] = [];
    let [first, last] = [from, to];
    for (const [low, high] of this.#intervals) {
      if (high < first || low > last) kept.push([low, high]);
      else [first, last] = [Math.min(low, first), Math.max(high, last)];
    }
    kept.push([first, last]);
    this.#intervals = kept.sort((a, b) => a[0] - b[0]);
  }

  has(from: number, to: number): boolean {
    return to <= from || this.#intervals.some(([low, high]) => low <= from && to <= high);
  }
}
