/**
 * Client streams of which some messages are written anew. Users whose sessions have none of these play
 * the recorded stream; the others have a row of pieces beside it: what was written lies in the arena, as
 * it was sent, until it is acknowledged, and what lies between two pieces is recorded, at an offset that
 * is shifted by as much as the pieces before it are longer or shorter than they were.
 */
import type { StreamColumns } from '../session/script/scripts.ts';
import { foldSum, sumOctets } from '../wire/checksum.ts';
import { ARENA_BASE, EXTENTS_PER_FRAME, type FrameBatch } from '../wire/frame-batch.ts';
import type { ClientStream } from './client-stream.ts';
import { type MessageArena, NO_PLACE } from './message-arena.ts';
import type { ClientTexts } from './ports.ts';
import type { RecordedStream } from './recorded-stream.ts';
import { GROWTH_BYTES_MIN, type PlannedRewrites, roomBytes } from './room-bytes.ts';

/** Of a piece that stands for no recorded message. */
const NO_MESSAGE = -1;
/** Those that are kept for later beyond so many are left to the garbage collector. */
const PIECES_SPARE = 1024;
/** What was written of a user's stream in one go. */
interface Piece {
  /** The recorded message that it stands for; of one that stands for none but lies before one: that. */
  message: number;
  /** Whether it stands for no recorded message. */
  isBeside: boolean;
  /** Stream offsets of its first octet and just past its last; equal where it was left out. */
  start: number;
  end: number;
  /** By how much stream offsets behind it exceed recorded ones. */
  shift: number;
  /** Where it lies in the arena; NO_PLACE where it is empty. */
  place: number;
}

/**
 * A user's stream, where it differs from the recorded one. What it writes in a turn lies in a room of its
 * own, which it has from its start on: so it never ends for want of one. When the next turn is written
 * the last one is acknowledged, and the room is used again.
 */
class UserText {
  readonly session: number;
  /** Where the room lies; NO_PLACE where none is needed. */
  readonly room: number;
  readonly roomBytes: number;
  /** How much of it is written, how many pieces lie there, and when a frame was last pointed at one. */
  roomUsed = 0;
  roomPieces = 0;
  putAt = -1;
  limit = 0;
  /** The message that is sent next. */
  next: number;
  /** Those that are not acknowledged. */
  readonly pieces: Piece[] = [];
  /** As a piece's, before the first of them; where the last one before them ended. */
  shift = 0;
  droppedEnd = 0;
  droppedMessage = NO_MESSAGE;

  constructor(session: number, next: number, room: number, roomBytes: number) {
    this.session = session;
    this.next = next;
    this.room = room;
    this.roomBytes = roomBytes;
  }

  /** Whether a piece lies in the room. */
  isInRoom({ place }: Piece): boolean {
    return place >= this.room && place < this.room + this.roomBytes && this.room !== NO_PLACE;
  }

  /** The last piece that begins at `offset` or before it. */
  at(offset: number): Piece | undefined {
    const { pieces } = this;
    for (let i = pieces.length - 1; i >= 0; i--) {
      if (pieces[i].start <= offset) return pieces[i];
    }
    return undefined;
  }

  /** The last piece that stands for `message` or one before it. */
  of(message: number): Piece | undefined {
    const { pieces } = this;
    for (let i = pieces.length - 1; i >= 0; i--) {
      if (pieces[i].message <= message) return pieces[i];
    }
    return undefined;
  }
}

/** Streams of a thread's users: recorded ones, and those in which something is written anew. */
export class RewrittenStream implements ClientStream, ClientTexts {
  readonly #recorded: RecordedStream;
  readonly #client: StreamColumns;
  readonly #planned: PlannedRewrites;
  /** A row a session: by how many octets a message of it was longer than recorded. */
  readonly #growth: Float64Array;
  readonly #arena: MessageArena;
  readonly #texts: (UserText | undefined)[];
  /** Pieces that nobody has any more, to be used again. */
  readonly #spare: Piece[] = [];

  constructor(
    users: number,
    recorded: RecordedStream,
    client: StreamColumns,
    planned: PlannedRewrites,
    arena: MessageArena,
  ) {
    this.#recorded = recorded;
    this.#client = client;
    this.#planned = planned;
    this.#growth = new Float64Array(planned.module.length).fill(GROWTH_BYTES_MIN);
    this.#arena = arena;
    this.#texts = new Array<UserText | undefined>(users).fill(undefined);
  }

