/** `gryphon record --user`: root opens the socket, and somebody else writes the files. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { type Lab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, type Running, until } from '../helpers/process.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const USER = 'nobody';
const STAYS_ROOT = /it stays root: --user \w+ gives that up/;

describe.runIf(canRun('gryphon record', ['ip', 'nginx', 'curl', 'ethtool']))(
  'gryphon record --user',
  () => {
    let lab: Lab;
    let nginx: Nginx;
    let folder: Folder;
    let page: string;

    onNginxGround({}, (ground) => {
      ({ lab, nginx, folder } = ground);
      page = nginx.addPage('large.html', 200_000);
    });

    async function recording(out: string, ...more: string[]): Promise<Running> {
      const options = ['--interface', lab.target.device, '--server', '80', '--out', out];
      const limits = ['--answers', 'full', '--rotate', '1MiB', '--max-cpu', '100%'];
      const argv = [process.execPath, COMMAND, 'record', ...options, ...limits, ...more];
      const started = startInside(lab.target, argv);
      await until('it records', () => started.output().includes('recording'));
      const urls = `http://${lab.target.ipv4}${page}?[1-20]`;
      return mustInside(lab.client, ['curl', '-s', '-o', '/dev/null', urls]).then(() => started);
    }

    test('after its rights are gone it still begins files, which are theirs', async () => {
      const [, , uid, gid] = (await must(['getent', 'passwd', USER])).split(':').map(Number);
      const out = join(folder.path, 'theirs');
      await must(['chmod', '755', folder.path]);
      await must(['install', '-d', '-o', USER, out]);
      const started = await recording(out, '--user', USER);
      const status = readFileSync(`/proc/${started.pid}/status`, 'utf8');
      // Real, effective, saved, and of the file system; and no right is left.
      expect(status).toMatch(new RegExp(`^Uid:\\t${[uid, uid, uid, uid].join('\\t')}$`, 'm'));
      expect(status).toMatch(new RegExp(`^Gid:\\t${[gid, gid, gid, gid].join('\\t')}$`, 'm'));
      expect(status).toMatch(/^CapEff:\t0+$/m);
      await started.stop('SIGINT');
      expect(started.exitCode(), started.output()).toBe(0);
      expect(started.output()).not.toMatch(STAYS_ROOT);
      const files = readdirSync(out).map((name) => statSync(join(out, name)));
      // 4 MB of answers.
      expect(files.length).toBeGreaterThanOrEqual(3);
      for (const file of files) {
        expect([file.uid, file.gid, file.mode & 0o777]).toEqual([uid, gid, 0o600]);
      }
    }, 60_000);

    test('without it root writes them, and it says how not to', async () => {
      const out = join(folder.path, 'roots');
      const started = await recording(out);
      await started.stop('SIGINT');
      expect(started.exitCode(), started.output()).toBe(0);
      expect(started.output()).toMatch(STAYS_ROOT);
      for (const name of readdirSync(out)) expect(statSync(join(out, name)).uid).toBe(0);
    }, 60_000);
  },
);
