/** Whose names and passwords log-ins bring, instead of the recorded ones. */

/** An account of the target. */
export interface Account {
  /** The recorded user that it stands for; null: whoever has no account of its own. */
  readonly recorded: string | null;
  /** Null: the recorded user's name stays. */
  readonly user: string | null;
  readonly password: string;
}

/** Who logs in. */
export interface Credentials {
  /** Empty where neither the account nor the recording has a name. */
  readonly user: string;
  readonly password: string;
}

/** The accounts of one protocol: a recorded user's own go before those that are anybody's. */
export class Accounts {
  readonly #anybodys: readonly Account[];
  readonly #own = new Map<string, Account[]>();

  constructor(all: readonly Account[]) {
    this.#anybodys = all.filter(({ recorded }) => recorded === null);
    for (const account of all) {
      if (account.recorded === null) continue;
      const own = this.#own.get(account.recorded);
      if (own === undefined) this.#own.set(account.recorded, [account]);
      else own.push(account);
    }
  }

  /** Whether somebody can log in for a recorded user. */
  has(recorded: string): boolean {
    return this.#anybodys.length > 0 || this.#own.has(recorded);
  }

  /** Clients take them in turn. @param recorded somebody who has one (`has`) */
  of(recorded: string, client: number): Credentials {
    const accounts = this.#own.get(recorded) ?? this.#anybodys;
    const { user, password } = accounts[client % accounts.length];
    return { user: user ?? recorded, password };
  }
}

/** Why a session is left out whose user has no account. */
export const noAccountFor = (recorded: string): string =>
  `no account stands for the recorded user '${recorded}'`;
