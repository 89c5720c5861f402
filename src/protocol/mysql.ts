/**
 * MySQL and MariaDB: the client/server protocol from version 4.1 on, without compression ("MySQL
 * Internals", client/server protocol).
 *
 * A packet is a length (24 bits), a number (8) and a payload, whose first octet says what it is. What
 * an answer is made of depends on the command and on what the client's log-in agreed to: both are in
 * the kind.
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

/** Forms of answers, the low octet of a kind. */
const Form = {
  /** The server's first packet. */
  GREETING: 0,
  LOG_IN: 1,
  /** OK, an error, or whatever else: one packet. */
  PACKET: 2,
  RESULTS: 3,
  PREPARED: 4,
  /** Rows or definitions without a head. */
  ROWS: 5,
} as const;
const FORM = 0xff;
/** Result sets have no EOF packets and end with an OK packet (CLIENT_DEPRECATE_EOF). */
const DEPRECATE_EOF = 0x100;
/** Behind the log-in packets are compressed. */
const COMPRESSED = 0x200;

const OK = 0x00;
const MORE_DATA = 0x01;
const LOCAL_INFILE = 0xfb;
const TWO_OCTETS = 0xfc;
const EOF = 0xfe;
const ERR = 0xff;
const FAST_AUTHENTICATED = 0x03;
const MORE_RESULTS_EXIST = 0x08;
const CURSOR_EXISTS = 0x40;
/** Octets behind the first one of a number of varying length, from 0xfb on. */
const NUMBER_BYTES = [0, 2, 3, 8];

const HEAD_BYTES = 4;
const PACKET_BYTES_MAX = 0xff_ffff;
const EOF_BYTES_MAX = 8;
const NUMBERS_OF_OK = 2;
const WARNINGS_BYTES = 2;
/** Of a prepared statement: behind its id, 16 bits each. */
const STATEMENT_ID_BYTES = 4;

const Phase = {
  HEAD: 0,
  FIRST: 1,
  /** Numbers of varying length, `index` of them, in front of the status. */
  NUMBERS: 2,
  STATUS: 3,
  COLUMNS: 4,
  ERROR_CODE: 5,
  COUNTS: 6,
  MORE_DATA: 7,
} as const;

/** What the next packet is: the low bits of `flags`. */
const Section = { ANSWER: 0, DEFINITIONS: 1, DEFINITIONS_EOF: 2, ROWS: 3 } as const;
const SECTION = 0x03;
/** The packet at hand goes on in the next one. */
const IS_CONTINUED = 0x80;

/** Packets: `length` counts the octets of the one at hand that are to come. */
abstract class MysqlPackets extends Framer {
  protected abstract onPacket(): void;
  protected abstract onOctet(octet: number): void;
  /** Of the packet at hand: its number. */
  protected sequence = 0;

  protected override read(data: DataView, start: number, end: number): number {
    let at = start;
    while (at < end && this.skip === 0 && this.outcome === Outcome.MORE) {
      const octet = data.getUint8(at++);
      if (this.phase === Phase.HEAD) this.#head(octet);
      else if (this.length === 0) this.lose(Fault.BAD_LENGTH);
      else {
        this.length--;
        this.onOctet(octet);
      }
    }
    return at;
  }

  #head(octet: number): void {
    if (this.index < HEAD_BYTES - 1) {
      this.value += octet * 256 ** this.index;
      this.index++;
      return;
    }
    this.sequence = octet;
    this.length = this.value;
    this.index = 0;
    this.value = 0;
    const wasContinued = (this.flags & IS_CONTINUED) !== 0;
    if (this.length < PACKET_BYTES_MAX) this.flags &= ~IS_CONTINUED;
    else this.flags |= IS_CONTINUED;
    this.phase = Phase.FIRST;
    if (wasContinued) this.onContinuation();
    else this.onPacket();
  }

  /** More of a packet of 2^24 octets or more. */
  protected onContinuation(): void {
    this.next();
  }

  /** The rest of the packet says nothing; another one follows. */
  protected next(): void {
    this.phase = Phase.HEAD;
    this.index = 0;
    this.value = 0;
    this.step(this.length);
  }

  /** Steps over octets of the packet. */
  protected step(octets: number): void {
    if (octets > this.length) this.lose(Fault.BAD_LENGTH);
    else {
      this.length -= octets;
      this.skip += octets;
    }
  }

  protected get isContinued(): boolean {
    return (this.flags & IS_CONTINUED) !== 0;
  }
}

/** `code` is the number of an error. */
export class MysqlAnswers extends MysqlPackets implements AnswerFramer {
  override readonly isNegotiated = true;

