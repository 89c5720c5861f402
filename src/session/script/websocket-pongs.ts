/**
 * What the messages of a recorded WebSocket client are to whoever answers live pings: which of them hold
 * nothing but pongs for recorded pings, and behind which of them something else may be said.
 */
import type { StoredStream } from '../../protocol/message-ends.ts';
import { storedIn } from './http-requests.ts';
import { ReplyMark } from './reply-marks.ts';
import type { Scripts } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';
import type { Upgrade } from './websocket-sessions.ts';

const OPCODE = 0x0f;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const CONTROL_BYTES_MAX = 125;
const HEADER_BYTES_MAX = 14;

/** A frame, of whose payload only that of pings and pongs is read. */
interface Frame {
  readonly opcode: number;
  readonly start: number;
  readonly end: number;
  /** Of a ping or pong, unmasked, a character an octet; else ''. */
  readonly payload: string;
}

/** A recorded ping, and the stage in which the client had it. */
interface Ping {
  readonly stage: number;
  readonly payload: string;
}

/** Finds them, session by session. */
export class WebSocketPongs {
  readonly #scripts: Scripts;
  readonly #client: StreamView;
  readonly #server: StreamView;

  /** @param read fills `into` with octets of the joined capture from `offset` */
  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  /** Puts down the marks of a session's messages. @param marks a row a message: bits of ReplyMark */
  mark(session: number, { clientAt, serverAt }: Upgrade, marks: Uint8Array): void {
    const { firstMessage, messageEnd } = this.#scripts.client;
    const pings = this.#pings(session, serverAt);
    const last = firstMessage[session + 1];
    let row = firstMessage[session];
    while (row < last && messageEnd[row] < clientAt) row++;
    // Behind the request for the upgrade, once that is agreed on.
    if (row < last && messageEnd[row] === clientAt) marks[row] |= ReplyMark.WHOLE;
    let answered = 0;
    let pongsOf = -1;
    for (const { opcode, start, end, payload } of framesOf(
      storedIn(this.#client, session),
      clientAt,
    )) {
      if (opcode === CLOSE) return;
      while (messageEnd[row] <= start) row++;
      const isFirst = start === (row === firstMessage[session] ? 0 : messageEnd[row - 1]);
      const ping = opcode === PONG ? answeredBy(pings, answered, payload, row) : -1;
      if (ping < 0) pongsOf = -1;
      else {
        answered = ping + 1;
        if (isFirst) pongsOf = row;
      }
      while (messageEnd[row] < end) row++;
      if (messageEnd[row] !== end) continue;
      marks[row] |= pongsOf === row ? ReplyMark.WHOLE | ReplyMark.REPLY : ReplyMark.WHOLE;
    }
  }

  #pings(session: number, serverAt: number): readonly Ping[] {
    const { firstMessage, messageAwait } = this.#scripts.client;
    const pings: Ping[] = [];
    let stage = firstMessage[session];
    const last = firstMessage[session + 1];
    for (const { opcode, end, payload } of framesOf(storedIn(this.#server, session), serverAt)) {
      while (stage < last && messageAwait[stage] < end) stage++;
      if (opcode === PING) pings.push({ stage, payload });
    }
    return pings;
  }
}

/**
 * Which of the pings from `from` on a pong answers; -1 where it is one of the client's own accord.
 * @param row the client's message in which it is
 */
function answeredBy(pings: readonly Ping[], from: number, payload: string, row: number): number {
  for (let i = from; i < pings.length && pings[i].stage <= row; i++) {
    if (pings[i].payload === payload) return i;
  }
  return -1;
}

/** The frames of a stream from `from` on, as far as their headers are known and they are whole. */
function* framesOf(stream: StoredStream, from: number): Generator<Frame, void> {
  const header = new Uint8Array(HEADER_BYTES_MAX);
  const data = new DataView(header.buffer);
  for (let start = from; ; ) {
    const known = fill(stream, start, header);
    if (known < 2) return;
    const size = header[1] & LENGTH_BITS;
    const maskAt = size === LENGTH_64 ? 10 : size === LENGTH_16 ? 4 : 2;
    const payloadAt = maskAt + (header[1] & MASKED ? 4 : 0);
    if (known < payloadAt) return;
    const bytes =
      size === LENGTH_64
        ? Number(data.getBigUint64(2))
        : size === LENGTH_16
          ? data.getUint16(2)
          : size;
    const end = start + payloadAt + bytes;
    if (end > stream.bytes) return;
    const opcode = header[0] & OPCODE;
    let payload = '';
    if ((opcode === PING || opcode === PONG) && bytes <= CONTROL_BYTES_MAX) {
      const octets = new Uint8Array(bytes);
      if (fill(stream, start + payloadAt, octets) < bytes) return;
      if (payloadAt > maskAt) {
        for (let i = 0; i < bytes; i++) octets[i] ^= header[maskAt + (i & 3)];
      }
      payload = String.fromCharCode(...octets);
    }
    yield { opcode, start, end, payload };
    start = end;
  }
}

/** Reads what is known of the stream from `at` on. @returns how many octets that is */
function fill(stream: StoredStream, at: number, into: Uint8Array): number {
  const most = Math.min(into.length, Math.max(0, stream.bytes - at));
  const bytes = most === 0 ? 0 : (stream.knownFrom?.(at, most) ?? most);
  if (bytes > 0) stream.read(at, into.subarray(0, bytes));
  return bytes;
}
