/**
 * What kind of request begins with some octets, in words: a method and a path's template, a command, the
 * kind of an SQL statement. Requests of one name are a class whose figures are told apart from others'.
 */
import { pathTemplate } from './path-template.ts';

/** As many octets of a request are enough; a longer path is cut. */
export const NAMED_BYTES = 2_048;

type Namer = (octets: Uint8Array) => string | null;

const NAMERS: ReadonlyMap<string, Namer> = new Map([
  ['http1', http],
  ['redis', redis],
  ['mysql', mysql],
  ['postgresql', postgresql],
  [
    'smtp',
    commandOf(
      /^(?:EHLO|HELO|LHLO|MAIL|RCPT|DATA|BDAT|RSET|NOOP|QUIT|VRFY|EXPN|HELP|AUTH|STARTTLS)$/,
    ),
  ],
  ['ftp', commandOf(/^[A-Z]{3,4}$/)],
  ['pop3', commandOf(/^[A-Z]{3,5}$/)],
  ['imap', imap],
  ['memcached', memcached],
  ['mqtt', mqtt],
  ['websocket', webSocket],
]);

/**
 * The name of a request.
 * @param protocol a name as `recognise` gives it
 * @param octets the request's first ones, `NAMED_BYTES` or as many as there are
 * @returns null where no request of this protocol begins there
 */
export const requestName = (protocol: string, octets: Uint8Array): string | null =>
  NAMERS.get(protocol)?.(octets) ?? null;

