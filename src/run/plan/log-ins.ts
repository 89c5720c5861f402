/** Log-ins that are done anew: which module a protocol has. */
import type { Account } from '../../rewrite/databases/accounts.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';

/** A protocol, and who logs in there. */
export interface LogInSpec {
  readonly kind: 'log-in';
  /** As sessions' protocols are called. */
  readonly protocol: string;
  readonly accounts: readonly Account[];
  /** Whether a client has all connections of a recorded one. */
  readonly perClient: boolean;
  /** Whether nothing is to be written. */
  readonly readOnly: boolean;
}

/** Makes its module. */
export async function makeLogIn(spec: LogInSpec): Promise<ProtocolModule> {
  const { protocol, accounts } = spec;
  switch (protocol) {
    case 'mysql': {
      const { mysqlModule } = await import('../../rewrite/databases/mysql.ts');
      return mysqlModule(spec);
    }
    case 'postgresql': {
      const { postgresModule } = await import('../../rewrite/databases/postgres.ts');
      return postgresModule(spec);
    }
    case 'redis': {
      const { redisModule } = await import('../../rewrite/databases/redis.ts');
      return redisModule(accounts);
    }
    case 'mqtt': {
      const { mqttModule } = await import('../../rewrite/databases/mqtt.ts');
      return mqttModule(accounts);
    }
    case 'ldap': {
      const { ldapModule } = await import('../../rewrite/databases/ldap.ts');
      return ldapModule(accounts);
    }
    default: {
      const { lineLogInModule } = await import('../../rewrite/databases/line-log-ins.ts');
      return lineLogInModule(protocol, accounts);
    }
  }
}

/** Who logs in where, without passwords. */
export const logInNames = ({ protocol, accounts, readOnly }: LogInSpec): string =>
  JSON.stringify([protocol, readOnly, accounts.map(({ recorded, user }) => [recorded, user])]);
