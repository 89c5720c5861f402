/** What is recognised in recorded sessions because no server takes it as it stands. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hintText } from '../../src/report/hint-text.ts';
import { indexCaptures } from '../../src/run/captures/index-captures.ts';
import { findHints } from '../../src/session/script/protocol-hints.ts';
import { Protocol } from '../../src/session/script/scripts.ts';
import { u8, u16, u32 } from '../helpers/packets.ts';
import { type RecordedSession, record } from '../helpers/recorded.ts';

const octets = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1'))));
const text = (value: string) => [...u16(value.length), ...Buffer.from(value)];

const clientFirst = (...said: readonly Uint8Array[]): RecordedSession => ({
  messages: said.map((part) => ({ from: 'client', octets: part })),
});
const serverFirst = (greeting: string, ...said: readonly string[]): RecordedSession => ({
  messages: [
    { from: 'server', octets: octets(greeting) },
    ...said.map((part) => ({ from: 'client' as const, octets: octets(part) })),
  ],
});

function hintsOf(sessions: readonly RecordedSession[], extentBytesMax = 1448) {
  const { scripts, capture } = record(sessions, { extentBytesMax });
  return findHints(scripts, (offset, into) => capture.read(offset, into));
}

test('log-ins to HTTP are told of to whoever wants HTTP looked at', () => {
  const login = (name: string, field = 'Authorization: Basic') => {
    const packed = Buffer.from(`${name}:secret`).toString('base64');
    return clientFirst(octets(`GET / HTTP/1.1\r\nHost: x\r\n${field} ${packed}\r\n\r\n`));
  };
  const sessions = [
    ...[login('alice'), login('bob'), login('bob', 'authorization:  basic')],
    ...[login('carol', 'X-Authorization: Basic'), login('dave', 'Authorization: Bearer')],
  ];
  const { scripts, capture } = record(sessions);
  const http = { ...scripts, protocol: scripts.protocol.fill(Protocol.HTTP1) };
  const hints = (withHttp: boolean) =>
    findHints(http, (offset, into) => capture.read(offset, into), withHttp);
  expect(hints(true)).toEqual([{ kind: 'http-basic', endpoint: 0, sessions: 3, names: 2 }]);
  expect(hints(false)).toEqual([]);
});

const mqtt = (level: number, id: string, properties: readonly number[] = []) => {
  const name = level === 3 ? 'MQIsdp' : 'MQTT';
  const body = [...text(name), ...u8(level, 2), ...u16(60), ...properties, ...text(id)];
  return octets(u8(0x10, body.length), body, u8(0xc0, 0));
};
const frame = (type: number, payload: readonly number[]) => [
  ...u8(type, 0, 1),
  ...u32(payload.length),
  ...payload,
  0xce,
];
const amqp = (queue: string, flags: number) => {
  const method = [...u16(50), ...u16(10), ...u16(0), queue.length, ...Buffer.from(queue), flags];
  const before = frame(1, [...u16(10), ...u16(11), ...new Array<number>(200).fill(7)]);
  return octets('AMQP\0\0\x09\x01', before, frame(8, []), frame(1, [...method, ...u32(0)]));
};
const openWire = (id: string) =>
  octets(u32(9), u8(1), 'ActiveMQ', u32(12), new Array<number>(200).fill(0), text(id));

const FTP = ['USER x\r\n', 'PASS y\r\n', 'TYPE I\r\n'];

describe('is recognised', () => {
  test.each([
    {
      name: 'PASV',
      sessions: [serverFirst('220 ready\r\n', ...FTP, 'PASV\r\n')],
      kind: 'ftp-data',
      names: 0,
    },
    {
      name: 'pasv',
      sessions: [serverFirst('220-hi\r\n', ...FTP, 'pasv\r\n')],
      kind: 'ftp-data',
      names: 0,
    },
    {
      name: 'EPSV',
      sessions: [serverFirst('220 ready\r\n', 'EPSV\r\n')],
      kind: 'ftp-data',
      names: 0,
    },
    {
      name: 'PORT',
      sessions: [serverFirst('220 ready\r\n', ...FTP, 'PORT 10,0,0,1,4,5\r\n')],
      kind: 'ftp-data',
      names: 0,
    },
    { name: 'MQTT 3.1', sessions: [clientFirst(mqtt(3, 'me'))], kind: 'mqtt-client-id', names: 1 },
    {
      name: 'MQTT 3.1.1',
      sessions: [clientFirst(mqtt(4, 'me')), clientFirst(mqtt(4, 'you'))],
      kind: 'mqtt-client-id',
      names: 2,
    },
    {
      name: 'MQTT 5',
      sessions: [
        clientFirst(mqtt(5, 'me', [5, 0x11, 0, 0, 0, 9])),
        clientFirst(mqtt(5, 'me', [0])),
      ],
      kind: 'mqtt-client-id',
      names: 1,
    },
    {
      name: 'STOMP',
      sessions: [clientFirst(octets('CONNECT\nhost:x\nclient-id:me\n\n\0'))],
      kind: 'stomp-client-id',
      names: 1,
    },
    {
      name: 'OpenWire',
      sessions: [clientFirst(openWire('ID:host-1234-1:1'))],
      kind: 'openwire-client-id',
      names: 1,
    },
    {
      name: 'AMQP',
      sessions: [clientFirst(amqp('mine', 4))],
      kind: 'amqp-exclusive-queue',
      names: 1,
    },
  ])('$name', ({ sessions, kind, names }) => {
    for (const extentBytesMax of [1448, 3]) {
      expect(hintsOf(sessions, extentBytesMax)).toEqual([
        { kind, endpoint: 0, sessions: sessions.length, names },
      ]);
    }
  });

  test('each server by itself', () => {
    const at = (port: number, session: RecordedSession): RecordedSession => ({
      ...session,
      endpoint: { address: '10.0.0.1', port },
    });
    const hints = hintsOf([
      at(1883, clientFirst(mqtt(4, 'me'))),
      at(21, serverFirst('220 ready\r\n', 'PASV\r\n')),
      at(1884, clientFirst(mqtt(4, 'me'))),
    ]);
    expect(hints.map(({ kind, endpoint }) => [kind, endpoint])).toEqual([
      ['mqtt-client-id', 0],
      ['ftp-data', 1],
      ['mqtt-client-id', 2],
    ]);
  });
});

test.each([
  {
    name: 'FTP without data connections',
    session: serverFirst('220 ready\r\n', ...FTP, 'QUIT\r\n'),
  },
  {
    name: 'mail that speaks of PASV',
    session: serverFirst('220 mx\r\n', 'HELO x\r\n', 'NOOP PASV\r\n'),
  },
  { name: 'another server that speaks first', session: serverFirst('SSH-2.0\r\n', 'PASV\r\n') },
  { name: 'a client that says PASV unasked', session: clientFirst(octets('PASV\r\n')) },
  { name: 'MQTT without an id', session: clientFirst(mqtt(4, '')) },
  { name: 'what only begins like MQTT', session: clientFirst(octets(u8(0x10, 9), 'something')) },
  {
    name: 'STOMP without an id',
    session: clientFirst(octets('CONNECT\nhost:x\n\nclient-id:x\n\0')),
  },
  { name: 'a queue of a name that is shared', session: clientFirst(amqp('mine', 0)) },
  { name: 'a queue without a name', session: clientFirst(amqp('', 4)) },
  { name: 'a passive declaration', session: clientFirst(amqp('mine', 1)) },
])('$name is nothing to tell of', ({ session }) => {
  expect(hintsOf([session])).toEqual([]);
});

test('nothing that a client may say is in the way', () => {
  const start = fc.constantFrom<readonly number[]>(
    [],
    [0x10],
    [0x10, 0x80, 0x80, 0x80, 0x80],
    [...Buffer.from('AMQP\0\0\x09\x01\x01\0\x01\xff\xff\xff\xff', 'latin1')],
    [...Buffer.from('STOMP\n')],
    [0, 0, 0, 0, 1, ...Buffer.from('ActiveMQ')],
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ minLength: 1, maxLength: 64 }), (head, rest) => {
      expect(hintsOf([clientFirst(Uint8Array.from([...head, ...rest]))]).length).toBeLessThan(2);
    }),
  );
});

test('only the first octets of a stream are read', () => {
  const long = new Uint8Array(1_000_000).fill(0x20);
  const { scripts, capture } = record([clientFirst(octets('AMQP\0\0\x09\x01'), long)]);
  let bytes = 0;
  findHints(scripts, (offset, into) => {
    bytes += into.length;
    capture.read(offset, into);
  });
  expect(bytes).toBeLessThan(5000);
});

test.each([
  [
    'ftp-active-passive.pcap',
    '1 session of 199.233.217.249:21 with FTP data connections (PASV, PORT): ',
  ],
  ['mqtt-sub-v6.pcap', '1 session of [::1]:1883 with MQTT client ids (1 different): '],
])('in a capture of others: %s', async (name, expected) => {
  const path = new URL(`../../fixtures/public/${name}`, import.meta.url).pathname;
  const index = await indexCaptures([path], { seed: 1 });
  const scripts = index.scripts();
  const texts = index
    .hints(scripts)
    .map(({ kind, endpoint, sessions, names }) =>
      hintText({ kind, sessions, names, ...scripts.endpoints[endpoint] }),
    );
  index.close();
  expect(texts).toEqual([expect.stringContaining(expected)]);
});
