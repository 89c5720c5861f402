/**
 * What is known of recorded exchanges before anybody plays them: a request of the client's and the
 * server's answer to it, in the order of the script. Columns for all threads.
 *
 * Where a session's protocol is followed, each request is an exchange of its own, also of those that
 * were sent in one go. Elsewhere a turn and what the server said next are one.
 */
import { Uint32Column } from '../base/columns.ts';
import type { ProtocolChoice } from '../protocol/registry.ts';

/** What is known of an exchange; bits. */
export const ExchangeMark = {
  /** Its answer's end is told by the answer itself. */
  FOLLOWED: 1,
  /** The recorded answer's body came in chunks (HTTP): its length may be another one each time. */
  CHUNKED: 2,
  /** The recording lacks the end of the answer, or the client did not wait for it. */
  CUT: 4,
  /** Its answer is a message of a WebSocket. */
  WEBSOCKET: 8,
  /** The recorded answer breaks the protocol's rules: so may ours. */
  BROKEN: 16,
  /** Of what the target will say some is not in the recording, and other octets stand in: nobody can follow it. */
  STOOD_IN: 32,
  /** The recorded answer said that it was the connection's last one. */
  CLOSES: 64,
  /** What the server says of its own accord may come before its answer, in the protocol's own messages. */
  PUSHED: 128,
} as const;

/** Of `protocol`: the server speaks first, and where that ends it says itself. */
export const GREETS = 0x80;

/** What is known of sessions whose server may speak of its own accord: WebSockets, MQTT; absent where there is none. */
export interface PushColumns {
  /**
   * A row a session: the first stage in which it may, behind an upgrade or the client's first words; 0 without any.
   * From there on nobody waits for a stage that holds no answer: all in it is pushes.
   */
  readonly from: Uint32Array;
  /** A row a stage: think time of the step behind it, in ns, where it counts from an answer; else -1. */
  readonly thinkNs: Float64Array;
  /** A row a message of the client's: bits of ReplyMark. */
  readonly replyMarks: Uint8Array;
  /** Of WebSockets the kinds of messages that are pushes or parts of answers, and of those parts alone. */
  readonly pushes: readonly number[];
  readonly parts: readonly number[];
}

/** In shared memory; sessions that are not played have no exchanges. */
export interface ExchangeColumns {
  /** A row a session: its protocol (a place in `protocols`, from 1; 0: none), and maybe GREETS. */
  readonly protocol: Uint8Array;
  readonly protocols: readonly ProtocolChoice[];
  /** A row a stage: exchanges whose answers end in it are rows `first[r] .. first[r + 1]`. */
  readonly first: Uint32Array;
  /** A row a message: exchanges whose requests end in it are rows `ofMessage[m] .. ofMessage[m + 1]`. */
  readonly ofMessage: Uint32Array;
  /** A row an exchange: the messages with which its request begins and ends. */
  readonly beginMessage: Uint32Array;
  readonly message: Uint32Array;
  /** What `begin` of the answer's framer is told. */
  readonly kind: Uint32Array;
  /** Octets of the recorded answer; where it ends, in octets from its stage's start. */
  readonly answerBytes: Uint32Array;
  readonly answerEnd: Uint32Array;
  /** What the recorded answer said (`ReplyClass`; HTTP's class of status); 0 where nobody knows. */
  readonly replyClass: Uint8Array;
  /** Its code (`Framer.code`): a place in `codes`. */
  readonly code: Uint16Array;
  readonly codes: Float64Array;
  /** Bits of ExchangeMark. */
  readonly marks: Uint8Array;
  /**
   * Where bodies are compared: two words an exchange, `BodyDigest.low` and `high` of the recorded answer;
   * both are 0 where that is not known.
   */
  readonly bodyDigests?: Uint32Array;
  /** What of bodies is left out: regular expressions. */
  readonly bodyIgnored?: readonly string[];
  readonly pushed?: PushColumns;
  /** Of which class the request is: a place in `classNames`, 0 for all that have none of their own. */
  readonly requestClass: Uint8Array;
  /** None where no request could be named. */
  readonly classNames: readonly string[];
}

