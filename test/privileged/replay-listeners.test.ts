/** Threads that listen together: what one of them does must not take the others' replies away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keepGround } from '../helpers/ground.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import { type Nginx, startNginx } from '../helpers/servers.ts';

const KEEPALIVE = fixture('http-keepalive.pcap');

describe.runIf(canRun('threads that listen together', ['ip', 'ss', 'nginx', 'curl']))(
  'threads that listen together',
  () => {
    let lab: Lab;
    let nginx: Nginx;

    beforeAll(async () => {
      lab = await makeLab();
      await routeClients(lab);
      nginx = await startNginx(lab.target);
    });
    keepGround(() => [lab.client, lab.target]);
    afterAll(async () => {
      await nginx?.stop();
      await lab?.close();
    });

    const toTarget = (...more: string[]) => [
      KEEPALIVE,
      ...['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4, '--seed', '7'],
      ...more,
    ];
    /** The groups of the packet sockets there are, a socket each: its number and how it shares out. */
    const groups = async (): Promise<readonly string[]> => {
      const listed = await mustInside(lab.client, ['ss', '-0', '-e', '-n', '-a']);
      return [...listed.matchAll(/fanout\(([^)]*)\)/g)].map(([, how]) => how);
    };

    test.each([
      { threads: 2, sockets: 0 },
      { threads: 3, sockets: 3 },
    ])('$threads threads: $sockets sockets in one group, all complete', async (row) => {
      const { threads, sockets } = row;
      let seen: readonly string[] = [];
      let looking: Promise<void> = Promise.resolve();
      const before = (await nginx.stubStatus()).requests;
      const onStart = (): void => {
        looking = until('users play', async () => {
          const { requests } = await nginx.stubStatus();
          seen = await groups();
          return requests - before >= 20;
        });
        looking.catch(() => undefined);
      };
      const argv = toTarget('--users', '210', '--accel', '0.8', '--threads', `${threads}`);
      const replayed = await replay(lab.client, argv, { onStart });
      await looking;
      completed(replayed, 210);
      expect(seen).toHaveLength(sockets);
      expect(new Set(seen).size).toBe(sockets === 0 ? 0 : 1);
      expect(await groups()).toEqual([]);
      await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
    });

    test('one that has nothing left to play leaves the others their replies', async () => {
      // A thread each, one and a half seconds apart. Did two of the sockets leave, the third would be in another place.
      const argv = toTarget('--users', '4', '--rate', '40/m', '--accel', '50', '--threads', '4');
      const replayed = await replay(lab.client, argv);
      completed(replayed, 4);
    });
  },
);
