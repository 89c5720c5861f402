/** Messages of a log-in to PostgreSQL (documentation, "Message Formats"), as texts of octets. */
import { createHash } from 'node:crypto';
import { decodeUtf8, encodeUtf8 } from '../octet-text.ts';

/** Codes where a start-up has its version. */
export const StartCode = {
  CANCEL: 80_877_102,
  TLS: 80_877_103,
  GSS: 80_877_104,
} as const;
const PROTOCOL_MAJOR = 3;
const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
const NUL = '\0';
const PASSWORD = 'p';

/** A client's first message: a length, a code, and what belongs to it. */
export interface FirstMessage {
  readonly code: number;
  readonly body: string;
}

/** Parameters of a start-up, in order. */
export type StartParameters = ReadonlyMap<string, string>;

/** A message of a server's. */
export interface ServerMessage {
  readonly type: string;
  readonly body: string;
  /** Octets that it has. */
  readonly bytes: number;
}

/** A number of 32 bits at a place of a text. */
export const word = (text: string, at: number): number =>
  text.charCodeAt(at) * 0x100_0000 +
  text.charCodeAt(at + 1) * 0x1_0000 +
  text.charCodeAt(at + 2) * 0x100 +
  text.charCodeAt(at + 3);

const wordText = (value: number): string =>
  String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

/** A message without a type that fills the text; null: it is none. */
export function firstMessageOf(text: string): FirstMessage | null {
  if (text.length < 2 * LENGTH_BYTES || word(text, 0) !== text.length) return null;
  return { code: word(text, LENGTH_BYTES), body: text.slice(2 * LENGTH_BYTES) };
}

/** Such a message. */
export const firstMessage = (code: number, body: string): string =>
  `${wordText(2 * LENGTH_BYTES + body.length)}${wordText(code)}${body}`;

/** Whether a code is a version that is spoken here. */
export const isStartUp = (code: number): boolean => code >>> 16 === PROTOCOL_MAJOR;

/** The parameters of a start-up's body. */
export function parametersOf(body: string): Map<string, string> {
  const words = body.split(NUL);
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < words.length && words[i] !== ''; i += 2) {
    found.set(words[i], decodeUtf8(words[i + 1]));
  }
  return found;
}

/** The body of a start-up. */
export const parametersText = (parameters: StartParameters): string =>
  `${[...parameters].map(([name, value]) => `${name}${NUL}${encodeUtf8(value)}${NUL}`).join('')}${NUL}`;

/** Whether a text is one message of a log-in: a password, or a step of SASL or GSSAPI. */
export const isPasswordMessage = (text: string): boolean =>
  text.startsWith(PASSWORD) && word(text, TYPE_BYTES) === text.length - TYPE_BYTES;

/** A password, or a step of SASL. @param body octets */
export const passwordMessage = (body: string): string =>
  `${PASSWORD}${wordText(LENGTH_BYTES + body.length)}${body}`;

/** The password in clear text. */
export const clearPassword = (password: string): string =>
  passwordMessage(`${encodeUtf8(password)}${NUL}`);

const md5 = (octets: string): string =>
  createHash('md5').update(Buffer.from(octets, 'latin1')).digest('hex');

/** The answer to a request for MD5. @param salt 4 octets */
export const md5Password = (user: string, password: string, salt: string): string =>
  passwordMessage(`md5${md5(`${md5(`${encodeUtf8(password)}${encodeUtf8(user)}`)}${salt}`)}${NUL}`);

/** A step of SASL: the first one names the mechanism. */
export const saslFirst = (mechanism: string, said: string): string =>
  passwordMessage(`${mechanism}${NUL}${wordText(said.length)}${said}`);

/** The whole messages at the beginning of a text. */
export function* serverMessages(text: string): Generator<ServerMessage, void> {
  for (let at = 0; at + TYPE_BYTES + LENGTH_BYTES <= text.length; ) {
    const end = at + TYPE_BYTES + word(text, at + TYPE_BYTES);
    if (end > text.length) return;
    const body = text.slice(at + TYPE_BYTES + LENGTH_BYTES, end);
    yield { type: text[at], body, bytes: end - at };
    at = end;
  }
}

/** What an error says, in one line: its message and SQLSTATE. */
export function errorText(body: string): string {
  const fields = new Map(body.split(NUL).map((field) => [field.slice(0, 1), field.slice(1)]));
  return `${decodeUtf8(fields.get('M') ?? 'an error')} (${fields.get('C') ?? 'no code'})`;
}
