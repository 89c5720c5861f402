import { describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import {
  parsePositive,
  parseSizeWithin,
  parseTimeLimitNs,
  parseWakeupNs,
  parseWhole,
} from '../../src/cli/values/numbers.ts';
import { parseFraming, parseProtocol } from '../../src/cli/values/protocols.ts';
import { parseInterfaceName, parseNextHop, parseStation } from '../../src/cli/values/stations.ts';
import { parseChoice, partsOfList } from '../../src/cli/values/words.ts';

const USERS = { min: 1, max: 2 ** 31 };

describe('whole numbers', () => {
  test.each([
    ['1', 1],
    ['2147483648', 2 ** 31],
    ['1_000_000', 1_000_000],
    ['1e6', 1_000_000],
    ['1.5e3', 1500],
    ['10k', 10_000],
    ['2M', 2_000_000],
    [' 7 ', 7],
  ])('%s is read', (text, value) => {
    expect(parseWhole(text, USERS)).toBe(value);
  });

  test.each([
    '',
    '0',
    '-1',
    '1.5',
    '2147483649',
    'NaN',
    'Infinity',
    '0x10',
    '1e-3',
    '1__0',
    '1,000',
    '10 k',
    'ten',
  ])('%s is refused with the limits', (text) => {
    expect(() => parseWhole(text, USERS)).toThrow(
      `'${text}' is not a whole number from 1 to 2,147,483,648`,
    );
  });
});

test.each([
  ['10', 10],
  ['0.5', 0.5],
  ['.5', 0.5],
  ['1e-3', 0.001],
])('the factor %s is read', (text, value) => {
  expect(parsePositive(text)).toBe(value);
});

test.each(['', '0', '0.0', '-1', 'NaN', 'Infinity', '1e999', '10x', '0x1'])(
  'the factor %s is refused',
  (text) => {
    expect(() => parsePositive(text)).toThrow('is not a number above 0');
  },
);

test('a limit of no time at all is refused, one of a millisecond is not', () => {
  expect(parseWakeupNs('0')).toBe(0);
  expect(parseWakeupNs('50us')).toBe(50_000);
  expect(parseWakeupNs('1ms')).toBe(1_000_000);
  expect(() => parseWakeupNs('1001us')).toThrow("'1001us' is longer than 1 ms");
  expect(() => parseTimeLimitNs('0')).toThrow('not a duration above 0');
  expect(() => parseTimeLimitNs('0s')).toThrow('not a duration above 0');
  expect(parseTimeLimitNs('1ms')).toBe(1_000_000);
});

test('a bare number is no duration, and the error says which unit may be meant', () => {
  expect(() => parseTimeLimitNs('30')).toThrow(
    expect.objectContaining({ hint: 'did you mean 30s or 30ms?' }),
  );
});

test('sizes are held to both limits', () => {
  const range = { min: 512, max: 1024 };
  expect(parseSizeWithin('512', range)).toBe(512);
  expect(parseSizeWithin('1KiB', range)).toBe(1024);
  expect(() => parseSizeWithin('511', range)).toThrow('from 512 to 1,024 bytes');
  expect(() => parseSizeWithin('1025', range)).toThrow('from 512 to 1,024 bytes');
});

test('a mistyped choice is answered with the nearest', () => {
  const choices = ['think', 'schedule', 'none'] as const;
  expect(parseChoice('schedule', choices)).toBe('schedule');
  expect(() => parseChoice('shedule', choices)).toThrow(
    expect.objectContaining({
      message: "'shedule' is not one of think, schedule, none",
      hint: 'did you mean schedule?',
    }),
  );
  expect(() => parseChoice('xyzzy', choices)).toThrow(expect.objectContaining({ hint: null }));
});

test('a MAC address is brought into one form', () => {
  expect(parseStation('02:00:00:AA:bb:01')).toBe('02:00:00:aa:bb:01');
  expect(parseStation('02-00-00-aa-bb-01')).toBe('02:00:00:aa:bb:01');
});

test.each([
  { text: '02:00:00:aa:bb', reason: 'five octets' },
  { text: '02:00:00:aa:bb:cg', reason: 'not hexadecimal' },
  { text: '020000aabb01', reason: 'no separators' },
  { text: 'ff:ff:ff:ff:ff:ff', reason: 'broadcast' },
  { text: '01:00:5e:00:00:01', reason: 'a group' },
  { text: '00:00:00:00:00:00', reason: 'nobody' },
])('the MAC $text is refused: $reason', ({ text }) => {
  expect(() => parseStation(text)).toThrow(ReplayError);
});

test('a next hop is a MAC or an IP address', () => {
  expect(parseNextHop('192.0.2.1')).toEqual({ kind: 'ip', address: '192.0.2.1' });
  expect(parseNextHop('2001:DB8::1')).toEqual({ kind: 'ip', address: '2001:db8::1' });
  expect(parseNextHop('02:00:00:00:00:01')).toEqual({ kind: 'mac', mac: '02:00:00:00:00:01' });
  expect(() => parseNextHop('router')).toThrow('neither a MAC nor an IP address');
  expect(() => parseNextHop('ff:ff:ff:ff:ff:ff')).toThrow('not the address of one station');
});

test('an interface name has at most 15 characters and no spaces or slashes', () => {
  expect(parseInterfaceName('enp0s31f6.4094x')).toBe('enp0s31f6.4094x');
  for (const text of ['', '.', '..', 'a b', 'a/b', 'eth0:1', 'abcdefghijklmnop']) {
    expect(() => parseInterfaceName(text)).toThrow('is not the name of an interface');
  }
});

test.each([
  ['a,b', ['a', 'b']],
  ['response{GET /a,b}:p99<1s,errors:rate<1%', ['response{GET /a,b}:p99<1s', 'errors:rate<1%']],
  ['x<1,response{a,b}:max<1s,y<2', ['x<1', 'response{a,b}:max<1s', 'y<2']],
  ['response{a,b', ['response{a', 'b']],
])('the list %s has its parts', (text, parts) => {
  expect(partsOfList(text)).toEqual(parts);
});

describe('what sessions speak', () => {
  const length = { offset: 0, bytes: 4, endian: 'big', add: 0 };

  test.each([
    [parseProtocol, '8080=http', { port: 8080, protocol: 'http1' }],
    [parseProtocol, '6380=redis', { port: 6380, protocol: 'redis' }],
    [parseProtocol, '443=none', { port: 443, protocol: 'none' }],
    [parseFraming, 'line', { port: null, protocol: 'line' }],
    [parseFraming, '7000=none', { port: 7000, protocol: 'none' }],
    [parseFraming, 'length:', { port: null, protocol: length }],
    [
      parseFraming,
      '9=length:offset=2,bytes=2,endian=little,add=-4',
      { port: 9, protocol: { offset: 2, bytes: 2, endian: 'little', add: -4 } },
    ],
  ])('%o reads %s', (parse, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test.each([
    [parseProtocol, 'http'],
    [parseProtocol, '80=gopher'],
    [parseProtocol, '0=http'],
    [parseProtocol, '80=http=1'],
    [parseFraming, 'lines'],
    [parseFraming, 'length:bytes=5'],
    [parseFraming, 'length:width=4'],
    [parseFraming, 'length:add=x'],
  ])('%o refuses %s', (parse, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'ERR_CLI_VALUE' }));
  });

  test('a framing has commas of its own', () => {
    expect(partsOfList('7=line,length:offset=0,bytes=2,add=2,9=none')).toEqual([
      '7=line',
      'length:offset=0,bytes=2,add=2',
      '9=none',
    ]);
  });
});
