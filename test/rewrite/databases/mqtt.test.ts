/** MQTT's log-ins, as other accounts and under other client ids than the recorded ones. */
import { describe, expect, test } from 'vitest';
import { Counter } from '../../../src/measure/counters.ts';
import { readConnect } from '../../../src/protocol/mqtt.ts';
import { mqttModule } from '../../../src/rewrite/databases/mqtt.ts';
import { account, playLogIns, sessionOf } from './dialogues.ts';

interface Connect {
  readonly level: number;
  readonly id?: string;
  readonly user?: string;
  readonly password?: string | undefined;
  readonly will?: boolean;
  readonly properties?: string;
}

const u16 = (value: number): string => String.fromCharCode(value >> 8, value & 0xff);
const text = (value: string): string => u16(value.length) + value;
const packet = (type: number, body: string): string => {
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return String.fromCharCode(type, ...length) + body;
};

/** As the standards have it: written apart from what is tested. */
function connect(wish: Connect): string {
  const { level, id = 'sensor', user, password, will = false, properties = '' } = wish;
  const flags =
    2 | (will ? 0x2c : 0) | (user === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const property = level < 5 ? '' : String.fromCharCode(properties.length) + properties;
  const noProperties = level < 5 ? '' : '\0';
  return packet(
    0x10,
    [
      text(level === 3 ? 'MQIsdp' : 'MQTT') + String.fromCharCode(level, flags) + u16(60),
      property + text(id),
      will ? noProperties + text('gone') + text('b\0y\xff') : '',
      user === undefined ? '' : text(user),
      password === undefined ? '' : text(password),
    ].join(''),
  );
}

const SUBSCRIBE = packet(0x82, `\0\x01${text('a/b')}\0`);
const connack = (code: number, level = 4, properties = ''): string =>
  packet(
    0x20,
    `\0${String.fromCharCode(code)}${level < 5 ? '' : String.fromCharCode(properties.length) + properties}`,
  );

const sessionWith = (said: string, level = 4) =>
  sessionOf(
    ['client', said],
    ['server', connack(0, level)],
    ['client', SUBSCRIBE],
    ['server', '\x90\x03\0\x01\0'],
  );

const play = (wish: Connect, user: string | null, password: string, answer?: string) =>
  playLogIns(
    mqttModule([account(user, password)]),
    [sessionWith(connect(wish), wish.level)],
    (said) => {
      if (said === '') return [];
      if (said.startsWith('\x10')) return [answer ?? connack(0, wish.level)];
      return ['\x90\x03\0\x01\0'];
    },
  );

describe('a recorded CONNECT', () => {
  // Session expiry (four octets), a user property (two texts), receive maximum (two octets).
  const properties = `\x11\0\0\0\x09\x26${text('k')}${text('v')}\x21\0\x0a`;

  test.each<[string, Connect, string | null, string, Partial<Connect>]>([
    [
      '3.1',
      { level: 3, user: 'al', password: 'old' },
      'bob',
      'new',
      { user: 'bob', password: 'new' },
    ],
    [
      '3.1.1',
      { level: 4, user: 'al', password: 'old' },
      'bob',
      'new',
      { user: 'bob', password: 'new' },
    ],
    [
      'the recorded name stays',
      { level: 4, user: 'al', password: 'old' },
      null,
      'ü',
      { password: 'Ã¼' },
    ],
    [
      'with a will',
      { level: 4, will: true, user: 'al', password: 'x' },
      'b',
      'y',
      { user: 'b', password: 'y' },
    ],
    ['nobody was named', { level: 4 }, 'bob', 'new', { user: 'bob', password: 'new' }],
    [
      'without a password',
      { level: 4, user: 'al', password: 'old' },
      'bob',
      '',
      { user: 'bob', password: undefined },
    ],
    [
      '5.0',
      { level: 5, properties, will: true },
      'bob',
      'x'.repeat(200),
      { user: 'bob', password: 'x'.repeat(200) },
    ],
    ['5.0, a password alone', { level: 5, properties }, null, 'new', { password: 'new' }],
  ])('%s', (_, recorded, user, password, changed) => {
    const { heard, failures, counters } = play(recorded, user, password);
    expect(heard).toEqual([[connect({ ...recorded, ...changed }), SUBSCRIBE]]);
    expect(failures).toEqual([]);
    expect(counters[Counter.COMPLETED]).toBe(1);
  });

  test('with packets behind it that were sent in one go', () => {
    const said = connect({ level: 4, user: 'al', password: 'old' });
    const session = sessionOf(
      ['client', said + SUBSCRIBE],
      ['server', `${connack(0)}\x90\x03\0\x01\0`],
    );
    const module = mqttModule([account('bob', 'new')]);
    const { heard, failures } = playLogIns(module, [session], (text) =>
      text === '' ? [] : [`${connack(0)}\x90\x03\0\x01\0`],
    );
    const expected = connect({ level: 4, user: 'bob', password: 'new' });
    expect(heard).toEqual([[expected + SUBSCRIBE]]);
    expect(failures).toEqual([]);
  });

  test('each client has an id of its own, as long as its version allows', () => {
    for (const [level, id, expected] of [
      [4, 'sensor', ['sensor', 'sensor-1', 'sensor-2']],
      [4, '', ['', '', '']],
      [3, 'x'.repeat(23), ['x'.repeat(23), `${'x'.repeat(21)}-1`, `${'x'.repeat(21)}-2`]],
    ] as const) {
      const { heard } = playLogIns(
        mqttModule([account('bob', 'new')]),
        [sessionWith(connect({ level, id, user: 'a', password: 'b' }))],
        (said) => (said === '' ? [] : [said.startsWith('\x10') ? connack(0) : '\x90\x03\0\x01\0']),
        { options: { users: 3 } },
      );
      const ids = heard.map(([said = '']) => readConnect(said)?.clientId);
      expect(ids.sort()).toEqual([...expected].sort());
    }
  });
});

describe('who is not let in ends there, with the server’s word', () => {
  test.each([
    [4, connack(4), 'bad user name or password (code 4)'],
    [4, connack(99), 'no (code 99)'],
    [5, connack(0x86, 5), 'bad user name or password (code 134)'],
    [5, connack(0x87, 5, `\x1f${text('not you')}`), 'not you (code 135)'],
  ])('version %i: %j', (level, answer, reason) => {
    const { heard, failures, counters } = play(
      { level, user: 'a', password: 'b' },
      'c',
      'd',
      answer,
    );
    expect(heard).toEqual([[connect({ level, user: 'c', password: 'd' })]]);
    expect(failures).toEqual([`mqtt: the server says: ${reason}`]);
    expect(counters[Counter.ABORTED_MODULE]).toBe(1);
  });
});

test('a password without a name is told before anything is sent', () => {
  const { heard, failures } = play({ level: 4 }, null, 'new');
  expect(heard).toEqual([]);
  expect(failures).toEqual(['mqtt: MQTT before version 5 has no password without a name']);
});

test('an exchange of proofs is left out, and what is no CONNECT stays', () => {
  const plan = (said: string) =>
    mqttModule([account('a', 'b')]).plan({
      ...{ session: 0, clientAddress: '', server: '', protocol: 'mqtt', messages: 1 },
      message: () => Buffer.from(said, 'latin1'),
      stage: () => undefined,
    });
  const method = connect({ level: 5, properties: `\x15${text('SCRAM-SHA-1')}` });
  expect(plan(method)?.refused).toBe('its log-in is by SCRAM-SHA-1, which brings no password');
  expect(plan('\x10\x05\0\x03abc')).toBeUndefined();
  expect(plan(connect({ level: 4 }).slice(0, -1))).toBeUndefined();
});
