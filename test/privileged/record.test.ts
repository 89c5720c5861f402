/** `gryphon record`: what a server is asked while it is loaded, without a loss, and whole sessions only. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { type Lab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, until } from '../helpers/process.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const GRYPHON = [process.execPath, COMMAND];
const REQUESTS = 400;

interface Inspected {
  readonly files: readonly { readonly packets: number; readonly damage: unknown }[];
  readonly sessions: {
    readonly total: number;
    readonly replayable: number;
    readonly skipped: Readonly<Record<string, number>>;
  };
}

describe.runIf(canRun('gryphon record', ['ip', 'nginx', 'curl', 'tshark', 'tcpdump', 'ethtool']))(
  'gryphon record',
  () => {
    let lab: Lab;
    let nginx: Nginx;
    let folder: Folder;

    onNginxGround({}, (ground) => {
      ({ lab, nginx, folder } = ground);
    });

    /** Records while REQUESTS connections with a request each are made. */
    async function recorded(name: string, ...more: string[]): Promise<string> {
      const out = join(folder.path, name);
      const options = ['--interface', lab.target.device, '--server', '80', '--out', out];
      const recording = startInside(lab.target, [...GRYPHON, 'record', ...options, ...more]);
      await until('it records', () => recording.output().includes('recording'));
      await until('there is a file', () => {
        try {
          return readdirSync(out).length > 0;
        } catch {
          return false;
        }
      });
      const urls = `http://${lab.target.ipv4}/page.html?[1-${REQUESTS}]`;
      const argv = ['curl', '-s', '-Z', '--parallel-max', '20', '-H', 'Connection: close'];
      await mustInside(lab.client, [...argv, '-o', '/dev/null', urls]);
      await recording.stop('SIGINT');
      expect(recording.exitCode(), recording.output()).toBe(0);
      return recording.output();
    }

    const inspected = async (name: string): Promise<Inspected> =>
      JSON.parse(await must([...GRYPHON, 'inspect', '--json', join(folder.path, name)]));

    test('requests whole, answers cut, nothing lost; and others read it', async () => {
      const before = nginx.accessLog().length;
      const said = await recorded(
        'all',
        '--answers',
        '64',
        '--rotate',
        '1MiB',
        '--max-cpu',
        '100%',
      );
      expect(nginx.accessLog().length - before).toBe(REQUESTS);
      expect(said).toMatch(/; 0 packets lost\n/);
      const { files, sessions } = await inspected('all');
      expect(sessions).toEqual({ total: REQUESTS, replayable: REQUESTS, skipped: {} });
      expect(files.map(({ damage }) => damage)).toEqual(files.map(() => null));
      const packets = files.reduce((sum, file) => sum + file.packets, 0);
      const [first = ''] = readdirSync(join(folder.path, 'all'));
      const path = join(folder.path, 'all', first);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const byTshark = await must(['tshark', '-r', path, '-T', 'fields', '-e', 'tcp.len']);
      expect(byTshark.trim().split('\n')).toHaveLength(files[0]?.packets ?? -1);
      expect(await must(['tcpdump', '-nr', path, '-c', '1'])).toContain('.80: Flags [S]');
      expect(said).toContain(`recorded ${packets.toLocaleString('en')} packets`);

      const plan = [
        '--target',
        `${lab.target.ipv4}:80`,
        '--clients',
        '10.77.64.0/24',
        '--users',
        '50',
      ];
      const replay = ['replay', join(folder.path, 'all'), ...plan, '--accel', '10'];
      const text = await mustInside(lab.client, [...GRYPHON, ...replay]);
      expect(text).toContain('all 50 users completed');
    }, 90_000);

    test('a tenth of the sessions, each of them whole, by another user than root', async () => {
      await must(['chmod', '777', folder.path]);
      await recorded('tenth', '--sessions', '10%', '--max-cpu', '100%', '--user', 'nobody');
      const { sessions } = await inspected('tenth');
      expect(sessions.replayable).toBe(sessions.total);
      // 40 expected; 6 is the standard deviation.
      expect(sessions.total).toBeGreaterThan(40 - 5 * 6);
      expect(sessions.total).toBeLessThan(40 + 5 * 6);
      const [first = ''] = readdirSync(join(folder.path, 'tenth'));
      expect(statSync(join(folder.path, 'tenth', first)).uid).not.toBe(0);
    }, 90_000);
  },
);
