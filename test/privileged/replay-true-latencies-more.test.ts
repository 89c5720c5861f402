/**
 * As `replay-true-latency`, of servers whose logs tell no times that fine: packets at the server are the oracle. They tell
 * clients' think times, too.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { turnsOf } from '../helpers/answer-times.ts';
import { captureWhile, clientStreams, startCapture } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ON_LINK, type Lab, mustInside, startInside } from '../helpers/netns.ts';
import { postgresTool, startPostgres } from '../helpers/postgres.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, FIRST, fixture, replay } from '../helpers/replay.ts';
import { mysqlQueries } from '../helpers/requests.ts';
import {
  type Folder,
  listening,
  startLengths,
  startMariadb,
  startNginx,
  startSmtp,
  startTelling,
} from '../helpers/servers.ts';
import { playedInTurn, tally } from '../helpers/tally.ts';
import { expectThinkTimes } from '../helpers/think-times.ts';
import { expectTrueTimes } from '../helpers/true-times.ts';

const PYTHON = '/usr/bin/python3';
const TOOLS = [
  ...['ip', 'ss', 'chrt', 'tcpdump', 'tshark', 'nginx', 'mariadbd', 'memcached', 'psql', 'setpriv'],
  ...[PYTHON, postgresTool('initdb')],
];
/** Each of the sessions of any of the captures is played equally often. */
const USERS = 1_020;
const LOAD = ['--users', `${USERS}`, '--rate', '500/s', '--check', 'off', '--threads', '1'];

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
/** Says each message again, and something else in between. */
const WEBSOCKET = [
  ...[PYTHON, '-B', fileURLToPath(new URL('servers/websocket.py', import.meta.url))],
];
const MESSAGES = 6;
/** Answers of other lengths each time: whole, in chunks, slowly, compressed. */
const HTTP = [process.execPath, fileURLToPath(new URL('servers/live-http.mjs', import.meta.url))];
const PAGES_AND_PAUSES = ['/length', '7', '/chunks', '24', '/slow', '3', '/gzip', '50', '/length'];
const ANSWER_FORMS = ['length', 'chunks', 'pieces', 'header'] as const;
/** Upgrade, texts and closes, and what it says to them: neither its pushes nor pings and pongs. */
const WEBSOCKET_TURNS = [
  '(tcp.dstport == 8080 && (http.request || websocket.opcode == 1 || websocket.opcode == 8))',
  '(tcp.srcport == 8080 && (http.response || websocket.opcode == 8))',
  '(tcp.srcport == 8080 && websocket.payload.text contains "echo of")',
].join(' || ');
interface WebSocketsDone {
  readonly connections: number;
  readonly echoed: number;
  readonly pushed: number;
}
const SQL = 'select 1;\nselect count(*) from generate_series(1, 5000);\nselect now();\n';

describe.runIf(canRun('true latencies of more servers', TOOLS))('latencies', () => {
  let lab: Lab;
  let folder: Folder;

  onLabGround({}, (ground) => {
    ({ lab, folder } = ground);
  });

  /** What a client of the server's own does, as the network has it. */
  const record = async (port: number, act: () => Promise<unknown>): Promise<string> => {
    const path = join(folder.path, `recorded-${port}.pcap`);
    await captureWhile(lab.client, path, { filter: `tcp port ${port}` }, act);
    return path;
  };

  /** Plays it, and compares. @param filter as `turnsOf` has it */
  const compare = async (capture: string, port: number, filter?: string): Promise<void> => {
    const path = join(folder.path, `server-${port}.pcap`);
    const packets = await startCapture(lab.target, path, { filter: `tcp port ${port}` });
    const target = ['--target', `${lab.target.ipv4}:${port}`, '--clients', CLIENTS_ON_LINK.ipv4];
    const replayed = await replay(lab.client, [capture, ...target, ...LOAD], FIRST);
    await packets.stop();
    const result = completed(replayed, USERS);
    const { exchanges, answerRules, latency } = result;
    const { turnsMs: told } = await turnsOf(path, port, filter);
    expect(told).toHaveLength(exchanges.answered);
    expect(answerRules).toMatchObject({ protocol: exchanges.answered });
    expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
    expectTrueTimes(told, [
      [50, latency.service?.p50],
      [90, latency.service?.p90],
    ]);
    const thinking = { recorded: capture, played: path, port, users: USERS, result };
    await expectThinkTimes(filter === undefined ? thinking : { ...thinking, filter });
  };

  test('of Node, whose answers are others each time, and of nginx before it', async () => {
    const ledger = join(folder.path, 'answered');
    const server = startInside(lab.target, [...HTTP, '8000', ledger, '5']);
    const nginx = await startNginx(lab.target);
    try {
      await listening(lab.target, server, 8_000);
      for (const port of [8_000, nginx.port]) {
        const argv = [...HTTP, 'record', lab.target.ipv4, `${port}`, '4', ...PAGES_AND_PAUSES];
        await compare(await record(port, () => mustInside(lab.client, argv)), port);
      }
    } finally {
      await server.stop();
      await nginx.stop();
    }
  });

  test('of Python, in four forms by chance', async () => {
    const server = await startLengths(lab.target, 8_001, ANSWER_FORMS);
    try {
      const argv = [...HTTP, 'record', lab.target.ipv4, '8001', '4', ...PAGES_AND_PAUSES];
      await compare(await record(8_001, () => mustInside(lab.client, argv)), 8_001);
      const pages = PAGES_AND_PAUSES.filter((each) => each.startsWith('/')).length;
      const written = Object.values(await server.finish());
      expect(written.reduce((sum, count) => sum + count)).toBe((USERS + 4) * pages);
    } finally {
      await server.stop();
    }
  });

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
      await listening(lab.target, server, 11_211);
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

  test('of a WebSocket server that pushes and pings', async () => {
    const server = await startTelling<WebSocketsDone>(lab.target, [...WEBSOCKET, '8080'], 8_080);
    try {
      const argv = [...WEBSOCKET, `ws://${lab.target.ipv4}:8080/`, '6', `${MESSAGES}`];
      await compare(
        await record(8_080, () => mustInside(lab.client, argv)),
        8_080,
        WEBSOCKET_TURNS,
      );
      await connectionsGone(lab.target, CLIENTS_ON_LINK.ipv4);
      const done = await server.stop();
      expect(done).toMatchObject({ connections: USERS + 6, echoed: (USERS + 6) * MESSAGES });
      expect(done?.pushed).toBeGreaterThan(USERS);
    } finally {
      await server.stop();
    }
  });
});
