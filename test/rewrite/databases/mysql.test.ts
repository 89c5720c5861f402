/** MySQL's log-ins, as other accounts than the recorded ones, and numbers of prepared statements. */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { type MysqlSettings, mysqlModule } from '../../../src/rewrite/databases/mysql.ts';
import {
  Capability,
  logInResponseOf,
  logInResponseText,
  numberText,
  packetsOf,
  packetText,
} from '../../../src/rewrite/databases/mysql-packets.ts';
import type { ProtocolModule } from '../../../src/rewrite/module.ts';
import type { RecordedSession } from '../../helpers/recorded.ts';
import { zstdFrame } from '../../helpers/zstd.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

type Turn = readonly ['client' | 'server', string];

const NATIVE = 'mysql_native_password';
const CACHING = 'caching_sha2_password';
const BASE =
  Capability.PROTOCOL_41 |
  Capability.SECURE_CONNECTION |
  Capability.PLUGIN_AUTH |
  Capability.CONNECT_WITH_DB |
  Capability.CONNECT_ATTRIBUTES;
const ALL = BASE | Capability.DEPRECATE_EOF | Capability.COMPRESS | Capability.TLS;
const OLD_NONCE = 'old nonce of twenty.';
const NONCE = 'new nonce of twenty,';

const greeting = (capabilities: number, nonce: string, plugin: string): string =>
  packetText(
    0,
    [
      ...['\x0a10.11.2\0', numberText(7, 4), nonce.slice(0, 8), '\0'],
      ...[numberText(capabilities & 0xffff, 2), '\x2d', '\x02\0'],
      ...[numberText(capabilities >>> 16, 2), '\x15', '\0'.repeat(10), nonce.slice(8), '\0'],
      `${plugin}\0`,
    ].join(''),
  );
const response = (capabilities: number, user = 'al', proof = 'x'.repeat(20)): string =>
  packetText(
    1,
    logInResponseText({
      ...{ capabilities, limits: '\0\0\0\x01\x2d', extended: 0, user, proof, database: 'shop' },
      ...{ plugin: NATIVE, attributes: '\x04\x01a\x01b' },
    }),
  );
const ok = (sequence: number): string => packetText(sequence, '\0\0\0\x02\0\0\0');
const error = (sequence: number, code: number, text: string): string =>
  packetText(sequence, `\xff${numberText(code, 2)}#28000${text}`);
const command = (code: number, rest = ''): string =>
  packetText(0, String.fromCharCode(code) + rest);
const query = (text: string): string => command(3, text);
const prepare = (text: string): string => command(0x16, text);
const execute = (id: number): string => command(0x17, `${numberText(id, 4)}\0\x01\0\0\0`);
const close = (id: number): string => command(0x19, numberText(id, 4));
const prepared = (id: number): string => packetText(1, `\0${numberText(id, 4)}\0\0\0\0\0\0\0`);

const recorded = (...turns: readonly Turn[]): RecordedSession =>
  sessionOf(
    ['server', greeting(ALL, OLD_NONCE, NATIVE)],
    ['client', response(BASE)],
    ['server', ok(2)],
    ...turns,
    ['client', command(1)],
  );
const ASKED = recorded(['client', query('select 1')], ['server', ok(1)]);

const moduleOf = (settings: Partial<MysqlSettings> = {}): ProtocolModule =>
  mysqlModule({ accounts: [account('bob', 'pass wörd')], readOnly: false, ...settings });

const sha = (algorithm: string, ...parts: readonly (string | Buffer)[]): Buffer => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(typeof part === 'string' ? Buffer.from(part) : part);
  return hash.digest();
};
const xor = (a: Buffer, b: Buffer): string =>
  Buffer.from(a.map((octet, i) => octet ^ b[i])).toString('latin1');
const nativeProof = (password: string, nonce: string): string => {
  const once = sha('sha1', password);
  return xor(once, sha('sha1', nonce, sha('sha1', once)));
};
const cachingProof = (password: string, nonce: string): string => {
  const once = sha('sha256', password);
  return xor(once, sha('sha256', sha('sha256', once), nonce));
};

