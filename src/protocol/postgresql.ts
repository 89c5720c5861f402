/**
 * PostgreSQL (documentation, "Frontend/Backend Protocol", version 3).
 *
 * A message is a type (8 bits, none in the client's first ones) and a length (32, itself included).
 * A query's answer ends with ReadyForQuery; so does that of all messages up to a Sync. Where the
 * server waits for more of a log-in or for octets to copy, it ends there.
 */
import {
  type AnswerFramer,
  Fault,
  Framer,
  NO_ANSWER,
  Outcome,
  ReplyClass,
  type RequestFramer,
} from './framer.ts';
import { packLetter, unpackWord } from './octets.ts';

const letter = (text: string): number => text.charCodeAt(0);
const AUTHENTICATION = letter('R');
const READY_FOR_QUERY = letter('Z');
const ERROR_RESPONSE = letter('E');
const COPY_IN = letter('G');
const COPY_BOTH = letter('W');
/** Messages that end the answer to one of the extended protocol's messages: 1 2 3 C I n s T. */
const ENDS_STEP = new Set([...'123CInsT'].map(letter));
const TYPES = new Set([...'RSKZECTDGHWIn123stAVNcdvf'].map(letter));
const FIELD_CODE = letter('C');
/** Answers to a request for encryption are one octet. */
const YES = new Set([...'SG'].map(letter));

/** Kinds: up to ReadyForQuery; one octet; of a log-in; above, so many steps as it is larger than STEPS. */
const Kind = { READY: 0, ENCRYPTION: 1, LOG_IN: 2, STEPS: 3 } as const;
const HEAD_BYTES = 5;
const LENGTH_BYTES = 4;
const MESSAGE_BYTES_MAX = 0x7fff_ffff;
const AUTHENTICATED = 0;
const SASL_FINAL = 12;

const Phase = { HEAD: 0, AUTHENTICATION: 1, FIELD: 2, FIELD_TEXT: 3, CODE: 4 } as const;
const HAS_ERROR = 1;

/** `code` is the SQLSTATE of an error: five letters or digits. */
export class PostgresAnswers extends Framer implements AnswerFramer {
  override begin(kind: number): void {
    super.begin(kind);
    this.count = Math.max(0, kind - Kind.STEPS);
  }

  codeText(): string {
    return unpackWord(this.code);
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at++);
      if (this.phase === Phase.HEAD) this.#head(octet);
      else {
        this.length--;
        this.#body(octet);
      }
    }
    return at;
  }

  /** `value`: the type, then the length behind it. */
  #head(octet: number): void {
    if (this.kind === Kind.ENCRYPTION && octet !== ERROR_RESPONSE) {
      this.isSwitch = YES.has(octet);
      this.replyClass = this.isSwitch ? ReplyClass.OK : ReplyClass.GO_ON;
      this.finish(0);
      return;
    }
    this.value = this.value * 256 + octet;
    this.index++;
    if (this.index === 1 && !TYPES.has(octet)) this.lose(Fault.MALFORMED);
    if (this.index < HEAD_BYTES) return;
    const type = Math.floor(this.value / 2 ** 32);
    this.length = (this.value % 2 ** 32) - LENGTH_BYTES;
    this.index = 0;
    this.value = 0;
    if (this.length < 0 || this.length > MESSAGE_BYTES_MAX) this.lose(Fault.BAD_LENGTH);
    else this.#message(type);
  }

  #message(type: number): void {
    if (type === AUTHENTICATION && this.length >= LENGTH_BYTES) this.phase = Phase.AUTHENTICATION;
    else if (type === READY_FOR_QUERY) this.#end(this.#class(ReplyClass.OK));
    else if (type === COPY_IN || type === COPY_BOTH) this.#end(ReplyClass.GO_ON);
    else if (type === ERROR_RESPONSE && this.length > 0) {
      this.flags = HAS_ERROR;
      this.code = 0;
      this.phase = Phase.FIELD;
    } else this.#next(ENDS_STEP.has(type));
  }

  #class(otherwise: number): number {
    return this.flags === HAS_ERROR ? ReplyClass.REFUSED : otherwise;
  }

  #end(replyClass: number): void {
    this.replyClass = replyClass;
    this.finish(this.length);
  }

  /** The message is over; where steps are counted it may have been the last one. */
  #next(isStep: boolean): void {
    this.phase = Phase.HEAD;
    this.index = 0;
    this.value = 0;
    if (isStep && this.kind > Kind.STEPS) {
      this.count--;
      if (this.count === 0) {
        this.#end(this.#class(ReplyClass.OK));
        return;
      }
    }
    this.skip = this.length;
  }

  #body(octet: number): void {
    switch (this.phase) {
      case Phase.AUTHENTICATION:
        this.value = this.value * 256 + octet;
        this.index++;
        if (this.index < LENGTH_BYTES) return;
        if (this.value === AUTHENTICATED || this.value === SASL_FINAL) this.#next(false);
        else this.#end(ReplyClass.GO_ON);
        return;
      case Phase.FIELD:
        if (octet === 0) this.#endError();
        else this.phase = octet === FIELD_CODE ? Phase.CODE : Phase.FIELD_TEXT;
        break;
      case Phase.CODE:
        if (octet === 0) this.#endError();
        else this.code = packLetter(this.code, octet);
        break;
      default:
        if (octet === 0) this.phase = Phase.FIELD;
    }
    if (this.length === 0 && this.phase !== Phase.HEAD) this.#endError();
  }

  /** Behind an error ReadyForQuery follows, but not in a log-in or where there was no Sync. */
  #endError(): void {
    if (this.kind !== Kind.READY) this.#end(ReplyClass.REFUSED);
    else {
      this.replyClass = ReplyClass.REFUSED;
      this.#next(false);
    }
  }
}

