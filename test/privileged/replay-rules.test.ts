/** Rules for HTTP against nginx, which gives each connection a session and logs what it is sent. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, replay, withLedger } from '../helpers/replay.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const PACKED = fileURLToPath(new URL('servers/packed.mjs', import.meta.url));
const TOOLS = ['ip', 'ethtool', 'nginx', 'curl', 'tcpdump'];
const USERS = 200;
/** With two connections each. */
const CLIENTS = 40;
/** Of the recorded connection: one that gives a session, and those that need it. */
const PAGES = 3;

describe.runIf(canRun('rules for HTTP', TOOLS))('rules for HTTP against nginx', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;
  let capture: string;

  onNginxGround({ isRouted: true }, async (ground) => {
    ({ lab, nginx, folder } = ground);
    capture = join(folder.path, 'session.pcap');
    const pages = ['session', ...Array.from({ length: PAGES }, () => 'page.html')];
    const urls = pages.flatMap((page) => ['-o', '/dev/null', `http://${lab.target.ipv4}/${page}`]);
    const act = () => mustInside(lab.client, ['curl', '-sS', '-b', '', ...urls]);
    await captureWhile(lab.target, capture, { filter: 'tcp port 80' }, act);
  });

  /** What nginx was sent of so many users, by connection. */
  async function sent(argv: readonly string[]): Promise<readonly (readonly [number, Logged[]])[]> {
    const before = nginx.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
    const users = ['--users', `${USERS}`, '--rate', '400/s'];
    completed(await replay(lab.client, [capture, ...target, ...users, ...argv]), USERS);
    const entries = nginx.accessLog().slice(before);
    expect(entries).toHaveLength(USERS * (1 + PAGES));
    const connections = new Map<number, Logged[]>();
    for (const entry of entries) {
      connections.set(entry.connection, [...(connections.get(entry.connection) ?? []), entry]);
    }
    expect(connections.size).toBe(USERS);
    return [...connections];
  }

  test('each user says in every request what it was told, and what it was set', async () => {
    const headers = ['--set-header', 'Host: shop.test', '--set-header', 'X-Run: {{uuid client}}'];
    const connections = await sent(['--cookies', 'auto', '--threads', '2', ...headers]);
    const runs = new Set<string>();
    for (const [connection, entries] of connections) {
      const own = `sid=session-of-${connection}`;
      expect(entries.map(({ cookie }) => cookie)).toEqual(['', own, own, own]);
      expect(new Set(entries.map(({ host }) => host))).toEqual(new Set(['shop.test']));
      const [run = '', ...others] = new Set(entries.map((entry) => entry.run));
      expect(others).toEqual([]);
      runs.add(run);
    }
    expect(runs.size).toBe(USERS);
  });

  test('what a client is told on one connection it says on the other', async () => {
    const twice = join(folder.path, 'twice.pcap');
    await captureWhile(lab.target, twice, { filter: 'tcp port 80' }, async () => {
      const base = `http://${lab.target.ipv4}`;
      const told = await mustInside(lab.client, ['curl', '-sS', `${base}/session`]);
      const { token } = JSON.parse(told) as { readonly token: string };
      const page = `${base}/page.html?t=${encodeURIComponent(token)}`;
      await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', page]);
    });
    const rules = join(folder.path, 'rules.yaml');
    writeFileSync(rules, 'unbound: fail\nlearn: [{ name: token, from: { json: $.token } }]\n');

    const before = nginx.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
    const users = ['--per', 'client', '--users', `${CLIENTS}`, '--rules', rules];
    completed(await replay(lab.client, [twice, ...target, ...users]), 2 * CLIENTS);
    const sessions = new Map<string, number>();
    const pages = new Map<string, string>();
    for (const { address, uri, connection } of nginx.accessLog().slice(before)) {
      if (uri === '/session') sessions.set(address, connection);
      else pages.set(address, uri);
    }
    const wanted = [...sessions].map(([address, connection]): [string, string] => [
      address,
      `/page.html?t=token%2Fof%2B${connection}`,
    ]);
    expect(wanted).toHaveLength(CLIENTS);
    expect(pages).toEqual(new Map(wanted));
  });

  test.each([
    ['closes', 'request.socket.end()'],
    ['is reset', 'request.socket.resetAndDestroy()'],
  ])(
    'where the connection that would have told it %s, the other goes on at once',
    async (_, how) => {
      const twice = join(folder.path, 'dropped.pcap');
      await captureWhile(lab.target, twice, { filter: 'tcp port 80' }, async () => {
        const base = `http://${lab.target.ipv4}`;
        const told = await mustInside(lab.client, ['curl', '-sS', `${base}/session`]);
        const { token } = JSON.parse(told) as { readonly token: string };
        const page = `${base}/page.html?t=${encodeURIComponent(token)}`;
        await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', page]);
      });
      const server = startInside(lab.target, [
        ...[process.execPath, '-e'],
        `require('node:http').createServer((request, response) => {
        if (request.url === '/session') ${how};
        else response.end('page');
      }).listen(81, '0.0.0.0', () => console.log('listening'))`,
      ]);
      try {
        await until('the server', async () => server.output().includes('listening'));
        const rules = join(folder.path, 'dropped.yaml');
        writeFileSync(rules, 'unbound: skip\nlearn: [{ name: token, from: { json: $.token } }]\n');
        const target = ['--target', `${lab.target.ipv4}:81`, '--clients', CLIENTS_ROUTED.ipv4];
        const users = ['--per', 'client', '--users', `${CLIENTS}`, '--rules', rules];
        const more = ['--bind-timeout', '30s', '--pace', 'schedule'];
        const played = await replay(lab.client, [twice, ...target, ...users, ...more]);
        const { users: ends, durationSeconds } = withLedger(played);
        expect({ ...ends, said: played.stderr }).toMatchObject({
          planned: 2 * CLIENTS,
          completed: CLIENTS,
        });
        expect(durationSeconds).toBeLessThan(10);
      } finally {
        await server.stop('SIGTERM');
      }
    },
  );

  test('what each was told stands in bodies that are compressed, too', async () => {
    const server = startInside(lab.target, [process.execPath, PACKED, '82']);
    try {
      await until('the server', async () => server.output().includes('listening'));
      const base = `http://${lab.target.ipv4}:82`;
      const posted = join(folder.path, 'posted.pcap');
      const body = join(folder.path, 'body.gz');
      // The first token that it gives, which the recorded client knows beforehand.
      writeFileSync(body, gzipSync(JSON.stringify({ items: [1, 2, 3], token: 'token--0' })));
      await captureWhile(lab.target, posted, { filter: 'tcp port 82' }, () =>
        mustInside(lab.client, [
          ...['curl', '-sS', '-o', '/dev/null', `${base}/token`, '--next'],
          ...['-sS', '-f', '-o', '/dev/null', '-H', 'Content-Encoding: gzip'],
          ...['-H', 'Content-Type: application/json', '--data-binary', `@${body}`, `${base}/items`],
        ]),
      );
      const rules = join(folder.path, 'posted.yaml');
      writeFileSync(rules, 'learn: [{ name: token, from: { json: $.token } }]\n');
      const target = ['--target', `${lab.target.ipv4}:82`, '--clients', CLIENTS_ROUTED.ipv4];
      const users = ['--users', `${USERS}`, '--rules', rules];
      completed(await replay(lab.client, [posted, ...target, ...users]), USERS);
      expect(tally(server.output().trim().split('\n').slice(1))).toEqual(
        new Map([['right', USERS + 1]]),
      );
    } finally {
      await server.stop('SIGTERM');
    }
  });

  test('and without them all of them say what was recorded', async () => {
    const said = new Set<string>();
    for (const [, entries] of await sent([])) {
      for (const { cookie, host, run } of entries.slice(1)) said.add(`${cookie} ${host} ${run}`);
    }
    expect([...said]).toEqual([expect.stringMatching(/^sid=session-of-\d+ [\d.]+ $/)]);
  });
});

interface Logged {
  readonly connection: number;
  readonly host: string;
  readonly cookie: string;
  readonly run: string;
}
