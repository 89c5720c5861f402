import { describe, expect, test } from 'vitest';
import { registrationsOfRules, ruleLines } from '../../src/io/intercept/intercept-rules.ts';
import { WITHHELD_MAX, WithheldRegistrations } from '../../src/io/intercept/intercept-withheld.ts';
import { bearsDeadMark, ownMark } from '../../src/io/rules/process-mark.ts';
import { AF_UNIX, SOCK_DGRAM, Socket, unixAddress } from '../../src/io/sys/socket.ts';
import { rangeOf, registrationOf, targetOf } from '../helpers/raw-client.ts';

const options = { queues: { first: 0, last: 0 }, failOpen: false };
const web = targetOf('10.0.0.1', 80);

describe('the rules of registrations', () => {
  test('are one a target and block, scoped to both, and two a block for what is too big', () => {
    const ranges = [rangeOf('198.18.0.0', 131_072), rangeOf('198.20.0.1', 2)];
    const targets = [web, targetOf('10.0.0.2', 443)];
    expect(ruleLines([registrationOf(1, ranges, targets)], options)).toEqual([
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.1 --sport 80 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.1 --sport 80 -d 198.20.0.1/32 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.1 --sport 80 -d 198.20.0.2/32 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.2 --sport 443 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.2 --sport 443 -d 198.20.0.1/32 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.2 --sport 443 -d 198.20.0.2/32 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p icmp --icmp-type 3/4 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p icmp --icmp-type 3/4 -d 198.20.0.1/32 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p icmp --icmp-type 3/4 -d 198.20.0.2/32 -j NFQUEUE --queue-num 0',
      'iptables -w -t raw -I PREROUTING -p icmp --icmp-type 3/4 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -t raw -I PREROUTING -p icmp --icmp-type 3/4 -d 198.20.0.1/32 -j NFQUEUE --queue-num 0',
      'iptables -w -t raw -I PREROUTING -p icmp --icmp-type 3/4 -d 198.20.0.2/32 -j NFQUEUE --queue-num 0',
    ]);
  });

  test('are one for a block without its two end addresses, as the default pool is', () => {
    const one = registrationOf(1, [rangeOf('198.18.0.1', 131_070)], [web]);
    expect(ruleLines([one], options)).toEqual([
      'iptables -w -I OUTPUT -p tcp -s 10.0.0.1 --sport 80 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -I OUTPUT -p icmp --icmp-type 3/4 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
      'iptables -w -t raw -I PREROUTING -p icmp --icmp-type 3/4 -d 198.18.0.0/15 -j NFQUEUE --queue-num 0',
    ]);
  });

  test('of IPv6 are for the other tool', () => {
    const one = registrationOf(1, [rangeOf('fd77:18::', 2 ** 32)], [targetOf('fd77::1', 80)]);
    expect(ruleLines([one], options)).toEqual([
      'ip6tables -w -I OUTPUT -p tcp -s fd77::1 --sport 80 -d fd77:18::/96 -j NFQUEUE --queue-num 0',
      'ip6tables -w -I OUTPUT -p ipv6-icmp --icmpv6-type 2 -d fd77:18::/96 -j NFQUEUE --queue-num 0',
      'ip6tables -w -t raw -I PREROUTING -p ipv6-icmp --icmpv6-type 2 -d fd77:18::/96 -j NFQUEUE --queue-num 0',
    ]);
  });

  test('share packets out over several queues, and let them go where nobody listens', () => {
    const one = registrationOf(1, [rangeOf('198.18.0.0', 1)], [web]);
    const lines = ruleLines([one], { queues: { first: 2, last: 5 }, failOpen: true });
    expect(lines.join()).toMatch(/-j NFQUEUE --queue-balance 2:5 --queue-bypass$/);
  });

  test('that two registrations ask for are there once', () => {
    const ports = { first: 1, last: 9 };
    const one = registrationOf(1, [rangeOf('198.18.0.0', 1)], [web], ports);
    const two = registrationOf(2, [rangeOf('198.18.0.0', 1)], [web]);
    const lines = ruleLines([one, two], options);
    expect(lines.map((line) => / -p (\S+)/.exec(line)?.[1])).toEqual(['tcp', 'icmp', 'icmp']);
  });
});

