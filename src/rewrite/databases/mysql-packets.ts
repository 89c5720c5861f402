/**
 * Packets of MySQL's and MariaDB's protocol ("MySQL Internals", client/server protocol), as texts of
 * octets: a length (24 bits), a number (8) and a body. Numbers are little-endian.
 */
import { decodeUtf8, encodeUtf8 } from '../octet-text.ts';

/** What client and server agree to, as far as it matters here; bits. */
export const Capability = {
  CONNECT_WITH_DB: 0x8,
  COMPRESS: 0x20,
  PROTOCOL_41: 0x200,
  TLS: 0x800,
  SECURE_CONNECTION: 0x8000,
  PLUGIN_AUTH: 0x8_0000,
  CONNECT_ATTRIBUTES: 0x10_0000,
  LENGTH_ENCODED_AUTH: 0x20_0000,
  DEPRECATE_EOF: 0x100_0000,
  ZSTD: 0x400_0000,
  QUERY_ATTRIBUTES: 0x800_0000,
} as const;

/** The first octet of what a server says. */
export const Reply = { OK: 0x00, MORE: 0x01, SWITCH: 0xfe, ERROR: 0xff } as const;

const HEAD_BYTES = 4;
const NUL = '\0';
const NONCE_FIRST_BYTES = 8;
const NONCE_BYTES = 20;
const FILLER_BYTES = 19;
const TWO_OCTETS = 0xfc;
const THREE_OCTETS = 0xfd;
/** Of numbers of varying length: octets behind the first. */
const NUMBER_BYTES = new Map([
  [TWO_OCTETS, 2],
  [THREE_OCTETS, 3],
  [0xfe, 8],
]);

/** A packet, and where it lies in its text. */
export interface Packet {
  readonly sequence: number;
  readonly body: string;
  /** Offset of its length. */
  readonly from: number;
  readonly to: number;
}

/** A number of so many octets. */
export function numberAt(text: string, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + text.charCodeAt(at + i);
  return value;
}

/** The octets of a number. */
export function numberText(value: number, bytes: number): string {
  let text = '';
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) {
    text += String.fromCharCode(rest % 256);
  }
  return text;
}

/** The whole packets at the beginning of a text. */
export function* packetsOf(text: string): Generator<Packet, void> {
  for (let from = 0; from + HEAD_BYTES <= text.length; ) {
    const to = from + HEAD_BYTES + numberAt(text, from, 3);
    if (to > text.length) return;
    yield {
      ...{ from, to, sequence: text.charCodeAt(from + 3) },
      body: text.slice(from + HEAD_BYTES, to),
    };
    from = to;
  }
}

/** A packet. */
export const packetText = (sequence: number, body: string): string =>
  `${numberText(body.length, 3)}${String.fromCharCode(sequence & 0xff)}${body}`;

/** What the server says first. */
export interface Greeting {
  readonly capabilities: number;
  /** MariaDB's own, where bit 0 of the others is not set. */
  readonly extended: number;
  /** 20 octets. */
  readonly nonce: string;
  readonly plugin: string;
}

/** @returns null where it is of another version, or none */
export function greetingOf(body: string): Greeting | null {
  if (body.charCodeAt(0) !== 10) return null;
  const end = body.indexOf(NUL);
  const nonceAt = end + 1 + 4;
  const at = nonceAt + NONCE_FIRST_BYTES + 1;
  if (end < 0 || body.length < at + FILLER_BYTES) return null;
  // Halves of the capabilities, with the charset and the status between them.
  const capabilities = numberAt(body, at, 2) + numberAt(body, at + 5, 2) * 0x1_0000;
  const extended = capabilities & 1 ? 0 : numberAt(body, at + 14, 4);
  const restAt = at + 18;
  const rest = body.slice(restAt, restAt + NONCE_BYTES - NONCE_FIRST_BYTES);
  const nonce = body.slice(nonceAt, nonceAt + NONCE_FIRST_BYTES) + rest;
  const pluginAt = restAt + Math.max(13, body.charCodeAt(at + 7) - NONCE_FIRST_BYTES);
  const [plugin = ''] = body.slice(pluginAt).split(NUL, 1);
  return { capabilities, extended, nonce, plugin };
}

/** What the client logs in with. */
export interface LogInResponse {
  readonly capabilities: number;
  /** The longest packet (32 bits) and the charset (8). */
  readonly limits: string;
  readonly extended: number;
  readonly user: string;
  readonly proof: string;
  /** Null: none is named. */
  readonly database: string | null;
  readonly plugin: string;
  /** With their length; empty: none. */
  readonly attributes: string;
}

