/** The rule for own addresses as lines to type; that it works is seen in namespaces. */
import { expect, test } from 'vitest';
import { type IpAddress, parseAddress } from '../../src/base/address.ts';
import { replyDropLines } from '../../src/io/rules/reply-drop.ts';
import { rangeOf } from '../helpers/raw-client.ts';

const addressOf = (text: string): IpAddress => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
};

const SPEC = {
  device: 'eth0',
  isBridge: false,
  targets: [{ address: addressOf('10.0.0.5'), port: 80 }],
  ranges: [rangeOf('10.0.0.2', 1)],
  ports: { first: 1_024, last: 65_535, without: [{ first: 1_025, last: 60_999 }] },
};

test('the rule names interface, target, own address and ports, and nothing beside them', () => {
  expect(replyDropLines(SPEC)).toEqual({
    iptables: [
      'iptables -w -t raw -I PREROUTING -i eth0 -p tcp -s 10.0.0.5 --sport 80 -d 10.0.0.2/32 --dport 1024 -j DROP',
      'iptables -w -t raw -I PREROUTING -i eth0 -p tcp -s 10.0.0.5 --sport 80 -d 10.0.0.2/32 --dport 61000:65535 -j DROP',
    ],
    nft:
      "nft 'table inet gryphon { chain replies { type filter hook prerouting priority -300; " +
      'iifname "eth0" ip saddr 10.0.0.5 ip daddr { 10.0.0.2/32 } tcp sport 80 ' +
      "tcp dport { 1024, 61000-65535 } drop; }; }'",
  });
});

test('on a bridge it stands behind its packet sockets', () => {
  const { iptables, nft } = replyDropLines({ ...SPEC, isBridge: true });
  expect(iptables[0]).toMatch(/^iptables -w -I INPUT -i eth0 /);
  expect(nft).toContain('type filter hook input priority -300;');
});

test('of IPv6 it is made by the other tool', () => {
  const targets = [{ address: addressOf('fd77::5'), port: 443 }];
  const { iptables, nft } = replyDropLines({ ...SPEC, targets, ranges: [rangeOf('fd77::2', 1)] });
  expect(iptables[0]).toMatch(/^ip6tables .* -s fd77::5 --sport 443 -d fd77::2\/128 /);
  expect(nft).toContain('ip6 saddr fd77::5 ip6 daddr { fd77::2/128 } tcp sport 443');
});

test('each target and each block of addresses has its own', () => {
  const targets = [...SPEC.targets, { address: addressOf('10.0.0.6'), port: 81 }];
  const ranges = [rangeOf('127.0.0.0', 2 ** 24), rangeOf('10.0.0.2', 3)];
  const ports = { first: 1, last: 9 };
  const { iptables } = replyDropLines({ ...SPEC, targets, ranges, ports });
  expect(iptables.map((line) => / -s (\S+) .* -d (\S+) /.exec(line)?.slice(1).join(' '))).toEqual([
    '10.0.0.5 127.0.0.0/8',
    '10.0.0.5 10.0.0.2/31',
    '10.0.0.5 10.0.0.4/32',
    '10.0.0.6 127.0.0.0/8',
    '10.0.0.6 10.0.0.2/31',
    '10.0.0.6 10.0.0.4/32',
  ]);
});
