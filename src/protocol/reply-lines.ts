/**
 * Replies of SMTP (RFC 5321, section 4.2) and FTP (RFC 959, section 4.2): a three-digit code on each
 * line, or, in FTP, on the first and the last; a hyphen behind it says that lines follow.
 */
import { type AnswerFramer, Fault, ReplyClass, type RequestFramer } from './framer.ts';
import { LineFramer } from './line-framer.ts';
import { packLetter, packWord } from './octets.ts';

/** What a reply's meaning depends on. */
const Kind = { OTHER: 0, STARTTLS: 1 } as const;
const SPACE = 0x20;
const HYPHEN = 0x2d;
const CODE_DIGITS = 3;
const HAS_CODE = 1;
/** Of the line at hand: it has the reply's code and no hyphen. */
const IS_LAST = 2;
const PRELIMINARY_MAX = 199;

/** `code` is that of the first line. */
export class ReplyLines extends LineFramer implements AnswerFramer {
  codeText(): string {
    return this.code === 0 ? '' : String(this.code);
  }

  protected override onOctet(octet: number): boolean {
    const index = this.index++;
    if (index < CODE_DIGITS) {
      if (isDigit(octet)) {
        this.value = this.value * 10 + octet - 0x30;
        return true;
      }
      return this.#notCoded();
    }
    if (octet !== SPACE && octet !== HYPHEN) return this.#notCoded();
    this.#onCode(octet === SPACE);
    return false;
  }

  #onCode(isLast: boolean): void {
    if (!(this.flags & HAS_CODE)) {
      this.flags |= HAS_CODE;
      this.code = this.value;
      this.replyClass = Math.floor(this.value / 100);
      if (this.replyClass < 1 || this.replyClass > ReplyClass.FAILED) this.lose(Fault.MALFORMED);
    }
    if (isLast && this.value === this.code) this.flags |= IS_LAST;
  }

  /** A line between the first and the last one of a reply of several lines, or no reply. */
  #notCoded(): boolean {
    if (!(this.flags & HAS_CODE)) this.lose(Fault.MALFORMED);
    return false;
  }

  protected override onLine(): void {
    // A code may stand alone.
    if (this.index === CODE_DIGITS) this.#onCode(true);
    else if (this.index < CODE_DIGITS) this.#notCoded();
    if (!(this.flags & IS_LAST)) return;
    if (this.code <= PRELIMINARY_MAX) {
      // Preliminary: another reply follows (RFC 959).
      this.begin(this.kind);
      return;
    }
    this.isSwitch = this.kind === Kind.STARTTLS && this.replyClass === ReplyClass.OK;
    this.finish(0);
  }
}

const isDigit = (octet: number): boolean => octet >= 0x30 && octet <= 0x39;

const STARTTLS = packWord('STARTTLS');
const AUTH = packWord('AUTH');
const DATA = packWord('DATA');
const BDAT = packWord('BDAT');
const DOT = 0x2e;
const IN_WORD = 0;
const IN_ARGUMENTS = 1;
const NOT_A_DOT = 2;

/**
 * Commands of SMTP and FTP, a line each; behind DATA a mail, up to the line that is a dot; behind BDAT
 * as many octets as it says (RFC 3030).
 */
export class CommandLines extends LineFramer implements RequestFramer {
  #isMail = false;

  override begin(kind: number): void {
    const isMail = kind !== 0 && this.code === DATA && !this.#isMail;
    super.begin(kind);
    this.#isMail = isMail;
  }

  get answerKind(): number {
    return this.code === STARTTLS || this.code === AUTH_TLS ? Kind.STARTTLS : Kind.OTHER;
  }

  protected override onOctet(octet: number): boolean {
    if (this.#isMail) {
      if (octet !== DOT || this.index > 0) this.index = NOT_A_DOT;
      else this.index = 1;
      return this.index !== NOT_A_DOT;
    }
    if (this.phase === IN_WORD) {
      if (octet !== SPACE) {
        this.code = packLetter(this.code, octet);
        return true;
      }
      this.phase = IN_ARGUMENTS;
    } else if (this.code === BDAT) return this.#size(octet);
    else if (this.code === AUTH) this.length = packLetter(this.length, octet);
    return this.code === BDAT || this.code === AUTH;
  }

  #size(octet: number): boolean {
    if (!isDigit(octet)) return false;
    this.value = this.value * 10 + octet - 0x30;
    return true;
  }

  protected override onLine(): void {
    if (this.#isMail) {
      if (this.index === 1) this.finish(0);
      return;
    }
    // FTP's "AUTH TLS" (RFC 4217) and SMTP's "AUTH PLAIN" begin alike.
    if (this.code === AUTH && TLS_NAMES.has(this.length)) this.code = AUTH_TLS;
    this.finish(this.code === BDAT ? this.value : 0);
  }
}

const TLS_NAMES = new Set(['TLS', 'SSL', 'TLSC'].map(packWord));
const AUTH_TLS = packWord('AUTHTLS');
