/** Which protocol a conversation is in, by the first octets of both streams. */
import { berHead } from './ber.ts';
import { Http1Requests } from './http1-requests.ts';
import { isTlsHello } from './tls.ts';

/** As many octets of each stream are enough. */
export const RECOGNISED_BYTES = 512;

const http1 = new Http1Requests();

/** By what the client says first; one character an octet. */
const CLIENT_RULES: readonly (readonly [string, RegExp])[] = [
  ['http2', /^PRI \* HTTP\/2\.0\r\n/],
  ['redis', /^\*\d{1,7}\r\n\$\d{1,10}\r\n/],
  ['amqp', /^AMQP/],
  ['stomp', /^(?:CONNECT|STOMP)\r?\n/],
  ['memcached', /^(?:gets?|gats?|incr|decr|touch|m[gsdan]) \S[^\r\n]*\r\n/],
  ['memcached', /^(?:set|add|replace|append|prepend|cas) \S+ \d+ -?\d+ \d+[^\r\n]*\r\n/],
  ['memcached', /^(?:stats[^\r\n]*|version)\r\n/],
];

/** By what the server says first, and then the client. */
const SERVER_RULES: readonly (readonly [string, RegExp, RegExp])[] = [
  ['smtp', /^220[ -]/, /^(?:EHLO|HELO|LHLO|QUIT|NOOP)\b/i],
  ['ftp', /^220[ -]/, /^(?:USER|AUTH|FEAT|SYST|OPTS|HOST|PASS|CLNT)\b/i],
  ['pop3', /^\+OK/, /^/],
  ['imap', /^\* (?:OK|PREAUTH|BYE)\b/i, /^/],
];

/** What is answered so was taken for HTTP, however broken it was. */
const HTTP_ANSWER = /^HTTP\/1\.\d \d{3}[ \r\n]/;
/** MQTT's CONNECT: its name stands behind a length of one to four octets and one of two. */
const MQTT_CONNECT = 0x10;
const MQTT_NAME = /^.{4,7}MQ(?:TT|Isdp)/s;
/** LDAP's first message: a sequence of a number and a bind, a search or an extended request (RFC 4511). */
const LDAP_MESSAGE = 0x30;
const LDAP_NUMBER = 0x02;
const LDAP_REQUESTS = new Set([0x60, 0x63, 0x77]);
const OPENWIRE = /^.{5}ActiveMQ/s;
/** PostgreSQL's first message: a length, then version 3, or a wish for encryption or cancellation. */
const POSTGRES_VERSION = 3;
const POSTGRES_REQUEST = 1234;
/** MySQL's first packet: number 0, protocol 10 and the server's version as text; or an error. */
const MYSQL_HEAD_BYTES = 5;
const MYSQL_PROTOCOL = 10;
const MYSQL_VERSION = /^[\x20-\x7e]{3,}/;
const MYSQL_ERROR = 0xff;

/**
 * A name as in RFCs and registries, in small letters (`http1`, `tls`, `ssh`, `redis`, `mysql`, …);
 * null where it is none that is known here.
 * @param client the first octets of the client's stream, `RECOGNISED_BYTES` or as many as there are
 * @param server likewise
 * @param isServerFirst whether the server spoke before the client
 */
export function recognise(
  client: Uint8Array,
  server: Uint8Array,
  isServerFirst: boolean,
): string | null {
  if (beginsTls(client) || beginsTls(server)) return 'tls';
  if (http1.recognise(client) === true) return 'http1';
  const said = textOf(client);
  const heard = textOf(server);
  if (said.startsWith('SSH-') || heard.startsWith('SSH-')) return 'ssh';
  if (isServerFirst) return isMysql(server) ? 'mysql' : byServer(heard, said);
  if (isPostgres(client)) return 'postgresql';
  if (isMemcachedBinary(client)) return 'memcached-binary';
  if (client[0] === MQTT_CONNECT && MQTT_NAME.test(said)) return 'mqtt';
  if (isLdap(said)) return 'ldap';
  if (OPENWIRE.test(said)) return 'openwire';
  const byClient = CLIENT_RULES.find(([, rule]) => rule.test(said))?.[0] ?? null;
  return byClient ?? (HTTP_ANSWER.test(heard) ? 'http1' : null);
}

const byServer = (heard: string, said: string): string | null =>
  SERVER_RULES.find(([, first, then]) => first.test(heard) && then.test(said))?.[0] ?? null;

function isMysql(server: Uint8Array): boolean {
  if (server.length <= MYSQL_HEAD_BYTES || server[2] !== 0 || server[3] !== 0) return false;
  if (server[4] === MYSQL_ERROR) return true;
  return server[4] === MYSQL_PROTOCOL && MYSQL_VERSION.test(textOf(server.subarray(5)));
}

function isPostgres(client: Uint8Array): boolean {
  if (client.length < 8 || client[0] !== 0 || client[1] !== 0) return false;
  const major = client[4] * 256 + client[5];
  return major === POSTGRES_VERSION || major === POSTGRES_REQUEST;
}

function isLdap(said: string): boolean {
  const message = berHead(said, 0);
  const number = message?.tag === LDAP_MESSAGE ? berHead(said, message.from) : null;
  return number?.tag === LDAP_NUMBER && LDAP_REQUESTS.has(said.charCodeAt(number.to));
}

/** A request's header of 24 octets: magic, opcode, no data type, and a body that holds extras and key. */
function isMemcachedBinary(client: Uint8Array): boolean {
  if (client.length < 24 || client[0] !== 0x80 || client[1] > 0x25 || client[5] !== 0) return false;
  const view = new DataView(client.buffer, client.byteOffset);
  const named = view.getUint16(2) + client[4];
  const body = view.getUint32(8);
  return view.getUint16(6) === 0 && named <= body && body < 1 << 24;
}

const beginsTls = (octets: Uint8Array): boolean =>
  isTlsHello(new DataView(octets.buffer, octets.byteOffset), 0, octets.length);

const textOf = (octets: Uint8Array): string =>
  String.fromCharCode(...octets.subarray(0, RECOGNISED_BYTES));
