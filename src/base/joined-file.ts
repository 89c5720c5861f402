/** A capture file's place in the joined capture: files lie one after another, page-aligned. */
export interface JoinedFile {
  readonly path: string;
  /** Where it begins, in octets from the start of the joined capture: a multiple of a page. */
  readonly base: number;
  readonly bytes: number;
}
