/** The same clients from one machine, and at once from another: the target has to hear of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DEVICE,
  type Host,
  makeSwitchedLab,
  mustInside,
  type SwitchedLab,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import { type Nginx, startNginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx'];
const USERS = 60;
const ADDRESSES = 50;
const POOLS = { 4: '10.77.64.1-10.77.64.50', 6: 'fd77::64:1-fd77::64:32' } as const;

describe.runIf(canRun('clients that move', TOOLS))('clients that move to another machine', () => {
  let lab: SwitchedLab;
  let nginx: Nginx;

  beforeAll(async () => {
    lab = await makeSwitchedLab();
    nginx = await startNginx(lab.target);
  });

  afterAll(async () => {
    await nginx?.stop();
    await lab?.close();
  });

  const play = async (from: Host, family: 4 | 6, extra: readonly string[] = []) => {
    const target = family === 4 ? `${lab.target.ipv4}:80` : `[${lab.target.ipv6}]:80`;
    const argv = [fixture('http-short.pcap'), '--target', target, '--clients', POOLS[family]];
    const value = await replay(from, [
      ...argv,
      '--users',
      `${USERS}`,
      '--rate',
      '1000/s',
      ...extra,
    ]);
    const result = completed(value, USERS);
    await connectionsGone(lab.target, family === 4 ? '10.77.64.0/24' : '[fd77::64:0]/112');
    return result;
  };

  /** For how many clients the target's neighbour table has the MAC of this host. */
  const knownAt = async (host: Host): Promise<number> => {
    const [link] = JSON.parse(await mustInside(host, ['ip', '-json', 'link', 'show', DEVICE])) as {
      readonly address: string;
    }[];
    const neighbours = JSON.parse(
      await mustInside(lab.target, ['ip', '-json', 'neigh', 'show', 'dev', DEVICE]),
    ) as { readonly dst: string; readonly lladdr?: string }[];
    const clients = neighbours.filter(({ dst }) => /^(10\.77\.64|fd77::64)/.test(dst));
    return clients.filter(({ lladdr }) => lladdr === link?.address).length;
  };

  test.each([
    { family: 4, sender: 'packet' },
    { family: 6, sender: 'packet' },
    { family: 4, sender: 'ip' },
    { family: 6, sender: 'ip' },
  ] as const)('IPv$family by $sender: all complete from both', async ({ family, sender }) => {
    await mustInside(lab.target, ['ip', 'neigh', 'flush', 'dev', DEVICE]);
    await play(lab.client, family, ['--sender', sender]);
    expect(await knownAt(lab.client)).toBe(ADDRESSES);

    const { packets } = await play(lab.other, family, ['--sender', sender]);

    expect(await knownAt(lab.other)).toBe(ADDRESSES);
    // Replies that went to the other machine would have made us send again.
    expect([packets.synRetransmitted, packets.retransmitted]).toEqual([0, 0]);
  });
});
