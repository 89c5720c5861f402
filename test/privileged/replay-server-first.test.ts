/** Replays against servers that speak first; what they say they received is the oracle. */
import { describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay, watched } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { startGreeting, startSmtp } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', 'tcpdump', 'tshark', '/usr/bin/python3'];
const RANGE = CLIENTS_ROUTED.ipv4;

describe.runIf(canRun('replay against servers that greet', TOOLS))(
  'replay of greeted clients',
  () => {
    let lab: Lab;

    onLabGround({ gateway: true, isRouted: true }, (ground) => {
      ({ lab } = ground);
    });

    test.each([
      {
        ...{ name: 'the greeting server', start: startGreeting, capture: 'greeting.pcap' },
        ...{ users: 200, path: 'smooth' },
      },
      {
        ...{ name: 'aiosmtpd', start: startSmtp, capture: 'smtp.pcap' },
        ...{ users: 1_000, path: 'rough' },
      },
    ])(
      '$name receives every octet of $users users once and in order, by a $path path',
      async (row) => {
        const { start, capture, users, path } = row;
        const server = await start(lab.target);
        try {
          const recorded = await clientStreams(fixture(capture), server.port);
          const argv = [fixture(capture), '--target', `${lab.target.ipv4}:${server.port}`];
          const load = ['--clients', RANGE, '--users', `${users}`, '--rate', '500'];
          const act = () => replay(lab.client, [...argv, ...load]);
          const { value, seen } = await watched(lab, server.port, async () => {
            if (path === 'smooth') return act();
            const rough = await onRoughPath(lab, act);
            expectOvertaken(rough.overtaken, users);
            return rough.value;
          });

          const { exchanges, answerRules, packets } = completed(value, users);
          if (path === 'rough') expect(packets.retransmitted).toBeGreaterThan(0);
          // Of SMTP each reply says that it is over, whatever this server's extensions are.
          if (capture === 'smtp.pcap') {
            expect(answerRules).toMatchObject({ protocol: exchanges.answered });
            expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
          }
          await connectionsGone(lab.target, RANGE);
          const connections = server.connections();
          const received = connections.map(({ octets }) => octets.toString('latin1'));
          const sent = playedInTurn(recorded, users).map((octets) => octets.toString('latin1'));
          expect(tally(received)).toEqual(tally(sent));
          expect(new Set(connections.map(({ address, port }) => `${address} ${port}`)).size).toBe(
            users,
          );
          // Neither left open nor reset: both sides said FIN.
          expect(connections.filter(({ end }) => end === 'open' || end === 'lost')).toEqual([]);
          expect(seen).toMatchObject({ wrong: 0, clients: users });
        } finally {
          await server.stop();
        }
      },
    );
  },
);
