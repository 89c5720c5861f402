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

/** From so many characters on the beginning of a password is hidden as well: servers quote no more than some. */
const BEGINNING_MIN = 8;
const BASE64_WORD = /[\w+/-]{8,}={0,2}/g;
const WORD = /[\p{L}\p{N}]/u;
const HIDDEN = '…';

/**
 * What a server says, for people: without the password that it was told. Servers quote what they do not understand: Redis
 * without `AUTH`, mail servers amid `AUTH LOGIN`.
 */
export function withoutPassword(said: string, { password }: Credentials): string {
  if (password === '') return said;
  const unpacked = said.replace(BASE64_WORD, (word) => {
    const plain = Buffer.from(word, 'base64').toString('utf8');
    return hide(plain, password) === plain ? word : HIDDEN;
  });
  // As it is, and within quotes.
  return hide(hide(unpacked, password), password.replace(/["\\]/g, '\\$&'));
}

function hide(text: string, secret: string): string {
  const short = text.replaceAll(secret, (found, at: number) => {
    const isApart = !joins(text[at - 1], found[0]) && !joins(text[at + found.length], found.at(-1));
    return isApart || found.length >= BEGINNING_MIN ? HIDDEN : found;
  });
  const from = secret.length < BEGINNING_MIN ? -1 : short.indexOf(secret.slice(0, BEGINNING_MIN));
  if (from < 0) return short;
  let to = from + BEGINNING_MIN;
  while (to < short.length && short[to] === secret[to - from]) to++;
  return short.slice(0, from) + HIDDEN + hide(short.slice(to), secret);
}

/** Whether two characters beside each other are of one word. */
const joins = (a = ' ', b = ' '): boolean => WORD.test(a) && WORD.test(b);
