/** Tables of values that clients take rows of: CSV files (RFC 4180) whose first line names the columns. */
import { ReplayError } from '../base/errors.ts';
import type { FeedRule } from '../rewrite/http/rules.ts';
import type { Feed } from '../rewrite/http/values.ts';
import type { Files } from './files.ts';

/** Each thread has the whole table. */
const FEED_BYTES_MAX = 64 << 20;

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
 * Reads a table: the names of its columns, and its rows.
 * @param path relative to the working directory
 * @throws ReplayError as `readFeed`
 */
export async function readTable(
  path: string,
  files: Pick<Files, 'read'>,
): Promise<Pick<Feed, 'columns' | 'rows'>> {
  const text = await files.read(path, FEED_BYTES_MAX);
  const [columns, ...rows] = await rowsOf(text, path);
  if (columns === undefined) throw feedError(`${path} has no line that names columns`);
  const twice = columns.find((name, i) => columns.indexOf(name) < i);
  if (twice !== undefined) throw feedError(`${path}:1: two columns are called '${twice}'`);
  if (rows.length === 0) throw feedError(`${path} has no rows below the names of its columns`);
  return { columns, rows };
}

async function rowsOf(text: string, path: string): Promise<readonly (readonly string[])[]> {
  const { parse } = await import('csv-parse/sync');
  try {
    return parse(text, { bom: true, skip_empty_lines: true }) as string[][];
  } catch (cause) {
    const { lines, message } = cause as { readonly lines?: number; readonly message: string };
    const place = lines === undefined ? path : `${path}:${lines}`;
    throw feedError(`${place}: not CSV: ${message}`, cause);
  }
}

const feedError = (message: string, cause?: unknown): ReplayError =>
  new ReplayError({
    code: 'ERR_CLI_FEED',
    kind: 'usage',
    message,
    hint: 'write a line of names, then a row a line: login,password',
    ...(cause === undefined ? {} : { cause }),
  });
