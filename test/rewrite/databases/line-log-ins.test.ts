/** Log-ins of SMTP, IMAP, POP3 and FTP as other accounts than the recorded ones. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { lineLogInModule } from '../../../src/rewrite/databases/line-log-ins.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const NEW = account('bob', 'a "new" pass');

/** What the server says first, and to each line. */
interface Exchange {
  readonly protocol: string;
  readonly greeting: string;
  readonly lines: readonly (readonly [line: string, answer: string, expected?: string])[];
  /** The answer that refuses, to the last line of the log-in. */
  readonly refuses: string;
}

const EXCHANGES: readonly (readonly [string, Exchange])[] = [
  [
    'SMTP, AUTH PLAIN at once',
    {
      protocol: 'smtp',
      greeting: '220 mail\r\n',
      lines: [
        ['EHLO me', '250-mail\r\n250 AUTH PLAIN'],
        [
          `AUTH PLAIN ${base64('\0al\0old')}`,
          '235 ok',
          `AUTH PLAIN ${base64('\0bob\0a "new" pass')}`,
        ],
        ['MAIL FROM:<AUTH PLAIN x>', '250 ok'],
      ],
      refuses: '535 5.7.8 no',
    },
  ],
  [
    'SMTP, AUTH LOGIN, a word at a time',
    {
      protocol: 'smtp',
      greeting: '220 mail\r\n',
      lines: [
        ['EHLO me', '250 mail'],
        ['AUTH LOGIN', `334 ${base64('User Name')}`],
        [base64('al'), `334 ${base64('Password')}`, base64('bob')],
        [base64('old'), '235 ok', base64('a "new" pass')],
        ['QUIT', '221 bye'],
      ],
      refuses: '535 no',
    },
  ],
  [
    'POP3, USER and PASS',
    {
      protocol: 'pop3',
      greeting: '+OK hello\r\n',
      lines: [
        ['USER al', '+OK', 'USER bob'],
        ['PASS old', '+OK', 'PASS a "new" pass'],
        ['STAT', '+OK 0 0'],
      ],
      refuses: '-ERR no',
    },
  ],
  [
    'FTP, USER and PASS',
    {
      protocol: 'ftp',
      greeting: '220 files\r\n',
      lines: [
        ['USER al', '331 password', 'USER bob'],
        ['PASS old', '230-welcome\r\n230 in', 'PASS a "new" pass'],
        ['SYST', '215 UNIX'],
      ],
      refuses: '530 no',
    },
  ],
  [
    'IMAP, LOGIN',
    {
      protocol: 'imap',
      greeting: '* OK hello\r\n',
      lines: [
        ['a1 CAPABILITY', '* CAPABILITY IMAP4rev1\r\na1 OK'],
        ['a2 LOGIN "al" old', 'a2 OK in', 'a2 LOGIN "bob" "a \\"new\\" pass"'],
        ['a3 SELECT INBOX', 'a3 OK'],
      ],
      refuses: 'a2 NO not you',
    },
  ],
  [
    'IMAP, AUTHENTICATE PLAIN, asked for',
    {
      protocol: 'imap',
      greeting: '* OK hello\r\n',
      lines: [
        ['a2 AUTHENTICATE PLAIN', '+ '],
        [base64('x\0al\0old'), 'a2 OK in', base64('x\0bob\0a "new" pass')],
        ['a3 LOGOUT', '* BYE\r\na3 OK'],
      ],
      refuses: 'a2 NO not you',
    },
  ],
];

const recordedOf = ({ greeting, lines }: Exchange) =>
  sessionOf(
    ['server', greeting],
    ...lines.flatMap(([line, answer]) => [
      ['client', `${line}\r\n`] as const,
      ['server', `${answer}\r\n`] as const,
    ]),
  );

