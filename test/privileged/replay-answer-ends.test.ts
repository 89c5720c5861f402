/** Where answers end that are never as long as the recorded ones: their own protocol says it. */
import { describe, expect, test } from 'vitest';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { startLengths } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', '/usr/bin/python3'];
const CAPTURE = fixture('http-keepalive.pcap');
const USERS = 1_000;

describe.runIf(canRun('ends of answers', TOOLS))('ends of answers', () => {
  let lab: Lab;

  onLabGround({ isRouted: true }, (ground) => {
    ({ lab } = ground);
  });

  test('are told by HTTP and never by quiet, whatever the form', async () => {
    const server = await startLengths(lab.target, 80, ['length', 'chunks', 'pieces', 'header']);
    try {
      const load = ['--users', `${USERS}`, '--pace', 'none', '--clients', CLIENTS_ROUTED.ipv4];
      const target = ['--target', `${lab.target.ipv4}:80`];
      const result = completed(await replay(lab.client, [CAPTURE, ...target, ...load]), USERS);
      const { answered } = result.exchanges;
      expect(result.exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0, failed: 0 });
      expect(result.answerRules).toMatchObject({ protocol: answered });
      const written = Object.values(await server.finish());
      expect(written.reduce((sum, count) => sum + count)).toBe(answered);
      expect(Math.min(...written)).toBeGreaterThan(answered / 5);
    } finally {
      await server.stop();
    }
  });
});