  override begin(kind: number): void {
    super.begin(kind);
    if ((kind & FORM) === Form.ROWS) this.flags = Section.ROWS;
  }

  codeText(): string {
    return this.code === 0 ? '' : String(this.code);
  }

  get #form(): number {
    return this.kind & FORM;
  }

  get #hasEof(): boolean {
    return (this.kind & DEPRECATE_EOF) === 0;
  }

  /** The packet at hand is the answer's last one. */
  #end(replyClass: number): void {
    this.replyClass = replyClass;
    if (this.isContinued) this.lose(Fault.BAD_LENGTH);
    else this.finish(this.skip + this.length);
  }

  #enter(section: number): void {
    this.flags = (this.flags & ~SECTION) | section;
    this.next();
  }

  protected override onPacket(): void {
    if (this.length === 0) this.#end(ReplyClass.OK);
  }

  protected override onOctet(octet: number): void {
    switch (this.phase) {
      case Phase.FIRST:
        this.#first(octet);
        return;
      case Phase.NUMBERS:
        this.#number(octet);
        return;
      case Phase.STATUS:
        this.#status(octet);
        return;
      case Phase.COLUMNS:
        this.value += octet * 256 ** this.index++;
        if (this.index === 2) this.#definitions(this.value);
        return;
      case Phase.ERROR_CODE:
        this.code += octet * 256 ** this.index++;
        if (this.index === 2) this.#end(ReplyClass.REFUSED);
        return;
      case Phase.COUNTS:
        this.#counts(octet);
        return;
      default:
        // Of a log-in: the server knows the password already, and says OK next; or asks for it.
        if (octet === FAST_AUTHENTICATED) this.next();
        else this.#end(ReplyClass.GO_ON);
    }
  }

  #first(octet: number): void {
    const section = this.flags & SECTION;
    this.index = 0;
    if (octet === ERR && section !== Section.DEFINITIONS) {
      this.code = 0;
      this.phase = Phase.ERROR_CODE;
    } else if (section === Section.ANSWER) this.#firstOfAnswer(octet);
    else if (section === Section.DEFINITIONS) this.#definition();
    else if (octet === EOF && this.#isEof()) this.#eof();
    else if (section === Section.ROWS) this.next();
    else this.lose(Fault.MALFORMED);
  }

  #isEof(): boolean {
    // A row may begin with the same octet: then it is longer than an EOF packet can be.
    return this.#hasEof ? this.length < EOF_BYTES_MAX : !this.isContinued;
  }

  #eof(): void {
    if (!this.#hasEof) {
      this.#numbers();
      return;
    }
    this.phase = Phase.STATUS;
    this.step(WARNINGS_BYTES);
  }

  #numbers(): void {
    this.index = NUMBERS_OF_OK;
    this.phase = Phase.NUMBERS;
  }

  #number(octet: number): void {
    this.step(octet < LOCAL_INFILE ? 0 : (NUMBER_BYTES.at(octet - LOCAL_INFILE) ?? 0));
    this.index--;
    if (this.index === 0) this.phase = Phase.STATUS;
  }

  #firstOfAnswer(octet: number): void {
    switch (this.#form) {
      case Form.LOG_IN:
        this.#logIn(octet);
        return;
      case Form.RESULTS:
        if (octet === OK) this.#numbers();
        else if (octet === LOCAL_INFILE) this.#end(ReplyClass.GO_ON);
        else if (octet < LOCAL_INFILE) this.#definitions(octet);
        else if (octet === TWO_OCTETS) this.phase = Phase.COLUMNS;
        else this.lose(Fault.MALFORMED);
        return;
      case Form.PREPARED:
        this.phase = Phase.COUNTS;
        if (octet === OK) this.step(STATEMENT_ID_BYTES);
        else this.lose(Fault.MALFORMED);
        return;
      default:
        this.#end(ReplyClass.OK);
    }
  }

  #logIn(octet: number): void {
    if (octet === MORE_DATA) this.phase = Phase.MORE_DATA;
    else if (octet === EOF) this.#end(ReplyClass.GO_ON);
    else if (octet === OK) {
      this.isSwitch = (this.kind & COMPRESSED) !== 0;
      this.#end(ReplyClass.OK);
    } else this.lose(Fault.MALFORMED);
  }

  /** A result set's head: definitions of its columns follow. */
  #definitions(columns: number): void {
    this.count = columns;
    this.#enter(Section.DEFINITIONS);
  }

  #definition(): void {
    this.count--;
    if (this.count > 0) this.next();
    else if (this.#form === Form.PREPARED) this.#end(ReplyClass.OK);
    else this.#enter(this.#hasEof ? Section.DEFINITIONS_EOF : Section.ROWS);
  }

  /** Columns and parameters of a prepared statement: definitions of both follow. */
  #counts(octet: number): void {
    this.value += octet * 256 ** this.index++;
    if (this.index < 4) return;
    const columns = this.value & 0xffff;
    const parameters = Math.floor(this.value / 0x1_0000);
    const eofs = this.#hasEof ? Number(columns > 0) + Number(parameters > 0) : 0;
    if (columns + parameters === 0) this.#end(ReplyClass.OK);
    else this.#definitions(columns + parameters + eofs);
  }

  #status(low: number): void {
    const section = this.flags & SECTION;
    if (section === Section.DEFINITIONS_EOF) {
      // The rows of a cursor are fetched by commands of their own.
      if (low & CURSOR_EXISTS) this.#end(ReplyClass.OK);
      else this.#enter(Section.ROWS);
    } else if (this.#form === Form.RESULTS && low & MORE_RESULTS_EXIST) {
      this.#enter(Section.ANSWER);
    } else this.#end(ReplyClass.OK);
  }
}