/** Quit, octets of a parameter, and the end of a statement. */
const UNANSWERED = [0x01, 0x18, 0x19];

/** What the server says to a packet; undefined: nothing. */
type Answers = (packet: string, body: string) => string | undefined;

/** Greets, then answers packet by packet. */
const serving =
  (plugin: string, logIn: Answers, answers: Answers = () => undefined, capabilities = ALL) =>
  (heard: string): string[] => {
    if (heard === '') return [greeting(capabilities, NONCE, plugin)];
    return [...packetsOf(heard)].flatMap(({ sequence, body, from, to }) => {
      const packet = heard.slice(from, to);
      const said = sequence > 0 ? logIn(packet, body) : answers(packet, body);
      return said ?? (sequence > 0 || UNANSWERED.includes(body.charCodeAt(0)) ? [] : [ok(1)]);
    });
  };
const welcoming: Answers = () => ok(2);

/** Right where the first response has this proof. */
const proofIs =
  (expected: string): Answers =>
  (_, body) =>
    logInResponseOf(body)?.proof === expected
      ? ok(2)
      : error(2, 1045, "Access denied for user 'bob'@'10.0.0.7' (using password: YES)");

describe('a server that proves by', () => {
  const SWITCHED = 'another nonce of 20,';
  const hosts: readonly (readonly [string, string, Answers])[] = [
    ['mysql_native_password', NATIVE, proofIs(nativeProof('pass wörd', NONCE))],
    [
      'caching_sha2_password, with the password in its cache',
      CACHING,
      (_, body) =>
        logInResponseOf(body)?.proof === cachingProof('pass wörd', NONCE)
          ? packetText(2, '\x01\x03') + ok(3)
          : error(2, 1045, 'no'),
    ],
    [
      'another plugin than its default',
      CACHING,
      (packet, body) => {
        if (packet[3] === '\x01') return packetText(2, `\xfe${NATIVE}\0${SWITCHED}\0`);
        const isRight = packet[3] === '\x03' && body === nativeProof('pass wörd', SWITCHED);
        return isRight ? ok(4) : error(4, 1045, 'no');
      },
    ],
    [
      'a plugin that is not spoken by default',
      'sha256_password',
      (packet, body) => {
        if (packet[3] === '\x01') return packetText(2, `\xfe${CACHING}\0${SWITCHED}\0`);
        return body === cachingProof('pass wörd', SWITCHED) ? ok(4) : error(4, 1045, 'no');
      },
    ],
  ];

  test.each(hosts)('%s lets the account in, and the recording goes on', (_, plugin, logIn) => {
    const { heard, failures, counters } = playLogIns(moduleOf(), [ASKED], serving(plugin, logIn), {
      options: { users: 3 },
    });
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(3);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(3);
    for (const all of heard) expect(all.slice(-2)).toEqual([query('select 1'), command(1)]);
  });

  test('whoever has another password is told so, all users with one text', () => {
    const { heard, failures, counters } = playLogIns(
      moduleOf({ accounts: [account('bob', 'x')] }),
      [ASKED],
      serving(NATIVE, proofIs(nativeProof('pass wörd', NONCE))),
      { options: { users: 3 } },
    );
    expect(failures).toEqual([
      "mysql: the server says: Access denied for user '…'@'…' (using password: YES) (1045)",
    ]);
    expect(counters[Counter.ABORTED_MODULE]).toBe(3);
    expect(heard.flat()).not.toContain(query('select 1'));
  });

  test('a server that turns clients away instead of greeting them is quoted', () => {
    const { failures } = playLogIns(moduleOf(), [ASKED], (heard) =>
      heard === '' ? [packetText(0, `\xff${numberText(1040, 2)}Too many connections`)] : [],
    );
    expect(failures).toEqual(['mysql: the server says: Too many connections (1040)']);
  });
});

