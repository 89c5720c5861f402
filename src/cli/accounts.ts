/** The accounts that log-ins bring: passwords come from files and the environment. */
import { ReplayError } from '../base/errors.ts';
import type { Account } from '../rewrite/databases/accounts.ts';
import type { LogInSpec } from '../run/plan/log-ins.ts';
import type { Context } from './context.ts';
import { readTable } from './feeds.ts';
import { LOG_INS } from './options/log-in-rows.ts';
import type { AccountSource, PasswordSource } from './values/accounts.ts';

type Sources = Pick<Context, 'files' | 'env'>;

/** A password is a line. */
const PASSWORD_BYTES_MAX = 64 << 10;
const HEEDS_READ_ONLY = new Set(['mysql', 'postgresql']);
const COLUMNS = ['user', 'password', 'recorded'];

/** The options that name accounts, by their keys. */
type LogInValues = { readonly [Key in keyof typeof LOG_INS]: AccountSource | null } & {
  readonly readOnly: boolean;
  readonly per: 'connection' | 'client';
};

/**
 * One module for each protocol whose option was given.
 * @throws ReplayError usage: ERR_CLI_ACCOUNTS, ERR_CLI_FEED, ERR_CLI_INPUT
 */
export async function readLogIns(
  values: LogInValues,
  context: Sources,
): Promise<readonly LogInSpec[]> {
  const specs: LogInSpec[] = [];
  for (const [key, { protocol, option }] of Object.entries(LOG_INS)) {
    const source = values[key as keyof typeof LOG_INS];
    if (source === null) continue;
    const accounts = await accountsOf(source, option, context);
    const perClient = values.per === 'client';
    specs.push({ kind: 'log-in', protocol, accounts, perClient, readOnly: values.readOnly });
  }
  if (values.readOnly && !specs.some(({ protocol }) => HEEDS_READ_ONLY.has(protocol))) {
    throw accountFault(
      '--read-only without an account of a database',
      'add --mysql-user or --postgres-user: it is heeded in sessions of these alone',
    );
  }
  return specs;
}

async function accountsOf(
  source: AccountSource,
  option: string,
  context: Sources,
): Promise<readonly Account[]> {
  if (source.kind === 'table') return accountTable(source.path, option, context);
  const password = await passwordOf(source.password, option, context);
  return [{ recorded: null, user: source.user === '' ? null : source.user, password }];
}

async function passwordOf(
  source: PasswordSource,
  option: string,
  { files, env }: Sources,
): Promise<string> {
  if (source === null) return '';
  if (source.kind === 'file') {
    const text = await files.read(source.path, PASSWORD_BYTES_MAX);
    return text.replace(/\r?\n$/, '');
  }
  const found = env[source.name];
  if (found !== undefined) return found;
  throw accountFault(
    `${option}: the environment has no ${source.name}`,
    `set it: ${source.name}=… gryphon replay …`,
  );
}

async function accountTable(
  path: string,
  option: string,
  { files }: Sources,
): Promise<readonly Account[]> {
  const hint = 'write a line of names, then an account a line: user,password';
  const { columns, rows } = await readTable(path, files, hint);
  // A first line that names none of them is an account.
  if (!columns.some((name) => COLUMNS.includes(name))) {
    throw accountFault(
      `${option}: ${path}:1 names none of the columns ${COLUMNS.join(', ')}`,
      hint,
    );
  }
  const unknown = columns.find((name) => !COLUMNS.includes(name));
  if (unknown !== undefined) throw accountFault(`${option}: ${path}: no column '${unknown}'`, hint);
  if (!columns.includes('password')) {
    throw accountFault(`${option}: ${path} has no column 'password'`, hint);
  }
  const cell = (row: readonly string[], name: string): string => row[columns.indexOf(name)] ?? '';
  return rows.map((row) => ({
    recorded: cell(row, 'recorded') || null,
    user: cell(row, 'user') || null,
    password: cell(row, 'password'),
  }));
}

const accountFault = (message: string, hint: string): ReplayError =>
  new ReplayError({ code: 'ERR_CLI_ACCOUNTS', kind: 'usage', message, hint });
