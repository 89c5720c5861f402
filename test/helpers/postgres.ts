/** PostgreSQL inside a host of a lab, as Debian has it. */
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, mustInside, startInside } from './netns.ts';
import { must } from './process.ts';
import { listening, makeFolder, type Server, stopper } from './servers.ts';

const INSTALLED = '/usr/lib/postgresql';
const PORT = 5432;
/** The role that Debian's package makes; the server refuses to be root's. */
const ACCOUNT = 'postgres';

/** The path of one of its programs, which are not in PATH; a name that nobody has where there is none. */
export function postgresTool(name: string): string {
  const versions = existsSync(INSTALLED) ? readdirSync(INSTALLED).sort() : [];
  return join(INSTALLED, versions.at(-1) ?? 'none', 'bin', name);
}

/** A server with pg_stat_statements. */
export interface Postgres extends Server {
  /** Runs SQL as its owner. @returns rows as lines, columns apart by | */
  readonly sql: (text: string) => Promise<string>;
  /** Statements that each role has had executed since the last reset. */
  readonly calls: () => Promise<ReadonlyMap<string, number>>;
  readonly log: () => string;
}

/**
 * Starts it.
 * @param rules of pg_hba.conf, for those who come by the network: `all u1 all scram-sha-256`
 */
export async function startPostgres(host: Host, rules: readonly string[]): Promise<Postgres> {
  const folder = makeFolder('postgres');
  const ids = (await must(['id', '-u', ACCOUNT])) + (await must(['id', '-g', ACCOUNT]));
  const [uid = 0, gid = 0] = ids.trim().split('\n').map(Number);
  chownSync(folder.path, uid, gid);
  const as = ['setpriv', `--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups'];
  const data = join(folder.path, 'data');
  const install = ['-D', data, '--no-sync', '-A', 'trust', '-E', 'UTF8', '--no-locale'];
  await must([...as, postgresTool('initdb'), ...install], { cwd: folder.path });
  await must([...as, 'tee', '-a', join(data, 'pg_hba.conf')], {
    input: rules.map((rule) => `host ${rule}\n`).join(''),
    cwd: folder.path,
  });
  const settings = [
    // On a busy machine all users of a test may be connected at once.
    ...['fsync=off', 'max_connections=1100', 'shared_buffers=16MB', 'listen_addresses=*'],
    ...[`unix_socket_directories=${folder.path}`],
    ...['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track=top'],
  ].flatMap((setting) => ['-c', setting]);
  const argv = [...as, postgresTool('postgres'), '-D', data, ...settings];
  const program = startInside(host, argv, { cwd: folder.path });
  await listening(host, program, PORT);
  const psql = ['psql', '-X', '-q', '-A', '-t', '-h', folder.path, '-U', ACCOUNT];
  const sql = (text: string) =>
    mustInside(host, [...psql, '-v', 'ON_ERROR_STOP=1', '-f', '-'], { input: text });
  await sql('create extension pg_stat_statements');
  const calls = async () => {
    const rows = await sql(
      'select rolname, sum(calls) from pg_stat_statements s join pg_roles r on r.oid = s.userid group by 1',
    );
    const cells = rows
      .trim()
      .split('\n')
      .map((row) => row.split('|'));
    return new Map(cells.map(([role = '', count]) => [role, Number(count)]));
  };
  return {
    ...{ pid: program.pid, port: PORT, sql, calls },
    log: () => program.output(),
    stop: stopper(program, folder),
  };
}

/** Where psql finds a password. */
export const withPassword = (password: string): NodeJS.ProcessEnv => ({
  ...process.env,
  PGPASSWORD: password,
});

/** The text of a table of accounts: u0, u1, … with passwords of their own. */
export const accountTable = (users: number, passwordOf: (user: number) => string): string =>
  `user,password\n${Array.from({ length: users }, (_, i) => `u${i},${passwordOf(i)}\n`).join('')}`;
