/**
 * Servers whose answers are other ones than recorded, each time: a Node server in all the ways that HTTP has, and
 * nginx before it. The oracles are the servers' own accounts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, until } from '../helpers/process.ts';
import { completed, replay } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { type Folder, makeFolder, type Nginx, startNginx } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', 'tcpdump', 'nginx', 'curl'];
const PROGRAM = [
  process.execPath,
  fileURLToPath(new URL('servers/live-http.mjs', import.meta.url)),
];
const PAGES = ['/length', '/chunks', '/slow', '/gzip'];
const ALL = [...PAGES, '/hints', '/refused', '/upload'];
const PORT = 8_000;
const USERS = 1_000;
const DELAY_MS = 5;

describe.runIf(canRun('live answers', TOOLS))('live answers', () => {
  let lab: Lab;
  let folder: Folder;
  let nginx: Nginx;
  let server: Running | null = null;
  let ledger = '';

  const start = async (name: string): Promise<void> => {
    ledger = join(folder.path, name);
    server = startInside(lab.target, [...PROGRAM, `${PORT}`, ledger, `${DELAY_MS}`]);
    await until('the server listens', () => server?.output().includes('ready') === true);
  };

  /** Ends the server. @returns which paths it has answered */
  const stop = async (): Promise<string[]> => {
    await server?.stop('SIGTERM');
    server = null;
    const lines = readFileSync(ledger, 'utf8').trim().split('\n');
    return lines.map((line) => (JSON.parse(line) as { readonly path: string }).path);
  };

  /** Four connections that ask for each of the paths. @param options tcpdump's @returns the capture */
  const record = async (paths: readonly string[], options: readonly string[]): Promise<string> => {
    const capture = join(folder.path, `recorded-${paths.length}.pcap`);
    const filter = `tcp port ${PORT}`;
    const argv = [...PROGRAM, 'record', lab.target.ipv4, `${PORT}`, '4', ...paths];
    const act = () => mustInside(lab.client, argv);
    await captureWhile(lab.client, capture, { filter, options }, act);
    return capture;
  };

  let capture: string;
  let cut: string;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    nginx = await startNginx(lab.target);
    folder = makeFolder('live');
    await start('recorded');
    capture = await record(ALL, []);
    // Requests are whole; of answers 62 bytes are left, which is less than their headers have.
    cut = await record(PAGES, ['-s', '128']);
    await stop();
  });

  afterAll(async () => {
    await server?.stop('SIGKILL');
    await nginx?.stop();
    await lab?.close();
    folder?.remove();
  });

  /** @param path `rough`: packets are lost, and overtake each other */
  const play = async (recorded: string, port: number, path: 'smooth' | 'rough') => {
    const load = ['--users', `${USERS}`, '--rate', '500', '--clients', CLIENTS_ROUTED.ipv4];
    const argv = [recorded, '--target', `${lab.target.ipv4}:${port}`, ...load];
    const act = () => replay(lab.client, argv);
    if (path === 'smooth') return completed(await act(), USERS);
    const { value, overtaken } = await onRoughPath(lab, act);
    const result = completed(value, USERS);
    expectOvertaken(overtaken, USERS);
    expect(result.packets.retransmitted).toBeGreaterThan(0);
    return result;
  };

  test.each(['smooth', 'rough'] as const)(
    'of a Node server end where they say: a %s path',
    async (path) => {
      await start(path);
      const { exchanges, answerRules } = await play(capture, PORT, path);
      const expected = USERS * ALL.length;
      const none = { mismatched: 0, unsolicited: 0, unfollowed: 0 };
      expect(exchanges).toMatchObject({ answered: expected, ...none });
      expect(exchanges.statuses).toMatchObject({ '2xx': expected - USERS, '4xx': USERS });
      expect(answerRules).toMatchObject({ protocol: expected });
      expect(tally(await stop())).toEqual(new Map(ALL.map((path) => [path, USERS])));
    },
  );

  test('of nginx before it do, too, by a rough path, from a capture whose answers were cut within their headers', async () => {
    await start('proxied');
    const before = nginx.accessLog().length;
    const { exchanges, answerRules } = await play(cut, 80, 'rough');
    const expected = USERS * PAGES.length;
    expect(exchanges).toMatchObject({
      answered: expected,
      failed: 0,
      unsolicited: 0,
      unfollowed: 0,
    });
    expect(exchanges.statuses).toMatchObject({ '2xx': expected });
    expect(answerRules).toMatchObject({ protocol: expected });
    const asked = new Map(PAGES.map((path) => [path, USERS]));
    expect(tally(await stop())).toEqual(asked);
    expect(
      tally(
        nginx
          .accessLog()
          .slice(before)
          .map(({ uri }) => uri),
      ),
    ).toEqual(asked);
  });
});
