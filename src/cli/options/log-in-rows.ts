/** Rows of `gryphon replay` about who logs in. */
import { parseAccounts } from '../values/accounts.ts';
import { CHANGES } from './module-rows.ts';
import { onOff, value } from './option.ts';

const ACCOUNTS = {
  form: 'USER:SOURCE|@FILE',
  parse: parseAccounts,
  example: 'alice:env:DB_PASSWORD',
};

/** Protocols whose log-ins are done anew, by the keys of their options. */
export const LOG_INS = {
  mysqlUser: { protocol: 'mysql', option: '--mysql-user' },
  postgresUser: { protocol: 'postgresql', option: '--postgres-user' },
  redisUser: { protocol: 'redis', option: '--redis-user' },
  smtpUser: { protocol: 'smtp', option: '--smtp-user' },
  imapUser: { protocol: 'imap', option: '--imap-user' },
  popUser: { protocol: 'pop3', option: '--pop-user' },
  ftpUser: { protocol: 'ftp', option: '--ftp-user' },
  mqttUser: { protocol: 'mqtt', option: '--mqtt-user' },
  ldapUser: { protocol: 'ldap', option: '--ldap-user' },
} as const;

const row = (protocol: string, more?: string) =>
  value(ACCOUNTS, {
    group: CHANGES,
    help: `Log in to ${protocol} as this user: alice:env:NAME, alice:@FILE, @accounts.csv`,
    more: more ?? `as \`--mysql-user\`, for ${protocol}`,
    only: 'network',
  });

/** Who logs in. */
export const LOG_IN_ROWS = {
  mysqlUser: row(
    'MySQL',
    'log in to MySQL or MariaDB as this user: `alice:env:NAME` has the password from the environment, `alice:@FILE` from a file, `:env:NAME` keeps the recorded name, `@FILE.csv` is a table of accounts that clients take in turn ([log-ins](databases.md))',
  ),
  postgresUser: row('PostgreSQL'),
  redisUser: row('Redis'),
  smtpUser: row('SMTP'),
  imapUser: row('IMAP'),
  popUser: row('POP3'),
  ftpUser: row('FTP'),
  mqttUser: row(
    'MQTT',
    'as `--mysql-user`, for MQTT; clients but the first have their number behind their recorded client id',
  ),
  ldapUser: row('LDAP'),
  readOnly: onOff({
    group: CHANGES,
    help: 'Write nothing to databases that are logged in to',
    more: 'write nothing: statements that do are left out at MySQL, as far as their first words tell, and PostgreSQL is asked to refuse them. It is heeded where `--mysql-user` or `--postgres-user` logs in',
    only: 'network',
  }),
};
