/** A generator that stands still for longer than a retransmission timeout, while nothing is lost. */
import type { ChildProcess } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import type { Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import type { Nginx } from '../helpers/servers.ts';

const STALL_MS = 400;
const USERS = 2_000;
const RANGE = '198.18.7.0/24';

describe.runIf(canRun('a generator that stands still', ['ip', 'ethtool', 'ss', 'curl', 'nginx']))(
  'a generator that stands still',
  () => {
    let lab: Lab;
    let nginx: Nginx;

    onNginxGround({ isRouted: true }, (ground) => {
      ({ lab, nginx } = ground);
    });

    test('sends next to nothing again: what was acknowledged lies in its ring', async () => {
      let stalled = Promise.resolve();
      const capture = fixture('http-keepalive.pcap');
      const argv = [capture, '--target', `${lab.target.ipv4}:80`, '--clients', RANGE];
      const asked = ['--users', `${USERS}`, '--rate', '2000/s', '--pace', 'none'];
      const value = await replay(lab.client, [...argv, ...asked], {
        onStart: (child) => {
          stalled = stall(child, nginx);
        },
      });
      await stalled;

      const result = completed(value, USERS);
      await connectionsGone(lab.target, RANGE);
      expect(result.latency.lag?.max).toBeGreaterThan(STALL_MS / 2);
      expect(result.packets.retransmitted).toBeLessThanOrEqual(20);
      expect(result.packets.synRetransmitted).toBeLessThanOrEqual(20);
    });
  },
);

/** Stops the generator for a while in the midst of its run. */
async function stall(child: ChildProcess, nginx: Nginx): Promise<void> {
  await until('requests', async () => (await nginx.stubStatus()).requests >= USERS);
  child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, STALL_MS));
  child.kill('SIGCONT');
}
