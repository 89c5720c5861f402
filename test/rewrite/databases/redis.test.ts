/** Redis' log-ins, as other accounts than the recorded ones. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { redisModule } from '../../../src/rewrite/databases/redis.ts';
import { endOfReply, respCommands } from '../../../src/rewrite/databases/resp-text.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

const bulks = (...words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

/** Says OK to the right password, and to all else. */
const server =
  (password: string) =>
  (text: string): string[] =>
    [...respCommands(text)].map(({ args }) => {
      const words = args.map(({ from, to }) => text.slice(from, to));
      const isLogIn = words[0] === 'AUTH' || words.includes('AUTH');
      const isRight = !isLogIn || words.includes(password);
      return isRight ? '+OK\r\n' : '-WRONGPASS invalid username-password pair\r\n';
    });

describe('a recorded log-in', () => {
  test.each([
    ['a password alone', ['AUTH', 'old'], null, ['AUTH', 'new pass']],
    ['a password for a name', ['AUTH', 'old'], 'bob', ['AUTH', 'bob', 'new pass']],
    ['name and password', ['AUTH', 'al', 'old'], 'bob', ['AUTH', 'bob', 'new pass']],
    ['the recorded name stays', ['auth', 'al', 'old'], null, ['auth', 'al', 'new pass']],
    [
      'HELLO with AUTH',
      ['HELLO', '3', 'AUTH', 'al', 'old', 'SETNAME', 'x'],
      'bob',
      ['HELLO', '3', 'AUTH', 'bob', 'new pass', 'SETNAME', 'x'],
    ],
  ])('%s', (_, recorded, user, expected) => {
    const module = redisModule([account(user, 'new pass')]);
    const session = sessionOf(
      ['client', bulks(...recorded)],
      ['server', '+OK\r\n'],
      ['client', bulks('GET', 'AUTH')],
      ['server', '$1\r\n5\r\n'],
    );
    const { heard, counters, failures } = playLogIns(module, [session], server('new pass'));
    expect(heard).toEqual([[bulks(...expected), bulks('GET', 'AUTH')]]);
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('amid commands that were sent in one go, and behind a value that looks like one', () => {
    const value = bulks('AUTH', 'none');
    const first = bulks('SET', 'k', value);
    const session = sessionOf(
      ['client', `${first}${bulks('AUTH', 'old')}${bulks('PING')}`],
      ['server', '+OK\r\n+OK\r\n+PONG\r\n'],
    );
    const module = redisModule([account(null, 'ü')]);
    const { heard, failures } = playLogIns(module, [session], server('Ã¼'));
    expect(heard).toEqual([[`${first}${bulks('AUTH', 'Ã¼')}${bulks('PING')}`]]);
    expect(failures).toEqual([]);
  });

  test('as a line: what people type', () => {
    const session = sessionOf(
      ['client', bulks('PING')],
      ['server', '+PONG\r\n'],
      ['client', 'AUTH old\r\n'],
      ['server', '+OK\r\n'],
    );
    const { heard } = playLogIns(redisModule([account(null, 'new')]), [session], server('new'));
    expect(heard).toEqual([[bulks('PING'), bulks('AUTH', 'new')]]);
  });

  test('with the wrong password ends the user, with what the server says', () => {
    const session = sessionOf(
      ['client', bulks('AUTH', 'old')],
      ['server', '+OK\r\n'],
      ['client', bulks('GET', 'k')],
      ['server', '$-1\r\n'],
    );
    const { heard, failures, counters } = playLogIns(
      redisModule([account(null, 'wrong')]),
      [session],
      server('right'),
      { options: { users: 3 } },
    );
    expect(failures).toEqual(['redis: the server says: WRONGPASS invalid username-password pair']);
    expect(counters[Counter.ABORTED_MODULE]).toBe(3);
    expect(heard.flat()).not.toContain(bulks('GET', 'k'));
  });
});

describe('a session that was recorded without a log-in', () => {
  const session = sessionOf(['client', bulks('GET', 'k')], ['server', '$-1\r\n']);

  test.each([
    ['the default user', null, ['AUTH', 'new']],
    ['a user of a name', 'bob', ['AUTH', 'bob', 'new']],
  ])('logs in before its first command: %s', (_, user, expected) => {
    const module = redisModule([account(user, 'new')]);
    const { heard, counters } = playLogIns(module, [session], server('new'));
    expect(heard).toEqual([[bulks(...expected), bulks('GET', 'k')]]);
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(1);
  });

  test.each([
    ['whole', 'p4ss word', "'bob' '…'"],
    ['of few letters', 'ok', "'bob' '…'"],
    ['cut off', `${'a long one '.repeat(12)}`, "'bob' '…'"],
  ])('has its password told by nobody where the server quotes it: %s', (_, password, quoted) => {
    const module = redisModule([account('bob', password)]);
    const quotes = (text: string): string[] =>
      [...respCommands(text)].map(({ args }) => {
        const words = args.map(({ from, to }) => text.slice(from, Math.min(to, from + 100)));
        const [name, ...more] = words;
        return `-ERR unknown command '${name}', look: 'bob' '${more.at(-1)}'\r\n`;
      });
    const { failures } = playLogIns(module, [session], quotes);
    expect(failures).toEqual([
      `redis: the server says: ERR unknown command 'AUTH', look: ${quoted}`,
    ]);
  });

  test('is told why it is not let in', () => {
    const module = redisModule([account('bob', 'new')]);
    const { failures } = playLogIns(module, [session], server('other'));
    expect(failures).toEqual(['redis: the server says: WRONGPASS invalid username-password pair']);
  });
});

describe('who logs in', () => {
  const session = (user: string) =>
    sessionOf(['client', bulks('AUTH', user, 'old')], ['server', '+OK\r\n']);

  test('clients take accounts in turn, those of a recorded user their own', () => {
    const module = redisModule([
      account('a', '1'),
      account('b', '2'),
      { recorded: 'root', user: 'admin', password: '3' },
    ]);
    const { heard } = playLogIns(
      module,
      [session('x'), session('root')],
      (text) => (text === '' ? [] : ['+OK\r\n']),
      { options: { users: 6 } },
    );
    const admin = bulks('AUTH', 'admin', '3');
    const a = bulks('AUTH', 'a', '1');
    expect(heard.flat().sort()).toEqual([admin, admin, admin, a, a, a].sort());
  });

  test('a session whose user has no account is left out, and so is one of two users', () => {
    const module = redisModule([{ recorded: 'root', user: null, password: '3' }]);
    const plan = (...messages: readonly string[]) =>
      module.plan({
        ...{ session: 0, clientAddress: '', server: '', protocol: 'redis' },
        messages: messages.length,
        message: (i) => Buffer.from(messages[i]),
        stage: () => Buffer.from('+OK\r\n'),
      })?.refused;
    expect(plan(bulks('AUTH', 'x', 'old'))).toBe("no account stands for the recorded user 'x'");
    expect(plan(bulks('AUTH', 'root', 'o'), bulks('AUTH', 'x', 'o'))).toBe(
      "it logs in as 'root' and as 'x'",
    );
    const [first, rest] = [bulks('AUTH', 'root', 'o').slice(0, 20), bulks('AUTH', 'root', 'o')];
    expect(plan(first, rest.slice(20))).toBe('its log-in is cut into several messages');
  });

  test('sessions of other protocols are none of its business', () => {
    const http = sessionOf(
      ['client', 'GET / HTTP/1.1\r\n\r\n'],
      ['server', 'HTTP/1.1 204 X\r\n\r\n'],
    );
    const { heard } = playLogIns(redisModule([account(null, 'x')]), [http], (text) =>
      text === '' ? [] : ['HTTP/1.1 204 X\r\n\r\n'],
    );
    expect(heard).toEqual([['GET / HTTP/1.1\r\n\r\n']]);
  });
});

test.each([
  ['a line', '+OK\r\n', 5],
  ['a bulk', '$3\r\na\r\n\r\n', 9],
  ['none', '$-1\r\n', 5],
  ['an array of arrays', '*2\r\n*1\r\n:1\r\n$0\r\n\r\n', 18],
  ['a map', '%1\r\n+a\r\n:1\r\n', 12],
  ['a push before it', '>1\r\n+x\r\n+OK\r\n', 13],
  ['half a bulk', '$3\r\na', -1],
  ['half an array', '*2\r\n+a\r\n', -1],
])('the end of a reply: %s', (_, text, end) => {
  expect(endOfReply(text, 0)).toBe(end);
  if (end > 0) expect(endOfReply(`${text}+next\r\n`, 0)).toBe(end);
});
