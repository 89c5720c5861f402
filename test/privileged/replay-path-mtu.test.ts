/** Uploads across a gateway behind which packets may only be 1,400 octets long. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import type { Nginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'iptables', 'ip6tables', 'nginx', 'tshark'];
const MTU = '1400';
const USERS = 20;

/** A range of its own for each case, so that none finds the connections that another left. */
let cases = 0;
const ownRange = (family: 4 | 6): string =>
  family === 4 ? `198.18.${++cases}.0/24` : `fd77:18::${++cases}:0/112`;

describe.runIf(canRun('replay behind a narrow link', TOOLS))('behind a narrow link', () => {
  let lab: Lab;
  let nginx: Nginx;

  onNginxGround({ gateway: true, isRouted: true }, async (ground) => {
    ({ lab, nginx } = ground);
    // On the gateway's side alone: the target still offers segments of 1,460 octets.
    await mustInside(lab.gateway, ['ip', 'link', 'set', 'link1', 'mtu', MTU]);
  });

  keepGround(() => [lab.gateway]);

  const upload = async (family: 4 | 6, extra: readonly string[] = []) => {
    const range = ownRange(family);
    const before = nginx.accessLog().length;
    const capture = fixture('http-post-gso.pcap');
    const target = family === 4 ? `${lab.target.ipv4}:80` : `[${lab.target.ipv6}]:80`;
    const argv = [capture, '--target', target, '--clients', range, '--users', `${USERS}`];
    const value = await replay(lab.client, [...argv, ...extra]);
    const result = completed(value, USERS);
    await connectionsGone(lab.target, range);
    const bodies = nginx
      .accessLog()
      .slice(before)
      .map(({ body }) => readFileSync(body, 'latin1'));
    const streams = await clientStreams(capture, 80);
    expect(bodies).toHaveLength(result.exchanges.intended);
    for (const body of bodies) {
      expect(streams.some((stream) => stream.toString('latin1').endsWith(body))).toBe(true);
    }
    return { result, text: value.stdout.replaceAll(/\s+/g, ' ') };
  };

  test.each([4, 6] as const)('IPv%i: segments fit once the gateway says so', async (family) => {
    const { result, text } = await upload(family, ['--threads', '2']);
    const { path, dropped } = result.packets;
    expect(path).toMatchObject({ mtu: 1400, smallerTried: 0 });
    expect(path.messages).toBeGreaterThan(0);
    expect(dropped).toMatchObject({ pathMessages: 0, malformed: 0, notOurs: 0 });
    expect(text).toContain('path MTU 1,400 learnt from ICMP');
    // Without a word of the gateway the first would have come at the third timeout, after 1.4 s.
    expect(result.latency.response?.p50).toBeLessThan(1_000);
  });

  test.each([4, 6] as const)(
    'IPv%i: smaller ones are tried where ICMP is filtered',
    async (family) => {
      const tool = family === 4 ? 'iptables' : 'ip6tables';
      const match =
        family === 4
          ? ['-p', 'icmp', '--icmp-type', 'fragmentation-needed']
          : ['-p', 'icmpv6', '--icmpv6-type', 'packet-too-big'];
      await mustInside(lab.gateway, [tool, '-A', 'OUTPUT', ...match, '-j', 'DROP']);

      const { result, text } = await upload(family);

      expect(result.packets.path).toEqual({ mtu: null, messages: 0, smallerTried: USERS });
      expect(text).toContain('ICMP seems to be filtered');
    },
  );
});
