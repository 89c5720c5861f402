/** PostgreSQL's log-ins, as other accounts than the recorded ones, and queries that are cancelled. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { type PostgresSettings, postgresModule } from '../../../src/rewrite/databases/postgres.ts';
import type { ProtocolModule } from '../../../src/rewrite/module.ts';
import type { RecordedSession } from '../../helpers/recorded.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

const u32 = (value: number): string => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets.toString('latin1');
};
const first = (code: number, body = ''): string => u32(8 + body.length) + u32(code) + body;
const message = (type: string, body = ''): string => type + u32(4 + body.length) + body;
const startUp = (...words: readonly string[]): string =>
  first(196_608, `${words.map((word) => `${word}\0`).join('')}\0`);
const ask = (kind: number, body = ''): string => message('R', u32(kind) + body);
const query = message('Q', 'select 1\0');
const READY = message('Z', 'I');
const keyOf = (process: number): string => u32(process) + u32(process * 7);
const welcome = (process: number): string =>
  `${ask(0)}${message('S', 'server_version\x0015\0')}${message('K', keyOf(process))}${READY}`;
const ANSWER = `${message('C', 'SELECT 1\0')}${READY}`;
const WRONG = message('E', 'SFATAL\0C28P01\0Mpassword authentication failed for user "bob"\0\0');
const TLS = first(80_877_103);
const CANCEL = (process: number): string => first(80_877_102, keyOf(process));

const moduleOf = (settings: Partial<PostgresSettings> = {}): ProtocolModule =>
  postgresModule({
    ...{ accounts: [account('bob', 'pass wörd')], perClient: false, readOnly: false },
    ...settings,
  });

/** As recorded: MD5, for al. */
const recorded = (...start: readonly string[]): RecordedSession =>
  sessionOf(
    ['client', startUp('user', 'al', ...start)],
    ['server', ask(5, 'salt')],
    ['client', message('p', 'md5old\0')],
    ['server', welcome(1)],
    ['client', query],
    ['server', ANSWER],
    ['client', message('X')],
  );
const STARTED = startUp('user', 'bob', 'database', 'al');

const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex');

/** A server's half of each kind of log-in: what it says to what; null: it is not let in. */
type Host = (heard: string) => string | null;

