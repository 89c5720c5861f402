import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressRange, parseAddress } from '../../src/base/address.ts';
import { type AddressBlock, formatBlock } from '../../src/base/address-block.ts';
import {
  blocksOf,
  coveringBlocks,
  formatEndpoint,
  formatRangeOrBlock,
  parseBlock,
  rangeOfBlock,
  routesOf,
  withoutBlocks,
} from '../../src/io/way/address-blocks.ts';

function rangeOf(first: string, count: number): AddressRange {
  const address = parseAddress(first);
  if (address === null) throw new Error(first);
  return { prefix: address.prefix, start: address.low, count };
}

function blockOf(text: string): AddressBlock {
  const [first = '', bits] = text.split('/');
  const address = parseAddress(first);
  if (address === null) throw new Error(text);
  return { address, prefixBits: Number(bits) };
}

describe('what covers a range', () => {
  test.each([
    // The default pool, without its first and its last address.
    { first: '198.18.0.1', count: 131_070, blocks: ['198.18.0.0/15'] },
    { first: '198.18.0.1', count: 131_071, blocks: ['198.18.0.0/15'] },
    { first: '198.18.0.0', count: 131_071, blocks: ['198.18.0.0/15'] },
    { first: '198.18.0.0', count: 131_072, blocks: ['198.18.0.0/15'] },
    { first: 'fd77:18::1', count: 2 ** 32 - 1, blocks: ['fd77:18::/96'] },
    // Two of its neighbours are somebody's: nobody but the range is covered.
    { first: '10.0.0.2', count: 253, blocks: { length: 13 } },
    { first: '10.0.0.1', count: 2, blocks: ['10.0.0.1/32', '10.0.0.2/32'] },
  ])('$first and $count in all', ({ first, count, blocks }) => {
    const found = coveringBlocks(rangeOf(first, count)).map(formatBlock);
    if (Array.isArray(blocks)) expect(found).toEqual(blocks);
    else expect(found).toMatchObject(blocks);
  });

  test('holds all of it, and at most two others', () => {
    const start = fc.integer({ min: 0, max: 2 ** 16 });
    const count = fc.integer({ min: 1, max: 2 ** 16 });
    fc.assert(
      fc.property(start, count, (first, many) => {
        const range: AddressRange = { prefix: new Uint8Array(0), start: first, count: many };
        const blocks = coveringBlocks(range);
        expect(withoutBlocks(range, blocks)).toEqual([]);
        const held = blocks.reduce((sum, block) => sum + (rangeOfBlock(block)?.count ?? 0), 0);
        expect(held - many).toBeLessThanOrEqual(2);
      }),
    );
  });
});

test.each(['198.18.0.0/15', '198.18.0.7/32', 'fd77:18::/96', '0.0.0.0/0'])(
  '%s is read as it is written',
  (text) => {
    const block = parseBlock(text);
    expect(block === null ? null : formatBlock(block)).toBe(text);
  },
);

test('an address alone is a block, other text is none', () => {
  expect(parseBlock('198.18.0.7')).toEqual(parseBlock('198.18.0.7/32'));
  for (const text of ['', 'default', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8']) {
    expect(parseBlock(text)).toBeNull();
  }
});

describe('the blocks of a range', () => {
  test.each([
    { first: '198.18.0.0', count: 131_072, blocks: ['198.18.0.0/15'] },
    { first: '198.18.0.7', count: 1, blocks: ['198.18.0.7/32'] },
    { first: '198.18.0.1', count: 4, blocks: ['198.18.0.1/32', '198.18.0.2/31', '198.18.0.4/32'] },
    { first: '0.0.0.0', count: 2 ** 32, blocks: ['0.0.0.0/0'] },
    { first: '255.255.255.254', count: 2, blocks: ['255.255.255.254/31'] },
    { first: '0.0.0.1', count: 2 ** 32 - 2, blocks: { length: 62 } },
    { first: 'fd77:18::', count: 2 ** 32, blocks: ['fd77:18::/96'] },
    { first: 'fd77:18::ff', count: 2, blocks: ['fd77:18::ff/128', 'fd77:18::100/128'] },
  ])('$first and $count in all', ({ first, count, blocks }) => {
    const found = blocksOf(rangeOf(first, count)).map(formatBlock);
    if (Array.isArray(blocks)) expect(found).toEqual(blocks);
    else expect(found).toHaveLength(blocks.length);
  });

  test('hold each address once and no other, as few as there can be', () => {
    const arbitrary = fc.record({
      start: fc.integer({ min: 0, max: 300 }),
      count: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ start, count }) => {
        const blocks = blocksOf({ prefix: new Uint8Array(0), start, count });
        const held = blocks.flatMap(({ address, prefixBits }) =>
          Array.from({ length: 2 ** (32 - prefixBits) }, (_, i) => address.low + i),
        );
        expect(held).toEqual(Array.from({ length: count }, (_, i) => start + i));
        // Neighbours of one size that begin at a multiple of twice it would be one block.
        blocks.slice(1).forEach((block, i) => {
          const former = blocks[i];
          const canJoin =
            former.prefixBits === block.prefixBits &&
            former.address.low % 2 ** (33 - former.prefixBits) === 0;
          expect(canJoin).toBe(false);
        });
      }),
    );
  });
});