  open(user: number, session: number): boolean {
    this.forget(user);
    this.#recorded.open(user);
    if (!this.isRewritten(session)) return true;
    const bytes = roomBytes(this.#planned, session, this.#growth[session]);
    const room = bytes === 0 ? NO_PLACE : this.#arena.reserve(bytes);
    if (bytes > 0 && room === NO_PLACE) return false;
    const first = this.#client.firstMessage[session];
    this.#texts[user] = new UserText(session, first, room, bytes);
    return true;
  }

  // ---- what is written --------------------------------------------------------------------

  /**
   * What the user says in place of `message`, which is the next one: sent when it is advanced to.
   * @param bytes of `octets`, the first ones, are copied; none: it is left out
   * @returns whether there was room
   */
  write(user: number, message: number, octets: Uint8Array, bytes: number): boolean {
    const text = this.#texts[user];
    return text !== undefined && this.#add(text, message, octets, bytes);
  }

  /** What the user says besides the recording, now. @returns whether there was room */
  say(user: number, octets: Uint8Array): boolean {
    const text = this.#texts[user];
    if (text === undefined || !this.#add(text, NO_MESSAGE, octets, octets.length)) return false;
    text.limit += octets.length;
    return true;
  }

  /**
   * As `say`, between two messages of the recording, which goes on behind it.
   * @returns whether there was room
   */
  interject(user: number, octets: Uint8Array): boolean {
    const text = this.#texts[user];
    if (text === undefined || !this.#add(text, NO_MESSAGE, octets, octets.length)) return false;
    text.limit += octets.length;
    const piece = text.pieces[text.pieces.length - 1];
    piece.message = text.next;
    piece.shift = text.limit - this.recordedStart(user, text.next);
    return true;
  }

  /** The recording is taken up at `message`: what was said until now stands for all before it. */
  resume(user: number, message: number): void {
    const text = this.#texts[user];
    if (text === undefined) return;
    text.next = message;
    const shift = text.limit - this.recordedStart(user, message);
    const last = text.pieces.at(-1);
    if (last === undefined) text.shift = shift;
    else last.shift = shift;
  }

  #add(text: UserText, message: number, octets: Uint8Array, bytes: number): boolean {
    const place = bytes === 0 ? NO_PLACE : this.#placeFor(text, message, bytes);
    if (bytes > 0) {
      if (place === NO_PLACE) return false;
      this.#arena.octets.set(octets.length === bytes ? octets : octets.subarray(0, bytes), place);
    }
    const end = text.limit + bytes;
    const shift = message === NO_MESSAGE ? 0 : end - this.#client.messageEnd[message];
    const piece = this.#spare.pop();
    if (piece === undefined) {
      const isBeside = message === NO_MESSAGE;
      text.pieces.push({ message, isBeside, start: text.limit, end, shift, place });
      return true;
    }
    piece.message = message;
    piece.isBeside = message === NO_MESSAGE;
    piece.start = text.limit;
    piece.end = end;
    piece.shift = shift;
    piece.place = place;
    text.pieces.push(piece);
    return true;
  }

  /** Where so many octets are written: in the user's room, or elsewhere where that is not free. */
  #placeFor(text: UserText, message: number, bytes: number): number {
    const growth = this.#growth;
    if (message !== NO_MESSAGE && !this.#planned.inflatedFrom?.[text.session]) {
      const grown = bytes - this.#recordedBytes(text, message);
      if (grown > growth[text.session]) growth[text.session] = grown;
    }
    // Frames that have not left yet may still lie in what is acknowledged.
    if (text.roomPieces === 0 && text.putAt < this.#arena.settled) text.roomUsed = 0;
    if (text.roomUsed + bytes > text.roomBytes) return this.#arena.take(bytes);
    const place = text.room + text.roomUsed;
    text.roomUsed += bytes;
    text.roomPieces++;
    return place;
  }

  #recordedBytes({ session }: UserText, message: number): number {
    const { firstMessage, messageEnd } = this.#client;
    const start = message === firstMessage[session] ? 0 : messageEnd[message - 1];
    return messageEnd[message] - start;
  }

  /** The first `ackedBytes` octets of the user's stream need not be sent again. */
  release(user: number, ackedBytes: number): void {
    const text = this.#texts[user];
    if (text === undefined) return;
    const { pieces } = text;
    while (pieces.length > 0 && pieces[0].end <= ackedBytes) {
      const dropped = pieces.shift();
      if (dropped === undefined) return;
      this.#free(text, dropped);
      text.shift = dropped.shift;
      text.droppedEnd = dropped.end;
      text.droppedMessage = dropped.isBeside ? dropped.message - 1 : dropped.message;
      this.#spare.push(dropped);
    }
  }

  /** The user has ended. */
  forget(user: number): void {
    const text = this.#texts[user];
    if (text === undefined) return;
    for (const piece of text.pieces) this.#free(text, piece);
    if (text.room !== NO_PLACE) this.#arena.free(text.room, text.roomBytes);
    if (this.#spare.length < PIECES_SPARE) this.#spare.push(...text.pieces);
    this.#texts[user] = undefined;
  }

  #free(text: UserText, piece: Piece): void {
    if (piece.place === NO_PLACE) return;
    if (text.isInRoom(piece)) {
      text.roomPieces--;
      return;
    }
    this.#arena.free(piece.place, piece.end - piece.start);
  }

  // ---- what is sent -----------------------------------------------------------------------

  advance(user: number, message: number): void {
    const text = this.#texts[user];
    if (text === undefined) {
      this.#recorded.advance(user, message);
      return;
    }
    const last = text.pieces.at(-1);
    const { messageEnd } = this.#client;
    if (last?.message === message && !last.isBeside) text.limit = last.end;
    else text.limit += messageEnd[message] - this.recordedStart(user, message);
    text.next = message + 1;
  }

  streamLimit(user: number): number {
    return this.#texts[user]?.limit ?? this.#recorded.streamLimit(user);
  }

  endOf(user: number): number {
    const text = this.#texts[user];
    const recordedEnd = this.#recorded.endOf(user);
    if (text === undefined) return recordedEnd;
    // What is still to come is as long as recorded, as far as anybody knows.
    return text.limit + recordedEnd - this.recordedStart(user, text.next);
  }

  messageStart(user: number, message: number): number {
    const text = this.#texts[user];
    if (text === undefined) return this.#recorded.messageStart(user, message);
    const recorded = this.recordedStart(user, message);
    if (message >= text.next) {
      return text.limit + recorded - this.recordedStart(user, text.next);
    }
    const piece = text.of(message);
    if (piece?.message === message && !piece.isBeside) return piece.start;
    if (piece !== undefined) return recorded + piece.shift;
    // What is acknowledged lies somewhere before its end: nobody has to know more.
    const start = recorded + text.shift;
    return message > text.droppedMessage ? start : Math.min(start, text.droppedEnd - 1);
  }

  segmentEnd(user: number, offset: number, mss: number): number {
    const text = this.#texts[user];
    if (text === undefined) return this.#recorded.segmentEnd(user, offset, mss);
    const piece = text.at(offset);
    if (piece !== undefined && offset < piece.end) return Math.min(offset + mss, piece.end);
    const shift = piece?.shift ?? text.shift;
    return this.#recorded.segmentEnd(user, offset - shift, mss) + shift;
  }

  put(user: number, offset: number, bytes: number, mss: number, batch: FrameBatch): number {
    const text = this.#texts[user];
    if (text === undefined) return this.#recorded.put(user, offset, bytes, mss, batch);
    const piece = text.at(offset);
    if (piece === undefined || offset >= piece.end) {
      const shift = piece?.shift ?? text.shift;
      return this.#recorded.put(user, offset - shift, bytes, mss, batch);
    }
    text.putAt = this.#arena.settled;
    const place = piece.place + offset - piece.start;
    const first = batch.count * EXTENTS_PER_FRAME;
    batch.extentOffset[first] = ARENA_BASE + place;
    batch.extentBytes[first] = bytes;
    batch.extentCount[batch.count] = 1;
    return foldSum(sumOctets(this.#arena.octets, place, place + bytes));
  }

  /**
   * How far the recorded client had got where the user is at `offset`: within a message that was written
   * anew at its beginning, behind it at its end.
   */
  recordedOffset(user: number, offset: number): number {
    const text = this.#texts[user];
    if (text === undefined) return offset;
    const piece = text.at(offset);
    if (piece === undefined) return offset - text.shift;
    if (offset >= piece.end) return offset - piece.shift;
    return piece.message === NO_MESSAGE ? 0 : this.recordedStart(user, piece.message);
  }

  isWritten(user: number, offset: number): boolean {
    const piece = this.#texts[user]?.at(offset);
    return piece !== undefined && offset < piece.end;
  }

  isRewritten(session: number): boolean {
    return this.#planned.module[session] !== 0;
  }

  /** Where the message begins in the recorded stream. */
  recordedStart(user: number, message: number): number {
    return this.#recorded.messageStart(user, message);
  }
}
