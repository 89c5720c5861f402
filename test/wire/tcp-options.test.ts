import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TcpOptions } from '../../src/wire/tcp-options.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';

const TIMESTAMPS = [8, 10, 0xff, 0, 0, 1, 0x80, 0, 0, 2];

function parse(octets: readonly number[], into = new TcpOptions()): [TcpOptions, WireFault] {
  const data = new DataView(Uint8Array.of(3, 3, ...octets).buffer);
  return [into, into.parse(data, 2, octets.length)];
}

test.each([
  { name: 'none', octets: [], expected: {} },
  {
    name: 'padded timestamps',
    octets: [1, 1, ...TIMESTAMPS],
    expected: { hasTimestamps: true, tsVal: -0x00ff_ffff, tsEcr: -0x7fff_fffe },
  },
  {
    name: 'timestamps, then padding',
    octets: [...TIMESTAMPS, 1, 1],
    expected: { hasTimestamps: true, tsVal: -0x00ff_ffff, tsEcr: -0x7fff_fffe },
  },
  {
    name: 'the SYN of Linux',
    octets: [2, 4, 5, 0xb4, 4, 2, ...TIMESTAMPS, 1, 3, 3, 7],
    expected: {
      mss: 1460,
      sackPermitted: true,
      windowScale: 7,
      hasTimestamps: true,
      tsVal: -0x00ff_ffff,
      tsEcr: -0x7fff_fffe,
    },
  },
  {
    name: 'a window scale of 255, which counts as 14',
    octets: [3, 3, 255, 0],
    expected: { windowScale: 14 },
  },
  {
    name: 'a window scale of 0, which is not absence',
    octets: [3, 3, 0, 0],
    expected: { windowScale: 0 },
  },
  { name: 'what stands after the end of the list', octets: [0, 2, 4, 5], expected: {} },
  {
    name: 'SACK blocks and an unknown kind',
    octets: [1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 254, 4, 0, 0, 2, 4, 1, 0],
    expected: { mss: 256 },
    blocks: [0x0102_0304, 0x0506_0708],
  },
  {
    name: 'three SACK blocks behind timestamps, as Linux sends them',
    octets: [1, 1, ...TIMESTAMPS, 1, 1, 5, 26, ...Array.from({ length: 24 }, (_, i) => i)],
    expected: { hasTimestamps: true, tsVal: -0x00ff_ffff, tsEcr: -0x7fff_fffe },
    blocks: [0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f, 0x1011_1213, 0x1415_1617],
  },
  {
    name: 'a SACK option of a length that no blocks have',
    octets: [5, 6, 1, 2, 3, 4],
    expected: {},
  },
  { name: 'a SACK option without blocks', octets: [5, 2, 1, 1], expected: {} },
  {
    name: 'more SACK blocks than an option field has room for: the first four',
    octets: [5, 42, ...new Array(40).fill(7)],
    expected: {},
    blocks: new Array(8).fill(0x0707_0707),
  },
])('$name is understood', ({ octets, expected, blocks = [] }) => {
  const [options, fault] = parse(octets);
  expect(fault).toBe(WireFault.OK);
  const { sack, ...others } = options;
  expect([...sack.edges.subarray(0, 2 * sack.count)]).toEqual(blocks);
  expect(others).toEqual({
    mss: 0,
    windowScale: -1,
    sackPermitted: false,
    hasTimestamps: false,
    tsVal: 0,
    tsEcr: 0,
    ...expected,
  });
});

test.each([
  { name: 'length 0', octets: [254, 0, 1, 1] },
  { name: 'length 1', octets: [254, 1, 1, 1] },
  { name: 'a kind without its length', octets: [1, 1, 1, 2] },
  { name: 'a length one past the header', octets: [1, 254, 4, 0] },
  { name: 'length 255', octets: [254, 255, 0, 0] },
  { name: 'an MSS of three octets', octets: [2, 3, 5, 0] },
  { name: 'an MSS that is cut', octets: [1, 2, 4, 5] },
  { name: 'a window scale of four octets', octets: [3, 4, 7, 0] },
  { name: 'SACK-permitted of three octets', octets: [4, 3, 0, 0] },
  { name: 'timestamps of six octets', octets: [8, 6, 0, 0, 0, 1, 1, 1] },
])('$name is a fault', ({ octets }) => {
  expect(parse(octets)[1]).toBe(WireFault.BAD_OPTION);
});

test('nothing of the segment before is left', () => {
  const [options] = parse([2, 4, 5, 0xb4, 4, 2, ...TIMESTAMPS, 1, 3, 3, 7]);
  parse([5, 10, 1, 2, 3, 4, 5, 6, 7, 8], options);
  parse([], options);
  expect(options.sack.count).toBe(0);
  options.sack.edges.fill(0);
  expect(options).toEqual(new TcpOptions());
});

test('random octets end, and never read outside the options', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 40 }), (octets) => {
      const exact = Uint8Array.from(octets);
      const fault = new TcpOptions().parse(new DataView(exact.buffer), 0, exact.length);
      expect([WireFault.OK, WireFault.BAD_OPTION]).toContain(fault);
    }),
    { numRuns: 2000 },
  );
});
