/** Conversations of each protocol that is followed, written down message by message. */
import { expect } from 'vitest';
import { FIRST_REQUEST, NEXT_REQUEST, NO_ANSWER } from '../../src/protocol/framer.ts';
import { MessageEnds } from '../../src/protocol/message-ends.ts';
import { FOLLOWED_PROTOCOLS, type FollowedProtocol } from '../../src/protocol/registry.ts';
import { octets } from './follow.ts';

/** A protocol that is followed. */
export const entryOf = (protocol: string): FollowedProtocol => {
  const entry = FOLLOWED_PROTOCOLS.get(protocol);
  if (entry === undefined) throw new Error(`no framer of ${protocol}`);
  return entry;
};

/** The kinds of the answers, from requests that end where they should, however they are cut. */
export function kindsOf({ protocol, rows }: Talk): number[] {
  const stream = octets(rows.map(([request]) => request).join(''));
  const framer = entryOf(protocol).requests();
  const ends = new MessageEnds();
  const stored = {
    bytes: stream.length,
    read: (at: number, into: Uint8Array) => into.set(stream.subarray(at, at + into.length)),
  };
  let at = 0;
  return rows.map(([request, answer], i) => {
    const end = ends.endOf(framer, stored, at, i === 0 ? FIRST_REQUEST : NEXT_REQUEST);
    expect(end, request).toBe(at + request.length);
    at = end;
    const kind = framer.answerKind;
    expect(kind === NO_ANSWER, request).toBe(answer === '');
    return kind;
  });
}

/** What the client says, what it is answered ('' for nothing), the class and the code of that. */
export type Row = readonly [request: string, answer: string, replyClass?: number, code?: string];

/** A connection's exchanges. */
export interface Talk {
  readonly protocol: string;
  readonly title: string;
  readonly greeting?: string;
  readonly rows: readonly Row[];
}

export const resp = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

