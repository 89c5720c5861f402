/** Shares of a run on one machine: each plays from its part of the machine's own addresses. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { type Lab, runInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must } from '../helpers/process.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const GRYPHON = [process.execPath, COMMAND];
const CAPTURE = fileURLToPath(new URL('../../fixtures/http-keepalive.pcap', import.meta.url));
const USERS = 60;

describe.runIf(canRun('shares from own addresses', ['ip', 'nginx', 'curl', 'iptables']))(
  'shares from own addresses',
  () => {
    let lab: Lab;
    let nginx: Nginx;
    let folder: Folder;

    onNginxGround({}, (ground) => {
      ({ lab, nginx, folder } = ground);
    });

    test('play at the same time, each from its own, and their results are added', async () => {
      const plan = ['--target', '127.0.0.1:80', '--clients', '127.0.1.0/28', '--seed', '5'];
      const load = ['--users', `${USERS}`, '--accel', '10', '--start-at', '+2s'];
      const files = [1, 2].map((share) => join(folder.path, `${share}.json`));
      const runs = await Promise.all(
        files.map((file, i) => {
          const share = ['--share', `${i + 1}/2`, '--json', file];
          return runInside(lab.target, [...GRYPHON, 'replay', CAPTURE, ...plan, ...load, ...share]);
        }),
      );
      for (const { code, stdout, stderr } of runs) expect(code, stdout + stderr).toBe(0);
      const addresses = new Set(nginx.accessLog().map(({ address }) => address));
      // 127.0.1.0/28 has 14 addresses for hosts, each of which had its turn.
      expect(addresses.size).toBe(14);
      const told = files.map((file) => JSON.parse(readFileSync(file, 'utf8')).users.completed);
      expect(told).toEqual([USERS / 2, USERS / 2]);
      const merged = await must([...GRYPHON, 'merge', ...files]);
      expect(merged).toMatch(new RegExp(`users +${USERS}, all of them completed`));
    }, 60_000);
  },
);
