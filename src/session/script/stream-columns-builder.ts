/** Grows the columns of streams, session by session. */
import { Float64Column, Uint32Column } from '../../base/columns.ts';
import type { StreamColumns } from './scripts.ts';

/** The columns of one direction while they grow. */
export class StreamColumnsBuilder {
  readonly #firstMessage = new Uint32Column();
  readonly messageEnd = new Uint32Column();
  readonly messageAwait = new Uint32Column();
  readonly messageOffsetNs = new Float64Column();
  readonly messageThinkNs = new Float64Column();
  readonly #firstExtent = new Uint32Column();
  readonly extentStart = new Uint32Column();
  readonly extentBytes = new Uint32Column();
  readonly extentOffset = new Float64Column();
  readonly end = new Uint32Column();
  readonly endAwait = new Uint32Column();
  readonly endAfterPeer = new Uint32Column();
  readonly endOffsetNs = new Float64Column();
  readonly endThinkNs = new Float64Column();

  /** Empties the columns, whose memory is used again, and makes room for so many rows. */
  begin(sessions: number, extents: number): void {
    const ofSessions = [
      this.#firstMessage,
      this.#firstExtent,
      this.end,
      this.endAwait,
      this.endAfterPeer,
      this.endOffsetNs,
      this.endThinkNs,
    ];
    const ofExtents = [
      this.messageEnd,
      this.messageAwait,
      this.messageOffsetNs,
      this.messageThinkNs,
      this.extentStart,
      this.extentBytes,
      this.extentOffset,
    ];
    for (const column of [...ofSessions, ...ofExtents]) column.clear();
    for (const column of ofSessions) column.reserve(sessions + 1);
    for (const column of ofExtents) column.reserve(extents);
  }

  /** What is pushed from here on is of the next session. */
  beginSession(): void {
    this.#firstMessage.push(this.messageEnd.count);
    this.#firstExtent.push(this.extentStart.count);
  }

  /** Sessions before this row that are not there yet say nothing. */
  skipTo(row: number): void {
    this.#firstMessage.skipTo(row, this.messageEnd.count);
    this.#firstExtent.skipTo(row, this.extentStart.count);
    this.end.skipTo(row);
    this.endAwait.skipTo(row);
    this.endAfterPeer.skipTo(row);
    this.endOffsetNs.skipTo(row);
    this.endThinkNs.skipTo(row);
  }

  /** The columns, in shared memory. */
  finish(): StreamColumns {
    this.beginSession();
    return {
      firstMessage: this.#firstMessage.toShared(),
      messageEnd: this.messageEnd.toShared(),
      messageAwait: this.messageAwait.toShared(),
      messageOffsetNs: this.messageOffsetNs.toShared(),
      messageThinkNs: this.messageThinkNs.toShared(),
      firstExtent: this.#firstExtent.toShared(),
      extentStart: this.extentStart.toShared(),
      extentBytes: this.extentBytes.toShared(),
      extentOffset: this.extentOffset.toShared(),
      end: this.end.toSharedOctets(),
      endAwait: this.endAwait.toShared(),
      endAfterPeer: this.endAfterPeer.toSharedOctets(),
      endOffsetNs: this.endOffsetNs.toShared(),
      endThinkNs: this.endThinkNs.toShared(),
    };
  }
}
