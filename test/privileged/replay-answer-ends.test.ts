/** Where answers end that are never as long as the recorded ones: their own protocol says it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLIENTS_ROUTED, type Lab, makeLab, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { startLengths } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', '/usr/bin/python3'];
const CAPTURE = fixture('http-keepalive.pcap');
const USERS = 200;

describe.runIf(canRun('ends of answers', TOOLS))('ends of answers', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
  });

  afterAll(async () => {
    await lab?.close();
  });

  test.each(['length', 'chunks', 'pieces', 'header'] as const)(
    'are told by HTTP and never by quiet: %s',
    async (form) => {
      const server = await startLengths(lab.target, 80, form);
      try {
        const load = ['--users', `${USERS}`, '--pace', 'none', '--clients', CLIENTS_ROUTED.ipv4];
        const target = ['--target', `${lab.target.ipv4}:80`];
        const result = completed(await replay(lab.client, [CAPTURE, ...target, ...load]), USERS);
        expect(result.answerRules).toMatchObject({ protocol: result.exchanges.answered });
      } finally {
        await server.stop();
      }
    },
  );
});
