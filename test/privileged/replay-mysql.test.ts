/** Log-ins anew at MariaDB, whose own counts of statements are the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { accountTable } from '../helpers/postgres.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { type Folder, type Mariadb, makeFolder, startMariadb } from '../helpers/servers.ts';

const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', 'mariadbd', 'mariadb', 'tcpdump'];
const ASKS = fileURLToPath(new URL('servers/mysql-asks.mjs', import.meta.url));
const USERS = 1_000;
/** Of those who say and hear more than others. */
const COMPRESSED_USERS = 500;
/** Of those who give wrong passwords. */
const REFUSED = 200;
const RECORDER = 'recorder';
const PASSWORD = 'as recorded';
const COUNTED = [
  'Com_select',
  'Com_insert',
  'Com_stmt_prepare',
  'Com_stmt_execute',
  'Com_stmt_close',
];

/** Long and short, to be said and heard. */
const TYPED = `select 1; select repeat('b', 100000); insert into visits (who) values ('${'c'.repeat(500)}')`;

describe.runIf(canRun('replay against mariadb with log-ins', TOOLS))('--mysql-user', () => {
  let lab: Lab;
  let mariadb: Mariadb;
  let folder: Folder;
  let table: string;
  let replayed: readonly string[];

  /** A capture of a session, and the server's counts of what it asked. */
  const recordedBy = async (name: string, argv: readonly string[]) => {
    const path = join(folder.path, name);
    const before = await counts();
    const recording = await startCapture(lab.target, path, { filter: 'tcp port 3306' });
    await mustInside(lab.client, argv);
    await recording.stop();
    return { path, counted: await counts(before) };
  };

  const recorded = (name: string, ...more: readonly string[]) =>
    recordedBy(name, [process.execPath, ASKS, lab.target.ipv4, RECORDER, PASSWORD, ...more]);

  const counts = async (before: readonly number[] = []): Promise<readonly number[]> => {
    const found: number[] = [];
    for (const [i, name] of COUNTED.entries()) {
      found.push((await mariadb.status(name)) - (before[i] ?? 0));
    }
    return found;
  };

  const writeAccounts = (passwordOf: (user: number) => string) =>
    writeFileSync(table, accountTable(USERS, passwordOf));

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    folder = makeFolder('mysql-accounts');
    table = join(folder.path, 'accounts.csv');
    mariadb = await startMariadb(lab.target);
    const accounts = Array.from({ length: USERS }, (_, i) => [`u${i}`, `secret ${i}`]);
    const created = [...accounts, [RECORDER, PASSWORD]].map(
      ([name, password]) =>
        `create user ${name} identified by '${password}'; grant all on \`load\`.* to ${name};`,
    );
    await mariadb.sql('create table `load`.visits (id int primary key auto_increment, who text)');
    await mariadb.sql(created.join(''));
    replayed = [
      ...['--target', `${lab.target.ipv4}:3306`, '--clients', CLIENTS_ROUTED.ipv4],
      ...['--seed', '5', '--rate', '400/s', '--mysql-user', `@${table}`],
    ];
  });

  afterAll(async () => {
    await mariadb?.stop();
    await lab?.close();
    folder?.remove();
  });

  test('1,000 users log in as themselves, and each asks what was recorded, where packets are lost', async () => {
    const { path, counted } = await recorded('asked.pcap');
    writeAccounts((user) => `secret ${user}`);
    const before = await counts();
    const replaying = [path, ...replayed, '--users'];
    const { value, overtaken } = await onRoughPath(lab, () =>
      replay(lab.client, [...replaying, `${USERS}`]),
    );
    const result = completed(value, USERS);
    expectOvertaken(overtaken, USERS);
    const { exchanges, answerRules, packets } = result;
    expect(packets.retransmitted).toBeGreaterThan(0);
    expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0, mismatched: 0 });
    expect(answerRules).toMatchObject({ protocol: exchanges.answered });
    expect(await counts(before)).toEqual(counted.map((count) => USERS * count));
    expect(
      mariadb
        .connected()
        .filter((name) => name.startsWith('u'))
        .sort(),
    ).toEqual(Array.from({ length: USERS }, (_, user) => `u${user}`).sort());
    expect(result.latency.login?.count).toBe(USERS);

    writeAccounts((user) => `wrong ${user}`);
    const refused = await replay(lab.client, [...replaying, `${REFUSED}`]);
    expect(refused.stderr).toContain("mysql: the server says: Access denied for user '…'@'…'");
    expect(refused.stderr).toContain(`(${REFUSED} times)`);
    expect(refused.stdout + refused.stderr).not.toMatch(/secret|wrong/);
  });

  test('users are changed on the way, and statements that cannot be prepared are not executed', async () => {
    const { path } = await recorded('changed.pcap', 'change');
    writeAccounts((user) => `secret ${user}`);
    const users = 20;
    const argv = [path, ...replayed, '--users', `${users}`];
    const connected = mariadb.connected().length;
    completed(await replay(lab.client, argv), users);
    // Each has said its name twice.
    expect(mariadb.connected().length - connected).toBe(users);

    await mariadb.sql('rename table `load`.visits to `load`.gone');
    const [, , prepares, executes] = await counts();
    const result = await replay(lab.client, argv);
    await mariadb.sql('rename table `load`.gone to `load`.visits');
    expect(result.result?.users).toMatchObject({ completed: users });
    // Errors are told by their codes.
    expect(result.stdout).toContain('status ok → 1146');
    const [, , preparesAfter, executesAfter] = await counts();
    expect([preparesAfter - prepares, executesAfter - executes]).toEqual([users * 4, users * 2]);
  });

  test('accounts are those of a plugin that signs, and a wrong password is refused', async () => {
    const { path, counted } = await recorded('signed.pcap');
    await mariadb.sql(
      [
        "install soname 'auth_ed25519'",
        "create function ed25519_password returns string soname 'auth_ed25519.so'",
        'create table `load`.natives as select * from mysql.global_priv',
        // A statement an account takes as long as everything else here.
        `update mysql.global_priv set priv = json_set(priv, '$.plugin', 'ed25519',
          '$.authentication_string', ed25519_password(concat('secret ', substr(user, 2))))
          where user regexp '^u[0-9]+$'`,
        'flush privileges',
      ].join(';'),
    );
    writeAccounts((user) => `secret ${user}`);
    const before = await counts();
    const replaying = [path, ...replayed, '--users'];
    const result = completed(await replay(lab.client, [...replaying, `${USERS}`]), USERS);
    expect(result.exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0, mismatched: 0 });
    expect(await counts(before)).toEqual(counted.map((count) => USERS * count));

    writeAccounts((user) => `wrong ${user}`);
    const refused = await replay(lab.client, [...replaying, `${REFUSED}`]);
    expect(refused.stderr).toContain("mysql: the server says: Access denied for user '…'@'…'");
    expect(refused.stderr).toContain(`(${REFUSED} times)`);
    await mariadb.sql(
      'replace into mysql.global_priv select * from `load`.natives; flush privileges',
    );
  });

  test.each(['mysql2', 'mariadb'])(
    'what %s compressed is played without, and each user asks what was recorded',
    async (client) => {
      const { path, counted } =
        client === 'mysql2'
          ? await recorded('compressed.pcap', 'compress', 'change')
          : await recordedBy('compressed.pcap', [
              ...['mariadb', '--no-defaults', '--skip-ssl', '--compress', '-h', lab.target.ipv4],
              ...['-u', RECORDER, `-p${PASSWORD}`, 'load', '-e', TYPED],
            ]);
      writeAccounts((user) => `secret ${user}`);
      const before = await counts();
      const argv = [path, ...replayed, '--users', `${COMPRESSED_USERS}`];
      const replayedAll = await replay(lab.client, argv);
      const { exchanges, answerRules } = completed(replayedAll, COMPRESSED_USERS);
      expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0, mismatched: 0 });
      expect(answerRules).toMatchObject({ protocol: exchanges.answered });
      expect(await counts(before)).toEqual(counted.map((count) => COMPRESSED_USERS * count));
    },
  );

  test('--read-only leaves out what writes', async () => {
    const { path } = await recorded('written.pcap');
    writeAccounts((user) => `secret ${user}`);
    const before = await mariadb.sql('select count(*) from `load`.visits');
    const argv = [path, ...replayed, '--users', '10', '--read-only'];
    const { result } = await replay(lab.client, argv);
    expect(result?.users).toMatchObject({ completed: 10 });
    expect(await mariadb.sql('select count(*) from `load`.visits')).toBe(before);
  });
});