/** A place has 16 bits. */
const CODES_MAX = 0x1_0000;

/** One row of the columns. */
export interface ExchangeRow {
  beginMessage: number;
  message: number;
  kind: number;
  answerBytes: number;
  answerEnd: number;
  replyClass: number;
  /** As its framer has it. */
  code: number;
  marks: number;
}

/** Writes the columns, session by session, stage by stage, in ascending order. */
export class ExchangeColumnsBuilder {
  readonly protocol: Uint8Array;
  readonly protocols: ProtocolChoice[] = [];
  readonly #first: Uint32Array;
  readonly #messages: number;
  #stages = 0;
  readonly #beginMessage = new Uint32Column();
  readonly #message = new Uint32Column();
  readonly #kind = new Uint32Column();
  readonly #answerBytes = new Uint32Column();
  readonly #answerEnd = new Uint32Column();
  readonly #replyClass = new Uint32Column();
  readonly #marks = new Uint32Column();
  readonly #code = new Uint32Column();
  /** By code: its place among all that occur; the first one is 0, no code. */
  readonly #places = new Map([[0, 0]]);

  constructor(sessions: number, messages: number, stages: number) {
    this.protocol = new Uint8Array(new SharedArrayBuffer(sessions));
    this.#first = new Uint32Array(new SharedArrayBuffer(4 * (stages + 1)));
    this.#messages = messages;
  }

  /** The exchanges that are added next belong to the stage of this row. */
  beginStage(row: number): void {
    this.#first.fill(this.#message.count, this.#stages, row + 1);
    this.#stages = row + 1;
  }

  add(row: ExchangeRow): void {
    this.#beginMessage.push(row.beginMessage);
    this.#message.push(row.message);
    this.#kind.push(row.kind);
    this.#answerBytes.push(row.answerBytes);
    this.#answerEnd.push(row.answerEnd);
    const place = this.#placeOf(row.code);
    // What has a code of which there is no more room is not known.
    this.#replyClass.push(place < 0 ? 0 : row.replyClass);
    this.#code.push(Math.max(0, place));
    this.#marks.push(row.marks);
  }

  #placeOf(code: number): number {
    const known = this.#places.get(code);
    if (known !== undefined) return known;
    if (this.#places.size >= CODES_MAX) return -1;
    this.#places.set(code, this.#places.size);
    return this.#places.size - 1;
  }

  /** @param more classes of the exchanges that were added, and what else is known */
  finish(more: Pick<ExchangeColumns, 'requestClass' | 'classNames' | 'pushed'>): ExchangeColumns {
    this.#first.fill(this.#message.count, this.#stages);
    const message = this.#message.toShared();
    return {
      protocol: this.protocol,
      protocols: this.protocols,
      first: this.#first,
      ofMessage: this.#ofMessage(message),
      beginMessage: this.#beginMessage.toShared(),
      message,
      kind: this.#kind.toShared(),
      answerBytes: this.#answerBytes.toShared(),
      answerEnd: this.#answerEnd.toShared(),
      replyClass: this.#replyClass.toSharedOctets(),
      code: this.#code.toSharedUint16(),
      codes: Float64Array.from(this.#places.keys()),
      marks: this.#marks.toSharedOctets(),
      ...more,
    };
  }

  /** Answers come in the order of requests, so rows of messages ascend as well. */
  #ofMessage(message: Uint32Array): Uint32Array {
    const ofMessage = new Uint32Array(new SharedArrayBuffer(4 * (this.#messages + 1)));
    let row = 0;
    for (let at = 0; at <= this.#messages; at++) {
      while (row < message.length && message[row] < at) row++;
      ofMessage[at] = row;
    }
    return ofMessage;
  }
}
