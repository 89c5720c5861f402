/** What a case leaves behind is gone when the next one begins. */
import { describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';

const TOOLS = ['ip', 'ethtool', 'iptables', 'ip6tables', 'sysctl'];

describe.runIf(canRun('the ground of a case', TOOLS))('the ground of a case', () => {
  let lab: Lab;
  const before: string[] = [];

  onLabGround({}, (ground) => {
    ({ lab } = ground);
  });

  keepGround(() => [lab.target]);

  const look = async (): Promise<string[]> => {
    const answers: string[] = [];
    for (const line of [
      'ip -br link',
      'ip -br address',
      'ip route',
      'ip -6 route',
      'iptables -S',
      'ip6tables -S',
      'iptables -t raw -S',
      'sysctl net.ipv4.conf.link0.rp_filter',
    ]) {
      answers.push(await mustInside(lab.target, line.split(' ')));
    }
    return answers;
  };

  test('a case that changes everything and takes nothing back', async () => {
    before.push(...(await look()));
    for (const line of [
      'ip link add left0 type veth peer name left1',
      'ip address add 198.18.0.9/32 dev link0',
      'ip route add 198.18.7.0/24 via 10.77.0.2',
      'ip -6 route add fd99::/64 via fd77::2',
      'ip route del 10.77.0.0/16 dev link0',
      'iptables -A OUTPUT -p tcp --sport 80 -j DROP',
      'iptables -t raw -A OUTPUT -p tcp --sport 80 -j DROP',
      'iptables -N mine',
      'ip6tables -A INPUT -p tcp --dport 80 -j DROP',
      'sysctl -qw net.ipv4.conf.link0.rp_filter=1',
    ]) {
      await mustInside(lab.target, line.split(' '));
    }
    expect(await look()).not.toEqual(before);
  });

  test('is followed by one that finds nothing of it', async () => {
    expect(await look()).toEqual(before);
  });
});
