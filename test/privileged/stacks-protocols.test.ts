/** Replays of what is not HTTP, by way of TCP stacks that share no code with Linux' or with ours. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import type { Host } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { mysqlQueries, redisCommands } from '../helpers/requests.ts';
import {
  type NotingServer,
  type Server,
  startGreeting,
  startMariadb,
  startRedis,
  startSmtp,
} from '../helpers/servers.ts';
import { type StackLab, startPasta, startSlirp } from '../helpers/stacks.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'tshark', 'redis-server', 'mariadbd', '/usr/bin/python3'];
const USERS = 200;

/** A server, and whether it got just what these clients say: by its own account. */
interface Told {
  readonly server: Server;
  readonly expectServed: (streams: readonly Buffer[]) => Promise<void>;
}

/** Each octet, of each connection in its order. The way's probe has been connected, too, and says nothing. */
const noting =
  (start: (host: Host) => Promise<NotingServer>) =>
  async (host: Host): Promise<Told> => {
    const server = await start(host);
    const expectServed = async (streams: readonly Buffer[]) => {
      const all = server.connections().map(({ octets }) => octets.toString('latin1'));
      const received = all.filter((octets) => octets !== '');
      expect(tally(received)).toEqual(tally(streams.map((stream) => stream.toString('latin1'))));
    };
    return { server, expectServed };
  };

/** Each command as often as it was said. */
async function redis(host: Host): Promise<Told> {
  const server = await startRedis(host);
  const expectServed = async (streams: readonly Buffer[]) => {
    const calls = await server.calls();
    calls.delete('info');
    expect(calls).toEqual(tally(streams.flatMap(redisCommands)));
  };
  return { server, expectServed };
}

/** Each statement as often as it was said. */
async function mysql(host: Host): Promise<Told> {
  const server = await startMariadb(host);
  await server.sql('create table `load`.visits (id int primary key auto_increment, who text)');
  const expectServed = async (streams: readonly Buffer[]) => {
    expect(tally(server.statements())).toEqual(tally(streams.flatMap(mysqlQueries)));
  };
  return { server, expectServed };
}

describe.each([
  { stack: 'slirp4netns', startStack: startSlirp, clients: '10.0.2.16-10.0.2.80' },
  { stack: 'pasta', startStack: startPasta, clients: '10.9.0.77' },
])('by way of $stack', ({ stack, startStack, clients }) => {
  describe.runIf(canRun(`replay by way of ${stack}`, [...TOOLS, stack]))('a server', () => {
    let lab: StackLab;

    beforeAll(async () => {
      lab = await startStack();
    });

    afterAll(() => lab?.close());

    test.each([
      { capture: 'greeting.pcap', start: noting(startGreeting) },
      { capture: 'smtp.pcap', start: noting(startSmtp) },
      { capture: 'redis.pcap', start: redis },
      { capture: 'redis-pipelined.pcap', start: redis },
      { capture: 'mysql.pcap', start: mysql },
    ])('gets all of every user once: $capture', async ({ capture, start }) => {
      const { server, expectServed } = await start(lab.server);
      try {
        const target = ['--target', `${lab.target}:${server.port}`, '--clients', clients];
        const load = ['--users', `${USERS}`, '--rate', '200/s', '--accel', '10'];
        completed(await replay(lab.load, [fixture(capture), ...target, ...load]), USERS);
        const recorded = await clientStreams(fixture(capture), server.port);
        await expectServed(playedInTurn(recorded, USERS));
      } finally {
        await server.stop();
      }
    });
  });
});
