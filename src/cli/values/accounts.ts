import { valueError } from './value-error.ts';

/** Where a password comes from; null: there is none. */
export type PasswordSource =
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | null;

/** Who logs in: one account, or those of a table. */
export type AccountSource =
  | { readonly kind: 'one'; readonly user: string; readonly password: PasswordSource }
  | { readonly kind: 'table'; readonly path: string };

const HINT = 'write USER:env:NAME, USER:@FILE, or @FILE with a table of accounts';

/**
 * `alice:env:DB_PASSWORD`, `alice:@password.txt`, `:env:DB_PASSWORD` (the recorded name), `alice`
 * (without a password), `@accounts.csv`. What is wrong is told without the text: it may be a password.
 * @throws ReplayError ERR_CLI_VALUE
 */
export function parseAccounts(text: string): AccountSource {
  if (text.startsWith('@')) return { kind: 'table', path: pathOf(text) };
  const colon = text.indexOf(':');
  if (colon < 0) return { kind: 'one', user: text, password: null };
  const user = text.slice(0, colon);
  const source = text.slice(colon + 1);
  if (source.startsWith('@')) {
    return { kind: 'one', user, password: { kind: 'file', path: pathOf(source) } };
  }
  const name = /^env:(\w+)$/.exec(source)?.[1];
  if (name !== undefined) {
    return { kind: 'one', user, password: { kind: 'environment', name } };
  }
  throw valueError(
    'a password does not stand in the command: whoever lists processes would see it',
    HINT,
  );
}

function pathOf(text: string): string {
  if (text.length > 1) return text.slice(1);
  throw valueError('@ without a file', HINT);
}
