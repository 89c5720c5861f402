/** A target whose link-layer address changes in the midst of a run, as when a standby takes over. */
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, CLIENTS_ROUTED, DEVICE, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import type { Nginx } from '../helpers/servers.ts';

const USERS = 200;

describe.runIf(canRun('a next hop that moves', ['ip', 'ethtool', 'ss', 'nginx']))(
  'a next hop that moves',
  () => {
    let lab: Lab;
    let nginx: Nginx;

    onNginxGround({ isRouted: true }, (ground) => {
      ({ lab, nginx } = ground);
    });

    test.each([
      { family: 'ipv4', name: 'routed clients', clients: CLIENTS_ROUTED.ipv4, mac: 1 },
      { family: 'ipv4', name: 'clients on the link', clients: CLIENTS_ON_LINK.ipv4, mac: 2 },
      { family: 'ipv6', name: 'routed clients', clients: CLIENTS_ROUTED.ipv6, mac: 3 },
    ] as const)('is followed: every user completes ($family, $name)', async (row) => {
      const address = row.family === 'ipv4' ? lab.target.ipv4 : `[${lab.target.ipv6}]`;
      const before = (await nginx.stubStatus()).requests;
      let moved = Promise.resolve();
      const move = async (): Promise<void> => {
        const isUnderWay = async () => (await nginx.stubStatus()).requests > before + USERS;
        await until('users under way', isUnderWay, 30_000);
        const to = `02:00:00:00:77:0${row.mac}`;
        await mustInside(lab.target, ['ip', 'link', 'set', DEVICE, 'address', to]);
      };
      const argv = ['--target', `${address}:80`, '--clients', row.clients];
      const asked = ['--users', `${USERS}`, '--rate', '400/s', '--accel', '0.5'];
      const capture = fixture('http-keepalive.pcap');
      const value = await replay(lab.client, [capture, ...argv, ...asked, '--timeout', '20s'], {
        onStart: () => {
          moved = move();
        },
      });
      await moved;
      const { packets } = completed(value, USERS);
      expect(value.stderr).toContain(`has another MAC since now, 02:00:00:00:77:0${row.mac}`);
      // Some were under way to the old one, or the test says nothing.
      expect(packets.retransmitted).toBeGreaterThan(0);
      await connectionsGone(lab.target, row.clients);
    });
  },
);