const CLIENT_PROTOCOL_41 = 0x200;
const CLIENT_COMPRESS = 0x20;
const CLIENT_SSL = 0x800;
const CLIENT_DEPRECATE_EOF = 0x0100_0000;
const CLIENT_ZSTD = 0x0400_0000;
const SSL_REQUEST_BYTES = 32;
const CAPABILITIES_BYTES = 4;
const CHANGE_USER = 0x11;
/** By the command's octet: the form of its answer. */
const FORM_OF_COMMAND = new Map<number, number>([
  [0x01, NO_ANSWER],
  [0x03, Form.RESULTS],
  [0x04, Form.ROWS],
  [0x0a, Form.RESULTS],
  [CHANGE_USER, Form.LOG_IN],
  [0x16, Form.PREPARED],
  [0x17, Form.RESULTS],
  [0x18, NO_ANSWER],
  [0x19, NO_ANSWER],
  [0x1c, Form.ROWS],
]);

/** Log-in, commands, and the octets of a local file, a packet each. */
export class MysqlRequests extends MysqlPackets implements RequestFramer {
  /** What the log-in agreed to: bits of kinds. */
  #agreed = 0;
  #isInLogIn = true;
  #answerKind = NO_ANSWER;

  override begin(kind: number): void {
    super.begin(kind);
    if (kind !== 0) return;
    this.#agreed = 0;
    this.#isInLogIn = true;
  }

  get answerKind(): number {
    return this.#answerKind;
  }

  protected override onPacket(): void {
    if (this.kind === 0) {
      if (this.length < SSL_REQUEST_BYTES) this.lose(Fault.MALFORMED);
    } else if (this.sequence > 0) {
      // The end of a local file is an empty packet.
      const isAnswered = this.length === 0 || this.#isInLogIn;
      const form = this.#isInLogIn ? Form.LOG_IN : Form.PACKET;
      this.#end(isAnswered ? form | this.#agreed : NO_ANSWER);
    } else if (this.length === 0) this.lose(Fault.MALFORMED);
  }

  protected override onContinuation(): void {
    this.#end(this.#answerKind);
  }

  /** Packets that go on are one request. */
  #end(answerKind: number): void {
    this.#answerKind = answerKind;
    if (this.isContinued) this.next();
    else this.finish(this.length);
  }

  protected override onOctet(octet: number): void {
    if (this.kind === 0) this.#capabilities(octet);
    else {
      this.#isInLogIn = octet === CHANGE_USER;
      const form = FORM_OF_COMMAND.get(octet) ?? Form.PACKET;
      this.#end(form === NO_ANSWER ? NO_ANSWER : form | this.#agreed);
    }
  }

  #capabilities(octet: number): void {
    this.value += octet * 256 ** this.index++;
    if (this.index < CAPABILITIES_BYTES) return;
    const capabilities = this.value;
    if (!(capabilities & CLIENT_PROTOCOL_41)) {
      this.lose(Fault.MALFORMED);
      return;
    }
    if (capabilities & CLIENT_DEPRECATE_EOF) this.#agreed |= DEPRECATE_EOF;
    if (capabilities & (CLIENT_COMPRESS | CLIENT_ZSTD)) this.#agreed |= COMPRESSED;
    const isTls = this.length === SSL_REQUEST_BYTES - CAPABILITIES_BYTES;
    this.isSwitch = isTls && (capabilities & CLIENT_SSL) !== 0;
    this.#end(this.isSwitch ? NO_ANSWER : Form.LOG_IN | this.#agreed);
  }
}