describe('what is withheld', () => {
  const one = registrationOf(1, [rangeOf('198.18.0.0', 1)], [web]);
  const two = registrationOf(2, [rangeOf('198.18.0.1', 1)], [web]);
  const start = new WithheldRegistrations();

  test('is what was registered before and is not now', () => {
    const after = start.after([one, two]).after([two]);
    expect(after.former).toEqual([one]);
    expect(after.current).toEqual([two]);
    expect(after.all).toEqual([two, one]);
  });

  test('is handed over again to a replay that comes back under another number', () => {
    const after = start
      .after([one])
      .after([])
      .after([{ ...one, id: 9 }]);
    expect(after.former).toEqual([]);
    expect(after.current.map(({ id }) => id)).toEqual([9]);
  });

  test('has a limit, at which nothing is let go: what is new is refused', () => {
    let withheld = start;
    const nth = (i: number) =>
      registrationOf(i, [rangeOf(`198.18.${i >>> 8}.${i & 255}`, 1)], [web]);
    for (let i = 0; i < WITHHELD_MAX; i++) withheld = withheld.after([nth(i)]);
    expect(withheld.all).toHaveLength(WITHHELD_MAX);
    expect(() => withheld.after([nth(WITHHELD_MAX)])).toThrow(
      expect.objectContaining({ code: 'ERR_IO_WITHHELD_FULL', kind: 'usage' }),
    );
    // Whoever leaves or comes back takes no room that was not taken before.
    const left = withheld.after([]);
    expect(left.former).toHaveLength(WITHHELD_MAX);
    expect(left.after([nth(0), nth(7)]).all).toHaveLength(WITHHELD_MAX);
  });
});

describe('what the rules of a killed intercept withhold', () => {
  const line = (target: string, clients: string, port: number): string =>
    `-A OUTPUT -s ${target} -d ${clients} -p tcp -m tcp --sport ${port} -m comment ` +
    '--comment "gryphon:1:2" -j NFQUEUE --queue-num 0';

  test('is told by their lines: one registration for each set of clients', () => {
    const found = registrationsOfRules(4, [
      line('10.0.0.1/32', '198.18.0.0/15', 80),
      line('10.0.0.1/32', '198.20.0.1/32', 80),
      line('10.0.0.2/32', '198.20.0.1/32', 443),
      line('10.0.0.2/32', '198.18.0.0/15', 443),
      line('10.0.0.2/32', '198.18.0.0/24', 8080),
    ]);
    const both = [rangeOf('198.18.0.0', 131_072), rangeOf('198.20.0.1', 1)];
    expect(found).toMatchObject([
      { family: 4, ranges: both, targets: [web, targetOf('10.0.0.2', 443)] },
      { family: 4, ranges: [rangeOf('198.18.0.0', 256)], targets: [targetOf('10.0.0.2', 8080)] },
    ]);
    expect(found[0]?.ports).toEqual({ first: 1, last: 65_535 });
  });

  test('of IPv6 as well', () => {
    const found = registrationsOfRules(6, [line('fd77::1/128', 'fd77:18::/96', 80)]);
    expect(found).toMatchObject([
      { family: 6, ranges: [rangeOf('fd77:18::', 2 ** 32)], targets: [targetOf('fd77::1', 80)] },
    ]);
  });

  test('comes back as the same rules', () => {
    const one = registrationOf(1, [rangeOf('198.18.0.1', 131_070)], [web]);
    const typed = ruleLines([one], options);
    const [found] = registrationsOfRules(4, [line('10.0.0.1/32', '198.18.0.0/15', 80)]);
    expect(found === undefined ? [] : ruleLines([found], options)).toEqual(typed);
  });

  test.each([
    '-A OUTPUT -j ACCEPT',
    line('10.0.0.1/32', 'nobody', 80),
    line('fd77::1', 'fd77::/64', 80),
  ])('is nothing where the line is another: %s', (text) =>
    expect(registrationsOfRules(4, [text])).toEqual([]),
  );
});

describe('a mark', () => {
  test.each([
    {
      name: 'of this process',
      text: `-A OUTPUT --comment "${ownMark()}" -j NFQUEUE`,
      isDead: false,
    },
    {
      name: 'of this process id, but of another process',
      text: ownMark().replace(/\d+$/, '1'),
      isDead: true,
    },
    // Above the largest process id there is (2^22).
    { name: 'of a process that is gone', text: 'gryphon:4194999:5', isDead: true },
    { name: 'of somebody else', text: 'griffin:4194999:5', isDead: false },
    { name: 'that is missing', text: '-A OUTPUT -j ACCEPT', isDead: false },
  ])('$name', ({ text, isDead }) => expect(bearsDeadMark(text)).toBe(isDead));

  test('of a living process that only another pid namespace knows', () => {
    const text = '-A PREROUTING --comment "gryphon:4194998:7" -j DROP';
    expect(bearsDeadMark(text)).toBe(true);
    const socket = new Socket(AF_UNIX, SOCK_DGRAM, 0);
    try {
      socket.bind(unixAddress('gryphon-mark/gryphon:4194998:7'));
      expect(bearsDeadMark(text)).toBe(false);
      expect(bearsDeadMark(text.replace(':7', ':70'))).toBe(true);
    } finally {
      socket.close();
    }
    expect(bearsDeadMark(text)).toBe(true);
  });
});
