/** LDAP's binds, as other accounts than the recorded ones. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { ldapModule } from '../../../src/rewrite/databases/ldap.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

type Length = (length: number) => readonly number[];
const short: Length = (length) =>
  length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
/** As Microsoft's clients have it. */
const long: Length = (length) => [0x84, 0, 0, length >> 8, length & 255];

/** Elements as the standard has them: written apart from what is tested. */
const element =
  (lengthOf: Length) =>
  (tag: number, ...parts: readonly string[]): string => {
    const contents = parts.join('');
    return String.fromCharCode(tag, ...lengthOf(contents.length)) + contents;
  };

const ber = element(short);
const number = (value: number): string => ber(0x02, String.fromCharCode(value));
const CONTROLS = ber(0xa0, ber(0x30, ber(0x04, '2.16.840.1.113730.3.4.2')));

const bind = (id: number, name: string, password: string, of = ber): string =>
  of(0x30, number(id), of(0x60, number(3), of(0x04, name), of(0x80, password)), CONTROLS);
const plainBind = (id: number, said: string, mechanism = 'PLAIN'): string =>
  ber(
    0x30,
    number(id),
    ber(0x60, number(3), ber(0x04), ber(0xa3, ber(0x04, mechanism), ber(0x04, said))),
  );
const bound = (id: number, code: number, words = ''): string =>
  ber(
    0x30,
    number(id),
    ber(0x61, ber(0x0a, String.fromCharCode(code)), ber(0x04), ber(0x04, words)),
  );
const search = (id: number): string => ber(0x30, number(id), ber(0x63, ber(0x04, 'dc=test')));
const found = (id: number): string =>
  ber(0x30, number(id), ber(0x65, ber(0x0a, '\0'), ber(0x04), ber(0x04)));
const UNBIND = ber(0x30, number(9), ber(0x42));
const START_TLS = ber(0x30, number(1), ber(0x77, ber(0x80, '1.3.6.1.4.1.1466.20037')));

const AL = 'uid=al,dc=test';
const BOB = 'uid=bob,dc=test';

const sessionWith = (said: string) =>
  sessionOf(
    ['client', said],
    ['server', bound(1, 0)],
    ['client', search(2)],
    ['server', found(2)],
    ['client', UNBIND],
  );

describe('a recorded bind', () => {
  test.each([
    ['simple', bind(1, AL, 'old'), bind(1, BOB, 'new'), 'new'],
    ['simple, in long lengths', bind(1, AL, 'old', element(long)), bind(1, BOB, 'new'), 'new'],
    ['a long password', bind(1, AL, 'old'), bind(1, BOB, 'x'.repeat(300)), 'x'.repeat(300)],
    ['SASL PLAIN', plainBind(1, `x\0${AL}\0old`), plainBind(1, `x\0${BOB}\0new`), 'new'],
  ])('%s', (_, recorded, expected, password) => {
    const module = ldapModule([account(BOB, password)]);
    const { heard, failures, counters } = playLogIns(module, [sessionWith(recorded)], (said) => {
      if (said === '' || said === UNBIND) return [];
      return [said === expected ? bound(1, 0) : found(2)];
    });
    expect(heard).toEqual([[expected, search(2), UNBIND]]);
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('behind an anonymous one, and again by the same name', () => {
    const said = [bind(1, '', ''), bind(2, AL, 'old'), search(3), bind(4, AL, 'old')];
    const session = sessionOf(
      ...said.flatMap((each, i) => [
        ['client', each] as const,
        ['server', i === 2 ? found(3) : bound(i + 1, 0)] as const,
      ]),
    );
    const { heard, failures } = playLogIns(ldapModule([account(BOB, 'new')]), [session], (text) =>
      text === '' ? [] : [bound(0, 0)],
    );
    const expected = [said[0], bind(2, BOB, 'new'), said[2], bind(4, BOB, 'new')];
    expect(heard).toEqual([expected]);
    expect(failures).toEqual([]);
  });

  test.each([
    [49, '', 'invalidCredentials, code 49'],
    [53, 'unauthenticated bind', 'unauthenticated bind (unwillingToPerform, code 53)'],
    [80, '', 'code 80'],
  ])('that is refused with %i ends the user, with the server’s word', (code, words, reason) => {
    const { heard, failures, counters } = playLogIns(
      ldapModule([account(BOB, 'wrong')]),
      [sessionWith(bind(1, AL, 'old'))],
      // A notice of the server's may come before (RFC 4511, section 4.4).
      (said) => (said === '' ? [] : [bound(0, 0) + bound(1, code, words)]),
    );
    expect(heard).toEqual([[bind(1, BOB, 'wrong')]]);
    expect(failures).toEqual([`ldap: the server says: ${reason}`]);
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
  });

  test('without a password is not sent: many servers let in whoever says none, as nobody', () => {
    const { heard, failures } = playLogIns(
      ldapModule([account(BOB, '')]),
      [sessionWith(bind(1, AL, 'old'))],
      () => [],
    );
    expect(heard).toEqual([]);
    expect(failures).toEqual(['ldap: a bind without a password proves nobody']);
  });
});

describe('what cannot be done anew is left out, and what is no log-in stays', () => {
  const plan = (...messages: readonly string[]) =>
    ldapModule([account(BOB, 'new')]).plan({
      ...{ session: 0, clientAddress: '', server: '', protocol: 'ldap', messages: messages.length },
      message: (i) => Buffer.from(messages[i] ?? '', 'latin1'),
      stage: () => Buffer.from('x'),
    });

  test.each([
    [START_TLS, 'what follows is encrypted'],
    [plainBind(1, 'x', 'GSSAPI'), 'its log-in is by GSSAPI, which brings no password'],
    [bind(1, AL, 'x') + bind(2, BOB, 'y'), `it binds as '${AL}' and as '${BOB}'`],
  ])('%#', (said, reason) => {
    expect(plan(said)?.refused).toBe(reason);
  });

  test.each([
    [bind(1, '', '') + search(2)],
    [search(1)],
    ['0\x80garbage'],
    [bind(1, AL, 'x').slice(0, 9)],
  ])('stays: %#', (said) => {
    expect(plan(said)).toBeUndefined();
  });
});
