/**
 * A server that breaks HTTP's rules in every other connection: those users end under a reason, and the others as
 * they should. The oracle is the server's own account.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { connectionsGone, fixture, replay, withLedger } from '../helpers/replay.ts';

const PYTHON = '/usr/bin/python3';
const SERVER = join(fileURLToPath(new URL('servers', import.meta.url)), 'breaks-http.py');
const PORT = 8_090;
const USERS = 40;
const HALF = USERS / 2;

describe.runIf(canRun('broken answers', ['ip', 'ethtool', 'ss', PYTHON]))('broken answers', () => {
  let lab: Lab;

  onLabGround({ isRouted: true }, (ground) => {
    ({ lab } = ground);
  });

  test.each([
    { how: 'garbage', reason: 'answerMalformed' },
    { how: '2^63', reason: 'answerBadLength' },
    { how: 'header', reason: 'answerTooLong' },
    { how: 'twice', reason: 'answerExcess' },
    { how: 'endless', reason: null },
  ])('end their users, and nobody else: $how', async ({ how, reason }) => {
    const server = startInside(lab.target, [PYTHON, '-B', SERVER, `${PORT}`, how]);
    try {
      await until('the server listens', () => server.output().includes('ready'));
      const argv = [
        ...[fixture('http-keepalive.pcap'), '--target', `${lab.target.ipv4}:${PORT}`],
        ...['--clients', CLIENTS_ROUTED.ipv4, '--users', `${USERS}`, '--rate', '100'],
        ...['--accel', '4', '--check', 'off'],
        ...(reason === null ? ['--timeout', '3s'] : []),
      ];
      const replayed = await replay(lab.client, argv);
      const { users, exchanges } = withLedger(replayed);
      expect(users).toMatchObject({ planned: USERS, completed: HALF, live: 0, waiting: 0 });
      const said = replayed.stdout.replace(/\s+/g, ' ');
      if (reason === null) {
        expect(users).toMatchObject({ timedOut: HALF });
        expect(users.reasons.timedOut).toMatchObject({ duringAnswer: HALF });
      } else {
        expect(users).toMatchObject({ aborted: HALF });
        expect(users.reasons.aborted).toMatchObject({ [reason]: HALF });
        expect(said.slice(0, 200)).toContain(`users ended early: ${HALF} by `);
      }
      expect(exchanges.unfollowed).toBe(0);
      await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
      await server.stop('SIGTERM');
      expect(server.output()).toContain(`answered ${HALF} well, ${HALF} badly, ${HALF} reset`);
    } finally {
      await server.stop('SIGKILL');
    }
  });
});
