import { expect, test } from 'vitest';
import { findInterface, type NetworkInterface } from '../../src/io/way/interfaces.ts';

const one = (name: string, isUp: boolean): NetworkInterface => ({
  ...{ name, index: 1, isUp, mtu: 1500, mac: null, linkType: 'ether' },
  ...{ asksNeighbours: true, addresses: [] },
});

test('an interface that is not there is told with those that are, in words for every command', () => {
  const all = [one('lo', true), one('eth0', false)];
  expect(findInterface('lo', all)).toBe(all[0]);
  expect(() => findInterface('eth1', all)).toThrow(
    expect.objectContaining({
      message: 'there is no interface eth1; there are lo, eth0',
      hint: 'name one of these with --interface',
    }),
  );
  expect(() => findInterface('eth0', all)).toThrow(
    expect.objectContaining({ hint: 'ip link set eth0 up' }),
  );
});
