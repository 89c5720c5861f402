/** The log of an intercept: JSON lines (pino), or text where somebody is looking. */
import { type Logger, pino } from 'pino';
import { RotatingFile } from '../../io/files/rotating-file.ts';

/** Where an intercept writes its log. */
export interface InterceptLog {
  readonly logger: Logger;
  close(): void;
}

/**
 * @param file null: stderr
 * @param isTerminal text instead of JSON
 * @throws ReplayError ERR_IO_LOG_FILE
 */
export function openLog(
  file: string | null,
  isTerminal: boolean,
  write: (text: string) => void,
): InterceptLog {
  const options = { base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (file !== null) {
    const rotating = new RotatingFile(file);
    const logger = pino(options, { write: (line: string) => rotating.write(line) });
    return { logger, close: () => rotating.close() };
  }
  const show = isTerminal ? (line: string) => write(`${textOf(line)}\n`) : write;
  return { logger: pino(options, { write: show }), close: () => undefined };
}

const WARN_LEVEL = 40;

/** `12:03:44 a replay has registered (replay build:4711, …)`. */
function textOf(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 19);
  const list = Object.entries(fields).map(([name, value]) => `${name} ${shown(value)}`);
  const tail = list.length === 0 ? '' : ` (${list.join(', ')})`;
  return `${clock} ${Number(level) >= WARN_LEVEL ? 'warning: ' : ''}${msg}${tail}`;
}

const shown = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value)
      ? value.join(' ')
      : JSON.stringify(value);
