import { describe, expect, test } from 'vitest';
import { emitJson, FRAME_PAYLOAD_BYTES_MAX, FrameType } from '../../src/intercept/protocol.ts';
import {
  excessOf,
  grantedBytes,
  parseAnswer,
  parseRequest,
  requestDocument,
} from '../../src/intercept/registration.ts';
import { octetsOf, request } from './registrations.ts';

const documentOf = (clients: string): Record<string, unknown> =>
  JSON.parse(JSON.stringify(requestDocument(request(clients)))) as Record<string, unknown>;

test.each(['198.18.0.0/15', '10.0.0.1,10.0.0.5-10.0.0.9', 'fd77::64:0/112'])(
  'a request for %s survives the way',
  (clients) => {
    expect(parseRequest(documentOf(clients))).toEqual(request(clients));
  },
);

describe('a request is refused that has', () => {
  const range = { prefix: '', start: 1, count: 1 };
  const target = { address: '0a4d0001', port: 80 };
  test.each([
    { name: 'no object', change: null },
    { name: 'no octets', change: { prefixBytes: -1 } },
    { name: 'more octets than a packet has', change: { prefixBytes: 65_536 } },
    { name: 'another family', change: { family: 5 } },
    { name: 'no ranges', change: { ranges: [] } },
    { name: 'too many ranges', change: { ranges: Array(257).fill(range) } },
    { name: 'a range of nothing', change: { ranges: [{ ...range, count: 0 }] } },
    {
      name: 'a range beyond its end',
      change: { ranges: [{ ...range, start: 2 ** 32 - 1, count: 2 }] },
    },
    { name: 'a broken start', change: { ranges: [{ ...range, start: 1.5 }] } },
    { name: 'a prefix of the other family', change: { ranges: [{ ...range, prefix: '00' }] } },
    { name: 'a range that is a number', change: { ranges: [7] } },
    { name: 'no targets', change: { targets: [] } },
    { name: 'a target of the other family', change: { targets: [{ ...target, address: '00' }] } },
    {
      name: 'a target with octets that are none',
      change: { targets: [{ ...target, address: '0a4d000g' }] },
    },
    { name: 'a target at port 0', change: { targets: [{ ...target, port: 0 }] } },
    { name: 'ports that end before they begin', change: { ports: { first: 5, last: 4 } } },
    { name: 'port 0', change: { ports: { first: 0, last: 4 } } },
    { name: 'a name with control characters', change: { name: 'a\nb' } },
    { name: 'a run that is no text', change: { run: 7 } },
    { name: 'a name without end', change: { name: 'x'.repeat(129) } },
  ])('$name', ({ change }) => {
    const document = change === null ? [] : { ...documentOf('10.0.0.0/24'), ...change };
    expect(parseRequest(document)).toBeTypeOf('string');
  });
});

test.each([
  { name: 'a whole one', change: {}, isGood: true },
  { name: 'no mode', change: { mode: '' }, isGood: false },
  { name: 'notes that are no list', change: { notes: 'x' }, isGood: false },
  { name: 'a note with an escape', change: { notes: ['\u001b[2J'] }, isGood: false },
  { name: 'a broken length', change: { prefixBytes: -1 }, isGood: false },
])('an answer: $name', ({ change, isGood }) => {
  const answer = { mode: 'sink', interfaces: [], prefixBytes: 128, notes: ['captures µ'] };
  expect(parseAnswer({ ...answer, ...change }) !== null).toBe(isGood);
});

describe('what is too much for an intercept', () => {
  const target = { address: octetsOf('10.0.0.1'), port: 80 };
  const range = { prefix: new Uint8Array(0), start: 1, count: 1 };
  const many = <T>(one: T, count: number): T[] => new Array<T>(count).fill(one);

  test('are more than 256 targets, or client ranges', () => {
    expect(excessOf({ ranges: [range], targets: many(target, 257) })).toMatch(/^257 targets/);
    expect(excessOf({ ranges: many(range, 257), targets: [target] })).toMatch(/^257 client ranges/);
  });

  test.each([4, 6] as const)('is not what fits its frame, over IPv%d', (family) => {
    const address = octetsOf(family === 4 ? '255.255.255.255' : 'ffff::ffff');
    const prefix = new Uint8Array(family === 4 ? 0 : 12).fill(255);
    const largest = {
      name: 'x'.repeat(128),
      run: 'x'.repeat(128),
      family,
      ranges: many({ prefix, start: 2 ** 32 - 1, count: 1 }, 256),
      ports: { first: 65_535, last: 65_535 },
      targets: many({ address, port: 65_535 }, 256),
      prefixBytes: 65_535,
    };
    expect(excessOf(largest)).toBeNull();
    const frame = emitJson(FrameType.REGISTER, requestDocument(largest));
    expect(frame.length).toBeLessThan(FRAME_PAYLOAD_BYTES_MAX);
    expect(parseRequest(requestDocument(largest))).toEqual(largest);
  });
});

test('a request of an older replay, which says nothing of octets, asks for none', () => {
  const { prefixBytes: _, ...older } = documentOf('10.0.0.1');
  expect(parseRequest(older)).toEqual({ ...request('10.0.0.1'), prefixBytes: 0 });
});

test.each([
  { asked: 0, least: 1_024, most: 65_406, granted: 1_024 },
  { asked: 2_048, least: 1_024, most: 65_406, granted: 2_048 },
  { asked: 65_406, least: 1_024, most: 4_096, granted: 4_096 },
  { asked: 65_406, least: 4_096, most: 512, granted: 4_096 },
])('of $asked octets asked $granted are granted, from $least to $most', (one) => {
  expect(grantedBytes(one.asked, one.least, one.most)).toBe(one.granted);
});
