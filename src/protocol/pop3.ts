/** POP3 (RFC 1939): one line, or lines up to one that is a dot, as the command has it. */
import { type AnswerFramer, Fault, ReplyClass, type RequestFramer } from './framer.ts';
import { LineFramer } from './line-framer.ts';
import { packLetter, packWord } from './octets.ts';

/** Whether lines follow the status, where it is +OK. */
const Kind = { LINE: 0, LINES: 1, STLS: 2 } as const;
const DOT = 0x2e;
const PLUS = 0x2b;
const MINUS = 0x2d;
const SPACE = 0x20;
const IN_LINES = 1;
const NOT_A_DOT = 2;
const STATUS_LETTERS = 3;
const OK = packWord('OK');
const ERR = packWord('ERR');

/** Follows POP3 answers (RFC 1939): a line, or several up to a dot. */
export class Pop3Answers extends LineFramer implements AnswerFramer {
  codeText(): string {
    return '';
  }

  protected override onOctet(octet: number): boolean {
    const index = this.index++;
    if (this.phase === IN_LINES) {
      if (octet !== DOT || index > 0) this.index = NOT_A_DOT;
      return this.index !== NOT_A_DOT;
    }
    if (index === 0) {
      if (octet !== PLUS && octet !== MINUS) this.lose(Fault.MALFORMED);
      return true;
    }
    if (octet === SPACE || index > STATUS_LETTERS) return false;
    this.value = packLetter(this.value, octet);
    return true;
  }

  protected override onLine(): void {
    if (this.phase === IN_LINES) {
      if (this.index === 1) this.finish(0);
      return;
    }
    if (this.value === ERR) this.replyClass = ReplyClass.REFUSED;
    // A bare plus asks for more of a log-in (RFC 5034).
    else if (this.value === 0) this.replyClass = ReplyClass.GO_ON;
    else if (this.value === OK) this.replyClass = ReplyClass.OK;
    else {
      this.lose(Fault.MALFORMED);
      return;
    }
    const isOk = this.replyClass === ReplyClass.OK;
    if (isOk && this.kind === Kind.LINES) {
      this.phase = IN_LINES;
      return;
    }
    this.isSwitch = isOk && this.kind === Kind.STLS;
    this.finish(0);
  }
}

/** Answered by lines whatever their arguments are; and only without one. */
const LISTS = new Set(['RETR', 'TOP', 'CAPA'].map(packWord));
const LISTS_ALONE = new Set(['LIST', 'UIDL', 'AUTH'].map(packWord));
const STLS = packWord('STLS');
const HAS_ARGUMENT = 1;

/** A command a line. */
export class Pop3Requests extends LineFramer implements RequestFramer {
  get answerKind(): number {
    if (this.code === STLS) return Kind.STLS;
    const isList = LISTS.has(this.code) || (LISTS_ALONE.has(this.code) && this.flags === 0);
    return isList ? Kind.LINES : Kind.LINE;
  }

  protected override onOctet(octet: number): boolean {
    if (octet === SPACE) this.index = 1;
    else if (this.index === 0) this.code = packLetter(this.code, octet);
    else {
      this.flags = HAS_ARGUMENT;
      return false;
    }
    return true;
  }

  protected override onLine(): void {
    this.finish(0);
  }
}
