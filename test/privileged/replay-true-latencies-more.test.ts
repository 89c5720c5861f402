/**
 * As `replay-true-latency`, of servers whose logs tell no times that fine: packets at the server are the oracle. They tell
 * clients' think times, too.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { percentileOf, turnsOf } from '../helpers/answer-times.ts';
import { captureWhile, clientStreams, startCapture } from '../helpers/capture.ts';
import {
  CLIENTS_ON_LINK,
  type Lab,
  makeLab,
  mustInside,
  runInside,
  startInside,
} from '../helpers/netns.ts';
import { postgresTool, startPostgres } from '../helpers/postgres.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { completed, connectionsGone, FIRST, fixture, replay } from '../helpers/replay.ts';
import { mysqlQueries } from '../helpers/requests.ts';
import { type Folder, makeFolder, startMariadb, startSmtp } from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';

const PYTHON = '/usr/bin/python3';
const TOOLS = [
  ...['ip', 'ss', 'chrt', 'tcpdump', 'tshark', 'mariadbd', 'memcached', 'psql', 'setpriv'],
  ...[PYTHON, postgresTool('initdb')],
];
/** Each of the sessions of any of the captures is played equally often. */
const USERS = 1_020;
const LOAD = ['--users', `${USERS}`, '--rate', '500/s', '--check', 'off'];
/** How far a pause may be from the recorded one. */
const THINK_MS = 2;

/** Asks memcached one thing after another. */
const ASK_MEMCACHED = `
import socket, sys
s = socket.create_connection((sys.argv[1], 11211))
for text in ["set a 0 0 3\\r\\nabc\\r\\n", "get a\\r\\n", "get none\\r\\n", "get a\\r\\n"]:
    s.sendall(text.encode())
    got = b""
    while not got.endswith((b"STORED\\r\\n", b"END\\r\\n")):
        got += s.recv(65536)
`;
const SQL = 'select 1;\nselect count(*) from generate_series(1, 5000);\nselect now();\n';

describe.runIf(canRun('true latencies of more servers', TOOLS))('latencies', () => {
  let lab: Lab;
  let folder: Folder;

  beforeAll(async () => {
    lab = await makeLab();
    folder = makeFolder('true-latencies');
  });
  afterAll(async () => {
    await lab?.close();
    folder?.remove();
  });

  /** What a client of the server's own does, as the network has it. */
  const record = async (port: number, act: () => Promise<unknown>): Promise<string> => {
    const path = join(folder.path, `recorded-${port}.pcap`);
    await captureWhile(lab.client, path, { filter: `tcp port ${port}` }, act);
    return path;
  };

  /** Plays it, and compares. */
  const compare = async (capture: string, port: number): Promise<void> => {
    const path = join(folder.path, `server-${port}.pcap`);
    const packets = await startCapture(lab.target, path, { filter: `tcp port ${port}` });
    const target = ['--target', `${lab.target.ipv4}:${port}`, '--clients', CLIENTS_ON_LINK.ipv4];
    const replayed = await replay(lab.client, [capture, ...target, ...LOAD], FIRST);
    await packets.stop();
    const { exchanges, answerRules, latency } = completed(replayed, USERS);
    const { turnsMs: told, pausesMs: thought } = await turnsOf(path, port);
    expect(told).toHaveLength(exchanges.answered);
    expect(answerRules).toMatchObject({ protocol: exchanges.answered });
    expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
    for (const [percent, found] of [
      [50, latency.service?.p50],
      [90, latency.service?.p90],
    ] as const) {
      const exact = percentileOf(told, percent);
      // Sent is stamped before the packet leaves, arrival by the kernel: never too short.
      expect(found, `p${percent}`).toBeGreaterThanOrEqual(exact);
      expect((found ?? Number.NaN) - exact, `p${percent}`).toBeLessThanOrEqual(
        Math.max(0.1, 0.02 * exact),
      );
    }
    const recorded = await turnsOf(capture, port);
    expect(thought).toHaveLength((recorded.pausesMs.length * USERS) / recorded.connections);
    for (const percent of [10, 50, 90]) {
      const off = percentileOf(thought, percent) - percentileOf(recorded.pausesMs, percent);
      expect(Math.abs(off), `p${percent} of think times`).toBeLessThanOrEqual(THINK_MS);
    }
  };

  test('of MariaDB are those of its packets, within 100 µs or 2 %, and each statement is run once', async () => {
    const mariadb = await startMariadb(lab.target);
    try {
      await mariadb.sql('create table `load`.visits (id int primary key auto_increment, who text)');
      const streams = playedInTurn(await clientStreams(fixture('mysql.pcap'), 3306), USERS);
      const statements = streams.flatMap(mysqlQueries);
      const count = (verb: RegExp) => statements.filter((text) => verb.test(text)).length;
      const selects = await mariadb.status('Com_select');
      const connects = await mariadb.status('Connections');
      // Rows and their lengths are others than the recorded ones.
      await compare(fixture('mysql.pcap'), 3_306);
      await connectionsGone(lab.target, CLIENTS_ON_LINK.ipv4);
      expect(tally(mariadb.statements())).toEqual(tally(statements));
      expect((await mariadb.status('Com_select')) - selects).toBe(count(/^select/i));
      // Two more are this test's own questions since the figure was read.
      expect((await mariadb.status('Connections')) - connects).toBe(USERS + 2);
      const rows = await mariadb.sql('select count(*) from `load`.visits');
      expect(Number(rows)).toBe(count(/^insert/i));
      expect(await mariadb.status('Aborted_clients')).toBe(0);
    } finally {
      await mariadb.stop();
    }
  });

  test('of PostgreSQL', async () => {
    const postgres = await startPostgres(lab.target, ['all all all trust']);
    try {
      const where = `host=${lab.target.ipv4} user=postgres sslmode=disable gssencmode=disable`;
      const psql = ['psql', '-X', '-q', '-f', '-', where];
      const act = () => mustInside(lab.client, psql, { input: SQL });
      await compare(await record(5_432, act), 5_432);
    } finally {
      await postgres.stop();
    }
  });

  test('of memcached', async () => {
    const argv = ['memcached', '-u', 'root', '-l', '0.0.0.0', '-t', '1'];
    const server = startInside(lab.target, argv);
    try {
      await until('memcached listens', async () => {
        const { stdout } = await runInside(lab.target, ['ss', '-Hltn', 'sport = :11211']);
        return stdout !== '';
      });
      const act = () => mustInside(lab.client, [PYTHON, '-c', ASK_MEMCACHED, lab.target.ipv4]);
      await compare(await record(11_211, act), 11_211);
    } finally {
      await server.stop();
    }
  });

  test('of aiosmtpd', async () => {
    const smtp = await startSmtp(lab.target);
    try {
      await compare(fixture('smtp.pcap'), 25);
    } finally {
      await smtp.stop();
    }
  });
});
