/**
 * A request with other octets in its slots. What follows from them follows: Content-Length, and the
 * sizes of chunks. All other octets stay as they were recorded.
 */
import type { MessageWriter } from '../module.ts';
import { octetsForNow } from '../octet-text.ts';
import { packedText } from './packing.ts';
import type { Chunk, Range } from './recorded-requests.ts';
import type { RequestLayout, RequestPlan } from './request-plan.ts';
import type { Slot } from './slots.ts';
import { renderFrame } from './websocket-frames.ts';

/** Octets of a request, and what is sent instead of them, as text. */
export interface Edit extends Range {
  readonly text: string;
  /** The same as octets, where the edit is the same for all. */
  readonly octets?: Uint8Array;
}

/**
 * The edits of a request, in ascending order and without overlaps, at offsets in it.
 * @param textFor what stands in a slot; undefined: what was recorded
 */
export function renderRequest(
  { layout, frame, head, body }: Pick<RequestPlan, 'layout' | 'frame' | 'head' | 'body'>,
  textFor: (slot: Slot) => string | undefined,
): readonly Edit[] {
  const edits = editsOf(head, textFor);
  if (body.length === 0 && frame === undefined) return edits;
  const bodyEdits = withinPacked(layout, editsOf(body, textFor));
  if (frame !== undefined) return renderFrame(frame, bodyEdits);
  if (bodyEdits.length === 0) return edits;
  if (layout.chunks !== null) return [...edits, ...chunkEdits(layout.chunks, bodyEdits)];
  const bytes = bodyEdits.reduce(
    (sum, { from, to, text }) => sum + text.length - (to - from),
    layout.bodyBytes,
  );
  const moved = bodyEdits.map(({ from, to, text }) => ({
    from: from + layout.bodyFrom,
    to: to + layout.bodyFrom,
    text,
  }));
  return [...withLength(edits, layout, bytes), ...moved];
}

/** Edits of a body that is packed, as one of all of it. */
function withinPacked(
  { packed, bodyBytes }: RequestLayout,
  edits: readonly Edit[],
): readonly Edit[] {
  if (packed === null) return edits;
  let text = '';
  let at = 0;
  for (const edit of edits) {
    text += packed.plain.slice(at, edit.from) + edit.text;
    at = edit.to;
  }
  text += packed.plain.slice(at);
  // As recorded: another packer would have made something else of it.
  if (text === packed.plain) return [];
  return [{ from: 0, to: bodyBytes, text: packedText(text, packed.packing) }];
}

function editsOf(slots: readonly Slot[], textFor: (slot: Slot) => string | undefined): Edit[] {
  const edits: Edit[] = [];
  for (const slot of slots) {
    const text = textFor(slot);
    // Once a request and user: objects of one shape, without what a spread costs.
    if (text !== undefined) edits.push({ from: slot.at.from, to: slot.at.to, text });
  }
  return edits;
}

/** All Content-Length fields say the new length; where there is none, one is added. */
function withLength(edits: readonly Edit[], layout: RequestLayout, bytes: number): Edit[] {
  if (bytes === layout.bodyBytes) return [...edits];
  const text = String(bytes);
  const lengths: Edit[] = layout.lengths.map((at) => ({ ...at, text }));
  if (lengths.length === 0) {
    const at = layout.fieldsEnd;
    lengths.push({ from: at, to: at, text: `Content-Length: ${text}${layout.lineEnd}` });
  }
  return [...edits, ...lengths].sort((a, b) => a.from - b.from || a.to - b.to);
}

/** A chunk with octets, and what is edited of it. */
interface EditedChunk {
  readonly chunk: Chunk;
  /** Of its octets, in the body. */
  readonly at: Range;
  readonly edits: Edit[];
}

/** Edits of a body, as edits of its chunks and of their sizes. */
function chunkEdits(chunks: readonly Chunk[], edits: readonly Edit[]): readonly Edit[] {
  const rows: EditedChunk[] = [];
  let bodyFrom = 0;
  for (const chunk of chunks) {
    const bodyTo = bodyFrom + chunk.dataAt.to - chunk.dataAt.from;
    if (bodyTo > bodyFrom) rows.push({ chunk, at: { from: bodyFrom, to: bodyTo }, edits: [] });
    bodyFrom = bodyTo;
  }
  const last = chunks.at(-1);
  if (rows.length === 0 && last !== undefined) return [firstChunk(last, edits)];
  for (const edit of edits) divide(edit, rows);
  return rows.flatMap(editsOfChunk);
}

/** What is added to a body that had no octets. */
function firstChunk({ lineAt }: Chunk, edits: readonly Edit[]): Edit {
  const text = edits.map((edit) => edit.text).join('');
  const chunk = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`;
  return { from: lineAt.from, to: lineAt.from, text: chunk };
}

/** Gives each chunk its part of an edit: the first one the new octets. */
function divide({ from, to, text }: Edit, rows: readonly EditedChunk[]): void {
  let isFirst = true;
  for (const { at, edits } of rows) {
    // What is added between two chunks goes with the first of them.
    const begins = isFirst && (from < at.to || (from === to && from === at.to));
    if (!begins && (isFirst || to <= at.from)) continue;
    const part = { from: Math.max(from, at.from), to: Math.min(to, at.to) };
    edits.push({ ...part, text: begins ? text : '' });
    isFirst = false;
  }
}

function editsOfChunk({ chunk, at, edits }: EditedChunk): readonly Edit[] {
  const { lineAt, sizeAt, dataAt, end } = chunk;
  const bytes = edits.reduce(
    (sum, { from, to, text }) => sum + text.length - (to - from),
    at.to - at.from,
  );
  if (edits.length === 0) return [];
  // A chunk without octets would end the body.
  if (bytes === 0) return [{ from: lineAt.from, to: end, text: '' }];
  const by = dataAt.from - at.from;
  const moved = edits.map(({ from, to, text }) => ({ from: from + by, to: to + by, text }));
  return bytes === at.to - at.from ? moved : [{ ...sizeAt, text: bytes.toString(16) }, ...moved];
}

/** Writes a message with the edits that begin in it; of others only what they leave out. */
export function writeEdits(
  edits: readonly Edit[],
  start: number,
  end: number,
  out: MessageWriter,
): void {
  let at = start;
  for (const { from, to, text, octets } of edits) {
    // What is added at a boundary goes with the message before it.
    const isAdded = from === to;
    const begins = isAdded ? start < from && from <= end : start <= from && from < end;
    if (!begins && (to <= start || from >= end)) continue;
    out.copy(at - start, Math.max(from, at) - start);
    if (begins && text !== '') out.put(octets ?? octetsForNow(text));
    at = Math.min(Math.max(to, at), end);
  }
  out.copy(at - start, end - start);
}

/** An edit of a stream, in which its request begins at `by`. */
export const movedEdit = ({ from, to, text, octets }: Edit, by: number): Edit => {
  const moved = { from: from + by, to: to + by, text };
  return octets === undefined ? moved : { ...moved, octets };
};
