/** Replays against redis-server; its own count of each command is the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  loseAtGateway,
  makeLab,
  routeClients,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay } from '../helpers/replay.ts';
import { redisCommands } from '../helpers/requests.ts';
import { makeFolder, type Redis, startRedis } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'redis-server', 'redis-cli', 'tshark'];

describe.runIf(canRun('replay against redis', TOOLS))('replay against redis', () => {
  let lab: Lab;
  let redis: Redis;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    redis = await startRedis(lab.target);
  });

  afterAll(async () => {
    await redis?.stop();
    await lab?.close();
  });

  test.each([
    { name: 'one command at a time', capture: 'redis.pcap', users: 1_050 },
    { name: 'sixteen commands at a time', capture: 'redis-pipelined.pcap', users: 1_000 },
    { name: 'with 2 % loss', capture: 'redis-pipelined.pcap', users: 1_000, share: 0.02 },
  ])(
    'every command of every user is executed once: $name',
    async ({ capture, users, share = 0 }) => {
      await loseAtGateway(lab, share);
      const streams = playedInTurn(await clientStreams(fixture(capture), 6379), users);
      const expected = tally(streams.flatMap(redisCommands));
      await redis.cli('config', 'resetstat');

      const argv = [fixture(capture), '--target', `${lab.target.ipv4}:6379`];
      const clients = ['--clients', CLIENTS_ROUTED.ipv4, '--users', `${users}`];
      const result = completed(await replay(lab.client, [...argv, ...clients]), users);
      // Each command is an exchange of its own, however many came in one segment.
      const commands = [...expected.values()].reduce((sum, count) => sum + count, 0);
      expect(result.exchanges).toMatchObject({ answered: commands, unfollowed: 0 });
      expect(result.answerRules).toMatchObject({ protocol: commands });
      if (share > 0) expect(result.packets.retransmitted).toBeGreaterThan(0);

      await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
      const calls = await redis.calls();
      const others = ['config|resetstat', 'info'];
      for (const name of others) calls.delete(name);
      expect(calls).toEqual(expected);
      // Two more are this test's own questions, which come one connection each.
      expect(await redis.connectionsReceived()).toBe(users + 2);
    },
  );

  test('users log in with accounts of their own, and are told where they may not', async () => {
    const users = 30;
    const folder = makeFolder('accounts');
    const table = join(folder.path, 'accounts.csv');
    try {
      const names = Array.from({ length: users }, (_, i) => `user${i}`);
      for (const name of names) {
        await redis.cli('acl', 'setuser', name, 'on', `>${name}-secret`, '~*', '+@all');
      }
      const argv = [fixture('redis.pcap'), '--target', `${lab.target.ipv4}:6379`];
      const clients = ['--clients', CLIENTS_ROUTED.ipv4, '--users', `${users}`];
      const replayed = [...argv, ...clients, '--redis-user', `@${table}`];

      const right = names.map((name) => `${name},${name}-secret\n`).join('');
      writeFileSync(table, `user,password\n${right}`);
      await redis.cli('config', 'resetstat');
      const result = completed(await replay(lab.client, replayed), users);
      const calls = await redis.calls();
      expect(calls.get('auth')).toBe(users);
      for (const name of ['auth', 'config|resetstat', 'info']) calls.delete(name);
      const commands = [...calls.values()].reduce((sum, count) => sum + count, 0);
      expect(commands).toBe(result.exchanges.answered);

      writeFileSync(table, `user,password\n${right.replaceAll('-secret', '-wrong')}`);
      const refused = await replay(lab.client, replayed);
      expect(refused.stderr).toContain(
        'redis: the server says: WRONGPASS invalid username-password pair',
      );
      expect(refused.stderr).toContain(`(${users} times)`);
      expect(refused.stdout + refused.stderr).not.toContain('-secret');
    } finally {
      folder.remove();
    }
  });
});
