/** The client's stream as it was recorded: octets of the capture, cut and summed up beforehand. */
import { type NarrowColumn, narrowBytes, narrowColumn } from '../base/narrow-column.ts';
import type { Scripts, StreamColumns } from '../session/script/scripts.ts';
import { type SegmentColumns, SegmentPlan } from '../session/script/segment-plan.ts';
import { StreamView } from '../session/script/stream-view.ts';
import { EXTENTS_PER_FRAME, type FrameBatch } from '../wire/frame-batch.ts';
import type { ClientStream } from './client-stream.ts';
import type { CaptureBytes } from './ports.ts';

/**
 * Segment sizes that have cuts of their own in one run: peers and paths name them, and each takes
 * memory. Sizes beyond these share the cuts of the power of two below them.
 */
const EXACT_SEGMENT_PLANS_MAX = 32;

/** Octets that one user takes here. */
export const recordedStreamBytesOf = ({ client }: Scripts): number =>
  narrowBytes(longestStream(client));

/** Octets of the session that says most. */
function longestStream({ firstMessage, messageEnd }: StreamColumns): number {
  let longest = 0;
  for (let session = 0; session + 1 < firstMessage.length; session++) {
    const end = firstMessage[session + 1];
    if (end > firstMessage[session]) longest = Math.max(longest, messageEnd[end - 1]);
  }
  return longest;
}

/** The recorded client streams of all users of a thread. */
export class RecordedStream implements ClientStream {
  readonly #sessions: number;
  readonly #client: StreamColumns;
  readonly #view: StreamView;
  /** The session that each user plays: the player's column. */
  readonly #session: NarrowColumn;
  /** How far each user's stream may be sent. */
  readonly #limit: NarrowColumn;
  readonly #segmentPlans = new Map<number, SegmentPlan>();
  /** The plan of the segment size that was asked for last: nearly always the only one. */
  #segments: SegmentPlan | null = null;
  #segmentsMss = 0;

  /**
   * @param session a row a user: the session that it plays, set before `open` is called
   * @param prepared what was cut beforehand, for one segment size
   */
  constructor(
    scripts: Scripts,
    capture: CaptureBytes,
    session: NarrowColumn,
    prepared: SegmentColumns,
  ) {
    this.#sessions = scripts.sessions;
    this.#client = scripts.client;
    this.#view = new StreamView(scripts.client, (offset, into) => capture.read(offset, into));
    this.#session = session;
    this.#limit = narrowColumn(session.length, longestStream(scripts.client));
    const { sendMss } = prepared;
    const segments = new SegmentPlan(this.#view, scripts.sessions, sendMss, prepared);
    this.#segmentPlans.set(sendMss, segments);
  }

  open(user: number): boolean {
    this.#limit[user] = 0;
    return true;
  }

  advance(user: number, message: number): void {
    this.#limit[user] = this.#client.messageEnd[message];
  }

  streamLimit(user: number): number {
    return this.#limit[user];
  }

  endOf(user: number): number {
    const { firstMessage, messageEnd } = this.#client;
    const session = this.#session[user];
    const end = firstMessage[session + 1];
    return end > firstMessage[session] ? messageEnd[end - 1] : 0;
  }

  messageStart(user: number, message: number): number {
    const { firstMessage, messageEnd } = this.#client;
    return message > firstMessage[this.#session[user]] ? messageEnd[message - 1] : 0;
  }

  segmentEnd(user: number, offset: number, mss: number): number {
    const segments = this.#segmentsFor(mss);
    // Before its columns are looked at: it may cut the session only now, into longer ones.
    const row = segments.find(this.#session[user], offset);
    return segments.segmentEnd[row];
  }

  put(user: number, offset: number, bytes: number, mss: number, batch: FrameBatch): number {
    const segments = this.#segmentsFor(mss);
    const row = segments.find(this.#session[user], offset);
    const view = this.#view;
    const end = offset + bytes;
    const extent = view.extentFrom(segments.segmentExtent[row], offset);
    const first = batch.count * EXTENTS_PER_FRAME;
    let count = 0;
    view.seek(extent, offset, end);
    while (view.next()) {
      batch.extentOffset[first + count] = view.offset;
      batch.extentBytes[first + count] = view.bytes;
      count++;
    }
    batch.extentCount[batch.count] = count;
    const isPlanned = segments.segmentStart[row] === offset && segments.segmentEnd[row] === end;
    return isPlanned ? segments.segmentSum[row] : view.sum(extent, offset, end);
  }

  #segmentsFor(mss: number): SegmentPlan {
    if (mss === this.#segmentsMss && this.#segments !== null) return this.#segments;
    let segments = this.#segmentPlans.get(mss);
    if (segments === undefined) {
      const isExact = this.#segmentPlans.size < EXACT_SEGMENT_PLANS_MAX;
      segments = this.#plannedFor(isExact ? mss : 2 ** Math.floor(Math.log2(mss)));
    }
    this.#segments = segments;
    this.#segmentsMss = mss;
    return segments;
  }

  #plannedFor(mss: number): SegmentPlan {
    const known = this.#segmentPlans.get(mss);
    if (known !== undefined) return known;
    const segments = new SegmentPlan(this.#view, this.#sessions, mss);
    this.#segmentPlans.set(mss, segments);
    return segments;
  }
}