describe.each([
  { by: 'zlib', wish: Capability.COMPRESS, pack: deflateSync },
  { by: 'Zstandard', wish: Capability.ZSTD, pack: zstdFrame },
  // Whoever has agreed to both compresses by one of them.
  { by: 'one of both', wish: Capability.COMPRESS | Capability.ZSTD, pack: zstdFrame },
])('a recording whose packets are compressed by $by', ({ wish, pack }) => {
  const packed = (number: number, plain: string): string => {
    const content =
      plain.length < 50 ? plain : pack(Buffer.from(plain, 'latin1')).toString('latin1');
    const before = content === plain ? 0 : plain.length;
    const head = numberText(content.length, 3) + String.fromCharCode(number);
    return `${head}${numberText(before, 3)}${content}`;
  };
  const LONG = query(`select '${'a'.repeat(3_000)}'`);
  const TOLD = packetText(1, `\0\0\0\x02\0\0\0${'x'.repeat(250)}`);
  const said = (...turns: readonly Turn[]): RecordedSession =>
    sessionOf(
      ['server', greeting(ALL | wish, OLD_NONCE, NATIVE)],
      ['client', response(BASE | wish)],
      ['server', ok(2)],
      ...turns,
      ['client', packed(0, command(1))],
    );
  const WHOLE = said(
    ['client', packed(0, prepare('select ?'))],
    ['server', packed(1, prepared(1))],
    ['client', packed(0, execute(1) + LONG)],
    ['server', packed(1, ok(1) + ok(1))],
    ['client', packed(0, query('select 2'))],
    ['server', packed(1, TOLD)],
  );
  const parts = (turns: readonly Turn[], at: number): Turn[] =>
    turns.flatMap(([from, text]): Turn[] =>
      from === 'server'
        ? [[from, text]]
        : [
            [from, text.slice(0, at)],
            [from, text.slice(at)],
          ],
    );
  const PARTED = said(
    ...parts(
      [
        ['client', packed(0, prepare('select ?'))],
        ['server', packed(1, prepared(1))],
        ['client', packed(0, execute(1) + LONG)],
        ['server', packed(1, ok(1) + ok(1))],
        ['client', packed(0, query('select 2'))],
        ['server', packed(1, TOLD)],
      ],
      7,
    ),
  );
  /** Other answers than recorded, as long as they like, and not compressed. */
  const answers: Answers = (packet, body) => {
    if (body[0] === '\x16') return prepared(77);
    return packet === query('select 2') ? packetText(1, '\0\0\0\x02\0\0\0more') : undefined;
  };

  test.each([
    ['packet by packet', WHOLE],
    ['heads and contents apart', PARTED],
  ])('is played without, where clients had written %s', (_, session) => {
    const { heard, failures, counters } = playLogIns(
      moduleOf(),
      [session],
      serving(NATIVE, proofIs(nativeProof('pass wörd', NONCE)), answers),
      { options: { users: 3 } },
    );
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(3);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(12);
    expect(counters[Counter.ANSWER_BY_PROTOCOL]).toBe(12);
    expect(counters[Counter.ANSWERS_UNFOLLOWED]).toBe(0);
    for (const all of heard) {
      const [logIn, ...rest] = all;
      expect(logInResponseOf(logIn.slice(4))?.capabilities).toBe(BASE);
      expect(rest.join('')).toBe(
        [prepare('select ?'), execute(77), LONG, query('select 2'), command(1)].join(''),
      );
    }
  });

  test('logs in and nothing else where nothing else was recorded', () => {
    const session = sessionOf(
      ['server', greeting(ALL | wish, OLD_NONCE, NATIVE)],
      ['client', response(BASE | wish)],
      ['server', ok(2)],
    );
    const { failures, counters } = playLogIns(moduleOf(), [session], serving(NATIVE, welcoming));
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('what writes is left out of it, and statements that cannot be prepared are not executed', () => {
    const session = said(
      ['client', packed(0, query('delete from t'))],
      ['server', packed(1, ok(1))],
      ['client', packed(0, prepare('select ?'))],
      ['server', packed(1, prepared(1))],
      ['client', packed(0, execute(1))],
      ['server', packed(1, ok(1))],
      ['client', packed(0, LONG)],
      ['server', packed(1, ok(1))],
    );
    const { heard, failures } = playLogIns(
      moduleOf({ readOnly: true }),
      [session],
      serving(NATIVE, welcoming, (_, body) =>
        body[0] === '\x16' ? error(1, 1146, 'no such table') : undefined,
      ),
    );
    expect(failures).toEqual([]);
    expect(heard[0].slice(1)).toEqual([prepare('select ?'), LONG, command(1)]);
  });
});

describe('what the log-in says', () => {
  const responseTo = (capabilities: number, offered = ALL) => {
    const session = sessionOf(
      ['server', greeting(0xffff_ffff & ~1, OLD_NONCE, NATIVE)],
      ['client', response(capabilities)],
      ['server', ok(2)],
    );
    const played = playLogIns(
      moduleOf(),
      [session],
      serving(NATIVE, welcoming, undefined, offered),
    );
    const said = played.heard[0]?.[0] ?? '';
    return { response: logInResponseOf(said.slice(4)), failures: played.failures };
  };

  test('is as recorded, as far as both have agreed and offered it', () => {
    const { response: said } = responseTo(BASE | Capability.LENGTH_ENCODED_AUTH | 0x1_0004);
    expect(said).toMatchObject({
      ...{ capabilities: BASE, user: 'bob', database: 'shop', attributes: '\x04\x01a\x01b' },
      ...{ proof: nativeProof('pass wörd', NONCE), plugin: NATIVE, limits: '\0\0\0\x01\x2d' },
    });
  });

  test.each([
    ['CLIENT_DEPRECATE_EOF', Capability.DEPRECATE_EOF],
    ['CLIENT_QUERY_ATTRIBUTES', Capability.QUERY_ATTRIBUTES],
  ])('%s cannot be done without', (name, capability) => {
    expect(responseTo(BASE | capability, BASE).failures).toEqual([
      `mysql: the server does not offer ${name}, which the recording has`,
    ]);
    expect(responseTo(BASE | capability, BASE | capability).failures).toEqual([]);
  });

  test('what the recorded server did not offer is not missed, whatever its client wished for', () => {
    const session = sessionOf(
      ['server', greeting(BASE, OLD_NONCE, NATIVE)],
      ['client', response(BASE | Capability.QUERY_ATTRIBUTES | Capability.COMPRESS)],
      ['server', ok(2)],
    );
    const { failures, counters } = playLogIns(moduleOf(), [session], serving(NATIVE, welcoming));
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });
});

describe('prepared statements', () => {
  const SESSION = recorded(
    ['client', prepare('select ?')],
    ['server', prepared(1)],
    ['client', execute(1)],
    ['server', ok(1)],
    ['client', prepare('select * from t')],
    ['server', prepared(2)],
    ['client', `${command(0x18, `${numberText(2, 4)}\0\0data`)}${execute(2)}`],
    ['server', ok(1)],
    ['client', `${close(1)}${query('select 3')}`],
    ['server', ok(1)],
    ['client', close(2)],
  );

  /** Numbers count from 41; what has `t` cannot be prepared. */
  const answering = (): Answers => {
    let id = 40;
    return (_, body) => {
      if (body[0] !== '\x16') return undefined;
      if (body.endsWith(' t')) return error(1, 1146, 'no such table');
      id++;
      return prepared(id);
    };
  };

  test.each(['think', 'schedule'] as const)(
    'have the numbers that the target gives (%s); what it does not prepare is not executed',
    (pace) => {
      const { heard, failures, counters } = playLogIns(
        moduleOf(),
        [SESSION],
        serving(NATIVE, welcoming, answering()),
        { options: { pace } },
      );
      expect(failures).toEqual([]);
      expect(heard[0].slice(1).join('')).toBe(
        [
          ...[prepare('select ?'), execute(41), prepare('select * from t')],
          ...[close(41), query('select 3'), command(1)],
        ].join(''),
      );
      expect(counters[Counter.COMPLETED]).toBe(1);
      expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(1);
    },
  );

  test('MariaDB’s number for the last one stays, in the message of its preparing', () => {
    const message = `${prepare('select ?')}${execute(0xffff_ffff)}`;
    const session = recorded(
      ['client', message],
      ['server', prepared(1) + ok(1)],
      ['client', execute(1)],
      ['server', ok(1)],
    );
    const { heard } = playLogIns(moduleOf(), [session], serving(NATIVE, welcoming, answering()));
    expect(heard[0].slice(1)).toEqual([message, execute(41), command(1)]);
  });

  test('a failed one amid other commands ends the user: nobody could count the answers', () => {
    const session = recorded(
      ['client', prepare('select * from t')],
      ['server', prepared(1)],
      ['client', `${execute(1)}${query('select 1')}`],
      ['server', ok(1) + ok(1)],
    );
    const { failures } = playLogIns(moduleOf(), [session], serving(NATIVE, welcoming, answering()));
    expect(failures).toEqual([
      'mysql: a statement that could not be prepared is executed amid other commands',
    ]);
  });
});

describe('a local file', () => {
  const SESSION = recorded(
    ['client', query("load data local infile 'x' into table t")],
    ['server', packetText(1, '\xfbx')],
    ['client', `${packetText(2, 'rows')}${packetText(3, '')}`],
    ['server', ok(4)],
    ['client', query('select 1')],
    ['server', ok(1)],
  );

  test.each([
    ['is sent where the target asks for it', packetText(1, '\xfbx'), true],
    ['is not, where it refuses', error(1, 3948, 'disabled'), false],
  ])('%s', (_, said, isSent) => {
    const { heard, counters } = playLogIns(
      moduleOf(),
      [SESSION],
      serving(
        NATIVE,
        (packet) => (packet[3] === '\x01' ? ok(2) : packet[3] === '\x03' ? ok(4) : undefined),
        (_packet, body) => (body.includes('local') ? said : undefined),
      ),
    );
    expect(heard[0].some((each) => each.includes('rows'))).toBe(isSent);
    expect(heard[0].slice(-2)).toEqual([query('select 1'), command(1)]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });
});

describe('a change of users', () => {
  const SWITCHED = 'nonce of the change..';
  const change = (user: string, proof: string, plugin = NATIVE): string =>
    command(
      0x11,
      `${user}\0${String.fromCharCode(proof.length)}${proof}shop\0\x2d\0${plugin}\0\x04\x01a\x01b`,
    );
  const SESSION = recorded(
    ['client', change('al', 'y'.repeat(20))],
    ['server', packetText(1, `\xfe${NATIVE}\0${OLD_NONCE}\0`)],
    ['client', packetText(2, 'z'.repeat(20))],
    ['server', ok(3)],
    ['client', query('select 1')],
    ['server', ok(1)],
  );
  const first = change('bob', nativeProof('pass wörd', NONCE));

  test.each<[string, Answers, readonly string[]]>([
    [
      'is proved by the nonce that the target gives',
      (_, body) => (body[0] === '\x11' ? packetText(1, `\xfe${NATIVE}\0${SWITCHED}\0`) : undefined),
      [first, packetText(2, nativeProof('pass wörd', SWITCHED.slice(0, 20)))],
    ],
    ['is over where the target accepts the first proof', () => ok(1), [first]],
  ])('%s', (_, answers, expected) => {
    const logIn: Answers = (packet) => (packet[3] === '\x01' ? ok(2) : ok(3));
    const { heard, failures, counters } = playLogIns(
      moduleOf(),
      [SESSION],
      serving(NATIVE, logIn, answers),
    );
    expect(failures).toEqual([]);
    expect(heard[0].slice(1)).toEqual([...expected, query('select 1'), command(1)]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('that is refused, or takes more steps than recorded, ends the user', () => {
    const failing = (session: RecordedSession, said: string) =>
      playLogIns(
        moduleOf(),
        [session],
        serving(NATIVE, welcoming, (_, body) => (body[0] === '\x11' ? said : undefined)),
      ).failures;
    expect(failing(SESSION, error(1, 1045, 'no'))).toEqual(['mysql: the server says: no (1045)']);
    const short = recorded(
      ['client', change('al', 'y'.repeat(20))],
      ['server', ok(1)],
      ['client', query('select 1')],
      ['server', ok(1)],
    );
    expect(failing(short, packetText(1, `\xfe${NATIVE}\0${SWITCHED}\0`))).toEqual([
      'mysql: a change of users takes more steps than were recorded',
    ]);
  });
});

describe('--read-only', () => {
  test('leaves out what writes, prepared statements and files included', () => {
    const session = recorded(
      ['client', query('select 1')],
      ['server', ok(1)],
      ['client', query('insert into t values (1)')],
      ['server', ok(1)],
      ['client', prepare('delete from t where i = ?')],
      ['server', prepared(1)],
      ['client', execute(1)],
      ['server', ok(1)],
      ['client', query("load data local infile 'x' into table t")],
      ['server', packetText(1, '\xfbx')],
      ['client', `${packetText(2, 'rows')}${packetText(3, '')}`],
      ['server', ok(4)],
      ['client', command(5, 'database')],
      ['server', ok(1)],
    );
    const { heard, counters } = playLogIns(
      moduleOf({ readOnly: true }),
      [session],
      serving(NATIVE, welcoming),
    );
    expect(heard[0].slice(1)).toEqual([query('select 1'), command(1)]);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_SKIPPED]).toBe(6);
  });
});

describe('what cannot be played is left out', () => {
  const planned = (module: ProtocolModule, offered: number, ...messages: readonly string[]) =>
    module.plan({
      ...{ session: 0, clientAddress: '', server: '', protocol: 'mysql' },
      messages: messages.length,
      message: (i) => Buffer.from(messages[i], 'latin1'),
      stage: (i) => Buffer.from(i === 0 ? greeting(offered, OLD_NONCE, NATIVE) : ok(1), 'latin1'),
    });

  test.each([
    [
      'encryption',
      [packetText(1, numberText(BASE | Capability.TLS, 4) + '\0'.repeat(28))],
      'it is encrypted',
    ],
    ['an old client', [packetText(1, '\x05\0\0\0\0al\0')], 'it logs in as before version 4.1'],
    [
      'compression that is none',
      [response(BASE | Capability.COMPRESS), query('select 1')],
      'its compressed packets cannot be read',
    ],
    ['a replica', [response(BASE), command(0x12)], 'it is a replica’s'],
    [
      'a statement of before',
      [response(BASE), execute(9)],
      'it uses statements whose preparing was not recorded',
    ],
    [
      'half a command',
      [response(BASE), query('select').slice(0, 8)],
      'its commands cannot be told apart',
    ],
  ])('%s', (_, messages, reason) => {
    expect(planned(moduleOf(), ALL, ...messages)?.refused).toBe(reason);
  });

  test('compression by Zstandard that is none, where it was offered', () => {
    const messages = [response(BASE | Capability.ZSTD), query('select 1')];
    expect(planned(moduleOf(), BASE, ...messages)?.refused).toBeUndefined();
    expect(planned(moduleOf(), BASE | Capability.ZSTD, ...messages)?.refused).toBe(
      'its compressed packets cannot be read',
    );
  });

  test('a user without an account, and reading and writing in one go where nothing is to be written', () => {
    const own = { recorded: 'root', user: null, password: '' };
    expect(planned(moduleOf({ accounts: [own] }), ALL, response(BASE))?.refused).toBe(
      "no account stands for the recorded user 'al'",
    );
    const both = query('select 1') + query('delete from t');
    expect(planned(moduleOf({ readOnly: true }), ALL, response(BASE), both)?.refused).toBe(
      'it reads and writes in one go, and nothing is to be written',
    );
  });
});