/** Method and target (RFC 9112, section 3); empty lines may stand before them. */
const REQUEST_LINE = /^(?:\r?\n)*([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([^\r\n]+)/;
const HTTP_VERSION = / HTTP\/1\.\d$/;

function http(octets: Uint8Array): string | null {
  const match = REQUEST_LINE.exec(textOf(octets));
  if (match === null) return null;
  const [whole, method, rest] = match;
  // A line that goes on behind what was read is one of a very long target.
  if (whole.length < octets.length && !HTTP_VERSION.test(rest)) return null;
  // The target of CONNECT is an authority.
  if (method === 'CONNECT') return method;
  return `${method} ${pathTemplate(rest.replace(HTTP_VERSION, ''))}`;
}

/** An array of bulk strings of which the first is the command, or a line of words. */
const REDIS_COMMAND = /^\*\d+\r\n\$\d+\r\n([A-Za-z][\w.|-]{0,31})\r\n/;
const WORD = /^([A-Za-z][\w.-]{0,31})(?=[ \r\n]|$)/;

function redis(octets: Uint8Array): string | null {
  const text = textOf(octets);
  return (REDIS_COMMAND.exec(text) ?? WORD.exec(text))?.at(1)?.toUpperCase() ?? null;
}

const MYSQL_HEADER_BYTES = 4;
/** MySQL's commands (COM_…) that clients send, by their first octet. */
const MYSQL_COMMANDS: ReadonlyMap<number, string> = new Map([
  [0x01, 'quit'],
  [0x02, 'init db'],
  [0x04, 'field list'],
  [0x09, 'statistics'],
  [0x0e, 'ping'],
  [0x11, 'change user'],
  [0x17, 'execute'],
  [0x18, 'send long data'],
  [0x19, 'close statement'],
  [0x1a, 'reset statement'],
  [0x1b, 'set option'],
  [0x1c, 'fetch'],
  [0x1f, 'reset connection'],
]);
const COM_QUERY = 0x03;
const COM_STMT_PREPARE = 0x16;

function mysql(octets: Uint8Array): string | null {
  if (octets.length <= MYSQL_HEADER_BYTES) return null;
  // Packets of a command are counted from 0; what has another number goes on with the handshake.
  if (octets[3] !== 0) return 'login';
  const command = octets[MYSQL_HEADER_BYTES];
  if (command === COM_QUERY) return statementKind(textOf(octets.subarray(MYSQL_HEADER_BYTES + 1)));
  if (command === COM_STMT_PREPARE) {
    return `prepare ${statementKind(textOf(octets.subarray(MYSQL_HEADER_BYTES + 1)))}`;
  }
  return MYSQL_COMMANDS.get(command) ?? null;
}

const POSTGRES_HEADER_BYTES = 5;
/** PostgreSQL's messages by their first octet, but for those that bear a statement. */
const POSTGRES_MESSAGES: ReadonlyMap<string, string> = new Map([
  ['B', 'execute'],
  ['E', 'execute'],
  ['D', 'describe'],
  ['C', 'close statement'],
  ['S', 'sync'],
  ['F', 'function call'],
  ['p', 'login'],
  ['d', 'copy data'],
  ['c', 'copy done'],
  ['f', 'copy fail'],
  ['X', 'quit'],
]);

function postgresql(octets: Uint8Array): string | null {
  if (octets.length < POSTGRES_HEADER_BYTES) return null;
  // The first message, and a wish for encryption, have no type: their length comes first.
  if (octets[0] === 0) return 'login';
  const type = String.fromCharCode(octets[0]);
  const body = textOf(octets.subarray(POSTGRES_HEADER_BYTES));
  if (type === 'Q') return statementKind(body);
  // Parse: a name, a zero octet, then the statement.
  if (type === 'P') return statementKind(body.slice(body.indexOf('\0') + 1));
  return POSTGRES_MESSAGES.get(type) ?? null;
}

/** Comments and parentheses before the first word of a statement. */
const BEFORE_STATEMENT = /^(?:\s|\(|;|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*(?!!).*?\*\/)+/s;
const SQL_WORD = /^(?:\/\*!\d* *)?([A-Za-z]{1,24})/;

/** The first word of an SQL statement in capitals; `statement` where there is none. */
export function statementKind(sql: string): string {
  const word = SQL_WORD.exec(sql.replace(BEFORE_STATEMENT, ''))?.at(1);
  return word?.toUpperCase() ?? 'statement';
}

/** What is no command (a mail, an answer to a challenge) has the name `data`. */
function commandOf(known: RegExp): Namer {
  return (octets) => {
    const word = WORD.exec(textOf(octets))?.at(1)?.toUpperCase();
    return word !== undefined && known.test(word) ? word : 'data';
  };
}

/** A tag, then the command (RFC 9051, section 2.2.1); `UID` has one of its own. */
const IMAP_COMMAND = /^[!-~]+ (UID )?([A-Za-z]{2,16})(?=[ \r\n]|$)/i;

function imap(octets: Uint8Array): string {
  const match = IMAP_COMMAND.exec(textOf(octets));
  return match === null ? 'data' : `${match[1] ?? ''}${match[2]}`.toUpperCase();
}

function memcached(octets: Uint8Array): string | null {
  return WORD.exec(textOf(octets))?.at(1)?.toLowerCase() ?? null;
}

/** MQTT's packets that are answered, by their type. */
const MQTT_PACKETS: ReadonlyMap<number, string> = new Map([
  [1, 'CONNECT'],
  [6, 'PUBREL'],
  [8, 'SUBSCRIBE'],
  [10, 'UNSUBSCRIBE'],
  [12, 'PINGREQ'],
  [15, 'AUTH'],
]);
const MQTT_PUBLISH = 3;

function mqtt(octets: Uint8Array): string | null {
  const type = octets[0] >> 4;
  if (type === MQTT_PUBLISH) return `PUBLISH, QoS ${(octets[0] >> 1) & 3}`;
  return MQTT_PACKETS.get(type) ?? null;
}

/** Payloads of clients are masked: what kind of frame a message begins with is all that is seen. */
const WEBSOCKET_FRAMES: ReadonlyMap<number, string> = new Map([
  [1, 'text message'],
  [2, 'binary message'],
  [8, 'close'],
]);

function webSocket(octets: Uint8Array): string | null {
  return WEBSOCKET_FRAMES.get(octets[0] & 0x0f) ?? null;
}

const textOf = (octets: Uint8Array): string =>
  String.fromCharCode(...octets.subarray(0, NAMED_BYTES));