describe.each(EXCHANGES)('%s', (_, exchange) => {
  const { protocol, greeting, lines, refuses } = exchange;
  const expected = lines.map(([line, , instead]) => `${instead ?? line}\r\n`);

  test('name and password are the account’s, and all else is as recorded', () => {
    const { heard, failures, counters } = playLogIns(
      lineLogInModule(protocol, [NEW]),
      [recordedOf(exchange)],
      (text) => {
        if (text === '') return [greeting];
        return [`${lines[expected.indexOf(text)]?.[1] ?? '500 what'}\r\n`];
      },
    );
    expect(heard).toEqual([expected]);
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('who is not let in ends there, with the server’s word', () => {
    const last = lines.findLastIndex(([, , instead]) => instead !== undefined);
    const { heard, failures, counters } = playLogIns(
      lineLogInModule(protocol, [NEW]),
      [recordedOf(exchange)],
      (text) => {
        if (text === '') return [greeting];
        const at = expected.indexOf(text);
        return [`${at === last ? refuses : lines[at]?.[1]}\r\n`];
      },
    );
    expect(heard).toEqual([expected.slice(0, last + 1)]);
    expect(failures).toEqual([`${protocol}: the server says: ${refuses}`]);
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
  });

  test('a server that quotes what it does not understand does not have the password told', () => {
    const last = lines.findLastIndex(([, , instead]) => instead !== undefined);
    const { failures } = playLogIns(
      lineLogInModule(protocol, [NEW]),
      [recordedOf(exchange)],
      (text) => {
        if (text === '') return [greeting];
        const at = expected.indexOf(text);
        return [at === last ? `${refuses}: ${text}` : `${lines[at]?.[1]}\r\n`];
      },
    );
    expect(failures).toHaveLength(1);
    const [word = ''] = (expected[last] ?? '').trimEnd().split(' ').slice(-1);
    expect(failures[0]).toMatch(/: the server says: .*…/);
    expect(failures[0]).not.toContain(word);
    expect(failures[0]).not.toContain('new');
  });
});

describe('what cannot be done anew is left out, and what is no log-in stays', () => {
  const plan = (protocol: string, ...messages: readonly string[]) =>
    lineLogInModule(protocol, [NEW]).plan({
      ...{ session: 0, clientAddress: '', server: '', protocol, messages: messages.length },
      message: (i) => Buffer.from(messages[i]),
      stage: () => Buffer.from('+OK\r\n'),
    });

  test.each([
    ['smtp', 'AUTH CRAM-MD5\r\n', 'its log-in is by CRAM-MD5, which brings no password'],
    ['smtp', 'EHLO x\r\nSTARTTLS\r\n', 'what follows is encrypted'],
    ['ftp', 'AUTH TLS\r\n', 'what follows is encrypted'],
    ['imap', 'a LOGIN {2}\r\n', 'its log-in is in literals'],
  ])('%s: %j', (protocol, text, reason) => {
    expect(plan(protocol, text)?.refused).toBe(reason);
  });

  test.each([
    ['smtp', 'EHLO x\r\nMAIL FROM:<a>\r\nAUTH PLAIN AAAA\r\n'],
    ['smtp', 'AUTH LOGIN\r\n*\r\n'],
    ['pop3', 'STAT\r\n'],
    ['redis', 'x'],
  ])('%s: %j', (protocol, text) => {
    const module = lineLogInModule(protocol === 'redis' ? 'smtp' : protocol, [NEW]);
    const messages = [text];
    const planned = module.plan({
      ...{ session: 0, clientAddress: '', server: '', protocol, messages: 1 },
      message: (i) => Buffer.from(messages[i]),
      stage: () => undefined,
    });
    expect(planned).toBeUndefined();
  });

  test('a password with a line end ends the user instead of saying two commands', () => {
    const exchange = EXCHANGES[2][1];
    const module = lineLogInModule('pop3', [account('bob', 'x\r\nDELE 1')]);
    const { heard, failures } = playLogIns(module, [recordedOf(exchange)], (text) => [
      text === '' ? exchange.greeting : '+OK\r\n',
    ]);
    expect(heard).toEqual([['USER bob\r\n']]);
    expect(failures).toEqual([
      'pop3: a name or password with a line end cannot be said in this protocol',
    ]);
  });
});
