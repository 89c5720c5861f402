import { describe, expect, test } from 'vitest';
import { pathTemplate } from '../../src/protocol/path-template.ts';
import { NAMED_BYTES, requestName, statementKind } from '../../src/protocol/request-name.ts';

const octets = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

describe('the template of a path', () => {
  test.each([
    ['/', '/', 'nothing to fold'],
    ['/cart', '/cart', 'a word'],
    ['/cart/', '/cart/', 'an empty segment stays'],
    ['/cart/42', '/cart/{id}', 'a number'],
    ['/cart/42/items/7?page=2#top', '/cart/{id}/items/{id}', 'query and fragment are dropped'],
    ['/a?b/12', '/a', 'a slash in a query is none of the path'],
    ['/u/550e8400-e29b-41d4-a716-446655440000', '/u/{id}', 'a UUID'],
    ['/u/deadbeef', '/u/{id}', 'eight hexadecimal digits'],
    ['/u/deadbee', '/u/deadbee', 'seven are a word'],
    ['/d/2024-01-15', '/d/{id}', 'a date'],
    ['/v1/users', '/v1/users', 'a version is no identifier'],
    ['/v2.1/users/7', '/v2.1/users/{id}', 'nor one with a point'],
    ['/t/dGhpc0lzQVRva2VuMTIz', '/t/{id}', 'base64'],
    [
      '/t/a-rather-long-name-of-2024-things',
      '/t/a-rather-long-name-of-{id}-things',
      'words and a year',
    ],
    ['/blog/our-friends-in-the-north', '/blog/our-friends-in-the-north', 'words alone'],
    ['/s/main.3f2a9c1b.js', '/s/main.{id}.js', 'a digest within a name'],
    ['/s/42.json', '/s/{id}.json', 'the suffix stays'],
    ['/s/jquery.min.js', '/s/jquery.min.js', 'a name of a file'],
    ['/order-1042/page_2', '/order-{id}/page_{id}', 'numbered'],
    ['/x;jsessionid=AB12/y', '/x/y', 'parameters of a segment'],
    ['http://a.example:8080/b/9', '/b/{id}', 'absolute form'],
    ['http://a.example', '/', 'absolute form without a path'],
    ['*', '*', 'asterisk form'],
    [`/f/${'x'.repeat(65)}`, '/f/{id}', 'longer than a name'],
    ['/a\u0001b\u00e9', '/a_b_', 'what is not printable'],
  ])('%s is %s: %s', (target, template) => {
    expect(pathTemplate(target)).toBe(template);
    // A template is its own template: what was folded once stays.
    expect(pathTemplate(template)).toBe(template);
  });

  test('is cut where it is longer than a line', () => {
    const long = pathTemplate(`/${'word/'.repeat(50)}`);
    expect(long).toHaveLength(120);
    expect(long.endsWith('…')).toBe(true);
  });
});

describe('the name of a request', () => {
  const mysql = (sequence: number, command: number, text = ''): string =>
    `\x05\0\0${String.fromCharCode(sequence, command)}${text}`;
  test.each([
    ['http1', 'GET /cart/42 HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /cart/{id}'],
    ['http1', '\r\nPOST /x?y HTTP/1.0\n\n', 'POST /x'],
    ['http1', 'CONNECT a.example:443 HTTP/1.1\r\n\r\n', 'CONNECT'],
    ['http1', 'OPTIONS * HTTP/1.1\r\n\r\n', 'OPTIONS *'],
    ['http1', 'GET /a b HTTP/1.1\r\n\r\n', 'GET /a_b'],
    ['http1', `GET /${'a'.repeat(NAMED_BYTES)}`.slice(0, NAMED_BYTES), 'GET /{id}'],
    ['http1', '{"json": 1}\r\n', null],
    ['http1', 'GET /old\r\n', null],
    ['http1', '', null],
    ['redis', '*2\r\n$3\r\nget\r\n$1\r\na\r\n', 'GET'],
    ['redis', 'PING\r\n', 'PING'],
    ['redis', '\x01\x02', null],
    ['mysql', mysql(0, 3, 'select 1'), 'SELECT'],
    ['mysql', mysql(0, 0x16, 'update a set b=?'), 'prepare UPDATE'],
    ['mysql', mysql(0, 0x17), 'execute'],
    ['mysql', mysql(1, 0x85), 'login'],
    ['mysql', '\x01\0\0\0', null],
    ['postgresql', 'Q\0\0\0\x0dcommit;\0', 'COMMIT'],
    ['postgresql', 'P\0\0\0\x0dname\0insert into a\0\0\0', 'INSERT'],
    ['postgresql', 'B\0\0\0\x0d\0\0', 'execute'],
    ['postgresql', '\0\0\0\x08\x04\xd2\x16\x2f', 'login'],
    ['smtp', 'mail from:<a@b>\r\n', 'MAIL'],
    ['smtp', 'Subject: mail\r\n', 'data'],
    ['ftp', 'USER a\r\n', 'USER'],
    ['pop3', 'RETR 1\r\n', 'RETR'],
    ['imap', 'a1 UID FETCH 1\r\n', 'UID FETCH'],
    ['imap', 'DONE\r\n', 'data'],
    ['memcached', 'gets a b\r\n', 'gets'],
    ['tls', '\x16\x03\x01', null],
  ])('%s %j is %s', (protocol, text, name) => {
    expect(requestName(protocol, octets(text))).toBe(name);
  });

  test.each([
    ['  -- why\n/* and */ (select 1)', 'SELECT'],
    ['/*!40101 SET NAMES utf8 */', 'SET'],
    ['# hash\nWITH a AS (select 1) select 2', 'WITH'],
    ['', 'statement'],
    ['42', 'statement'],
  ])('the statement %j is %s', (sql, kind) => {
    expect(statementKind(sql)).toBe(kind);
  });
});
