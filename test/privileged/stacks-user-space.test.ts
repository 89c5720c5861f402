/** Replays to nginx by way of TCP stacks that share no code with Linux' or with ours. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay, unreached } from '../helpers/replay.ts';
import { httpRequests } from '../helpers/requests.ts';
import { type Nginx, startNginx } from '../helpers/servers.ts';
import { type StackLab, startPasta, startSlirp } from '../helpers/stacks.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'nginx', 'curl', 'tshark'];

describe.each([
  { stack: 'slirp4netns', start: startSlirp, clients: '10.0.2.16-10.0.2.80', users: 200 },
  // Its replies go to the link-layer address and IP address that it saw last: it has one guest.
  { stack: 'pasta', start: startPasta, clients: '10.9.0.77', users: 200 },
])('by way of $stack', ({ stack, start, clients, users }) => {
  describe.runIf(canRun(`replay by way of ${stack}`, [...TOOLS, stack]))('a server', () => {
    let lab: StackLab;
    let nginx: Nginx;
    let loggedBefore = 0;

    beforeAll(async () => {
      lab = await start();
      nginx = await startNginx(lab.server);
    });

    afterAll(async () => {
      await nginx?.stop();
      await lab?.close();
    });

    beforeEach(() => {
      loggedBefore = nginx.accessLog().length;
    });

    const play = (capture: string, argv: readonly string[], port = 80) => {
      const target = ['--target', `${lab.target}:${port}`, '--users', `${users}`];
      return replay(lab.load, [fixture(capture), ...target, '--accel', '10', ...argv]);
    };

    /** The server got just what the users had to say, each request once. */
    async function expectServed(capture: string): Promise<void> {
      const streams = await clientStreams(fixture(capture), 80);
      const requests = playedInTurn(streams.map(httpRequests), users).flat();
      const entries = nginx.accessLog().slice(loggedBefore);
      const asText = (method: string, uri: string, bytes: number) => `${method} ${uri} ${bytes}`;
      expect(tally(entries.map((one) => asText(one.method, one.uri, one.requestBytes)))).toEqual(
        tally(requests.map((one) => asText(one.method, one.uri, one.bytes))),
      );
      const bodies = entries.filter(({ body }) => body !== '');
      expect(tally(bodies.map(({ body }) => readFileSync(body, 'latin1')))).toEqual(
        tally(
          requests.filter(({ body }) => body.length > 0).map(({ body }) => body.toString('latin1')),
        ),
      );
    }

    // pasta leaves a FIN unacknowledged now and then; that fails nobody.
    test.each(['http-short.pcap', 'http-keepalive.pcap', 'http-post-20k.pcap'])(
      'gets every octet of every user once: %s',
      async (capture) => {
        completed(await play(capture, ['--clients', clients]), users);
        await expectServed(capture);
      },
    );

    test('gets a second run as the first one, though the stack remembers that', async () => {
      for (const seed of ['1', '2']) {
        completed(await play('http-short.pcap', ['--clients', clients, '--seed', seed]), users);
      }
      expect(nginx.accessLog().length - loggedBefore).toBe(2 * users);
    });
  });
});

describe.runIf(canRun('clients that libslirp asks for', [...TOOLS, 'slirp4netns']))(
  'libslirp',
  () => {
    let lab: StackLab;
    let nginx: Nginx;

    beforeAll(async () => {
      lab = await startSlirp();
      nginx = await startNginx(lab.server);
    });

    afterAll(async () => {
      await nginx?.stop();
      await lab?.close();
    });

    const play = (...argv: string[]) => {
      const options = [
        '--target',
        `${lab.target}:80`,
        '--clients',
        '198.18.0.0/24',
        '--users',
        '50',
      ];
      return replay(lab.load, [fixture('http-short.pcap'), ...options, ...argv]);
    };

    test('finds clients off the link by ARP: that is named, and answered where it may be', async () => {
      const refused = await play('--no-arp');
      unreached(refused, 50);
      expect(refused.stderr).toContain('(ARP): --arp;');
      // Those that it was told of unasked it need not ask for.
      completed(await play(), 50);
    });
  },
);
