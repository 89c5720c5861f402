import { expect, test } from 'vitest';
import { RECOGNISED_BYTES, recognise } from '../../src/protocol/recognise.ts';
import { octets } from './follow.ts';

interface Row {
  readonly protocol: string | null;
  readonly client: string;
  readonly server?: string;
  readonly isServerFirst?: boolean;
}

const rows: Row[] = [
  { protocol: 'http1', client: 'GET / HTTP/1.1\r\n\r\n' },
  { protocol: 'http2', client: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { protocol: 'tls', client: '\x16\x03\x01\x02\x00\x01\x00' },
  { protocol: 'tls', client: '', server: '\x16\x03\x03\x00\x7a\x02\x00' },
  { protocol: 'ssh', client: 'SSH-2.0-x\r\n' },
  { protocol: 'ssh', client: '', server: 'SSH-2.0-OpenSSH_9.6\r\n', isServerFirst: true },
  { protocol: 'redis', client: '*2\r\n$3\r\nGET\r\n$1\r\na\r\n' },
  { protocol: 'memcached', client: 'get a\r\n' },
  { protocol: 'memcached', client: 'set a 0 0 5\r\nhello\r\n' },
  { protocol: 'postgresql', client: '\x00\x00\x00\x08\x04\xd2\x16\x2f' },
  { protocol: 'postgresql', client: '\x00\x00\x00\x11\x00\x03\x00\x00user\x00me\x00\x00' },
  // Broken, and answered as HTTP all the same.
  {
    protocol: 'http1',
    client: 'OPTIONS HTTP/1.1\nHost: a\n\n',
    server: 'HTTP/1.0 400 Bad Request\r\n',
  },
  { protocol: 'redis', client: '*1\r\n$4\r\nPING\r\n', server: 'HTTP/1.1 400 Bad Request\r\n' },
  { protocol: 'mqtt', client: '\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd' },
  { protocol: 'ldap', client: '\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00' },
  { protocol: 'ldap', client: '\x30\x84\x00\x00\x12\x00\x02\x02\x01\x01\x63\x84' },
  { protocol: 'amqp', client: 'AMQP\x00\x00\x09\x01' },
  { protocol: 'stomp', client: 'CONNECT\nhost:x\n\n\x00' },
  { protocol: 'openwire', client: '\x00\x00\x00\x09\x01ActiveMQ' },
  { protocol: 'mysql', client: 'x', server: 'J\x00\x00\x00\x0a8.0.36\x00', isServerFirst: true },
  { protocol: 'smtp', client: 'EHLO a\r\n', server: '220 mx\r\n', isServerFirst: true },
  { protocol: 'ftp', client: 'USER a\r\n', server: '220-hi\r\n', isServerFirst: true },
  { protocol: 'pop3', client: 'USER a\r\n', server: '+OK\r\n', isServerFirst: true },
  { protocol: 'imap', client: 'a LOGIN\r\n', server: '* OK hi\r\n', isServerFirst: true },
  // What only looks like one of them.
  { protocol: null, client: 'PLAY a RTSP/1.0\r\n', server: 'RTSP/1.0 200 OK\r\n' },
  { protocol: null, client: 'what', server: 'HTTP/1.1 and more' },
  { protocol: null, client: '' },
  { protocol: null, client: 'USER a\r\n', server: '+OK\r\n' },
  { protocol: null, client: 'what\r\n', server: '220 x\r\n', isServerFirst: true },
  { protocol: null, client: 'get a' },
  { protocol: null, client: '\x00\x00\x00\x11\x00\x02\x00\x00' },
  { protocol: null, client: '\x10\x10\x00\x04MQ' },
  // SNMP.
  { protocol: null, client: '\x30\x0c\x02\x01\x01\x04\x06public' },
  { protocol: null, client: '\x16\x03\x01\x02\x00\x05\x00' },
  { protocol: null, client: 'x', server: 'J\x00\x00\x00\x09', isServerFirst: true },
];

test.each(rows)('$protocol: $client | $server', (row) => {
  const { protocol, client, server = '', isServerFirst = false } = row;
  expect(recognise(octets(client), octets(server), isServerFirst)).toBe(protocol);
  const longer = octets(client + 'x'.repeat(2 * RECOGNISED_BYTES));
  if (client !== '' && protocol !== null) {
    expect(recognise(longer, octets(server), isServerFirst)).toBe(protocol);
  }
});