describe('the blocks that cover a range', () => {
  test.each([
    { first: '198.18.0.1', count: 131_070, blocks: ['198.18.0.0/15'] },
    { first: '10.17.15.1', count: 254, blocks: ['10.17.15.0/24'] },
    { first: '10.17.15.0', count: 255, blocks: ['10.17.15.0/24'] },
    { first: '2001:2::1', count: 2 ** 32 - 1, blocks: ['2001:2::/96'] },
    { first: '10.17.15.2', count: 253, blocks: { length: 13 } },
    { first: '10.0.0.1', count: 2, blocks: ['10.0.0.1/32', '10.0.0.2/32'] },
    { first: '10.0.0.1', count: 126, blocks: { length: 12 } },
    { first: '10.0.0.7', count: 1, blocks: ['10.0.0.7/32'] },
  ])('$first and $count in all', ({ first, count, blocks }) => {
    const found = coveringBlocks(rangeOf(first, count)).map(formatBlock);
    if (Array.isArray(blocks)) expect(found).toEqual(blocks);
    else expect(found).toHaveLength(blocks.length);
  });
});

describe('what blocks leave of a range', () => {
  test.each([
    {
      name: 'one in the middle',
      blocks: ['10.0.0.16/30'],
      left: ['10.0.0.0/28', '10.0.0.20-10.0.0.31'],
    },
    { name: 'one at the start', blocks: ['10.0.0.0/28'], left: ['10.0.0.16/28'] },
    { name: 'one at the end', blocks: ['10.0.0.16/28'], left: ['10.0.0.0/28'] },
    { name: 'all of it', blocks: ['10.0.0.0/27'], left: [] },
    { name: 'more than it', blocks: ['10.0.0.0/8'], left: [] },
    { name: 'everything', blocks: ['0.0.0.0/0'], left: [] },
    {
      name: 'a block named by an address inside it',
      blocks: ['10.0.0.31/28'],
      left: ['10.0.0.0/28'],
    },
    { name: 'one before it', blocks: ['9.255.255.255/32'], left: ['10.0.0.0/27'] },
    { name: 'one behind it', blocks: ['10.0.0.32/27'], left: ['10.0.0.0/27'] },
    { name: 'of the other family', blocks: ['::/0'], left: ['10.0.0.0/27'] },
    { name: 'two that touch', blocks: ['10.0.0.0/29', '10.0.0.8/29'], left: ['10.0.0.16/28'] },
  ])('$name', ({ blocks, left }) => {
    const found = withoutBlocks(rangeOf('10.0.0.0', 32), blocks.map(blockOf));
    expect(found.map(formatRangeOrBlock)).toEqual(left);
  });

  test.each([
    { block: 'fd77:18::4/126', left: ['fd77:18::/126', 'fd77:18::8/125'] },
    { block: 'fd77:18::/64', left: [] },
    { block: 'fd77:19::/64', left: ['fd77:18::/124'] },
    { block: 'fd77:18::1:0:0/96', left: ['fd77:18::/124'] },
  ])('of IPv6: $block', ({ block, left }) => {
    const found = withoutBlocks(rangeOf('fd77:18::', 16), [blockOf(block)]);
    expect(found.map(formatRangeOrBlock)).toEqual(left);
  });
});

test('an endpoint of IPv6 has brackets', () => {
  expect(formatEndpoint(Uint8Array.of(10, 0, 0, 1), 80)).toBe('10.0.0.1:80');
  const octets = new Uint8Array(16);
  octets[15] = 1;
  expect(formatEndpoint(octets, 443)).toBe('[::1]:443');
});

test.each([
  { first: '198.18.0.0', count: 131_072, routes: ['198.18.0.0/15'], why: 'a block' },
  {
    first: '198.18.0.1',
    count: 4,
    routes: ['198.18.0.1/32', '198.18.0.2/31', '198.18.0.4/32'],
    why: 'few blocks',
  },
  {
    first: '198.18.0.1',
    count: 131_070,
    routes: ['198.18.0.0/15'],
    why: 'thirty blocks, all but two addresses of one',
  },
  { first: '0.0.0.1', count: 2 ** 32 - 2, routes: ['0.0.0.0/0'], why: 'sixty-two blocks' },
  { first: '127.255.255.241', count: 30, routes: ['0.0.0.0/0'], why: 'across the middle' },
  { first: 'fd77:18::1', count: 254, routes: ['fd77:18::/120'], why: 'IPv6' },
])('$count clients from $first are routed by $routes: $why', ({ first, count, routes }) => {
  expect(routesOf(rangeOf(first, count)).map(formatBlock)).toEqual(routes);
});