export const bytes = (...values: number[]): string => String.fromCharCode(...values);
export const long = (value: number): string =>
  bytes(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

/** MySQL: a packet. */
export const packet = (number: number, payload: string): string =>
  bytes(payload.length & 0xff, payload.length >>> 8, 0, number) + payload;
export const packets = (first: number, ...payloads: string[]): string =>
  payloads.map((payload, i) => packet(first + i, payload)).join('');
export const OK = '\x00\x00\x00\x02\x00\x00\x00';
const OK_MORE = '\x00\xfc\x01\x02\xfd\x01\x02\x03\x0a\x00\x00\x00';
export const EOF = '\xfe\x00\x00\x02\x00';
const EOF_MORE = '\xfe\x00\x00\x0a\x00';
const EOF_CURSOR = '\xfe\x00\x00\x42\x00';
/** An OK packet that ends rows. */
export const END = '\xfe\x00\x00\x02\x00\x00\x00';
export const ERR = '\xff\x7a\x04#42S02Table missing';
export const DEFINITION = '\x03def\x00\x00\x00';
export const login = (capabilities: number): string =>
  packet(
    1,
    bytes(capabilities & 0xff, (capabilities >>> 8) & 0xff, 0, capabilities >>> 24) +
      'x'.repeat(60),
  );
export const GREETING = packet(0, '\x0a8.0.36\x00abcdefgh');
export const command = (code: number, text = ''): string => packet(0, bytes(code) + text);

/** memcached's binary form: a request, and an answer with a status; both bear a number. */
const bin = (magic: number, opcode: number, status: number, number: number, body: string): string =>
  bytes(magic, opcode, 0, 0, 0, 0, 0, status) +
  long(body.length) +
  long(number) +
  '\x00'.repeat(8) +
  body;
export const binAsk = (opcode: number, number: number, body = 'key'): string =>
  bin(0x80, opcode, 0, number, body);
export const binSay = (opcode: number, number: number, body = '', status = 0): string =>
  bin(0x81, opcode, status, number, body);

/** MQTT: a packet, and what begins some of them. */
export const mqtt = (first: number, body = ''): string => {
  let length = '';
  for (let rest = body.length; length === '' || rest > 0; rest >>>= 7)
    length += bytes((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  return bytes(first) + length + body;
};
export const u16 = (value: number): string => bytes(value >> 8, value & 0xff);
export const lengthFirst = (text: string): string => u16(text.length) + text;
export const mqttConnect = (level: number, flags = 2): string =>
  mqtt(
    0x10,
    lengthFirst(level === 3 ? 'MQIsdp' : 'MQTT') +
      bytes(level, flags, 0, 60) +
      (level === 5 ? '\0' : '') +
      lengthFirst('me'),
  );
/** @param qos of 1 or 2, with an identifier */
export const mqttPublish = (topic: string, message: string, qos = 0, id = 0): string =>
  mqtt(0x30 | (qos << 1), lengthFirst(topic) + (qos === 0 ? '' : u16(id)) + message);

/** PostgreSQL: a message. */
export const pg = (type: string, body = ''): string => type + long(body.length + 4) + body;
export const READY = pg('Z', 'I');
export const pgError = (code: string): string => pg('E', `SERROR\x00C${code}\x00Mno\x00\x00`);
export const START = `${long(8 + 9) + long(196_608)}user\x00me\x00\x00`;

/** Of each protocol those that show what it has. */
export const talks: readonly Talk[] = [
  {
    protocol: 'redis',
    title: 'RESP2 values',
    rows: [
      [resp('PING'), '+PONG\r\n', 2, ''],
      [resp('GET', 'a'), '$5\r\n\r\n$-1\r\n', 2],
      [resp('GET', 'b'), '$-1\r\n', 2],
      [resp('GET', ''), '$0\r\n\r\n', 2],
      [resp('INCR', 'n'), ':1\r\n', 2],
      [resp('LRANGE', 'l', '0', '-1'), '*3\r\n$1\r\n*\r\n*2\r\n:1\r\n*0\r\n*-1\r\n', 2],
      [
        resp('HGET', 's', 'x'.repeat(300)),
        '-WRONGTYPE Operation against a key\r\n',
        4,
        'WRONGTYPE',
      ],
      [resp('GET', 'c'), '-MOVED 3999 127.0.0.1:6381\r\n', 3, 'MOVED'],
      [resp('GET', 'd'), '-ERR\r\n', 4, 'ERR'],
    ],
  },
  {
    protocol: 'redis',
    title: 'a transaction',
    rows: [
      [resp('MULTI'), '+OK\r\n', 2],
      [resp('SET', 'a', '1'), '+QUEUED\r\n', 2],
      [resp('EXEC'), '*2\r\n+OK\r\n-ERR within\r\n', 2, ''],
    ],
  },
  {
    protocol: 'redis',
    title: 'RESP3: maps, sets, attributes, pushes between replies',
    rows: [
      ['HELLO 3\r\n', '%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n', 2],
      [resp('SMEMBERS', 's'), '~2\r\n#t\r\n_\r\n', 2],
      [resp('GET', 'a'), '>2\r\n+invalidate\r\n*1\r\n+a\r\n>0\r\n$1\r\nx\r\n', 2],
      [resp('GET', 'b'), '|1\r\n+ttl\r\n-ERR no\r\n=7\r\ntxt:abc\r\n', 2, ''],
      [resp('GET', 'c'), '!9\r\nERR\r\noops\r\n', 4],
      [resp('GET', 'd'), ',1.5\r\n', 2],
      [resp('GET', 'e'), '(3492890328409238509324850943850943825024385\r\n', 2],
    ],
  },
  {
    protocol: 'redis',
    title: 'subscriptions, a reply a channel',
    rows: [
      [
        resp('SUBSCRIBE', 'a', 'b'),
        '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n',
        2,
      ],
      [resp('psubscribe', 'a'), '>3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:3\r\n', 2],
      ['PING\r\n', '+PONG\r\n', 2],
    ],
  },
  {
    protocol: 'smtp',
    title: 'replies of several lines, a mail, a mail in parts',
    greeting: '220-mx\r\n220 ready\r\n',
    rows: [
      ['EHLO a\r\n', '250-mx\r\n250-SIZE\r\n250 CHUNKING\r\n', 2, '250'],
      ['MAIL FROM:<a>\r\n', '250 ok\r\n', 2],
      ['RCPT TO:<b>\r\n', '550 no such user\r\n', 4 + 1, '550'],
      ['data\r\n', '354 go on\r\n', 3, '354'],
      ['Subject: x\r\n\r\n..\r\n. \r\nQUIT\r\n.\r\n', '250 queued\r\n', 2],
      ['BDAT 12\r\nQUIT\r\nQUIT\r\n', '250\r\n', 2],
      ['BDAT 0 LAST\r\n', '452 4.3.1 full\r\n', 4, '452'],
      ['QUIT\r\n', '221 bye\r\n', 2],
    ],
  },
  {
    protocol: 'ftp',
    title: 'preliminary replies, lines without codes',
    greeting: '220 FTP\r\n',
    rows: [
      ['USER a\r\n', '331 password\r\n', 3, '331'],
      ['PASS b\r\n', '230-hello\r\n 230 not yet\r\n220 nor this\r\nhi\r\n230 in\r\n', 2, '230'],
      ['LIST\r\n', '150 here it comes\r\n226 done\r\n', 2, '226'],
      ['DATA\r\n', '500 what\r\n', 5, '500'],
    ],
  },
  {
    protocol: 'pop3',
    title: 'lists and single lines',
    greeting: '+OK ready\r\n',
    rows: [
      ['USER a\r\n', '+OK\r\n', 2],
      ['PASS b\r\n', '-ERR no\r\n', 4],
      ['AUTH PLAIN\r\n', '+ \r\n', 3],
      ['AHgAeQ==\r\n', '+OK in\r\n', 2],
      ['LIST\r\n', '+OK 2\r\n1 120\r\n.. \r\n.x\r\n.\r\n', 2],
      ['LIST 1\r\n', '+OK 1 120\r\n', 2],
      ['list \r\n', '+OK\r\n.\r\n', 2],
      ['RETR 9\r\n', '-ERR none\r\n', 4],
      ['RETR 1\r\n', '+OK\r\nSubject: x\r\n\r\n+OK\r\n.\r\n', 2],
    ],
  },
  {
    protocol: 'imap',
    title: 'tags, untagged data, literals both ways, an idle client',
    greeting: '* OK [CAPABILITY IMAP4rev1] ready\r\n',
    rows: [
      ['a1 LOGIN me {6}\r\n', '+ go on\r\n', 3, ''],
      ['secret {2}\r\n', '+ \r\n', 3],
      ['ab\r\n', 'a1 OK in\r\n', 2, 'OK'],
      [
        'a2 FETCH 1 BODY[]\r\n',
        '* 1 FETCH (BODY[] {14}\r\na2 OK within\r\n FLAGS ())\r\n* 2 EXISTS\r\na2 OK done\r\n',
        2,
      ],
      ['a3 APPEND x {3+}\r\na\r\n {1+}\r\nb\r\n', 'a3 NO full\r\n', 4, 'NO'],
      ['a4 IDLE\r\n', '+ idling\r\n', 3],
      ['DONE\r\n', '* 3 EXISTS\r\na4 OK\r\n', 2],
      ['a5 NONSENSE\r\n', '* x {3}y\r\na5 BAD what\r\n', 5, 'BAD'],
    ],
  },
  {
    protocol: 'memcached',
    title: 'values, stores, statistics, meta commands',
    rows: [
      ['get a b\r\n', 'VALUE a 0 5\r\nEND\r\n\r\nVALUE b 1 0 77\r\n\r\nEND\r\n', 2],
      ['set a 0 0 6\r\nget b\n\r\n', 'STORED\r\n', 2],
      ['set a 0 0 1 noreply\r\nx\r\n', ''],
      ['incr n 1\r\n', '12\r\n', 2],
      ['stats\r\n', 'STAT pid 1\r\nSTAT x y\r\nEND\r\n', 2],
      ['mg a v\r\n', 'VA 4 c1\r\nEN\r\n\r\n', 2],
      ['ms a 2 T0\r\nxx\r\n', 'HD\r\n', 2],
      ['bogus\r\n', 'ERROR\r\n', 4, 'ERROR'],
      ['delete a\r\n', 'SERVER_ERROR out of memory\r\n', 5, 'SERVERERRO'],
      ['quit\r\n', ''],
    ],
  },
  {
    protocol: 'mqtt',
    title: '3.1.1: what is published by others and by itself, refusals, identifiers used anew',
    rows: [
      [mqttConnect(4), mqtt(0x20, '\0\0'), 2, ''],
      [
        mqtt(0x82, `${u16(1)}${lengthFirst('a/#')}\0${lengthFirst('b')}\x02`),
        `${mqttPublish('a/b', 'retained')}${mqtt(0x90, `${u16(1)}\0\x02`)}`,
        2,
      ],
      [mqttPublish('a', '\x40\x02\0\x01'), ''],
      [mqttPublish('a/b', 'x'.repeat(300), 1, 1), mqtt(0x40, u16(1)), 2],
      [
        mqttPublish('', '', 2, 0xffff),
        `${mqttPublish('a', 'y'.repeat(200), 2, 7)}${mqtt(0x62, u16(7))}${mqtt(0x50, u16(0xffff))}`,
        2,
      ],
      [mqtt(0x50, u16(7)), ''],
      [mqtt(0x62, u16(0xffff)), mqtt(0x70, u16(0xffff)), 2],
      [mqtt(0x70, u16(7)), ''],
      [mqtt(0xc0), mqttPublish('c', '') + mqtt(0xd0), 2],
      [mqtt(0x82, `${u16(1)}${lengthFirst('a')}\0`), mqtt(0x90, `${u16(1)}\x80`), 5, '0x80'],
      [mqtt(0xa2, u16(1) + lengthFirst('a')), mqtt(0xb0, u16(1)), 2],
      [mqtt(0xe0), ''],
    ],
  },
  { protocol: 'mqtt', title: '3.1', rows: [[mqttConnect(3), mqtt(0x20, '\0\x05'), 4, '0x05']] },
  {
    protocol: 'mqtt',
    title: '3.1.1, of a server that is not there',
    rows: [[mqttConnect(4), mqtt(0x20, '\0\x03'), 5, '0x03']],
  },
  {
    protocol: 'mqtt',
    title: '5.0: a log-in in steps, properties, codes',
    rows: [
      [mqttConnect(5), mqtt(0xf0, '\x18\0'), 3, '0x18'],
      [mqtt(0xf0, '\x18\0'), mqtt(0x20, '\0\0\x03\x21\0\x0a'), 2, ''],
      [
        mqtt(0x82, `${u16(3)}\0${lengthFirst('a')}\0${lengthFirst('b')}\0`),
        mqtt(0x90, `${u16(3)}\x06\x1f${lengthFirst('\x87no')}\0\x87`),
        4,
        '0x87',
      ],
      [mqtt(0x82, `${u16(3)}\0${lengthFirst('a')}\0`), mqtt(0x90, `${u16(3)}\0\0`), 2],
      [mqttPublish('a', '\0x', 1, 3), mqtt(0x40, `${u16(3)}\x10`), 2, ''],
      [mqttPublish('a', '\0x', 2, 3), mqtt(0x50, `${u16(3)}\x97\0`), 5, '0x97'],
      [mqtt(0x62, `${u16(3)}\0`), mqtt(0x70, `${u16(3)}\x92\0`), 4, '0x92'],
      [mqtt(0xa2, `${u16(4)}\0${lengthFirst('a')}`), mqtt(0xb0, `${u16(4)}\0\x11`), 2, ''],
      [mqtt(0xc0), mqtt(0xe0, '\x8b\0'), 5, '0x8b'],
      [mqtt(0xe0, '\x04'), ''],
    ],
  },
  {
    protocol: 'memcached-binary',
    title: 'answers by number, quiet commands, statistics',
    rows: [
      [binAsk(0x00, 7), binSay(0x00, 7, '\x81\x00\x00\x00value'), 2],
      [binAsk(0x00, 8), binSay(0x00, 8, 'Not found', 1), 4, '1'],
      [binAsk(0x09, 9), ''],
      [binAsk(0x11, 10), ''],
      [binAsk(0x0a, 11, ''), binSay(0x09, 9, 'found') + binSay(0x0a, 11), 2],
      [
        binAsk(0x10, 12, ''),
        binSay(0x10, 12, 'pid1') + binSay(0x10, 12, 'time2') + binSay(0x10, 12),
        2,
      ],
      [binAsk(0x01, 13), binSay(0x01, 13, 'Out of memory', 0x82), 5, '130'],
      [binAsk(0x07, 14, ''), binSay(0x07, 14), 2],
    ],
  },
  {
    protocol: 'mysql',
    title: 'with EOF packets',
    greeting: GREETING,
    rows: [
      [login(0x200), packet(2, '\xfecaching_sha2_password\x00abc'), 3],
      [packet(3, 'scrambled'), packets(4, '\x01\x03', OK), 2],
      [command(0x0e), packet(1, OK), 2],
      [command(0x03, 'select 1'), packets(1, '\x01', DEFINITION, EOF, '\x011', '\xfb', EOF), 2],
      [
        command(0x03, 'call p()'),
        packets(
          1,
          '\x02',
          DEFINITION,
          DEFINITION,
          EOF,
          EOF_MORE,
          OK_MORE,
          '\x01',
          DEFINITION,
          EOF,
          ERR,
        ),
        4,
        '1146',
      ],
      [command(0x03, 'nonsense'), packet(1, ERR), 4, '1146'],
      [
        command(0x16, 'select ?'),
        packets(
          1,
          '\x00\x01\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00',
          DEFINITION,
          DEFINITION,
          EOF,
          DEFINITION,
          EOF,
        ),
        2,
      ],
      [command(0x16, 'do 1'), packet(1, '\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'), 2],
      [command(0x18, 'long data'), ''],
      [
        command(0x17, 'execute'),
        packets(1, '\x01', DEFINITION, EOF, '\x00\x00x', '\xfe2345678901', EOF),
        2,
      ],
      [command(0x17, 'cursor'), packets(1, '\x01', DEFINITION, EOF_CURSOR), 2],
      [command(0x1c, 'fetch'), packets(1, '\x00\x00x', EOF), 2],
      [command(0x19, 'close'), ''],
      [command(0x04, 'fields'), packets(1, DEFINITION, EOF), 2],
      [command(0x03, 'load data local'), packet(1, '\xfb/tmp/x'), 3],
      [packet(2, 'rows of the file'), ''],
      [packet(3, ''), packet(4, OK), 2],
      [command(0x09), packet(1, 'Uptime: 1'), 2],
      [command(0x01), ''],
    ],
  },
  {
    protocol: 'mysql',
    title: 'without EOF packets, 300 columns',
    greeting: GREETING,
    rows: [
      [login(0x0100_0200), packet(2, OK), 2],
      [command(0x03, 'a'), packets(1, '\x01', DEFINITION, '\x03abc', END), 2],
      [
        command(0x03, 'b'),
        packets(1, '\xfc\x2c\x01', ...new Array<string>(300).fill('\x01d'), '\x01x', END),
        2,
      ],
      [
        command(0x16, 'c'),
        packets(1, '\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00', DEFINITION, DEFINITION),
        2,
      ],
    ],
  },
  {
    protocol: 'postgresql',
    title: 'encryption refused, a log-in, queries, copying',
    rows: [
      [long(8) + long(80_877_103), 'N', 3],
      [START, pg('R', `${long(10)}SCRAM-SHA-256\x00\x00`), 3],
      [pg('p', 'first'), pg('R', `${long(11)}challenge`), 3],
      [
        pg('p', 'last'),
        pg('R', `${long(12)}v=`) +
          pg('R', long(0)) +
          pg('S', 'a\x00b\x00') +
          pg('K', '12345678') +
          READY,
        2,
      ],
      [
        pg('Q', 'select 1\x00'),
        pg('T', 'row') + pg('D', 'Z\x00\x00\x00\x05I') + pg('C', 'SELECT 1\x00') + READY,
        2,
      ],
      [pg('Q', 'nonsense\x00'), pgError('42601') + READY, 4, '42601'],
      [
        pg('P', 'a') + pg('B', 'b') + pg('D', 'P') + pg('E', 'c') + pg('S'),
        pg('1') + pg('2') + pg('n') + pg('A', 'notification') + pg('C', 'INSERT 0 1\x00') + READY,
        2,
      ],
      [pg('P', 'a') + pg('D', 'S') + pg('H'), pg('1') + pg('t', '\x00\x00') + pg('T', 'x'), 2],
      [pg('B', 'b') + pg('H'), pgError('22P02'), 4, '22P02'],
      [pg('S'), READY, 2],
      [pg('Q', 'copy t from stdin\x00'), pg('G', '\x00\x00\x00'), 3],
      [pg('d', 'row') + pg('d', 'Q\x00\x00\x00\x04') + pg('c'), pg('C', 'COPY 2\x00') + READY, 2],
      [
        pg('Q', 'copy t to stdout\x00'),
        pg('H', '\x00\x00\x00') + pg('d', 'row') + pg('c') + pg('C', 'COPY 1\x00') + READY,
        2,
      ],
      [pg('X'), ''],
    ],
  },
  {
    protocol: 'postgresql',
    title: 'a log-in that is refused; a cancellation',
    rows: [[START, pgError('28P01'), 4, '28P01']],
  },
  {
    protocol: 'postgresql',
    title: 'a cancellation',
    rows: [[`${long(16) + long(80_877_102)}12345678`, '']],
  },
];
