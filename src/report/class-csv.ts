/** Classes of requests as a table (RFC 4180): a row a class, for spreadsheets and data frames. */
import type { RunResult } from '../measure/result.ts';

const FIGURES = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'] as const;

/**
 * The classes of a result by name: how many requests were sent and answered, how many answers were unlike
 * the recorded ones, and response times in milliseconds, empty where none was answered. Lines end in CR LF.
 */
export function classCsv({ classes }: RunResult): string {
  const head = ['request', 'sent', 'answered', 'mismatched'];
  const rows = classes.map(({ name, sent, answered, mismatched, response }) => [
    quoted(name),
    sent,
    answered,
    mismatched,
    ...FIGURES.map((figure) => response[figure] ?? ''),
  ]);
  return [[...head, ...FIGURES.map((figure) => `response_${figure}_ms`)], ...rows]
    .map((cells) => `${cells.join(',')}\r\n`)
    .join('');
}

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
