/** Targets that make it hard for their clients: no room to wait, a narrow window, a connection closed early. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clientStreams, startCapture } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { signalTo, until } from '../helpers/process.ts';
import {
  completed,
  connectionsGone,
  FIRST,
  fixture,
  replay,
  withLedger,
} from '../helpers/replay.ts';
import { httpRequests } from '../helpers/requests.ts';
import type { Folder, Nginx } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'sysctl',
  'chrt',
  'nginx',
  'curl',
  'tcpdump',
  'tshark',
  '/usr/bin/python3',
];
const RANGE = CLIENTS_ROUTED.ipv4;
/** nginx.conf: the second answer on a connection to it is the last. */
const CLOSING_PORT = 8_008;
/** nginx.conf: its backlog is 1. */
const CRAMPED_PORT = 8_009;
const LARGE_BYTES = 10_000_000;

describe.runIf(canRun('replay to hard targets', TOOLS))('a target', () => {
  let lab: Lab;
  let nginx: Nginx;
  let folder: Folder;

  onNginxGround({ isRouted: true }, (ground) => {
    ({ lab, nginx, folder } = ground);
  });

  keepGround(() => [lab.target]);

  const against = (port: number, users: number) => {
    const target = ['--target', `${lab.target.ipv4}:${port}`, '--clients', RANGE];
    return [...target, '--users', `${users}`];
  };

  /** SYNs and handshakes of ours that found no room in a queue, of all that the target's kernel ever had. */
  async function overflows(): Promise<number> {
    const text = await mustInside(lab.target, ['cat', '/proc/net/netstat']);
    const [names, numbers] = text
      .split('\n')
      .filter((line) => line.startsWith('TcpExt:'))
      .map((line) => line.split(' '));
    return Number(numbers?.[names?.indexOf('ListenOverflows') ?? -1]);
  }

  test('with room for one that waits gets every request of those, too, who come while it takes nobody in', async () => {
    const users = 40;
    const before = { overflows: await overflows(), logged: nginx.accessLog().length };
    signalTo(nginx.workerPid, 'SIGSTOP');
    let going: Promise<void> = Promise.resolve();
    // Those who have found no room come again one after another, as they came first.
    const spread = ['--rate', '40/s', '--timeout', '60s'];
    const argv = [fixture('http-short.pcap'), ...against(CRAMPED_PORT, users), ...spread];
    const replayed = await replay(lab.client, argv, {
      onStart: () => {
        const isFull = async () => (await overflows()) - before.overflows > users / 4;
        going = until('many find no room', isFull, 20_000).finally(() =>
          signalTo(nginx.workerPid, 'SIGCONT'),
        );
        going.catch(() => undefined);
      },
    });
    await going;
    completed(replayed, users);
    await connectionsGone(lab.target, RANGE);
    const streams = await clientStreams(fixture('http-short.pcap'), 80);
    const requests = playedInTurn(streams.map(httpRequests), users).flat();
    const asked = nginx.accessLog().slice(before.logged);
    expect(tally(asked.map(({ uri }) => uri))).toEqual(tally(requests.map(({ uri }) => uri)));
  });

  test.each([
    ['think times', ['--accel', '10']],
    ['none', ['--pace', 'none']],
  ])(
    'that says it closes after two answers is asked no more by who had more to say: with %s',
    async (_, pace) => {
      const users = 32;
      const before = nginx.accessLog().length;
      const streams = await clientStreams(fixture('http-keepalive.pcap'), 80);
      const played = playedInTurn(streams.map(httpRequests), users);
      const argv = [fixture('http-keepalive.pcap'), ...against(CLOSING_PORT, users), ...pace];

      const result = withLedger(await replay(lab.client, argv));

      await connectionsGone(lab.target, RANGE);
      const cutShort = played.filter((requests) => requests.length > 2).length;
      expect(cutShort).toBeGreaterThan(0);
      expect(result.users.completed).toBe(users - cutShort);
      // Nobody has asked a third time, to be reset for it.
      expect(result.users.reasons.aborted.closedEarly).toBe(cutShort);
      expect(result.exchanges.sent).toBe(result.exchanges.answered);
      const asked = nginx.accessLog().slice(before);
      const expected = played.flatMap((requests) => requests.slice(0, 2).map(({ uri }) => uri));
      expect(tally(asked.map(({ uri }) => uri))).toEqual(tally(expected));
      expect(result.exchanges.answered).toBe(expected.length);
    },
  );

  test('whose window is 64 KB gets 10 MB whole, about as fast as from curl', async () => {
    await mustInside(lab.target, ['sysctl', '-qw', 'net.ipv4.tcp_window_scaling=0']);
    const body = Buffer.alloc(LARGE_BYTES);
    // Every place differs from its neighbours at any distance that a segment could be off by.
    for (let at = 0; at < body.length; at += 4)
      body.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
    const url = `http://${lab.target.ipv4}/upload`;
    const curl = ['curl', '-sS', '-f', '-o', '/dev/null', '-w', '%{time_total}', '-H', 'Expect:'];
    const upload = () =>
      mustInside(lab.client, ['chrt', '--rr', '1', ...curl, '--data-binary', '@-', url], {
        input: body,
      });
    const path = join(folder.path, 'upload.pcap');
    const recording = await startCapture(lab.target, path, { filter: 'tcp port 80' });
    await upload();
    await recording.stop();
    const before = nginx.accessLog().length;
    const rounds = 3;
    let [best, bestOfCurl] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < rounds; round++) {
      bestOfCurl = Math.min(bestOfCurl, Number(await upload()));
      const argv = [path, ...against(80, 1), '--threads', '1'];
      const { latency } = completed(await replay(lab.client, argv, FIRST), 1);
      await connectionsGone(lab.target, RANGE);
      best = Math.min(best, ((latency.connect?.max ?? 0) + (latency.response?.max ?? 0)) / 1_000);
    }
    const bodies = nginx
      .accessLog()
      .slice(before)
      .map((entry) => readFileSync(entry.body));
    expect(bodies.map((each) => each.equals(body))).toEqual(new Array(2 * rounds).fill(true));
    // A process that has just started compiles its way of each segment meanwhile.
    expect(best).toBeLessThan(1.5 * bestOfCurl + 0.2);
  }, 240_000);
});
