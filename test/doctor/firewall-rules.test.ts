import { expect, test } from 'vitest';
import { iptablesRules, nftRules, type Passing } from '../../src/doctor/firewall-rules.ts';

const CLIENT: Passing = {
  way: 'in',
  ...{ sources: ['198.18.0.1'], sourcePort: null },
  ...{ destinations: ['10.0.0.5'], destinationPort: 8080 },
};
const ANSWER: Passing = {
  way: 'out',
  ...{ sources: ['10.0.0.5'], sourcePort: 8080 },
  ...{ destinations: ['198.18.0.1'], destinationPort: null },
};

test.each([
  ['-P INPUT DROP', true],
  ['-P INPUT ACCEPT', false],
  ['-P OUTPUT DROP', false],
  ['-A INPUT -j DROP', true],
  ['-A INPUT -s 198.18.0.0/15 -j DROP', true],
  ['-A INPUT -s 198.20.0.0/15 -j DROP', false],
  [
    '-A INPUT -s 198.18.0.1/32 -p tcp -m tcp --dport 8080 -j REJECT --reject-with icmp-port-unreachable',
    true,
  ],
  ['-A INPUT -p tcp -m tcp --dport 22 -j DROP', false],
  ['-A INPUT -p tcp -m tcp --dport 8000:9000 -j DROP', true],
  ['-A INPUT -p udp -m udp --dport 8080 -j DROP', false],
  ['-A INPUT -m conntrack --ctstate INVALID -j DROP', false],
  ['-A OUTPUT -j DROP', false],
  ['-A INPUT -d 10.0.0.5/32 -j DROP', true],
  ['-A INPUT -d 10.0.0.6/32 -j DROP', false],
])('of iptables: %s', (line, isMet) => {
  expect(iptablesRules(`-N f\n${line}\n`, CLIENT)).toEqual(isMet ? [line] : []);
});

test.each([
  ['type filter hook input priority filter; policy drop;', true],
  ['type filter hook output priority filter; policy drop;', false],
  ['ip saddr 198.18.0.0/15 tcp dport 8080 counter packets 0 bytes 0 drop', true],
  ['ip saddr != 198.18.0.0/15 drop', false],
  ['ip saddr 10.0.0.0/8 drop', false],
  ['tcp dport 22 drop', false],
  ['udp dport 8080 reject', false],
  ['ct state invalid drop', false],
  ['ip6 saddr 2001:db8::/32 drop', false],
])('of nft: %s', (line, isMet) => {
  const text = `table inet f {\n\tchain c {\n\t\t${line}\n\t}\n}\n`;
  expect(nftRules(text, CLIENT)).toEqual(isMet ? [`inet f c: ${line}`] : []);
});

const BOTH_HOOKS =
  'table ip f {\n\tchain out {\n\t\ttype filter hook output priority 0; policy accept;\n\t\tdrop\n\t}\n' +
  '\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tdrop\n\t}\n}\n';

test('rules of a chain concern what passes it that way alone', () => {
  expect(nftRules(BOTH_HOOKS, CLIENT)).toEqual(['ip f in: drop']);
  expect(nftRules(BOTH_HOOKS, ANSWER)).toEqual(['ip f out: drop']);
});

test.each([
  ['-P OUTPUT DROP', true],
  ['-P FORWARD DROP', false],
  ['-A INPUT -j DROP', false],
  ['-A OUTPUT -d 198.18.0.0/15 -j DROP', true],
  ['-A OUTPUT -d 198.20.0.0/15 -j DROP', false],
  ['-A OUTPUT -p tcp -m tcp --sport 8080 -j REJECT', true],
  ['-A POSTROUTING -j DROP', true],
  ['-A mine -d 198.18.0.1/32 -j DROP', true],
  // Of a chain that what comes in jumps to as well.
  ['-A mine -s 203.0.113.0/24 -j DROP', false],
])('of iptables, of what goes out: %s', (line, isMet) => {
  expect(iptablesRules(`-N mine\n${line}\n`, ANSWER)).toEqual(isMet ? [line] : []);
});

test('IPv6 prefixes of any length', () => {
  const six = { ...CLIENT, sources: ['2001:db8:1::7'] };
  const rules = ['2001:db8::/32', '2001:db8:1::/120', '2001:db8:2::/48', '::/0'].map(
    (prefix) => `-A INPUT -s ${prefix} -j DROP`,
  );
  expect(iptablesRules(rules.join('\n'), six)).toEqual([rules[0], rules[1], rules[3]]);
});
