/** What is known of replayable sessions whether or not they are played: columns, in the order of the capture. */

/** A row a session. */
export interface Outlines {
  /** Its row among all sessions; ascending. */
  readonly session: Uint32Array;
  /** As in the scripts. */
  readonly startNs: Float64Array<SharedArrayBuffer>;
  readonly durationNs: Float64Array<SharedArrayBuffer>;
  /** Row of its server in the scripts. */
  readonly endpoint: Uint32Array<SharedArrayBuffer>;
}
