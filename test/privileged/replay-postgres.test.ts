/** Log-ins anew at PostgreSQL, whose own count of statements by role is the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  runInside,
} from '../helpers/netns.ts';
import {
  accountTable,
  type Postgres,
  postgresTool,
  startPostgres,
  withPassword,
} from '../helpers/postgres.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';

const TOOLS = [
  ...ROUGH_PATH_TOOLS,
  'ip',
  'ethtool',
  'psql',
  'setpriv',
  'tcpdump',
  postgresTool('pgbench'),
];
const USERS = 1_000;
/** Of those who give wrong passwords. */
const REFUSED = 200;
const RECORDER = 'recorder';
const PASSWORD = 'as recorded';
const SCRIPT = 'select :client_id;\nselect abs(-1), now();\n';
/** The recorder by MD5, one role by its name alone, all others by SCRAM. */
const RULES = [
  `all ${RECORDER} all md5`,
  'all trusted all trust',
  'all clear all password',
  'all all all scram-sha-256',
];
const ROLES = `
  set password_encryption = 'md5';
  create role ${RECORDER} login password '${PASSWORD}';
  reset password_encryption;
  create role trusted login;
  create role clear login password 'clear secret';
  do $$ begin for i in 0..${USERS - 1} loop
    execute format('create role u%s login password %L', i, 'secret ' || i);
  end loop; end $$;
  create table t (i int);
  grant all on t to public;
`;

describe.runIf(canRun('replay against postgres', TOOLS))('replay against postgres', () => {
  let lab: Lab;
  let postgres: Postgres;
  let folder: Folder;
  let table: string;
  let replayed: readonly string[];

  const recorded = async (name: string, ask: () => Promise<unknown>): Promise<string> => {
    const path = join(folder.path, name);
    const recording = await startCapture(lab.target, path, { filter: 'tcp port 5432' });
    await ask();
    await recording.stop();
    return path;
  };

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    folder = makeFolder('postgres-accounts');
    table = join(folder.path, 'accounts.csv');
    postgres = await startPostgres(lab.target, RULES);
    await postgres.sql(ROLES);
    const target = ['--target', `${lab.target.ipv4}:5432`];
    replayed = [...target, '--clients', CLIENTS_ROUTED.ipv4, '--seed', '5'];
  });

  afterAll(async () => {
    await postgres?.stop();
    await lab?.close();
    folder?.remove();
  });

  test('1,000 users log in as themselves, and each asks what was recorded, where packets are lost', async () => {
    const env = withPassword(PASSWORD);
    const calls = async (role: string): Promise<number> => (await postgres.calls()).get(role) ?? 0;
    const script = join(folder.path, 'script.sql');
    writeFileSync(script, SCRIPT);
    const from = ['-h', lab.target.ipv4, '-U', RECORDER, 'postgres'];
    const asked = ['-c', 'select 1', '-c', "select 'two' as b", '-c', 'select 3 where false'];
    const bench = ['-n', '-M', 'prepared', '-t', '4', '-f', script];
    // pgbench has a connection of its own to see that it can connect.
    const statements = [0, 0, 0];
    const capture = await recorded('asked.pcap', async () => {
      await mustInside(lab.client, ['psql', '-X', '-q', ...asked, ...from], { env });
      statements[0] = await calls(RECORDER);
      await mustInside(lab.client, [postgresTool('pgbench'), ...bench, ...from], { env });
      statements[2] = (await calls(RECORDER)) - statements[0];
    });
    expect(statements).toEqual([3, 0, 8]);
    const load = ['--rate', '400/s', '--postgres-user', `@${table}`];
    const replaying = [capture, ...replayed, ...load, '--users'];

    writeFileSync(
      table,
      accountTable(USERS, (user) => `secret ${user}`),
    );
    const { value, overtaken } = await onRoughPath(lab, () =>
      replay(lab.client, [...replaying, `${USERS}`]),
    );
    const result = completed(value, USERS);
    expectOvertaken(overtaken, USERS);
    const { exchanges, answerRules, packets } = result;
    expect(packets.retransmitted).toBeGreaterThan(0);
    expect(exchanges).toMatchObject({ unfollowed: 0, unsolicited: 0 });
    expect(answerRules).toMatchObject({ protocol: exchanges.answered });
    const counted = await postgres.calls();
    const counts = Array.from({ length: USERS }, (_, user) => counted.get(`u${user}`) ?? 0);
    expect(counts).toEqual(counts.map((_, user) => statements[user % 3]));

    writeFileSync(
      table,
      accountTable(USERS, (user) => `wrong ${user}`),
    );
    const refused = await replay(lab.client, [...replaying, `${REFUSED}`]);
    expect(refused.stderr).toContain(
      'postgresql: the server says: password authentication failed for user "…" (28P01)',
    );
    expect(refused.stderr).toContain(`(${REFUSED} times)`);
    expect(refused.stdout + refused.stderr).not.toMatch(/secret|wrong/);
    const after = await postgres.calls();
    expect(counts.map((_, user) => after.get(`u${user}`) ?? 0)).toEqual(counts);
  });

  test('clients cancel their own queries', async () => {
    const users = 20;
    const slow = ['psql', '-X', '-c', 'select pg_sleep(60)', '-h', lab.target.ipv4];
    // In the foreground: else the signal is sent twice, to the process and to its group.
    const once = ['timeout', '--foreground', '-s', 'INT', '0.5'];
    const cancelling = [...once, ...slow, '-U', 'trusted', 'postgres'];
    const capture = await recorded('cancelled.pcap', () => runInside(lab.client, cancelling));
    const before = cancelledIn(postgres.log());
    const password = join(folder.path, 'password');
    writeFileSync(password, 'clear secret\n');
    const load = ['--per', 'client', '--users', `${users}`, '--rate', '100/s'];
    const account = ['--postgres-user', `clear:@${password}`];
    completed(await replay(lab.client, [capture, ...replayed, ...load, ...account]), 2 * users);
    expect(cancelledIn(postgres.log()) - before).toBe(users);
  });

  test('--read-only has writes refused', async () => {
    const insert = ['psql', '-X', '-c', 'insert into t values (1)', '-h', lab.target.ipv4];
    const capture = await recorded('writing.pcap', () =>
      mustInside(lab.client, [...insert, '-U', 'trusted', 'postgres']),
    );
    const argv = [capture, ...replayed, '--postgres-user', 'trusted', '--users', '5'];
    await replay(lab.client, [...argv, '--read-only']);
    expect(await postgres.sql('select count(*) from t')).toBe('1\n');
    completed(await replay(lab.client, argv), 5);
    expect(await postgres.sql('select count(*) from t')).toBe('6\n');
  });
});

const cancelledIn = (log: string): number =>
  log.match(/canceling statement due to user request/g)?.length ?? 0;
