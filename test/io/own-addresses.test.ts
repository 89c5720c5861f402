/** Whether clients are this machine's own addresses. */

import { expect, test } from 'vitest';
import { type IpAddress, parseAddress } from '../../src/base/address.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { areOwn } from '../../src/io/way/own-addresses.ts';

const OWN = ['10.20.0.2', '10.20.0.3', '10.20.0.4', 'fd77::2'].map((text): IpAddress => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
});

test.each([
  ['10.20.0.2', true],
  ['10.20.0.4,10.20.0.2', true],
  ['10.20.0.2-10.20.0.4', true],
  ['10.20.0.2-10.20.0.5', false],
  ['10.20.0.0/24', false],
  ['10.20.0.2,10.20.0.9', false],
  ['198.18.0.0/15', false],
  ['fd77::2', true],
  ['fd77::3', false],
  ['127.0.0.1', true],
  ['127.0.0.0/8', true],
  ['127.255.255.250-128.0.0.3', false],
])('%s: %s', (text, expected) => {
  expect(areOwn(parseClients(text).ranges, OWN)).toBe(expected);
});
