/** From an nginx without a capture to a replay against it, by the scripts of examples/. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, type Lab, mustInside, runInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const script = (name: string): string => join(ROOT, 'examples', name);

describe.runIf(canRun('examples', ['ip', 'ethtool', 'nginx', 'curl', 'tcpdump', 'timeout']))(
  'examples',
  () => {
    let lab: Lab;
    let nginx: Nginx;
    let folder: Folder;

    onNginxGround({}, (ground) => {
      ({ lab, nginx, folder } = ground);
    });

    test('record on the server, then play what was recorded from other clients', async () => {
      const recording = startInside(
        lab.target,
        ['bash', script('record.sh'), '80', '6', 'app.pcap'],
        {
          cwd: folder.path,
        },
      );
      await until('tcpdump listening', () => recording.output().includes('listening on any'));
      for (let i = 0; i < 5; i++) {
        await mustInside(lab.client, ['curl', '-sS', `http://${lab.target.ipv4}/page.html`]);
      }
      await until('the end of the recording', () => recording.hasEnded(), 30_000);
      expect(recording.output()).toContain('recorded: app.pcap');
      expect(existsSync(join(folder.path, 'app.pcap'))).toBe(true);

      const before = nginx.accessLog().length;
      const argv = [script('own-server.sh'), 'app.pcap', `${lab.target.ipv4}:80`, '20'];
      const { code, stdout, stderr } = await runInside(
        lab.client,
        ['bash', ...argv, '--clients', CLIENTS_ON_LINK.ipv4],
        {
          cwd: folder.path,
          env: { ...process.env, GRYPHON: `${process.execPath} ${join(ROOT, 'bin/gryphon.js')}` },
        },
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('all 20 users completed');
      const served = nginx.accessLog().slice(before);
      expect(served.map(({ uri, status }) => `${uri} ${status}`)).toEqual(
        Array.from({ length: 20 }, () => '/page.html 200'),
      );
    });
  },
);
