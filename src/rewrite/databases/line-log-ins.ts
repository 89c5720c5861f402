/**
 * Log-ins of protocols in lines: SMTP (RFC 4954), IMAP (RFC 9051), POP3 (RFC 1939, 5034) and FTP
 * (RFC 959), as far as name and password go in clear text. What each looks like stands in a table.
 */
import type { ProtocolModule, RecordedSession } from '../module.ts';
import { decodeUtf8, encodeUtf8, messageAt } from '../octet-text.ts';
import type { Account, Credentials } from './accounts.ts';
import { answerStage, type ClientText, clientTextOf } from './client-text.ts';
import { type LogInEdit, type LogInSearch, logInModule, type Verdict } from './log-in-module.ts';

/** A protocol's log-in. Patterns are asked of whole lines; `user` and `password` are named in them. */
interface LineProtocol {
  /** Commands with a name, with a password, or with both. */
  readonly plain: readonly RegExp[];
  /** Begins an exchange of SASL: `mechanism`, and what the client says at once (`initial`). */
  readonly sasl: RegExp | null;
  /** What follows is encrypted. */
  readonly encrypts: RegExp;
  /** No log-in comes behind it: lines may be anything. */
  readonly ends: RegExp;
  /** The last line of an answer that lets in; behind it one that asks for more. */
  readonly accepts: RegExp;
  /** How a word is written. */
  readonly quote: (word: string) => string;
}

const asIs = (word: string): string => word;
const SASL_COMMAND = /^AUTH (?<mechanism>[\w-]+)(?: (?<initial>\S+))?$/di;
const USER_AND_PASS = [/^USER (?<user>.*)$/di, /^PASS (?<password>.*)$/di];
const IMAP_WORD = String.raw`(?:"(?:[^"\\]|\\.)*"|[^\s"{]+)`;

/** By the names that sessions' protocols have. */
const LINE_PROTOCOLS: ReadonlyMap<string, LineProtocol> = new Map([
  [
    'smtp',
    {
      plain: [],
      sasl: SASL_COMMAND,
      encrypts: /^STARTTLS$/i,
      ends: /^(?:MAIL|DATA|BDAT)\b/i,
      accepts: /^2/,
      quote: asIs,
    },
  ],
  [
    'pop3',
    {
      plain: USER_AND_PASS,
      sasl: SASL_COMMAND,
      encrypts: /^STLS$/i,
      ends: /^(?:STAT|LIST|RETR)\b/i,
      accepts: /^\+OK/,
      quote: asIs,
    },
  ],
  [
    'ftp',
    {
      plain: USER_AND_PASS,
      sasl: null,
      encrypts: /^AUTH (?:TLS|SSL)/i,
      ends: /^(?:CWD|PASV|EPSV|PORT|EPRT)\b/i,
      accepts: /^[23]/,
      quote: asIs,
    },
  ],
  [
    'imap',
    {
      plain: [new RegExp(`^\\S+ LOGIN (?<user>${IMAP_WORD}) (?<password>${IMAP_WORD})$`, 'di')],
      sasl: /^\S+ AUTHENTICATE (?<mechanism>[\w-]+)(?: (?<initial>\S+))?$/di,
      encrypts: /^\S+ STARTTLS$/i,
      ends: /^\S+ (?:SELECT|EXAMINE|APPEND)\b/i,
      accepts: /^\S+ OK\b/i,
      quote: (word) => `"${word.replace(/["\\]/g, '\\$&')}"`,
    },
  ],
]);

/** A literal instead of a word: octets behind the line's end (RFC 9051, section 4.3). */
const IMAP_LITERAL = /^\S+ LOGIN .*\{\d+\+?\}$/i;
const NUL = '\0';
/** "Nothing" in answer to SASL, and the wish to leave off. */
const SASL_WORDS = new Set(['', '=', '*']);

/** The module for one of them. @param protocol a name of `LINE_PROTOCOLS` */
export function lineLogInModule(protocol: string, accounts: readonly Account[]): ProtocolModule {
  const form = LINE_PROTOCOLS.get(protocol);
  if (form === undefined) throw new RangeError(`no log-in in lines is known of ${protocol}`);
  return logInModule(protocol, accounts, (session) => {
    if (session.protocol !== protocol) return null;
    const client = clientTextOf(session);
    return { client, found: new LineSearch(form, session, client).find() };
  }) as ProtocolModule;
}

interface Line {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

/** Looks through what a client says until it has logged in. */
class LineSearch {
  readonly #form: LineProtocol;
  readonly #session: RecordedSession;
  readonly #client: ClientText;
  readonly #edits: LogInEdit[] = [];
  #user = '';

  constructor(form: LineProtocol, session: RecordedSession, client: ClientText) {
    this.#form = form;
    this.#session = session;
    this.#client = client;
  }