const LIMITS_BYTES = 5;
/** Zeros, and MariaDB's own capabilities at their end. */
const RESERVED_BYTES = 23;

/** @returns null where it is of a version before 4.1, or a wish for encryption */
export function logInResponseOf(body: string): LogInResponse | null {
  const capabilities = numberAt(body, 0, 4);
  const start = 4 + LIMITS_BYTES + RESERVED_BYTES;
  if (!(capabilities & Capability.PROTOCOL_41) || body.length <= start) return null;
  const words = new Words(body, start);
  const user = words.text();
  const proof =
    capabilities & Capability.LENGTH_ENCODED_AUTH
      ? words.counted()
      : capabilities & Capability.SECURE_CONNECTION
        ? words.short()
        : words.text();
  const database = capabilities & Capability.CONNECT_WITH_DB ? decodeUtf8(words.text()) : null;
  const plugin = capabilities & Capability.PLUGIN_AUTH ? words.text() : '';
  const attributes = capabilities & Capability.CONNECT_ATTRIBUTES ? words.countedAsIs() : '';
  return {
    ...{ capabilities, limits: body.slice(4, 4 + LIMITS_BYTES), user: decodeUtf8(user), proof },
    ...{ extended: numberAt(body, start - 4, 4), database, plugin, attributes },
  };
}

/** The body of such a response. */
export function logInResponseText(response: LogInResponse): string {
  const { capabilities, limits, extended, user, proof, database, plugin, attributes } = response;
  const has = (capability: number): boolean => (capabilities & capability) !== 0;
  return [
    ...[numberText(capabilities >>> 0, 4), limits, NUL.repeat(RESERVED_BYTES - 4)],
    ...[numberText(extended, 4), encodeUtf8(user), NUL],
    ...[String.fromCharCode(proof.length), proof],
    has(Capability.CONNECT_WITH_DB) ? `${encodeUtf8(database ?? '')}${NUL}` : '',
    has(Capability.PLUGIN_AUTH) ? `${plugin}${NUL}` : '',
    has(Capability.CONNECT_ATTRIBUTES) ? attributes : '',
  ].join('');
}

/** COM_CHANGE_USER, behind its first octet. */
export interface ChangeUser {
  readonly user: string;
  readonly database: string;
  /** The charset, and where there is a plugin its name and attributes behind it. */
  readonly charset: string;
  readonly attributes: string;
}

/** The command that changes users. */
export function changeUserOf(body: string, capabilities: number): ChangeUser {
  const words = new Words(body, 1);
  const user = decodeUtf8(words.text());
  if (capabilities & Capability.SECURE_CONNECTION) words.short();
  else words.text();
  const database = words.text();
  const charset = words.take(2);
  if (capabilities & Capability.PLUGIN_AUTH) words.text();
  return { user, database, charset, attributes: words.rest() };
}

/** Such a command, with another user and proof. */
export const changeUserText = (
  { database, charset, attributes }: ChangeUser,
  proof: { readonly user: string; readonly proof: string; readonly plugin: string },
): string =>
  [
    ...['\x11', encodeUtf8(proof.user), NUL, String.fromCharCode(proof.proof.length), proof.proof],
    ...[database, NUL, charset, proof.plugin, NUL, attributes],
  ].join('');

/** What an error says, in one line; users and hosts are left out, so that all that are refused alike have one. */
export function errorText(body: string): string {
  const code = numberAt(body, 1, 2);
  const text = body.slice(3).replace(/^#.{5}/s, '');
  const folded = decodeUtf8(text).replace(/'[^']*'@'[^']*'/g, "'…'@'…'");
  return `${folded} (${code})`;
}

/** Takes words from a text, one after the other. */
export class Words {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  /** Up to a NUL. */
  text(): string {
    const end = this.#text.indexOf(NUL, this.#at);
    const word = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at += word.length + 1;
    return word;
  }

  take(bytes: number): string {
    const word = this.#text.slice(this.#at, this.#at + bytes);
    this.#at += bytes;
    return word;
  }

  /** A length of one octet, and as many octets. */
  short(): string {
    return this.take(this.take(1).charCodeAt(0) || 0);
  }

  /** A length of varying length, and as many octets. */
  counted(): string {
    return this.take(this.number());
  }

  /** As `counted`, with the length as it is written. */
  countedAsIs(): string {
    const from = this.#at;
    this.counted();
    return this.#text.slice(from, this.#at);
  }

  /** A number of varying length. */
  number(): number {
    const first = this.take(1).charCodeAt(0) || 0;
    const bytes = NUMBER_BYTES.get(first);
    return bytes === undefined ? first : numberAt(this.take(bytes), 0, bytes);
  }

  rest(): string {
    return this.#text.slice(this.#at);
  }
}