const SCRAM_SALT = 'AAECAwQF';
function scramHost(password: string, isHonest = true): Host {
  let bare = '';
  let challenge = '';
  return (heard) => {
    if (heard.startsWith(STARTED.slice(0, 8)))
      return ask(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0');
    if (challenge === '') {
      const [mechanism, rest = ''] = heard
        .slice(5)
        .split('\0', 1)
        .concat(heard.slice(5 + 14 + 4));
      if (mechanism !== 'SCRAM-SHA-256' || !rest.startsWith('n,,')) return null;
      bare = rest.slice(3);
      challenge = `${bare.split('r=')[1]}x,s=${SCRAM_SALT},i=10`;
      challenge = `r=${challenge}`;
      return ask(11, challenge);
    }
    const [without = '', proof = ''] = heard.slice(5).split(',p=');
    const salted = pbkdf2Sync(password, Buffer.from(SCRAM_SALT, 'base64'), 10, 32, 'sha256');
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const clientKey = hmac(salted, 'Client Key');
    const stored = createHash('sha256').update(clientKey).digest();
    const signed = `${bare},${challenge},${without}`;
    const signature = hmac(stored, signed);
    const expected = Buffer.from(clientKey.map((octet, i) => octet ^ signature[i]));
    if (expected.toString('base64') !== proof) return null;
    const key = hmac(salted, isHonest ? 'Server Key' : 'Other Key');
    return `${ask(12, `v=${hmac(key, signed).toString('base64')}`)}${welcome(77)}`;
  };
}

const HOSTS: readonly (readonly [string, (password: string) => Host])[] = [
  ['trust', () => () => welcome(77)],
  [
    'clear text',
    (password) => (heard) => {
      if (heard[0] !== 'p') return ask(3);
      return heard === message('p', `${Buffer.from(password).toString('latin1')}\0`)
        ? welcome(77)
        : null;
    },
  ],
  [
    'MD5',
    (password) => (heard) => {
      if (heard[0] !== 'p') return ask(5, '\xff\x00\x01z');
      const salted = Buffer.concat([
        Buffer.from(md5(Buffer.from(`${password}bob`))),
        Buffer.from('\xff\x00\x01z', 'latin1'),
      ]);
      return heard === message('p', `md5${md5(salted)}\0`) ? welcome(77) : null;
    },
  ],
  ['SCRAM-SHA-256', (password) => scramHost(password)],
];

/** One host a connection; queries are answered. */
function serving(make: () => Host) {
  const hosts = new Map<number, Host>();
  return (heard: string, connection: number): string[] => {
    if (heard === '') return [];
    if (heard === query) return [ANSWER];
    if (heard === message('X')) return [];
    const host = hosts.get(connection) ?? make();
    hosts.set(connection, host);
    return [host(heard) ?? WRONG];
  };
}

test.each(HOSTS)(
  'a server that asks for %s lets the account in, and the recording goes on',
  (_, host) => {
    const { heard, failures, counters } = playLogIns(
      moduleOf(),
      [recorded()],
      serving(() => host('pass wörd')),
      { options: { users: 3 } },
    );
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(3);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(3);
    expect(counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
    for (const all of heard) {
      expect(all[0]).toBe(STARTED);
      expect(all.slice(-2)).toEqual([query, message('X')]);
    }
  },
);

test.each(HOSTS.slice(1))('a server that asks for %s tells who has another password', (_, host) => {
  const { heard, failures, counters } = playLogIns(
    moduleOf(),
    [recorded()],
    serving(() => host('other')),
    { options: { users: 3 } },
  );
  expect(failures).toEqual([
    'postgresql: the server says: password authentication failed for user "…" (28P01)',
  ]);
  expect(counters[Counter.ABORTED_MODULE]).toBe(3);
  expect(heard.flat()).not.toContain(query);
});

test('a message of the server may come in pieces', () => {
  const host = serving(() => scramHost('pass wörd'));
  const { failures, counters } = playLogIns(moduleOf(), [recorded()], (heard, connection) =>
    heard === query
      ? [ANSWER]
      : host(heard, connection).flatMap((text) => text.match(/.{1,7}/gs) ?? []),
  );
  expect(failures).toEqual([]);
  expect(counters[Counter.COMPLETED]).toBe(1);
});

test.each([
  [
    'a server that does not know the password itself',
    scramHost('pass wörd', false),
    'the server does not know the password itself: its signature is another one',
  ],
  ['Kerberos', () => ask(7), 'the server asks for a log-in of kind 7'],
  [
    'another mechanism',
    () => ask(10, 'OAUTHBEARER\0\0'),
    'the server asks for a log-in by OAUTHBEARER',
  ],
])('%s ends the user', (_, host, reason) => {
  const { failures } = playLogIns(
    moduleOf(),
    [recorded()],
    serving(() => host),
  );
  expect(failures).toEqual([`postgresql: ${reason}`]);
});

describe('what a start-up says', () => {
  const startOf = (session: RecordedSession, settings: Partial<PostgresSettings> = {}) => {
    const { heard } = playLogIns(
      moduleOf(settings),
      [session],
      serving(() => () => welcome(7)),
    );
    return heard[0]?.[0];
  };

  test('is as recorded but for the user; a database that had no name keeps that of its user', () => {
    const [given, name] = ['database', 'shop'];
    expect(startOf(recorded(given, name, 'TimeZone', 'UTC'))).toBe(
      startUp('user', 'bob', 'database', 'shop', 'TimeZone', 'UTC'),
    );
    expect(startOf(recorded(), { accounts: [account(null, 'x')] })).toBe(
      startUp('user', 'al', 'database', 'al'),
    );
  });

  test('--read-only has the server refuse what writes', () => {
    const only = '-c default_transaction_read_only=on';
    expect(startOf(recorded('database', 'd'), { readOnly: true })).toBe(
      startUp('user', 'bob', 'database', 'd', 'options', only),
    );
    expect(startOf(recorded('options', '-c x=1', 'database', 'd'), { readOnly: true })).toBe(
      startUp('user', 'bob', 'options', `-c x=1 ${only}`, 'database', 'd'),
    );
  });
});

describe('before the start-up', () => {
  const behind = (...turns: readonly (readonly ['client' | 'server', string])[]) =>
    sessionOf(
      ...turns,
      ['client', startUp('user', 'al')],
      ['server', welcome(1)],
      ['client', query],
      ['server', ANSWER],
    );

  test('a wish for encryption that was refused is not uttered: the target might grant it', () => {
    const session = behind(
      ['client', first(80_877_104)],
      ['server', 'N'],
      ['client', TLS],
      ['server', 'N'],
    );
    const { heard, counters } = playLogIns(
      moduleOf(),
      [session],
      serving(() => () => welcome(7)),
    );
    expect(heard).toEqual([[STARTED, query]]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  const planned = (module: ProtocolModule, ...messages: readonly string[]) =>
    module.plan({
      ...{ session: 0, clientAddress: 'c', server: '', protocol: 'postgresql' },
      messages: messages.length,
      message: (i) => Buffer.from(messages[i], 'latin1'),
      stage: (i) => Buffer.from(i === 0 ? '' : 'S'),
    });

  test.each([
    ['one that was granted', [TLS, '\x16\x03\x01'], 'it is encrypted'],
    ['an old version', [first(131_072)], 'its version is not known'],
    [
      'a query at once',
      [`${startUp('user', 'al')}${query}`],
      'its log-in and what follows were sent in one go',
    ],
    [
      'a cancellation by a client that is not played as a whole',
      [CANCEL(1)],
      'it cancels a query of another connection: play clients with all of theirs, --per client',
    ],
  ])('%s leaves the session out', (_, messages, reason) => {
    expect(planned(moduleOf(), ...messages)?.refused).toBe(reason);
  });

  test('so does a user without an account, and a cancellation of nobody’s query', () => {
    const own = { recorded: 'root', user: null, password: '' };
    expect(planned(moduleOf({ accounts: [own] }), startUp('user', 'al'))?.refused).toBe(
      "no account stands for the recorded user 'al'",
    );
    expect(planned(moduleOf({ perClient: true }), CANCEL(1))?.refused).toBe(
      'it cancels a query of a connection that is not played',
    );
  });

  test('nothing else: a connection that only asked is as it was', () => {
    expect(planned(moduleOf(), TLS)).toBeUndefined();
  });
});

describe('a query that is cancelled', () => {
  /** The second connection cancels what the first one asks. */
  const canceller = (process: number) =>
    sessionOf(['client', TLS], ['server', 'N'], ['client', CANCEL(process)]);

  test('is left out at once where its connection could not log in', () => {
    const { counters, result } = playLogIns(
      moduleOf({ perClient: true }),
      [recorded(), canceller(1)],
      () => [],
      {
        options: { per: 'client', users: 1, pace: 'schedule' },
        scripts: {
          clientAddress: Uint32Array.of(7, 7),
          clientAddressWords: Uint32Array.of(0, 0, 0xffff, 0x0a000007),
          durationNs: Float64Array.of(2e9, 2e9),
        },
        server: (text) => (text === STARTED ? [{ text: '', end: true, delayMs: 100 }] : []),
      },
    );
    expect(counters[Counter.ABORTED_CLOSED_EARLY]).toBe(1);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.MESSAGES_UNBOUND]).toBe(0);
    expect(result.endMs).toBeLessThan(3_000);
  });

  test.each<[string, 'think' | 'schedule', number]>([
    ['once its connection has logged in', 'think', 0],
    ['as soon as it has, where that takes longer than recorded', 'schedule', 400],
  ])('brings the pair of process and key that its client has: %s', (_, pace, delayMs) => {
    let process = 100;
    const keys = new Map<number, string>();
    const { heard, counters, result } = playLogIns(
      moduleOf({ perClient: true }),
      [recorded(), canceller(1)],
      () => [],
      {
        options: { per: 'client', users: 3, pace },
        scripts: {
          clientAddress: Uint32Array.of(7, 7),
          clientAddressWords: Uint32Array.of(0, 0, 0xffff, 0x0a000007),
          durationNs: Float64Array.of(2e9, 2e9),
        },
        server: (text, connection) => {
          if (text.length === CANCEL(0).length) keys.set(connection, text.slice(8));
          if (text.includes(query)) return [ANSWER];
          if (text !== STARTED) return [];
          process++;
          return [{ text: welcome(process), delayMs }];
        },
      },
    );
    expect(heard).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(6);
    expect([...keys.values()].sort()).toEqual([101, 102, 103].map(keyOf).sort());
    // No longer than the log-in took: nobody waits for the end of --bind-timeout.
    expect(result.endMs).toBeLessThan(3_000);
  });
});
