/** Log-ins that are done anew: which module a protocol has. */
import type { Account } from '../../rewrite/databases/accounts.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';

/** A protocol, and who logs in there. */
export interface LogInSpec {
  readonly kind: 'log-in';
  /** As sessions' protocols are called. */
  readonly protocol: string;
  readonly accounts: readonly Account[];
}

/** Makes its module. */
export async function makeLogIn({ protocol, accounts }: LogInSpec): Promise<ProtocolModule> {
  switch (protocol) {
    case 'redis': {
      const { redisModule } = await import('../../rewrite/databases/redis.ts');
      return redisModule(accounts);
    }
    default: {
      const { lineLogInModule } = await import('../../rewrite/databases/line-log-ins.ts');
      return lineLogInModule(protocol, accounts);
    }
  }
}

/** Who logs in where, without passwords. */
export const logInNames = ({ protocol, accounts }: LogInSpec): string =>
  JSON.stringify([protocol, accounts.map(({ recorded, user }) => [recorded, user])]);
