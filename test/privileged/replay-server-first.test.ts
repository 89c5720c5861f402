/** Replays against servers that speak first; what they say they received is the oracle. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientStreams } from '../helpers/capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, fixture, replay, watched } from '../helpers/replay.ts';
import { mysqlQueries } from '../helpers/requests.ts';
import { startGreeting, startMariadb, startSmtp } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'mariadbd', 'tcpdump', 'tshark', '/usr/bin/python3'];
const RANGE = CLIENTS_ROUTED.ipv4;

describe.runIf(canRun('replay against servers that greet', TOOLS))(
  'replay of greeted clients',
  () => {
    let lab: Lab;

    beforeAll(async () => {
      lab = await makeLab();
      await routeClients(lab);
    });

    afterAll(async () => {
      await lab?.close();
    });

    test.each([
      { name: 'the greeting server', start: startGreeting, capture: 'greeting.pcap', users: 200 },
      { name: 'aiosmtpd', start: startSmtp, capture: 'smtp.pcap', users: 60 },
    ])('$name receives every octet of every user once and in order', async (row) => {
      const { start, capture, users } = row;
      const server = await start(lab.target);
      try {
        const recorded = await clientStreams(fixture(capture), server.port);
        const argv = [fixture(capture), '--target', `${lab.target.ipv4}:${server.port}`];
        const { value, seen } = await watched(lab, server.port, () =>
          replay(lab.client, [...argv, '--clients', RANGE, '--users', `${users}`]),
        );

        const { exchanges, answerRules } = completed(value, users);
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
    });

    test('mariadb logs in every user and runs every statement once', async () => {
      const users = 120;
      const mariadb = await startMariadb(lab.target);
      try {
        await mariadb.sql(
          'create table `load`.visits (id int primary key auto_increment, who text)',
        );
        const streams = playedInTurn(await clientStreams(fixture('mysql.pcap'), 3306), users);
        const statements = streams.flatMap(mysqlQueries);
        const [selects, connects] = [
          await mariadb.status('Com_select'),
          await mariadb.status('Connections'),
        ];

        const argv = [fixture('mysql.pcap'), '--target', `${lab.target.ipv4}:3306`];
        const value = await replay(lab.client, [
          ...argv,
          '--clients',
          RANGE,
          '--users',
          `${users}`,
        ]);

        const { exchanges, answerRules } = completed(value, users);
        // Rows and their lengths are others than the recorded ones.
        expect(answerRules).toMatchObject({ protocol: exchanges.answered });
        expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
        await connectionsGone(lab.target, RANGE);
        expect(tally(mariadb.statements())).toEqual(tally(statements));
        const expectedSelects = statements.filter((text) => /^select/i.test(text)).length;
        expect((await mariadb.status('Com_select')) - selects).toBe(expectedSelects);
        // Three more are this test's own questions since the figure was read.
        expect((await mariadb.status('Connections')) - connects).toBe(users + 2);
        const rows = await mariadb.sql('select count(*) from `load`.visits');
        const inserts = statements.filter((text) => /^insert/i.test(text)).length;
        expect(Number(rows)).toBe(inserts);
        expect(await mariadb.status('Aborted_clients')).toBe(0);
      } finally {
        await mariadb.stop();
      }
    });
  },
);