const START_UP = 196_608;
const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
const GSS_ENCRYPTION_REQUEST = 80_877_104;
const QUERY = letter('Q');
const FUNCTION_CALL = letter('F');
const PASSWORD = letter('p');
const SYNC = letter('S');
const FLUSH = letter('H');
const EXECUTE = letter('E');
const TERMINATE = letter('X');
const COPY_DATA = letter('d');
const COPY_ENDS = new Set([...'cf'].map(letter));
const STEPS = new Set([...'PBDEC'].map(letter));

/** A query; a step of a log-in; or messages of the extended protocol up to a Sync or Flush. */
export class PostgresRequests extends Framer implements RequestFramer {
  #answerKind = NO_ANSWER;
  /** Whether the client has said which protocol it speaks: messages have types from then on. */
  #hasStarted = false;
  #isExtended = false;

  override begin(kind: number): void {
    super.begin(kind);
    if (kind === 0) this.#hasStarted = false;
  }

  get answerKind(): number {
    return this.#answerKind;
  }

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      this.value = this.value * 256 + data.getUint8(at++);
      this.index++;
      if (!this.#hasStarted) this.#start();
      else if (this.index === HEAD_BYTES) this.#message();
    }
    return at;
  }

  /** Length and code, 32 bits each. */
  #start(): void {
    if (this.index === LENGTH_BYTES) {
      this.length = this.value;
      this.value = 0;
    }
    if (this.index < 2 * LENGTH_BYTES) return;
    const code = this.value;
    const isEncryption = code === SSL_REQUEST || code === GSS_ENCRYPTION_REQUEST;
    if (this.length < this.index || this.length > MESSAGE_BYTES_MAX) this.lose(Fault.BAD_LENGTH);
    else if (isEncryption) this.#end(Kind.ENCRYPTION, this.length - this.index);
    else if (code === CANCEL_REQUEST) this.#end(NO_ANSWER, this.length - this.index);
    else if (Math.floor(code / 0x1_0000) !== START_UP / 0x1_0000) this.lose(Fault.MALFORMED);
    else {
      this.#hasStarted = true;
      this.#end(Kind.LOG_IN, this.length - this.index);
    }
  }

  #end(answerKind: number, ahead: number): void {
    this.#answerKind = answerKind;
    this.finish(ahead);
  }

  /** `count`: steps since the last Sync or Flush. */
  #message(): void {
    const type = Math.floor(this.value / 2 ** 32);
    const bytes = (this.value % 2 ** 32) - LENGTH_BYTES;
    this.value = 0;
    this.index = 0;
    if (bytes < 0 || bytes > MESSAGE_BYTES_MAX) this.lose(Fault.BAD_LENGTH);
    else if (type === SYNC || type === QUERY || type === FUNCTION_CALL) {
      this.#isExtended = false;
      this.#end(Kind.READY, bytes);
    } else if (type === PASSWORD) this.#end(Kind.LOG_IN, bytes);
    else if (type === TERMINATE) this.#end(NO_ANSWER, bytes);
    else if (COPY_ENDS.has(type) && !this.#isExtended) this.#end(Kind.READY, bytes);
    else if (type === FLUSH) this.#end(this.count > 0 ? Kind.STEPS + this.count : NO_ANSWER, bytes);
    else if (STEPS.has(type)) this.#step(type, bytes);
    else if (type === COPY_DATA || COPY_ENDS.has(type)) this.skip = bytes;
    else this.lose(Fault.MALFORMED);
  }

  #step(type: number, bytes: number): void {
    if (type === EXECUTE) this.#isExtended = true;
    this.count++;
    this.skip = bytes;
  }
}