  find(): LogInSearch {
    const { sasl, encrypts, ends } = this.#form;
    const lines = linesOf(this.#client.text);
    for (let line = lines.next(); line.done !== true; line = lines.next()) {
      const { text } = line.value;
      if (ends.test(text)) return null;
      if (encrypts.test(text)) return { refused: 'what follows is encrypted' };
      if (IMAP_LITERAL.test(text)) return { refused: 'its log-in is in literals' };
      const begins = sasl?.exec(text) ?? null;
      if (begins !== null) return this.#sasl(begins, line.value, lines);
      if (this.#plain(line.value)) return this.#done(line.value);
    }
    return null;
  }

  /** @returns whether that was the password */
  #plain(line: Line): boolean {
    const { plain, quote } = this.#form;
    for (const pattern of plain) {
      const found = pattern.exec(line.text);
      if (found === null) continue;
      const { user, password } = found.groups ?? {};
      if (user !== undefined) {
        this.#user = unquoted(user);
        this.#edit(found, line, 'user', (who) => quote(oneLine(encodeUtf8(who.user))));
      }
      if (password === undefined) return false;
      this.#edit(found, line, 'password', (who) => quote(oneLine(encodeUtf8(who.password))));
      return true;
    }
    return false;
  }

  /** Mechanisms PLAIN (RFC 4616) and LOGIN, in Base64; the first word may come with the command. */
  #sasl(begins: RegExpExecArray, command: Line, lines: Iterator<Line>): LogInSearch {
    const { mechanism = '', initial } = begins.groups ?? {};
    const name = mechanism.toUpperCase();
    if (name !== 'PLAIN' && name !== 'LOGIN') {
      return { refused: `its log-in is by ${name}, which brings no password` };
    }
    const parts = name === 'PLAIN' ? (['both'] as const) : (['user', 'password'] as const);
    let last = command;
    for (const [i, part] of parts.entries()) {
      let word = initial ?? '';
      let place = placeOf(begins, command, 'initial');
      if (i > 0 || SASL_WORDS.has(word)) {
        const next = lines.next();
        if (next.done === true) return null;
        last = next.value;
        word = last.text;
        place = last;
      }
      if (word === '*') return null;
      this.#saslWord(part, Buffer.from(word, 'base64').toString('latin1'), place);
    }
    return this.#done(last);
  }

  #saslWord(part: 'both' | 'user' | 'password', said: string, { from, to }: Line | Place): void {
    const [authority = '', name = ''] = part === 'both' ? said.split(NUL) : ['', said];
    if (part !== 'password') this.#user = decodeUtf8(name);
    const render = ({ user, password }: Credentials): string => {
      const words = {
        both: [authority, encodeUtf8(user), encodeUtf8(password)].join(NUL),
        user: encodeUtf8(user),
        password: encodeUtf8(password),
      };
      return Buffer.from(words[part], 'latin1').toString('base64');
    };
    this.#edits.push({ from, to, render });
  }

  #edit(
    found: RegExpExecArray,
    line: Line,
    group: 'user' | 'password',
    render: LogInEdit['render'],
  ): void {
    this.#edits.push({ ...placeOf(found, line, group), render });
  }

  /** @param last the line that the server's word on the log-in answers */
  #done(last: Line): LogInSearch {
    const { accepts } = this.#form;
    const message = messageAt(this.#client.starts, last.from);
    const judge = (said: string): Verdict => {
      const [answer = ''] = said.split('\r\n').filter((line) => !/^(?:\* |\d{3}-)/.test(line));
      if (answer === '') return 'unknown';
      if (accepts.test(answer)) return 'accepted';
      return { refusal: `the server says: ${decodeUtf8(answer)}` };
    };
    const answer = { stage: answerStage(this.#session, message), judge };
    return { recordedUser: this.#user, edits: this.#edits, answer };
  }
}

interface Place {
  readonly from: number;
  readonly to: number;
}

/** Where a group of a line's match stands in the stream. */
function placeOf(found: RegExpExecArray, line: Line, group: string): Place {
  const [from, to] = found.indices?.groups?.[group] ?? [0, 0];
  return { from: line.from + from, to: line.from + to };
}

function* linesOf(text: string): Generator<Line, void> {
  for (const { 0: line, index } of text.matchAll(/[^\n]*\n/g)) {
    const said = line.replace(/\r?\n$/, '');
    yield { text: said, from: index, to: index + said.length };
  }
}

/** An IMAP word without its quotes. */
const unquoted = (word: string): string =>
  decodeUtf8(word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word);

function oneLine(word: string): string {
  if (!/[\r\n\0]/.test(word)) return word;
  throw new Error('a name or password with a line end cannot be said in this protocol');
}
