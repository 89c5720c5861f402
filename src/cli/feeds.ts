/** Tables of values that clients take rows of: CSV files (RFC 4180) whose first line names the columns. */
import { ReplayError } from '../base/errors.ts';
import type { FeedRule } from '../rewrite/http/rules.ts';
import type { Feed } from '../rewrite/http/values.ts';
import type { Files } from './files.ts';

/** Each thread has the whole table. */
const FEED_BYTES_MAX = 64 << 20;
const HINT = 'write a line of names, then a row a line: login,password';

/**
 * Reads a feed's file.
 * @param path relative to the working directory
 * @throws ReplayError ERR_CLI_FEED (usage) for what is no table, ERR_CLI_INPUT as `files.read`
 */
export async function readFeed(
  { pick = 'client' }: FeedRule,
  path: string,
  files: Pick<Files, 'read'>,
): Promise<Feed> {
  return { ...(await readTable(path, files)), pick };
}

/**
 * Reads a table: the names of its columns, and its rows. Faults are told without what stands in it: that may be passwords.
 * @param path relative to the working directory
 * @param hint how such a table is written
 * @throws ReplayError as `readFeed`
 */
export async function readTable(
  path: string,
  files: Pick<Files, 'read'>,
  hint = HINT,
): Promise<Pick<Feed, 'columns' | 'rows'>> {
  const text = await files.read(path, FEED_BYTES_MAX);
  const [columns, ...rows] = await rowsOf(text, path, hint);
  if (columns === undefined) throw feedError(`${path} has no line that names columns`, hint);
  const twice = columns.findIndex((name, i) => columns.indexOf(name) < i);
  if (twice >= 0) {
    const first = columns.indexOf(columns[twice] ?? '');
    throw feedError(`${path}:1: columns ${first + 1} and ${twice + 1} have the same name`, hint);
  }
  if (rows.length === 0) {
    throw feedError(`${path} has no rows below the names of its columns`, hint);
  }
  return { columns, rows };
}

async function rowsOf(
  text: string,
  path: string,
  hint: string,
): Promise<readonly (readonly string[])[]> {
  const { parse } = await import('csv-parse/sync');
  try {
    return parse(text, { bom: true, skip_empty_lines: true }) as string[][];
  } catch (fault) {
    const { lines, message } = fault as { readonly lines?: number; readonly message: string };
    const place = lines === undefined ? path : `${path}:${lines}`;
    // No cause either: csv-parse quotes what it has read.
    throw feedError(
      `${place}: not CSV: ${message.replace(/(?:, value is |: got ").*$/s, '')}`,
      hint,
    );
  }
}

const feedError = (message: string, hint: string): ReplayError =>
  new ReplayError({ code: 'ERR_CLI_FEED', kind: 'usage', message, hint });
